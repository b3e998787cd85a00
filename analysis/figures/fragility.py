"""Heat map of fragility: the association of predictors for each value of each axis."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES

SHOWN = 20
MOST_COLUMNS = 24
DARK_CELL = 0.62  # |association| beyond which a cell is too dark for black text


def fragility_heat_map(fragility: pd.DataFrame) -> Figure:
    """Draw the association of each predictor for each value of each axis; changes of sign are framed.

    Shown are the predictors with a change of sign, then those with the largest mean |association|.

    Args:
        fragility: table of `analysis.statistics.fragility`.

    Raises:
        NothingToDraw: there is no association.
    """
    known = fragility[fragility["association"].notna()]
    if known.empty:
        raise NothingToDraw("No association within the values of an axis.")
    columns = known[["axis", "value"]].drop_duplicates().head(MOST_COLUMNS)
    place = pd.MultiIndex.from_frame(columns)
    numbers = known.pivot_table(index="predictor", columns=["axis", "value"], values="association", sort=False)
    reverses = known.groupby(["predictor", "axis"])["reverses"].first()
    order = _reading_order(known)[:SHOWN]
    values = numbers.reindex(index=order, columns=place).to_numpy()
    figure = Figure(figsize=(WIDTH_INCHES, 1.3 + 0.22 * len(order)), layout="constrained")
    plot = figure.subplots()
    plot.set_facecolor("#f2f2f2")
    image = plot.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:+.2f}".replace("-", "−")
        changes = bool(reverses.get((order[row], columns["axis"].iloc[column]), False))
        color = "white" if abs(value) > DARK_CELL else INK
        weight = "bold" if changes else "normal"
        cell = plot.text(column, row, text, ha="center", va="center", color=color, fontsize=6.5, fontweight=weight)
        cell.set_in_layout(False)  # it lies inside the panel, so that the layout need not measure it
    plot.set_yticks(range(len(order)), [short_label(name) for name in order])
    labels = [f"{short_label(axis, 24)} = {short_label(value, 14)}" for axis, value in columns.itertuples(index=False)]
    plot.set_xticks(range(len(labels)), labels, rotation=40, ha="left", rotation_mode="anchor")
    plot.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    plot.grid(visible=False)
    for border in np.flatnonzero(columns["axis"].to_numpy()[1:] != columns["axis"].to_numpy()[:-1]):
        plot.axvline(border + 0.5, color="white", linewidth=3)
    plot.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=plot, fraction=0.03, pad=0.015, aspect=26)
    bar.set_label("rank correlation")
    bar.outline.set_visible(False)
    return figure


def _reading_order(known: pd.DataFrame) -> list[str]:
    """Return the predictors: those whose sign changes along an axis first, then by mean |association|."""
    strength = known["association"].abs().groupby(known["predictor"]).mean()
    changes = known.groupby("predictor")["reverses"].any()
    ordered = pd.DataFrame({"changes": ~changes, "strength": -strength}).sort_values(["changes", "strength"])
    return [str(name) for name in ordered.index]
