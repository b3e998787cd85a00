"""Compare how steadily the first bias was trained with slopes far from the data, and bound them by training points."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.drawing import BLACK, axis_palette, draw_networks, use_log_scales
from benevolent.analysis.studies.shared.far_from_data import (
    BOUND_TOLERANCE,
    KnownPatterns,
    choose_different,
    distant_inputs,
    network_and_training_inputs,
    patterns_and_slopes,
    square_grid,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.seed_means import minus_signs, rank_correlation, show_interval

FREQUENCY = "data.frequency"
SCALE = "init.scale"
LEAST_RANK_CORRELATION = 0.6
LEVEL = 0.05
#: Fewest bounds over all networks.
FEWEST_BOUNDS = 200
#: Largest train loss of a network that has learned its sinusoid.
LARGEST_TRAIN_LOSS = 0.03
#: Largest ratio of the median slope of steady networks to that of the others.
STEADY_RATIO = 0.5
#: Points of the square along a side.
SIDE = 40
#: Bounds computed per network, at most.
BOUNDS = 8
#: Random inputs far from the data.
DISTANT = 1000

RULE = f"""
All claims but the bound are asked of networks with a train loss of at most {LARGEST_TRAIN_LOSS}, because the others
have not learned their sinusoid. The slope far away is the largest at {DISTANT} random inputs in all ten dimensions, up
to twice as far out as the data.

Steady networks: those whose largest path per step in the last ten epochs, and whose variance there, are both at most
their medians have a smaller median of that slope than the others, at most {STEADY_RATIO} times theirs. Slowly, and with
little variation: among a seed's networks, Spearman's rank correlation of the largest path per step, and of the
variance, with that slope is at least {LEAST_RANK_CORRELATION} in the mean over seeds, and the lower end of its 95%
interval (Student, over seeds) above 0.

One configuration: among networks of one frequency and initial scale, the rank correlation of the largest path per step
with that slope is positive, with p at most {LEVEL}.

