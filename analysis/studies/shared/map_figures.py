"""Figures of the map of measures: the map itself, effects across against within configurations, and transport."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, WIDTH_INCHES, NothingToDraw, RenderedFigure, render_figure
from benevolent.analysis.multi_run.pooled_effects import effects_matrix
from benevolent.analysis.studies.shared.drawing import GRAY, RED, TEAL, new_figure
from benevolent.analysis.studies.shared.map_grid import draw_map
from benevolent.analysis.studies.shared.map_predictors import FAMILIES, PROPOSED, family_of

MARKERS = "osD^vP*"
#: Points that are named, with their intervals.
LABELED = 4


def map_figures(
    effects: pd.DataFrame, papers: Mapping[str, str], across: pd.DataFrame, within: pd.DataFrame
) -> list[RenderedFigure]:
    """Draw the figures.

    Args:
        effects: one row per predictor and sweep, of one outcome.
        papers: authors and year of the paper of each study.
        across: pooled effects across configurations.
        within: pooled effects within configurations.
    """
    return [
        render_figure(
            "map",
            "Which measures go with the generalization gap, in every sweep of every study",
            "Columns are sweeps, by study and paper; rows are measures, by kind, with the largest pooled effect first. "
            "▲, teal: networks that the measure calls more complex have the larger gap; ▼, red: the smaller gap. The "
            "size of a mark is |Kendall's τ| across configurations; it is filled if the 95% interval over seeds "
            "excludes 0. A gray dot: the measure does not vary, or does not apply. Right: the mean over papers by "
            "random effects, with its 95% interval. The gap of other seeds of the same configuration shows how much is "
            "possible, random numbers how little: one that is drawn for each configuration keeps its order over "
            "seeds, so that only the mean over papers shows that it means nothing.",
            draw_map,
            effects,
            papers,
            FAMILIES,
        ),
        render_figure(
            "across-within",
            "Measures across hyperparameters, and among networks that share them",
            "Pooled effects over papers, with 95% intervals for the strongest: Kendall's τ across configurations "
            "(horizontal), and the correlation of ranks among the runs of one configuration (vertical). Near the "
            "horizontal axis are measures that only tell hyperparameters apart.",
            _draw_across_within,
            across,
            within,
        ),
        render_figure(
            "transport",
            "The best measure of one paper's studies, tested in those of the others",
            "Row: the paper in whose studies the measure with the largest |τ| is chosen (named at the right), column: "
            "the paper in whose studies it is tested. "
            "▲, teal: it goes with the gap in the same direction; ▼, red: in the other one. The "
            "size of a mark is |τ| there.",
            _draw_transport,
            effects,
        ),
    ]


def short_citation(source: str) -> str:
    """Return authors and year of a citation.

    >>> short_citation("Liao et al. 2018, A surprising linear relationship")
    'Liao et al. 2018'
    """
    match = re.match(r".*?\b\d{4}\b", source)
    return match[0] if match else source


def _draw_across_within(across: pd.DataFrame, within: pd.DataFrame) -> Figure:
    both = across.merge(within, left_index=True, right_index=True, suffixes=("_across", "_within"))
    both = both[both["mean_across"].notna() & both["mean_within"].notna()]
    if both.empty:
        raise NothingToDraw("No measure has effects across and within configurations for enough papers.")
    figure = new_figure(0.7 * WIDTH_INCHES)
    panel = figure.subplots()
    panel.axhline(0, color=GRAY, linewidth=0.8)
    panel.axvline(0, color=GRAY, linewidth=0.8)
    family_of_row = both.index.map(family_of)
    for place, family in enumerate(FAMILIES):
        rows = both[family_of_row == family]
        if rows.empty:
            continue
        _draw_points(panel, rows, f"C{place}", MARKERS[place % len(MARKERS)], family)
    strength = both["mean_across"] ** 2 + both["mean_within"] ** 2
    for place, name in enumerate(strength.nlargest(LABELED).index):
        _label_point(panel, both.loc[name], words(name), above=place % 2 == 0)
    panel.set_xlabel("mean Kendall's τ with the gap across configurations")
    panel.set_ylabel("mean rank correlation within configurations")
    panel.legend(loc="best", fontsize=6.5)
    return figure


def _label_point(panel: Axes, row: pd.Series, name: str, above: bool) -> None:
    """Name a point, and draw its intervals."""
    x = row["mean_across"]
    y = row["mean_within"]
    panel.hlines(y, row["low_across"], row["high_across"], color=GRAY, linewidth=0.8, zorder=1)
    panel.vlines(x, row["low_within"], row["high_within"], color=GRAY, linewidth=0.8, zorder=1)
    offset = (4, 4) if above else (4, -9)
    panel.annotate(name, (x, y), offset, textcoords="offset points", fontsize=6.5, color=INK)


def _draw_points(panel: Axes, rows: pd.DataFrame, color: str, marker: str, label: str) -> None:
    panel.scatter(rows["mean_across"], rows["mean_within"], s=22, color=color, marker=marker, label=label, zorder=3)


def _draw_transport(effects: pd.DataFrame) -> Figure:
    matrix = effects_matrix(effects, "tau", PROPOSED, "paper").dropna(how="all", axis=1)
    papers = list(matrix.columns)
    if len(papers) < 2:
        raise NothingToDraw("Fewer than two papers have configurations to compare.")
    chosen = matrix.abs().idxmax()
    figure = new_figure(3 + 0.2 * len(papers))
    panel = figure.subplots()
    for row, first in enumerate(papers):
        sign = np.sign(matrix.loc[chosen[first], first])
        tested = sign * matrix.loc[chosen[first]]
        _draw_row(panel, row, tested.drop(first), papers)
    panel.set_xticks(range(len(papers)), papers, rotation=90)
    panel.set_yticks(range(len(papers)), papers)
    panel.set(xlim=(-0.6, len(papers) - 0.4), ylim=(len(papers) - 0.4, -0.6))
    panel.set_ylabel("chosen in")
    panel.set_xlabel("tested in")
    right = panel.secondary_yaxis("right")
    right.set_yticks(range(len(papers)), [words(chosen[name]) for name in papers])
    right.tick_params(length=0)
    return figure


def _draw_row(panel: Axes, row: int, effects: "pd.Series[float]", columns: Sequence[str]) -> None:
    """Draw the signed effects of a row as marks."""
    for paper, effect in effects.dropna().items():
        upward = effect >= 0
        size = 6 + 60 * abs(effect)
        marker = "^" if upward else "v"
        panel.scatter(columns.index(str(paper)), row, s=size, marker=marker, color=TEAL if upward else RED)


def words(name: str) -> str:
    """Return a predictor's name in words.

    >>> words("log_spectral_product")
    'log spectral product'
    """
    return name.replace("_", " ")
