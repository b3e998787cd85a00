"""Compare how steadily the first bias was trained with slopes far from the data, and bound them by training points."""

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.far_from_data import (
    BOUND_TOLERANCE,
    KnownPatterns,
    choose_different,
    distant_inputs,
    network_and_training_inputs,
    patterns_and_slopes,
    square_grid,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.seed_means import minus_signs, rank_correlation, show_interval
from benevolent.analysis.studies.shared.steadiness_figures import (
    FREQUENCY,
    SCALE,
    SIDE,
    STEADINESS,
    draw_squares,
    draw_steadiness,
)

LEAST_RANK_CORRELATION = 0.6
LEVEL = 0.05
#: Fewest bounds over all networks.
FEWEST_BOUNDS = 200
#: Largest train loss of a network that has learned its sinusoid.
LARGEST_TRAIN_LOSS = 0.03
#: Largest ratio of the median slope of steady networks to that of the others.
STEADY_RATIO = 0.5
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

#: Why a claim on steadiness may not hold.
FREQUENCY_MATTERS = "among networks that have learned their sinusoid, the frequency changes the relation of the two"
#: Claims on each statistic of steadiness.
FOLLOWS = {
    "bias_increment_max": StudyClaim(
        "The more slowly the bias is trained, the flatter the function is far from the data",
        explanation=FREQUENCY_MATTERS,
        kind="ours",
    ),
    "bias_variance": StudyClaim(
        "The less the bias varies in training, the flatter the function is far from the data",
        explanation=FREQUENCY_MATTERS,
        kind="ours",
    ),
}

#: Claims of the findings.
BOUNDS_HOLD = StudyClaim(
    "The slopes at the training points bound the slope wherever their patterns span the pattern",
    "abstract: bounded complexity even far from any training point",
    kind="check",
)
STEADY_NETWORKS = StudyClaim(
    "Networks that are trained steadily are less steep far from the data",
    "abstract: bounded complexity even far from any training point",
    explanation="training is steady at the training points, while other regions of the function count far away",
)
WITHIN_CONFIGURATIONS = StudyClaim(
    "Among networks of one configuration, steadier training means a flatter function far away", kind="ours"
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    squares = {run_id: _square(runs, run_id) for run_id in table["run_id"]}
    table["far_slope"] = [_largest_distant_slope(runs, run_id) for run_id in table["run_id"]]
    points = pd.concat([rows.assign(run_id=run_id) for run_id, rows in squares.items()], ignore_index=True)
    bounds = points[~points["seen"]].dropna(subset="bound")
    fitted = table[table["train_loss"] <= LARGEST_TRAIN_LOSS]
    findings = [_steady_networks(fitted)]
    findings += [_follows(claim, fitted, statistic) for statistic, claim in FOLLOWS.items()]
    findings += [_within_configurations(fitted), _bounds_hold(points, bounds)]
    regions_figure = render_figure(
        "regions",
        "Slopes over the square, and where the training points bound them",
        "One network of each frequency. Above, ||df/dx|| at each point; below, whether a training point has the "
        "point's activation pattern (light), theirs span it (middle), or neither, so that nothing is known (dark).",
        draw_squares,
        table,
        squares,
    )
    steadiness_figure = render_figure(
        "steadiness",
        "Slopes far from the data against steadiness, and bounds against slopes",
        "Left and middle, one point per network, colors are frequencies; the largest ||df/dx|| at random inputs. "
        "Right, the bound of a pattern that no training point has against the true slope; the line is equality.",
        draw_steadiness,
        table,
        bounds,
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
    network = runs.network(run_id).double()
    return float(patterns_and_slopes(network, distant_inputs(runs, run_id, DISTANT)).slopes.max())


def _bounds_hold(points: pd.DataFrame, bounds: pd.DataFrame) -> Finding:
    far = points[~points["seen"]]
    by_network = far.groupby("run_id")["spanned"].mean()
    violated = int((bounds["bound"] < bounds["slope"] - BOUND_TOLERANCE).sum())
    looseness = (bounds["bound"] / bounds["slope"]).replace(np.inf, np.nan)
    far_part = f"{(~points['seen']).mean():.0%} of the points have a pattern that no training point has"
    spread = f"{by_network.min():.0%} to {by_network.max():.0%} by network"
    spanned = f"{far['spanned'].mean():.0%} of these are spanned ({spread})"
    loose = f"median bound / slope {looseness.median():.2f}, 90% below {looseness.quantile(0.9):.2f}"
    evidence = f"{violated} of {len(bounds)} bounds violated; {far_part}, and {spanned}; {loose}"
    return BOUNDS_HOLD.decide(violated == 0 if len(bounds) >= FEWEST_BOUNDS else None, evidence)


def _follows(claim: StudyClaim, fitted: pd.DataFrame, statistic: str) -> Finding:
    rank = rank_correlation(fitted, statistic, "far_slope")
    holds = rank.value >= LEAST_RANK_CORRELATION and rank.low > 0
    return claim.decide(holds, f"Spearman {show_interval(rank)}, {len(fitted)} networks")


def _steady_networks(fitted: pd.DataFrame) -> Finding:
    is_steady = np.logical_and.reduce([fitted[name] <= fitted[name].median() for name in STEADINESS])
    steady = fitted.loc[is_steady, "far_slope"]
    others = fitted.loc[~is_steady, "far_slope"]
    of_steady = f"median {steady.median():.2f} of the {len(steady)} steady networks (at most {steady.max():.2f})"
    of_others = f"{others.median():.2f} of the {len(others)} others (at most {others.max():.2f})"
    holds = bool(steady.median() <= STEADY_RATIO * others.median())
    return STEADY_NETWORKS.decide(holds, f"largest slope far away: {of_steady}, {of_others}")


def _within_configurations(fitted: pd.DataFrame) -> Finding:
    within = st.within_configuration(fitted, "bias_increment_max", "far_slope", (FREQUENCY, SCALE))
    explanation = "frequency and initial scale determine both quantities"
    if within.correlation > 0:
        explanation = "the sign is right, but seeds are too few to distinguish it from none"
    holds = bool(within.correlation > 0 and within.p <= LEVEL)
    evidence = minus_signs(f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}")
    return WITHIN_CONFIGURATIONS._replace(explanation=explanation).decide(holds, evidence)