Bound: this is asked at {SIDE} x {SIDE} points of the square from which inputs are drawn, for activation patterns that
no training point has but theirs span (at most {BOUNDS} different ones per network, drawn at random). The least weighted
sum of the training points' slopes is never less than the true slope by more than {BOUND_TOLERANCE:g}. The decision is
undecided with fewer than {FEWEST_BOUNDS} such patterns in all. How often patterns are spanned, and how loose the bound
is, is reported.
"""

#: Statistics of steadiness, with their names.
STEADINESS = {"bias_increment_max": "largest path per step", "bias_variance": "variance of the bias"}
#: Claims on each.
FOLLOWS = {
    "bias_increment_max": "The more slowly the bias is trained, the flatter the function is far from the data",
    "bias_variance": "The less the bias varies in training, the flatter the function is far from the data",
}


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    squares = {run_id: _square(runs, run_id) for run_id in table["run_id"]}
    table["far_slope"] = [_largest_distant_slope(runs, run_id) for run_id in table["run_id"]]
    points = pd.concat([rows.assign(run_id=run_id) for run_id, rows in squares.items()], ignore_index=True)
    bounds = points[~points["seen"]].dropna(subset="bound")
    fitted = table[table["train_loss"] <= LARGEST_TRAIN_LOSS]
    findings = [_steady_networks(fitted)]
    findings += [_follows(fitted, statistic, claim) for statistic, claim in FOLLOWS.items()]
    findings += [_within_configurations(fitted), _bounds_hold(points, bounds)]
    regions_figure = render_figure(
        "regions",
        "Slopes over the square, and where the training points bound them",
        "One network of each frequency. Above, ||df/dx|| at each point; below, whether a training point has the "
        "point's activation pattern (light), theirs span it (middle), or neither, so that nothing is known (dark).",
        functools.partial(_draw_squares, _examples(table), squares),
    )
    steadiness_figure = render_figure(
        "steadiness",
        "Slopes far from the data against steadiness, and bounds against slopes",
        "Left and middle, one point per network, colors are frequencies; the largest ||df/dx|| at random inputs. "
        "Right, the bound of a pattern that no training point has against the true slope; the line is equality.",
        functools.partial(_draw_steadiness, table, bounds),
    )
    figures = [regions_figure, steadiness_figure]
    near = rank_correlation(fitted, "lipschitz_mean", "far_slope")
    notes = [
        "The mean slope at the training points, of which the path per step is the running record, has rank "
        f"correlation {show_interval(near)} with the slope far away.",
        f"{len(table) - len(fitted)} of {len(table)} networks did not learn their sinusoid.",
    ]
    return StudyAnswer(findings, figures, table, notes)


def _square(runs: Results, run_id: str) -> pd.DataFrame:
    """Return one row per point of the square: `slope`, `seen`, `spanned`, and `bound` of some patterns, each once."""
    network, inputs = network_and_training_inputs(runs, run_id)
    square = patterns_and_slopes(network, square_grid(runs, run_id, SIDE))
    known = KnownPatterns(patterns_and_slopes(network, inputs))
    seen = known.contain(square.patterns)
    spanned = known.span(square.patterns)
    chosen = choose_different(square.patterns, spanned & ~seen, BOUNDS)
    bounds = np.full(len(seen), np.nan)
    bounds[chosen] = known.bounds(square.patterns[chosen])
    return pd.DataFrame({"slope": square.slopes, "seen": seen, "spanned": spanned, "bound": bounds})


def _largest_distant_slope(runs: Results, run_id: str) -> float:
    network, _ = network_and_training_inputs(runs, run_id)
    return float(patterns_and_slopes(network, distant_inputs(runs, run_id, DISTANT)).slopes.max())


def _bounds_hold(points: pd.DataFrame, bounds: pd.DataFrame) -> Finding:
    far = points[~points["seen"]]
    spanned = far.groupby("run_id")["spanned"].mean()
    violated = int((bounds["bound"] < bounds["slope"] - BOUND_TOLERANCE).sum())
    looseness = (bounds["bound"] / bounds["slope"]).replace(np.inf, np.nan)
    far_share = f"{(~points['seen']).mean():.0%}"
    range_by_network = f"{spanned.min():.0%} to {spanned.max():.0%} by network"
    spanned_share = f"{far['spanned'].mean():.0%} of these are spanned ({range_by_network})"
    decision = decide(violated == 0 if len(bounds) >= FEWEST_BOUNDS else None)
    evidence = (
        f"{violated} of {len(bounds)} bounds violated; {far_share} of the points have a pattern that no training point "
        f"has, and {spanned_share}; median bound / slope {looseness.median():.2f}, 90% below "
        f"{looseness.quantile(0.9):.2f}"
    )
    return Finding(
        "The slopes at the training points bound the slope wherever their patterns span the pattern",
        decision,
        evidence,
        "abstract: bounded complexity even far from any training point",
        kind="check",
    )


def _follows(fitted: pd.DataFrame, statistic: str, claim: str) -> Finding:
    rank = rank_correlation(fitted, statistic, "far_slope")
    decision = decide(rank.value >= LEAST_RANK_CORRELATION and rank.low > 0)
    evidence = f"Spearman {show_interval(rank)}, {len(fitted)} networks"
    return Finding(
        claim,
        decision,
        evidence,
        explanation="among networks that have learned their sinusoid, the frequency changes the relation of the two",
        kind="ours",
    )


def _steady_networks(fitted: pd.DataFrame) -> Finding:
    steady = np.logical_and.reduce([fitted[name] <= fitted[name].median() for name in STEADINESS])
    calm = fitted.loc[steady, "far_slope"]
    others = fitted.loc[~steady, "far_slope"]
    decision = decide(bool(calm.median() <= STEADY_RATIO * others.median()))
    evidence = (
        f"largest slope far away: median {calm.median():.2f} of the {len(calm)} steady networks (at most "
        f"{calm.max():.2f}), {others.median():.2f} of the {len(others)} others (at most {others.max():.2f})"
    )
    return Finding(
        "Networks that are trained steadily are less steep far from the data",
        decision,
        evidence,
        "abstract: bounded complexity even far from any training point",
        explanation="training is steady at the training points, while other regions of the function count far away",
    )


def _within_configurations(fitted: pd.DataFrame) -> Finding:
    within = st.within_configuration(fitted, "bias_increment_max", "far_slope", (FREQUENCY, SCALE))
    if within.correlation > 0:
        explanation = "the sign is right, but seeds are too few to distinguish it from none"
    else:
        explanation = "frequency and initial scale determine both quantities"
    decision = decide(bool(within.correlation > 0 and within.p <= LEVEL))
    evidence = minus_signs(f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}")
    return Finding(
        "Among networks of one configuration, steadier training means a flatter function far away",
        decision,
        evidence,
        explanation=explanation,
        kind="ours",
    )


def _examples(table: pd.DataFrame) -> pd.DataFrame:
    """Return the row of one network of each frequency, with the middle initial scale and the first seed."""
    middle = table[SCALE].quantile(interpolation="lower")
    rows = table[table[SCALE] == middle].sort_values([FREQUENCY, "seed"])
    return rows.groupby(FREQUENCY).head(1)


def _draw_squares(examples: pd.DataFrame, squares: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.9), layout="constrained")
    panels = figure.subplots(2, len(examples), squeeze=False, sharex=True, sharey=True)
    steepest = max(float(squares[run_id]["slope"].max()) for run_id in examples["run_id"])
    for column, (_, example) in enumerate(examples.iterrows()):
        rows = squares[example["run_id"]]
        above, below = panels[:, column]
        kind = np.where(rows["seen"], 2, np.where(rows["spanned"], 1, 0))
        slopes = _draw_square(above, rows["slope"].to_numpy(), steepest, "viridis")
        _draw_square(below, kind, 2, "cividis", interpolation="nearest")
        above.set_title(f"frequency {example[FREQUENCY]:g}", loc="left")
        below.set_xlabel("u₁")
    for row in panels:
        row[0].set_ylabel("u₂")
    figure.colorbar(slopes, ax=panels[0], label="‖df/dx‖", shrink=0.9)
    return figure


def _draw_square(
    panel: Axes, values: np.ndarray, top: float, colors: str, interpolation: str | None = None
) -> AxesImage:
    image = panel.imshow(
        values.reshape(SIDE, SIDE),
        origin="lower",
        extent=(-1.0, 1.0, -1.0, 1.0),
        vmin=0,
        vmax=top,
        cmap=colors,
        interpolation=interpolation,
    )
    panel.grid(visible=False)
    return image


def _draw_steadiness(table: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    *panels, last = figure.subplots(1, 1 + len(STEADINESS))
    for panel, (statistic, name) in zip(panels, STEADINESS.items(), strict=True):
        draw_networks(panel, table, statistic, "far_slope", FREQUENCY)
        panel.set(xlabel=name, ylabel="largest slope far from the data")
        use_log_scales(panel, table, statistic, "far_slope")
    last.scatter(bounds["slope"], bounds["bound"], s=6, color="#34607f", alpha=0.5, linewidths=0)
    top = float(bounds["slope"].max()) if len(bounds) else 1.0
    last.plot([0, top], [0, top], color=BLACK, linewidth=0.8)
    last.set(xlabel="slope ‖df/dx‖", ylabel="bound from the training points")
    axis_palette(FREQUENCY, table[FREQUENCY]).legend(figure)
    return figure
