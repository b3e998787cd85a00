"""Figures of the study of double descent (Belkin et al. 2018): risks and norms against the size of models."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.multi_run.double_descent import mean_risks
from benevolent.analysis.studies.shared.descent_curves import Curve, KernelLimit
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_line,
    new_figure,
)

#: Marker, line style and color of the curves that one panel shows.
STYLES = (LineStyle(BLACK, "o", "-"), LineStyle(TEAL, "s", "--"), LineStyle(RED, "^", ":"))
RISK_LABELS = {"error": "zero-one risk (fraction)", "loss": "squared risk (½ ‖error‖²)"}
NORM_LABELS = {"norm": "norm of the coefficients", "kernel_norm": "norm of the function"}
READING = "Lines are geometric means over seeds, bands the range of the seeds; vertical lines are the threshold."


def descent_figures(curves: Mapping[str, Curve], limit: KernelLimit) -> list[RenderedFigure]:
    """Render a figure for each kind of model, that of random features first.

    Args:
        curves: from `descent_curves.model_curves`.
        limit: of the random features.
    """
    features = render_figure(
        "random-features",
        "Random Fourier features: risks and norm against their number",
        f"{READING} Dashed horizontal lines are the kernel machine, the limit of infinitely many features. The norm is "
        "that of the coefficients of all classes, and times √(N/2) that of the function in the kernel's space.",
        _draw_features,
        curves["features"],
        limit,
    )
    networks = render_figure(
        "networks",
        "Networks with one hidden layer: risks against the number of parameters",
        f"{READING} With weight reuse a network starts from the next smaller one, up to the threshold; the source "
        "trains so. With redrawn labels the train risk is that of the labels trained on, the test labels are clean.",
        _draw_networks,
        [curves["reuse"], curves["fresh"], curves["noisy"]],
    )
    forests = render_figure(
        "forests",
        "Random forests: risks against leaves of one tree, then against trees",
        f"{READING} Up to the threshold there is one tree, and its largest number of leaves grows; beyond it are "
        "forests of 2 and more trees. The number of leaves is the largest that a tree may have; it takes no more than "
        "it needs to fit its examples.",
        _draw_networks,
        [curves["forests"]],
        "largest number of leaves × trees",
    )
    reuse = render_figure(
        "weight-reuse",
        "Networks with weight reuse that ends at the threshold, earlier, and at no size",
        f"{READING} Up to where reuse ends, a network starts from the next smaller one, beyond that anew.",
        _draw_networks,
        [curves["reuse"], curves["early"], curves["on"]],
    )
    return [features, networks, reuse, forests]


def _draw_features(curve: Curve, limit: KernelLimit) -> Figure:
    figure = new_figure(5.4)
    panels = figure.subplots(3, 2, sharex=True)
    limits = {"error": limit.error, "loss": limit.loss}
    style = STYLES[0]
    for (test, norm, train), risk, kind in zip(panels.T, RISK_LABELS, NORM_LABELS, strict=True):
        _draw_line(test, curve, f"test_{risk}", style, "random features")
        test.axhline(limits[risk], color=RED, linestyle="--", linewidth=1, label="kernel machine")
        test.set(yscale="log", ylabel=f"test {RISK_LABELS[risk]}")
        _draw_line(norm, curve, kind, style)
        norm.set(yscale="log", ylabel=NORM_LABELS[kind])
        _draw_line(train, curve, f"train_{risk}", style)
        train.set(xscale="log", xlabel="random features N", ylabel=f"train {RISK_LABELS[risk]}")
    panels[1, 1].axhline(limit.norm, color=RED, linestyle="--", linewidth=1)
    for panel in panels.flat:
        panel.axvline(curve.threshold, color=DARK_GRAY, linestyle=":", linewidth=1)
    panels[0, 0].legend(loc="upper left")
    return figure


def _draw_networks(curves: Sequence[Curve], size_label: str = "parameters") -> Figure:
    figure = new_figure(4.2)
    panels = figure.subplots(2, 2, sharex=True)
    for (test, train), risk in zip(panels.T, RISK_LABELS, strict=True):
        _draw_risk(test, curves, "test", risk)
        _draw_risk(train, curves, "train", risk)
        train.set_xlabel(size_label)
        train.set_ylim(bottom=0)
    if len(curves) > 1:
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(curves))
    return figure


def _draw_risk(panel: Axes, curves: Sequence[Curve], split: str, risk: str) -> None:
    for curve, style in zip(curves, STYLES, strict=False):
        _draw_line(panel, curve, f"{split}_{risk}", style, curve.title)
    panel.axvline(curves[0].threshold, color=DARK_GRAY, linestyle=":", linewidth=1)
    panel.set(xscale="log", ylabel=f"{split} {RISK_LABELS[risk]}")


def _draw_line(panel: Axes, curve: Curve, column: str, style: LineStyle, label: str = "") -> None:
    groups = curve.table.groupby("size")[column]
    # Train risks are zero from some size on.
    mean = groups.mean() if column.startswith("train") else mean_risks(curve.table, "size", column)
    panel.fill_between(mean.index, groups.min(), groups.max(), color=GRAY, alpha=0.4, linewidth=0)
    draw_line(panel, mean, style, label, markersize=3, linewidth=1)
