"""Figures of the study of Blier and Ollivier 2018: bits per label, and lengths of codes."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.multi_run.parameter_codes import WHOLE
from benevolent.analysis.studies.shared.code_lengths import Codes, bits_per_label, last_blocks
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_mean_and_bars,
    new_figure,
)
from benevolent.analysis.studies.shared.tables import rows_with

#: Color, marker and line style of models in the order of their mean code on MNIST.
STYLES = [
    LineStyle(BLACK, "o", "-"),
    LineStyle(TEAL, "^", "--"),
    LineStyle(DARK_GRAY, "s", "-."),
    LineStyle(RED, "D", ":"),
]
LABEL_STYLES = {
    0.0: (LineStyle(BLACK, "o", "-"), "true labels"),
    1.0: (LineStyle(RED, "s", "--"), "random labels"),
}
UNIFORM = math.log2(10)


def draw_codes(codes: Codes) -> Figure:
    """Draw bits per label against the number of labels learned, and the length of each code."""
    figure = new_figure(3.3)
    curves, bars = figure.subplots(1, 2)
    sending = bits_per_label(codes.models)
    for model, style in _styles(codes).items():
        rows = rows_with(sending, "model", model)
        draw_mean_and_bars(curves, rows, "learned", "per_label", style, model)
    curves.axhline(UNIFORM, color=BLACK, linestyle=(0, (1, 1)), linewidth=1)
    curves.annotate("uniform code", (1, UNIFORM), (0, -9), ("axes fraction", "data"), "offset points", ha="right")
    curves.set(xscale="log", ylim=(0, UNIFORM * 1.08))
    curves.set(xlabel="labels learned", ylabel="bits for each new label")
    curves.legend(loc="lower left")
    _draw_bars(bars, _lengths(codes))
    return figure


def _ordered_models(codes: Codes) -> list[str]:
    """Return the models from the shortest mean code to the longest."""
    return list(last_blocks(codes.models).groupby("model")["ratio"].mean().sort_values().index)


def _styles(codes: Codes) -> dict[str, LineStyle]:
    """Return color, marker and line style of each model, the same in all panels."""
    return dict(zip(_ordered_models(codes), STYLES, strict=False))


def _lengths(codes: Codes) -> "pd.Series[float]":
    """Return the mean length of every code over the uniform code, by what it is called."""
    lengths = {}
    last = last_blocks(codes.models).groupby("model")["ratio"].mean()
    precisions = codes.parameters.groupby(["model", "precision"])["ratio"].mean()
    for model in _ordered_models(codes):
        lengths[f"prequential, {model}"] = last[model]
    lengths["intrinsic dimension"] = codes.dimensions["ratio"].mean()
    for model in _ordered_models(codes):
        lengths[f"rounded parameters, {model}"] = precisions[model].min()
    for model in _ordered_models(codes):
        lengths[f"32-bit parameters, {model}"] = precisions[model][WHOLE]
    return pd.Series(lengths)


def _draw_bars(panel: Axes, lengths: "pd.Series[float]") -> None:
    """Draw the codes as points on a logarithmic scale, the shortest kind at the top."""
    heights = -np.arange(len(lengths))
    markers = {"prequential": (BLACK, "o"), "intrinsic dimension": (RED, "D")}
    markers |= {"rounded parameters": (TEAL, "^"), "32-bit parameters": (DARK_GRAY, "s")}
    for name, length, height in zip(lengths.index, lengths, heights, strict=True):
        color, marker = markers[name.partition(",")[0]]
        panel.plot([length], [height], color=color, marker=marker, markersize=5)
        text = f"{length:.0f}" if length >= 10 else f"{length:.2g}"
        panel.annotate(text, (length, height), (6, -3), textcoords="offset points", fontsize=7)
    panel.axvline(1, color=BLACK, linestyle=(0, (1, 1)), linewidth=1)
    panel.set_yticks(heights, list(lengths.index))
    panel.set(xscale="log", xlim=(lengths.min() / 2, lengths.max() * 6), xlabel="code length over the uniform code")


def draw_models(codes: Codes) -> Figure:
    """Draw code length against test error, and the information in the parameters."""
    figure = new_figure(2.8)
    errors, kept, catching_up = figure.subplots(1, 3)
    last = last_blocks(codes.models)
    styles = _styles(codes)
    for model, (color, marker, _) in styles.items():
        rows = rows_with(last, "model", model)
        errors.scatter(rows["test_error"], rows["ratio"], s=20, color=color, marker=marker, label=model)
    errors.set(xlabel="test error at the end (fraction)", ylabel="prequential code over uniform")
    errors.legend()
    for fraction, (style, label) in LABEL_STYLES.items():
        rows = rows_with(codes.labels, "model", fraction)
        draw_mean_and_bars(kept, rows, "learned", "kept_ratio", style, label)
    kept.set(
        xscale="log", ylim=(0, None), xlabel="labels learned", ylabel="information in the parameters\nover uniform"
    )
    kept.legend()
    _draw_catching_up(catching_up, codes.cifar10, styles)
    return figure


def _draw_catching_up(panel: Axes, codes: pd.DataFrame, styles: Mapping[str, LineStyle]) -> None:
    """Draw the bits that networks need for each new label of CIFAR-10, with scaled logits and without."""
    for model in sorted(codes["model"].unique()):
        color, marker, line = styles[model]
        for column, face in (("bits", color), ("raw_bits", "white")):
            sending = bits_per_label(rows_with(codes, "model", model), column)
            mean = sending.groupby("learned")["per_label"].mean()
            label = model if column == "bits" else f"{model}, not scaled"
            panel.plot(
                mean.index,
                mean,
                color=color,
                marker=marker,
                linestyle=line,
                markersize=4,
                markerfacecolor=face,
                label=label,
            )
    panel.axhline(UNIFORM, color=BLACK, linestyle=(0, (1, 1)), linewidth=1)
    panel.set(xscale="log", yscale="log", xlabel="labels learned", ylabel="bits for each new label")
    panel.set_ylim(top=2.5 * panel.get_ylim()[1])  # room for the legend
    panel.legend(fontsize=6.5, loc="upper right")
