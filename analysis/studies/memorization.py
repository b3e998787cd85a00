"""Compare how networks fit real data, Gaussian noise in place of the inputs, and random labels."""

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.memorization_difficulty import difficulty_findings, equal_difficulty_finding
from benevolent.analysis.studies.shared.memorization_figures import (
    convergence_figure,
    difficulty_figure,
    noise_figure,
    regularizers_figure,
)
from benevolent.analysis.studies.shared.memorization_noise import (
    critical_samples_finding,
    patterns_first_finding,
    rise_finding,
    sensitivity_finding,
)
from benevolent.analysis.studies.shared.memorization_regularizers import (
    EARLY,
    REGULARIZERS,
    least_memorized,
    regularized,
)
from benevolent.analysis.studies.shared.memorization_sensitivity import (
    few_matter_finding,
    loss_sensitivities,
    loss_sensitivity_figure,
    loss_sensitivity_ginis,
)
from benevolent.analysis.studies.shared.memorization_tables import (
    RANDX,
    RANDY,
    REAL,
    convergence_times,
    growth,
    histories,
    right_answers,
    sensitivity_ginis,
)
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval
from benevolent.analysis.studies.shared.tables import Tables

#: Groups of seeds in which the spread of difficulties is estimated.
GROUPS = 5
#: Train accuracy that counts as high, and the fraction of random labels at which it is compared with validation.
HIGH_ACCURACY = 0.9
WRONG = 0.5
#: Validation accuracy that a regularizer may cost.
TOLERANCE = 0.01
#: Steps of training between two times at which the loss sensitivity is taken.
STEPS = 10
AXES = {"capacity": "model.width", "examples": "data.train_size"}

RULE = f"""
Each claim is about a mean over seeds with Student's 95% interval; pairs share their seed.

Difficulty (over {GROUPS} groups of networks of different seeds, so that pairs of groups share only their images), after
one epoch: the variance over examples of the fraction of networks that are wrong on them is, on real data, larger than
if mistakes fell on examples at random; its ratio to that is larger on real data than on randX and on randY (interval of
the log ratio above 0); on randX and on randY the interval of the ratio has 1 in it (equally difficult).

Loss sensitivity: g_x is the mean over t (every {STEPS} steps, to the end of training) of ||dL_t/dx||_1, where L_t is
the mean loss over training examples after t steps of SGD, and its gradient goes through these steps; the Gini
coefficient of g_x over training examples is larger on real data than on randX, and than on randY (each an interval of
the difference above 0).

Critical samples: at the end the critical sample ratio on validation inputs is larger for randX and for randY than for
real data, and at half noise it is between that of none and of all, each of these six differences with an interval above
0. Rise: it is larger at the end than after one epoch for real data, randX and randY, and changes less after half of the
epochs than before.

Capacity: from the smallest to the largest width the logarithm of the epochs to zero train error falls less on real data
than on noise. Data: from the fewest to the most examples it rises less on real data than on noise.

Patterns first: with {WRONG:.0%} random labels the epoch of the highest validation accuracy is before the first with a
train accuracy of {HIGH_ACCURACY} (log ratio below 0), and validation accuracy at the epoch of the highest mean of the
other seeds, minus that at the end, has an interval above 0.

Dropout: the least train accuracy on random labels over strengths (as many of each regularizer, of early stopping evenly
spaced among the recorded epochs, interpolated between neighbors) whose validation accuracy on real data is at most
{TOLERANCE} below that without a regularizer is lower for dropout than for each other regularizer; undecided if the
numbers of strengths differ.

Ours. Sensitivity: the Gini coefficient over training examples of ||dL/dx||_1, of an example's own loss, is larger on
real data than on randX and on randY at the same train accuracy of {HIGH_ACCURACY} (linear in it between recorded
epochs; undecided if these do not contain it in every network).
"""

#: What the paper says about the time to fit, and why a claim about it may not hold.
NOISE_TAKES_LONGER = "section 3.3: noise gains more from capacity, and takes longer with more data"
NOISE_IS_FAR_APART = "in few dimensions the inputs of noise are far apart, and soon told from each other"
#: Claims about the time to fit, by sweep; those about noise in place of images are the paper's.
TIME = {
    "capacity": StudyClaim(
        "More capacity shortens training on {} more than on real data",
        NOISE_TAKES_LONGER,
        NOISE_IS_FAR_APART,
    ),
    "examples": StudyClaim(
        "More data lengthen training on {} more than on real data",
        NOISE_TAKES_LONGER,
        NOISE_IS_FAR_APART,
    ),
}

#: Claim about each other regularizer; weight decay is the paper's.
DROPOUT = StudyClaim(
    "Dropout hinders memorization more than {} at equal validation accuracy",
    "section 5: dropout does best",
    "dropout that leaves real data alone leaves small networks room for random labels, too",
)

