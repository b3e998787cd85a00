"""Figure of how far the statistics of a verdict agree on the order of the predictors."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.axis_palette import color_ramp
from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, MISSING, WIDTH_INCHES

STATISTICS = {
    "kendall_tau": "|τ|",
    "psi": "|Ψ|",
    "partial_rank_correlation": "|partial|",
    "cmi": "CMI",
    "gain_r2": "gain ΔR²",
    "within": "|ρ| within",
}
MINIMUM_COVERAGE = 0.5  # share of predictors that must have a statistic for it to be shown
HIGHLIGHTED = 6
TOP = 10
LABELS_PER_AXIS = 26  # names that fit below each other without overlap


def statistic_ranks(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each predictor by each statistic, 1 for the strongest.

    Statistics that fewer than half of the predictors have are left out; so are predictors that lack one of the
    others. Ties share the mean of their ranks.

    Args:
        verdicts: index predictor; columns among `STATISTICS`.
    """
    columns = [name for name in STATISTICS if name in verdicts]
    values = verdicts[columns].apply(pd.to_numeric, errors="coerce")
    coverage = values.notna().mean()
    values = values.loc[:, coverage >= MINIMUM_COVERAGE].dropna()
    strength = values.abs()
    if "gain_r2" in values:  # a negative gain is weak, not strong
        strength = strength.assign(gain_r2=values["gain_r2"])
    return strength.rank(ascending=False)


def statistic_agreement(verdicts: pd.DataFrame) -> Figure:
    """Draw the rank of every predictor by every statistic and highlight those whose ranks differ most.

    Of the predictors among the ten strongest by any statistic, the six with the widest range of ranks are colored.

    Args:
        verdicts: verdict table of one target and scope.

    Raises:
        NothingToDraw: fewer than two statistics or three predictors to compare.
    """
    ranks = statistic_ranks(verdicts)
    if ranks.shape[1] < 2 or len(ranks) < 3:
        raise NothingToDraw("Fewer than two statistics or three predictors to compare.")
    highlighted = _widest_ranges(ranks)
    figure = Figure(figsize=(WIDTH_INCHES, 4.2), layout="constrained")
    plot = figure.subplots()
    positions = np.arange(ranks.shape[1])
    others = ranks[~ranks.index.isin(highlighted)]
    segments = [np.column_stack([positions, row]) for row in others.to_numpy()]
    plot.add_collection(LineCollection(segments, colors=MISSING, linewidths=0.6, alpha=0.5))
    _draw_highlighted(plot, ranks, highlighted)
    last = positions[-1]
    plot.set_xticks(positions, [STATISTICS[str(name)] for name in ranks])
    plot.set_xlim(-0.15, last + 1.1 + 0.02 * last)
    plot.invert_yaxis()
    plot.set_ylabel(f"rank among {len(ranks)} predictors (1 = strongest)")
    plot.grid(axis="x", visible=False)
    return figure


def _widest_ranges(ranks: pd.DataFrame) -> list[str]:
    """Return the strong predictors whose ranks differ most between statistics."""
    strong = ranks[ranks.min(axis=1) <= TOP]
    spread = strong.max(axis=1) - strong.min(axis=1)
    ordered = spread.sort_values(ascending=False, kind="stable")
    return [str(name) for name in ordered.index[:HIGHLIGHTED]]


def _draw_highlighted(plot: Axes, ranks: pd.DataFrame, highlighted: list[str]) -> None:
    """Draw the highlighted predictors in color, each with its name to the right."""
    last = ranks.shape[1] - 1
    final_ranks = [float(ranks.loc[name].iloc[-1]) for name in highlighted]
    heights = separate_labels(final_ranks, len(ranks) / LABELS_PER_AXIS, len(ranks))
    colors = color_ramp(len(highlighted))[: len(highlighted)]  # none, if all predictors tie
    for color, name, height in zip(colors, highlighted, heights, strict=True):
        row = ranks.loc[name].to_numpy()
        plot.plot(np.arange(last + 1), row, color=color, marker="o", markersize=4, linewidth=1.6)
        plot.annotate(
            short_label(name.replace("_", " "), 34),
            (last, row[-1]),
            (last + 0.12, height),
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 2},
            annotation_clip=False,
        )


def separate_labels(heights: list[float], distance: float, limit: float) -> list[float]:
    """Move heights apart so that labels there do not overlap; keep their order and stay at or under a limit.

    >>> separate_labels([1, 2, 9.5, 10], 2, 10)
    [1, 3, 8, 10]
    """
    order = np.argsort(heights, kind="stable")
    moved = list(heights)
    previous = -np.inf
    for i in order:
        previous = max(heights[i], previous + distance)
        moved[i] = previous
    following = limit + distance
    for i in order[::-1]:
        following = min(moved[i], following - distance)
        moved[i] = following
    return moved
