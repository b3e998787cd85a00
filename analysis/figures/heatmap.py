"""Heat map of granulated Kendall tau: which predictor tracks an outcome along which axis."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures.canvas import INK, WIDTH_INCHES, NothingToDraw, label


def granulated_taus(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return predictors x axes of granulated tau, with the mean Psi as the last column, strongest first."""
    columns = [c for c in verdicts.columns if c.startswith("granulated[") and c.endswith("]")]
    taus = verdicts[columns].rename(columns=lambda c: c.removeprefix("granulated[").removesuffix("]"))
    if "psi" in verdicts:
        taus = taus.assign(Ψ=verdicts["psi"])
    numbers = taus.apply(pd.to_numeric, errors="coerce").astype(float)
    order = numbers.iloc[:, -1:].abs().sum(axis=1) if len(numbers.columns) else pd.Series(0.0, index=numbers.index)
    return numbers.loc[order.sort_values(ascending=False, kind="stable").index]


def granulated_heat_map(verdicts: pd.DataFrame) -> Figure:
    """Draw granulated tau as a predictor-by-axis heat map; every cell carries its number.

    Args:
        verdicts: what ``judge`` returned: index predictor, columns ``granulated[<axis>]`` and ``psi``.

    Raises:
        NothingToDraw: there is no finite granulated tau.
    """
    taus = granulated_taus(verdicts)
    if not np.isfinite(taus.to_numpy(dtype=float)).any():
        raise NothingToDraw("No axis varies alone within enough runs for a granulated tau.")
    rows, columns = taus.shape
    figure = Figure(figsize=(WIDTH_INCHES, 1.25 + 0.235 * rows), layout="constrained")
    plot = figure.subplots()
    plot.set_facecolor("#f2f2f2")
    image = plot.imshow(taus.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), tau in np.ndenumerate(taus.to_numpy()):
        text = f"{tau:+.2f}".replace("-", "−") if np.isfinite(tau) else "–"
        color = "white" if abs(tau) > 0.62 else INK if np.isfinite(tau) else "#8a8a8a"
        plot.text(column, row, text, ha="center", va="center", color=color, fontsize=7.5)
    plot.set_yticks(range(rows), [label(name) for name in taus.index])
    upright = columns <= 6
    plot.set_xticks(range(columns), [_column_label(name) if upright else label(name) for name in taus.columns])
    plot.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    if not upright:
        plot.tick_params(axis="x", labelrotation=30)
        for tick in plot.get_xticklabels():
            tick.set(ha="left", rotation_mode="anchor")
    plot.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    plot.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    plot.grid(False)
    plot.grid(which="minor", color="white", linewidth=1.2)
    plot.tick_params(which="minor", length=0)
    plot.spines[:].set_visible(False)
    if "psi" in verdicts and columns > 1:
        plot.axvline(columns - 1.5, color="white", linewidth=4)
    bar = figure.colorbar(image, ax=plot, fraction=0.03, pad=0.015, aspect=26)
    bar.set_label("granulated Kendall τ")
    bar.outline.set_visible(False)
    return figure


def _column_label(axis: str) -> str:
    """Return a dotted axis on two lines."""
    section, dot, name = axis.partition(".")
    return f"{label(section + dot, 18)}\n{label(name, 18)}" if dot else label(axis, 18)
