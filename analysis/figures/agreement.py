"""Where the statistics of a verdict agree on a predictor, and where they do not."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures.canvas import INK, MISSING, WIDTH_INCHES, NothingToDraw, label

STATISTICS = {
    "kendall_tau": "|τ|",
    "psi": "|Ψ|",
    "partial_rank_correlation": "|partial|",
    "cmi": "CMI",
    "gain_r2": "gain ΔR²",
    "within": "|ρ| within",
}
SHOWN = 6
TOP = 10


def statistic_ranks(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The place of each predictor by each statistic, 1 the strongest; a statistic that few have is left out.

    Rows are predictors that every kept statistic is known of; ties share the mean of their places.
    """
    values = verdicts[[name for name in STATISTICS if name in verdicts]].apply(pd.to_numeric, errors="coerce")
    values = values.loc[:, values.notna().mean() >= 0.5].dropna()
    strength = values.abs() if "gain_r2" not in values else values.abs().assign(gain_r2=values["gain_r2"])
    return strength.rank(ascending=False)


def agreement(verdicts: pd.DataFrame) -> Figure:
    """Draw the place of every predictor by every statistic; those on whom the statistics differ most are colored.

    Colored are, of the predictors among the ten strongest by any statistic, the six whose places lie farthest apart.

    Args:
        verdicts: of one target and scope.

    Raises:
        NothingToDraw: fewer than two statistics or three predictors to compare.
    """
    ranks = statistic_ranks(verdicts)
    if ranks.shape[1] < 2 or len(ranks) < 3:
        raise NothingToDraw("Fewer than two statistics, or three predictors, to compare.")
    strong = ranks[ranks.min(axis=1) <= TOP]
    apart = (strong.max(axis=1) - strong.min(axis=1)).sort_values(ascending=False, kind="stable")
    shown = [str(name) for name in apart.index[:SHOWN]]
    colors = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.86, len(shown)))
    figure = Figure(figsize=(WIDTH_INCHES, 4.2), layout="constrained")
    plot = figure.subplots()
    places = np.arange(ranks.shape[1])
    for name, row in ranks.iterrows():
        if name not in shown:
            plot.plot(places, row.to_numpy(), color=MISSING, linewidth=0.6, alpha=0.5)
    ends = _spread([float(ranks.loc[name].iloc[-1]) for name in shown], len(ranks) / 26, len(ranks))
    for color, name, end in zip(colors, shown, ends, strict=True):
        row = ranks.loc[name].to_numpy()
        plot.plot(places, row, color=color, marker="o", markersize=4, linewidth=1.6)
        plot.annotate(
            label(name.replace("_", " "), 34),
            (places[-1], row[-1]),
            (places[-1] + 0.12, end),
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 2},
            annotation_clip=False,
        )
    plot.set_xticks(places, [STATISTICS[str(name)] for name in ranks])
    plot.set_xlim(-0.15, places[-1] + 1.1 + 0.02 * places[-1])
    plot.invert_yaxis()
    plot.set_ylabel(f"place among {len(ranks)} predictors (1: strongest)")
    plot.grid(axis="x", visible=False)
    return figure


def _spread(heights: list[float], apart: float, lowest: float) -> list[float]:
    """The same heights, moved so that labels there do not overlap, in their order, none below the `lowest`.

    >>> _spread([1, 2, 9.5, 10], 2, 10)
    [1, 3, 8, 10]
    """
    order = np.argsort(heights, kind="stable")
    placed, last = list(heights), -np.inf
    for at in order:
        placed[at] = last = max(heights[at], last + apart)
    last = lowest + apart
    for at in order[::-1]:
        placed[at] = last = min(placed[at], last - apart)
    return placed
