"""Train networks on sinusoids: the first layer's bias should take longer paths at higher frequencies."""

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.studies.shared.bias_figures import draw_against_lipschitz, draw_curves
from benevolent.analysis.studies.shared.bias_path import identity_finding, increase_finding, recorded_progress
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.seed_means import rank_correlation, show_interval

AXIS = "data.frequency"
#: Largest relative error of the identity.
TOLERANCE = 1e-4
#: Largest train loss of a network that has learned its sinusoid.
LARGEST_TRAIN_LOSS = 0.03
#: Smallest ratio of a statistic at the highest frequency to that at the lowest.
LEAST_RATIO = 1.5
LEAST_RANK_CORRELATION = 0.6
#: Fewest fitted networks at either end.
FEWEST_NETWORKS = 3

RULE = f"""
Lipschitz constant: among all networks of a seed, fitted or not, Spearman's rank correlations of the total path, the
variance and the distance from initialization with the mean Lipschitz constant at the training points are at least
{LEAST_RANK_CORRELATION} in the mean over seeds, and the lower ends of their 95% intervals (Student, over seeds) above
0.

Frequency: this is asked of networks with a train loss of at most {LARGEST_TRAIN_LOSS} (half the squared error), because
the others have not learned their sinusoid. The path per step, the variance and the distance are at the highest
frequency at least {LEAST_RATIO} times those at the lowest, in the mean over seeds, and the lower ends of the intervals
above 1. Frequencies between them need not be in order. The decision is undecided with fewer than {FEWEST_NETWORKS} such
networks at either.

Learned function: among a seed's fitted networks, the rank correlation of the frequency and the mean Lipschitz constant
is at least {LEAST_RANK_CORRELATION} in the mean over seeds, and the lower end of its interval above 0.

Identity: in every recorded step, the increment of the bias over the learning rate and the loss derivative misses the
local Lipschitz constant at that step's example by at most {TOLERANCE:g} of it.
"""

LONGER = "abstract: more complex networks have a longer trajectory"
BIGGER = "abstract: more complex networks have a bigger variance"
FURTHER = "abstract: more complex networks often veer further from it"
#: Why a statistic may not follow the Lipschitz constant.
NOT_YET = "networks that have not learned their sinusoid yet lie between those that have"
#: Claims on statistics that should rise with the frequency; the source gives no numbers.
RISING = {
    "bias_increment_mean": StudyClaim("Networks that learn a higher frequency have a longer trajectory", LONGER),
    "bias_variance": StudyClaim("Networks that learn a higher frequency have a bigger variance", BIGGER),
    "bias_distance_from_init": StudyClaim(
        "Networks that learn a higher frequency veer further from their initialization", FURTHER
    ),
}
#: Claims on statistics that should follow the Lipschitz constant.
FOLLOWING = {
    "bias_increment_sum": StudyClaim(
        "Networks with a larger Lipschitz constant have a longer trajectory", LONGER, NOT_YET
    ),
    "bias_variance": StudyClaim("Networks with a larger Lipschitz constant have a bigger variance", BIGGER, NOT_YET),
    "bias_distance_from_init": StudyClaim(
        "Networks with a larger Lipschitz constant veer further from their initialization", FURTHER, NOT_YET
    ),
}

STEEPER = StudyClaim(
    "Networks that learn a higher frequency have a larger Lipschitz constant", explanation=NOT_YET, kind="ours"
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    fitted = table[table["train_loss"] <= LARGEST_TRAIN_LOSS]
    findings = [_follows(claim, table, statistic) for statistic, claim in FOLLOWING.items()]
    findings += [_increase(claim, table, fitted, statistic) for statistic, claim in RISING.items()]
    findings += [_follows(STEEPER, fitted, AXIS), identity_finding(runs, TOLERANCE)]
    curves_figure = render_figure(
        "curves",
        "Losses, Lipschitz constant and the bias while networks learn sinusoids",
        "Medians over seeds and their range against epochs; colors are frequencies. Path per step and variance "
        "are those of the last ten epochs. Losses are half squared errors; the Lipschitz constant is the mean of "
        "‖df/dx‖ over the training points.",
        draw_curves,
        recorded_progress(runs, AXIS),
        AXIS,
    )
    lipschitz_figure = render_figure(
        "lipschitz",
        "Statistics of the bias against the Lipschitz constant of the learned function",
        f"Each point is a network at the end of its training; hollow: train loss above {LARGEST_TRAIN_LOSS}.",
        draw_against_lipschitz,
        table,
        AXIS,
        LARGEST_TRAIN_LOSS,
    )
    notes = [
        _describe_ends(table),
        "The statistics reflect the function that was learned, not the target: a network that has not yet fitted a "
        "sinusoid of high frequency has learned a flat function, and its bias has taken a short path.",
    ]
    return StudyAnswer(findings, [curves_figure, lipschitz_figure], table, notes)


def _increase(claim: StudyClaim, table: pd.DataFrame, fitted: pd.DataFrame, statistic: str) -> Finding:
    ends = (table[AXIS].min(), table[AXIS].max())
    if all((fitted[AXIS] == frequency).sum() >= FEWEST_NETWORKS for frequency in ends):
        return increase_finding(claim, fitted, statistic, AXIS, LEAST_RATIO)
    finding = increase_finding(claim, table, statistic, AXIS, LEAST_RATIO)
    return claim.decide(None, finding.evidence, "too few networks fitted their sinusoid")


def _follows(claim: StudyClaim, table: pd.DataFrame, column: str) -> Finding:
    """Decide whether a column orders a seed's networks as the Lipschitz constant does."""
    rank = rank_correlation(table, column, "lipschitz_mean")
    holds = rank.value >= LEAST_RANK_CORRELATION and rank.low > 0
    return claim.decide(holds, f"Spearman {show_interval(rank)}, {len(table)} networks")


def _describe_ends(table: pd.DataFrame) -> str:
    ends = []
    for frequency, rows in table.groupby(AXIS):
        losses = f"train loss {rows['train_loss'].mean():.2g}, test loss {rows['test_loss'].mean():.2g}"
        fitted = int((rows["train_loss"] <= LARGEST_TRAIN_LOSS).sum())
        ends.append(f"frequency {frequency:g}: {losses}, {fitted} of {len(rows)} fitted")
    return f"Means over seeds at the end: {'; '.join(ends)}."
