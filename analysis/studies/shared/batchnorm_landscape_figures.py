"""Figures of the study `batchnorm-landscape`."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benevolent.analysis.figures import RenderedFigure, render_figure
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
)
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL, LineStyle, draw_line, new_figure
from benevolent.analysis.studies.shared.tables import Tables, rows_with

#: Color, marker and line style of each kind of normalization.
STYLES = {NONE: LineStyle(RED, "s", "--"), PLAIN: LineStyle(BLACK, "o", "-"), NOISY: LineStyle(TEAL, "^", ":")}


def _draw_landscapes(tables: Tables) -> Figure:
    """Draw the three quantities of the landscape against the step, a row of panels per network."""
    figure = new_figure(2.0 * len(tables) + 0.4)
    rows = figure.subplots(len(tables), len(LANDSCAPE), sharex="row", squeeze=False)
    for panels, (name, table) in zip(rows, tables.items(), strict=True):
        for panel, (column, label) in zip(panels, LANDSCAPE.items(), strict=True):
            _draw_by_step(panel, table, column)
            panel.set(yscale="log", xlabel="step", title=f"{NAMES[name]}: {label}")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
            panel.yaxis.set_minor_formatter(NullFormatter())
    rows[0][0].legend()
    return figure


def _draw_by_step(panel: Axes, table: pd.DataFrame, column: str, band: bool = True) -> None:
    for kind, style in STYLES.items():
        values = rows_with(table, KIND, kind).groupby("step")[column]
        if not len(values):
            continue
        median = values.median()
        draw_line(panel, median, style, LABELS[kind], markersize=3)
        if band:
            panel.fill_between(median.index, values.min(), values.max(), color=style.color, alpha=0.15, linewidth=0)


def _draw_learning(fields: Tables, outcomes: Tables) -> Figure:
    """Draw the loss against the step at the smallest and the largest rate, and test errors against the rate."""
    figure = new_figure(4.4)
    above, below = figure.subplots(2, 2 * len(fields), sharey="row")
    for place, (name, field) in enumerate(fields.items()):
        rates = sorted(outcomes[name][RATE].unique())
        first = 2 * place
        for panel, rate in ((above[first], rates[0]), (above[first + 1], rates[-1])):
            _draw_by_step(panel, rows_with(field, RATE, rate), "loss", band=False)
            panel.set(xlabel="step", title=f"{NAMES[name]}, rate {rate:g}", ylim=(0, 3.2))
        below[first].set(title=NAMES[name])
        _draw_errors(below[first], outcomes[name], rates)
        below[first + 1].set_visible(False)
    above[0].set_ylabel("loss of the next batch")
    below[0].set_ylabel("test error")
    above[0].legend()
    return figure


def _draw_errors(panel: Axes, outcomes: pd.DataFrame, rates: list[float]) -> None:
    """Draw the test errors of networks against the place of their learning rate, kinds beside each other."""
    for shift, (kind, style) in enumerate(STYLES.items()):
        runs = rows_with(outcomes, KIND, kind)
        places = [rates.index(rate) + 0.2 * (shift - 1) for rate in runs[RATE]]
        panel.scatter(places, runs["test_error"], s=14, color=style.color, marker=style.marker, label=LABELS[kind])
    panel.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    panel.set(xlabel="learning rate")


def _draw_shifts(tables: Tables) -> Figure:
    """Draw the cosines of gradients and the shift of inputs by layer, a column of panels per network."""
    figure = new_figure(4.0)
    above, below = figure.subplots(2, len(tables), sharex="col", sharey="row")
    for column, (name, table) in enumerate(tables.items()):
        for kind, style in STYLES.items():
            rows = rows_with(table, KIND, kind)
            if rows.empty:
                continue
            means = rows.groupby("layer")[["cosine", "input_shift"]].mean()
            draw_line(above[column], means["cosine"], style, LABELS[kind], markersize=3)
            draw_line(below[column], means["input_shift"], style, LABELS[kind], markersize=3)
        above[column].axhline(0, color=GRAY, linewidth=0.8)
        above[column].set_title(NAMES[name])
        below[column].set(xlabel="layer", yscale="log")
    above[0].set_ylabel("cosine of gradients")
    below[0].set_ylabel("shift of inputs")
    above[0].legend()
    return figure


def figures_of(at_rate: Tables, outcomes: Tables, fields: Tables, shifted: Tables) -> list[RenderedFigure]:
    """Render the figures of the study."""
    landscape = render_figure(
        "landscape",
        "The loss along the gradient, without BatchNorm, with it, and with noise after it",
        f"Of the batch of the next step, in training mode and at a learning rate of {RATES['vgg']:g}: the range of "
        "the loss, the largest change of the gradient, and the largest change of the gradient per length, over "
        "steps of 0.05 to 0.4 times the gradient. Lines are medians over seeds, bands their range; the scale is "
        "logarithmic.",
        _draw_landscapes,
        at_rate,
    )
    learning = render_figure(
        "learning",
        "Training with and without BatchNorm",
        "Above, the loss of the batch that comes next, in training mode, at the smallest and the largest learning "
        "rate: medians over seeds. Below, test error at the end, a point for each network.",
        _draw_learning,
        fields,
        outcomes,
    )
    covariate_shift = render_figure(
        "covariate-shift",
        "Internal covariate shift of gradients, and the shift of layer inputs",
        "By layer, the mean over recorded steps and seeds: above, the cosine of a layer's gradient before and "
        "after the layers below it have stepped (1: no shift); below, how far the mean inputs of the layer move in "
        "a step, in standard deviations.",
        _draw_shifts,
        shifted,
    )
    return [landscape, learning, covariate_shift]
