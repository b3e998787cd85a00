"""Figures of the study `batchnorm-landscape`."""

import functools
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benevolent.analysis.figures import WIDTH_INCHES, RenderedFigure, render_figure
from benevolent.analysis.studies.shared.batchnorm_landscape_tables import (
    KIND,
    LABELS,
    LANDSCAPE,
    NAMES,
    NOISY,
    NONE,
    PLAIN,
    RATE,
    RATES,
    Tables,
)
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL

#: Color, marker and line style of each kind of normalization.
STYLES = {NONE: (RED, "s", "--"), PLAIN: (BLACK, "o", "-"), NOISY: (TEAL, "^", ":")}


def _draw_landscapes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the three quantities of the landscape against the step, a row of panels per network."""
    figure = Figure(figsize=(WIDTH_INCHES, 2.0 * len(tables) + 0.4), layout="constrained")
    rows = figure.subplots(len(tables), len(LANDSCAPE), sharex="row", squeeze=False)
    for panels, (name, table) in zip(rows, tables.items(), strict=True):
        for panel, (column, label) in zip(panels, LANDSCAPE.items(), strict=True):
            _draw_by_step(panel, table, column)
            panel.set(yscale="log", xlabel="step", title=f"{name}: {label}")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
            panel.yaxis.set_minor_formatter(NullFormatter())
    rows[0][0].legend()
    return figure


def _draw_by_step(panel: Axes, table: pd.DataFrame, column: str, band: bool = True) -> None:
    for kind, (color, marker, line) in STYLES.items():
        values = table.loc[table[KIND] == kind].groupby("step")[column]
        if not len(values):
            continue
        median = values.median()
        panel.plot(median.index, median, color=color, marker=marker, linestyle=line, markersize=3, label=LABELS[kind])
        if band:
            panel.fill_between(median.index, values.min(), values.max(), color=color, alpha=0.15, linewidth=0)


def _draw_learning(tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Draw the loss against the step at the smallest and the largest rate, and test errors against the rate."""
    figure = Figure(figsize=(WIDTH_INCHES, 4.4), layout="constrained")
    above, below = figure.subplots(2, 2 * len(tables), sharey="row")
    for place, (name, (field, outcomes)) in enumerate(tables.items()):
        rates = sorted(outcomes[RATE].unique())
        for panel, rate in zip(above[2 * place : 2 * place + 2], (rates[0], rates[-1]), strict=True):
            _draw_by_step(panel, field[field[RATE] == rate], "loss", band=False)
            panel.set(xlabel="step", title=f"{name}, rate {rate:g}", ylim=(0, 3.2))
        panel = below[2 * place]
        below[2 * place + 1].set_visible(False)
        for shift, (kind, (color, marker, _)) in enumerate(STYLES.items()):
            runs = outcomes[outcomes[KIND] == kind]
            places = [rates.index(rate) + 0.2 * (shift - 1) for rate in runs[RATE]]
            panel.scatter(places, runs["test_error"], s=14, color=color, marker=marker, label=LABELS[kind])
        panel.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        panel.set(xlabel="learning rate", title=name)
    above[0].set_ylabel("loss of the next batch")
    below[0].set_ylabel("test error")
    above[0].legend()
    return figure


def _draw_shifts(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the cosines of gradients and the shift of inputs by layer, a column of panels per network."""
    figure = Figure(figsize=(WIDTH_INCHES, 4.0), layout="constrained")
    above, below = figure.subplots(2, len(tables), sharex="col", sharey="row")
    for column, (name, table) in enumerate(tables.items()):
        for kind, (color, marker, line) in STYLES.items():
            rows = table[table[KIND] == kind]
            if rows.empty:
                continue
            means = rows.groupby("layer")[["cosine", "input_shift"]].mean()
            for panel, quantity in ((above[column], "cosine"), (below[column], "input_shift")):
                panel.plot(
                    means.index,
                    means[quantity],
                    color=color,
                    marker=marker,
                    linestyle=line,
                    markersize=3,
                    label=LABELS[kind],
                )
        above[column].axhline(0, color=GRAY, linewidth=0.8)
        above[column].set_title(name)
        below[column].set(xlabel="layer", yscale="log")
    above[0].set_ylabel("cosine of gradients")
    below[0].set_ylabel("shift of inputs")
    above[0].legend()
    return figure


def figures_of(at_rate: Tables, outcomes: Tables, fields: Tables, shifted: Tables) -> list[RenderedFigure]:
    """Render the figures of the study."""
    return [
        render_figure(
            "landscape",
            "The loss along the gradient, without BatchNorm, with it, and with noise after it",
            f"Of the batch of the next step, in training mode and at a learning rate of {RATES['vgg']:g}: the range of "
            "the loss, the largest change of the gradient, and the largest change of the gradient per length, over "
            "steps of 0.05 to 0.4 times the gradient. Lines are medians over seeds, bands their range; the scale is "
            "logarithmic.",
            functools.partial(_draw_landscapes, {NAMES[name]: table for name, table in at_rate.items()}),
        ),
        render_figure(
            "learning",
            "Training with and without BatchNorm",
            "Above, the loss of the batch that comes next, in training mode, at the smallest and the largest learning "
            "rate: medians over seeds. Below, test error at the end, a point for each network.",
            functools.partial(_draw_learning, {NAMES[name]: (fields[name], outcomes[name]) for name in fields}),
        ),
        render_figure(
            "covariate-shift",
            "Internal covariate shift of gradients, and the shift of layer inputs",
            "By layer, the mean over recorded steps and seeds: above, the cosine of a layer's gradient before and "
            "after the layers below it have stepped (1: no shift); below, how far the mean inputs of the layer move in "
            "a step, in standard deviations.",
            functools.partial(_draw_shifts, {NAMES[name]: table for name, table in shifted.items()}),
        ),
    ]
