"""The map of measures: a grid of marks, predictors by sweeps, with the pooled effect of each predictor beside it."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import NothingToDraw
from benevolent.analysis.multi_run.pooled_effects import pooled_effects
from benevolent.analysis.studies.shared.drawing import DARK_GRAY, GRAY, RED, TEAL
from benevolent.analysis.studies.shared.map_beside import draw_legend, draw_pooled, mark_areas

#: Inches of a cell, of the names at the left, of the pooled effects at the right, above and below.
CELL = 0.185
LEFT = 2.55
RIGHT = 2.4
TOP = 1.3
BOTTOM = 2.5


class Grid(NamedTuple):
    """Rows and columns of the map.

    Attributes:
        predictors: the rows, from above.
        families: family of each row.
        places: `(paper, study, sweep)` of each column.
    """

    predictors: list[str]
    families: list[str]
    places: list[tuple[str, str, str]]


def draw_map(effects: pd.DataFrame, papers: Mapping[str, str], families: Mapping[str, Sequence[str]]) -> Figure:
    """Draw the effects of predictors in sweeps as marks.

    Args:
        effects: rows of `sweep_effects` with `study` and `sweep`, of one outcome.
        papers: authors and year of the paper of each study.
        families: names of the predictors of each family, in order.

    Raises:
        NothingToDraw: no sweep has an effect.
    """
    known = effects[effects["tau"].notna()]
    if known.empty:
        raise NothingToDraw("No sweep has enough configurations.")
    present = set(known["predictor"])
    names = [name for name in itertools.chain.from_iterable(families.values()) if name in present]
    pooled = pooled_effects(effects, "tau", names, "paper")
    grid = _grid(known, papers, families, pooled)
    rows = len(grid.predictors)
    columns = len(grid.places)
    width = LEFT + CELL * columns + RIGHT
    height = TOP + CELL * rows + BOTTOM
    figure = Figure(figsize=(width, height))
    left = LEFT / width
    bottom = BOTTOM / height
    tall = CELL * rows / height
    panel = figure.add_axes((left, bottom, CELL * columns / width, tall))
    beside = figure.add_axes(
        ((LEFT + CELL * columns + 0.1) / width, bottom, (RIGHT - 0.75) / width, tall), sharey=panel
    )
    _draw_marks(panel, known, grid)
    _label_rows(panel, grid)
    _label_columns(panel, grid)
    draw_pooled(beside, pooled, grid.predictors, grid.families)
    draw_legend(figure, height)
    return figure


def _grid(
    known: pd.DataFrame, papers: Mapping[str, str], families: Mapping[str, Sequence[str]], pooled: pd.DataFrame
) -> Grid:
    """Order the predictors by family and pooled effect, and the sweeps by paper and study."""
    rows = []
    labels = []
    for family, members in families.items():
        present = pooled.loc[[name for name in members if name in pooled.index], "mean"]
        ordered = present.sort_values(ascending=False, na_position="last").index
        rows += list(ordered)
        labels += [family] * len(ordered)
    distinct = known[["study", "sweep"]].drop_duplicates()
    places = [(papers.get(study, ""), study, sweep) for study, sweep in distinct.itertuples(index=False)]
    return Grid(rows, labels, sorted(places))


def _draw_marks(panel: Axes, known: pd.DataFrame, grid: Grid) -> None:
    """Draw a mark for each effect: its sign by marker and color, its size by area, certainty by filling."""
    row_of = {name: row for row, name in enumerate(grid.predictors)}
    column_of = {(study, sweep): column for column, (_, study, sweep) in enumerate(grid.places)}
    rows = known["predictor"].map(row_of).to_numpy()
    columns = np.array([column_of[place] for place in known[["study", "sweep"]].itertuples(index=False, name=None)])
    empty = np.ones((len(grid.predictors), len(grid.places)), dtype=bool)
    empty[rows, columns] = False
    empty_rows, empty_columns = np.nonzero(empty)
    panel.scatter(empty_columns, empty_rows, s=1.2, color=GRAY)
    tau = known["tau"].to_numpy()
    certain = ((known["tau_low"] > 0) | (known["tau_high"] < 0)).to_numpy()
    for upward, marker, color in ((True, "^", TEAL), (False, "v", RED)):
        for filled in (True, False):
            chosen = ((tau >= 0) == upward) & (certain == filled)
            panel.scatter(
                columns[chosen],
                rows[chosen],
                s=mark_areas(tau[chosen]),
                marker=marker,
                facecolor=color if filled else "white",
                edgecolor=color,
                linewidth=0.6,
                zorder=3,
            )
    panel.set(xlim=(-0.5, len(grid.places) - 0.5), ylim=(len(grid.predictors) - 0.5, -0.5))
    panel.grid(visible=False)
    panel.tick_params(length=0)


def _label_rows(panel: Axes, grid: Grid) -> None:
    panel.set_yticks(range(len(grid.predictors)), [name.replace("_", " ") for name in grid.predictors], fontsize=8)
    start = 0
    for family, members in itertools.groupby(grid.families):
        size = len(list(members))
        if start:
            panel.axhline(start - 0.5, color=DARK_GRAY, linewidth=0.8)
        middle = 1 - (start + size / 2) / len(grid.families)
        label = family.replace(" of ", "\nof ").replace(" from ", "\nfrom ")
        far = -(LEFT - 0.22) / (CELL * len(grid.places))
        panel.text(
            far,
            middle,
            label,
            transform=panel.transAxes,
            rotation=90,
            ha="center",
            va="center",
            fontsize=8,
            weight="bold",
        )
        start += size


def _label_columns(panel: Axes, grid: Grid) -> None:
    several = {study for study, sweeps in _sweeps_of(grid).items() if len(sweeps) > 1}
    labels = [f"{study}: {sweep}" if study in several else study for _, study, sweep in grid.places]
    panel.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7.5)
    start = 0
    for paper, members in itertools.groupby(grid.places, key=lambda place: place[0]):
        size = len(list(members))
        if start:
            panel.axvline(start - 0.5, color=DARK_GRAY, linewidth=0.8)
        panel.annotate(
            paper,
            (start + size / 2 - 0.5, 1),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=35,
            ha="left",
            va="bottom",
            fontsize=8,
        )
        start += size


def _sweeps_of(grid: Grid) -> dict[str, list[str]]:
    sweeps: dict[str, list[str]] = {}
    for _, study, sweep in grid.places:
        sweeps.setdefault(study, []).append(sweep)
    return sweeps