NOTES = (
    "The loss sensitivity follows how an example acts on the loss of all examples through the steps of training in "
    "which it was seen; L_t also has the example's own loss in it. All steps of these small networks are "
    "differentiated, in float64.",
    "The input gradient is that of an example's own loss alone, with the network held fixed. It vanishes once the "
    "example is fitted; hence it is compared at equal train accuracy.",
    "Fixed input noise is part of the data: it makes examples with random labels easier to tell apart, so that it "
    "can help their memorization. It is no regularizer of the kind of noise that is drawn anew in every step.",
    "Networks that have not fitted every example at the limit of epochs count as having done so there.",
    f"{RULE_CHANGED}: the claims on loss sensitivity were added, with a sweep of their own, before any of its runs "
    "with these seeds was seen.",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    right = right_answers(results["difficulty"])
    table = histories(results["noise"])
    ginis = sensitivity_ginis(results["noise"], table)
    times = {name: convergence_times(results[name]) for name in AXES}
    sensitivities = loss_sensitivities(results["sensitivity"], STEPS)
    concentration = loss_sensitivity_ginis(sensitivities)
    tradeoffs = regularized(results["regularizers"])
    others = [name for name in (*REGULARIZERS, EARLY) if name != "dropout"]
    findings = [
        *difficulty_findings(right, GROUPS),
        few_matter_finding(concentration, RANDX),
        critical_samples_finding(table),
        rise_finding(table),
        *(_time(times[name], name, RANDX) for name in AXES),
        patterns_first_finding(table, WRONG, HIGH_ACCURACY),
        *(_dropout(tradeoffs, other) for other in others),
        equal_difficulty_finding(right, GROUPS),
        few_matter_finding(concentration, RANDY),
        sensitivity_finding(ginis, HIGH_ACCURACY),
        *(_time(times[name], name, RANDY) for name in AXES),
    ]
    figures = [
        difficulty_figure(right),
        loss_sensitivity_figure(sensitivities, concentration),
        noise_figure(table, ginis),
        convergence_figure(times, AXES),
        regularizers_figure(tradeoffs),
    ]
    gini_tables = {"sensitivity": ginis, "loss sensitivity": concentration}
    numbers = _numbers(table, gini_tables, tradeoffs, times)
    return StudyAnswer(findings, figures, numbers, NOTES)


def _numbers(table: pd.DataFrame, ginis: Tables, tradeoffs: pd.DataFrame, times: Tables) -> pd.DataFrame:
    columns = ["kind", "seed", *AXES.values(), "epochs", "reached"]
    parts = [table.assign(table="noise"), tradeoffs.assign(table="regularizers")]
    parts += [rows.assign(table=name) for name, rows in ginis.items()]
    parts += [rows[columns].assign(table=name) for name, rows in times.items()]
    return pd.concat(parts, ignore_index=True)


def _time(times: pd.DataFrame, sweep: str, kind: str) -> Finding:
    axis = AXES[sweep]
    real = growth(times, axis, REAL)
    noise = growth(times, axis, kind)
    # More width shortens training and more data lengthen it: either acts more on noise.
    sign = -1 if sweep == "capacity" else 1
    difference = mean_of((sign * (noise - real)).tolist())
    factors = f"{np.exp(real.mean()):.2f} on real data, {np.exp(noise.mean()):.2f} on {kind}"
    compared = times[times["kind"].isin([REAL, kind])]
    unfinished = f"{(~compared['reached']).sum()} networks not done at the limit"
    shown = f"epochs change by a factor of {factors}; difference of logarithms {show_interval(difference)}"
    claim = TIME[sweep].naming(kind)
    if kind != RANDX:
        claim = claim.beyond_paper()
    return claim.decide(difference.low > 0, f"{shown}; {unfinished}")


def _dropout(tradeoffs: pd.DataFrame, other: str) -> Finding:
    dropout = least_memorized(tradeoffs, "dropout", TOLERANCE)
    others = least_memorized(tradeoffs, other, TOLERANCE)
    difference = mean_of((others - dropout).tolist())
    least = f"dropout {dropout.mean():.2f}, {other} {others.mean():.2f}"
    evidence = f"least train accuracy on random labels: {least}; difference {show_interval(difference)}"
    claim = DROPOUT.naming(other)
    if other != "weight decay":
        claim = claim.beyond_paper()
    strengths = tradeoffs.groupby("regularizer")["strength"].nunique() - 1  # without none
    if strengths["dropout"] != strengths[other]:
        reason = f"{strengths['dropout']} strengths of dropout, {strengths[other]} of {other}"
        return claim.decide(None, evidence, reason)
    return claim.decide(difference.low > 0, evidence)
