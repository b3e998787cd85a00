"""Train networks on random subsets, and ask which examples they memorize, and which test examples need these."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.long_tail_figures import pairs_figure, tail_figure, wrong_labels_figure
from benevolent.analysis.studies.shared.long_tail_networks import (
    GROUPS,
    SubsetNetworks,
    accuracy_without,
    influential_pairs,
)
from benevolent.analysis.studies.shared.long_tail_pairs import not_pixels, pairs_alike, repeated_pairs
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Thresholds of the source: an example is memorized, and a pair is influential, from there on.
MEMORIZED = 0.25
INFLUENTIAL = 0.15
#: Thresholds of memorization from which on examples are removed, and networks that are trained without them.
REMOVED_FROM = (0.75, 0.5, 0.25, 0.1)
REPEATS = 16

RULE = f"""
Memorization mem(i) and influence infl(i, j) are estimated from the networks of a sweep, each trained on its own random
subset; the unit of 95% intervals is a group of networks ({GROUPS} groups, Student), a training seed (Student), or, for
pairs, an example: a bootstrap draws test examples with all their pairs, another one training examples, and the interval
contains both of theirs. Pairs are undecided with fewer than two examples of either kind.

Long tail: the mean of mem over training examples exceeds the median, and the fraction with mem >= {MEMORIZED} is larger
than after exchanging the subsets of the networks, each with an interval of the difference above 0. Use: networks
trained without the examples of mem >= {MEMORIZED} have a lower test accuracy than networks of the same {REPEATS} seeds
trained without as many random ones, with an interval above 0 (the same classes: random ones with the labels of the
memorized ones; this one is ours).

One class: over pairs with mem >= {MEMORIZED} and infl >= {INFLUENTIAL} the fraction of one class exceeds that over all
pairs, with an interval above it. Alike: over the pairs of one class, and among the training examples of this class
alone, less than half are nearer to the test example in pixels than its partner, with an interval below one half.

Ours. Not pixels alone: the partner is the nearest training example of all in less than half of the pairs, with an
interval below one half. Repeated: pairs of infl >= {INFLUENTIAL} in one half of the networks, and mem >= {MEMORIZED} in
all networks, have a positive mean influence in the other half, with an interval above 0. Wrong labels: the mean of mem
over examples with a wrong label exceeds that over the others, with an interval above 0.
"""

#: Claims of the findings.
TAIL = StudyClaim(
    "Most examples are not memorized, and a long tail is",
    "a long tail on ImageNet and CIFAR-100, a short one on MNIST",
)
WRONG_LABELS = StudyClaim("Wrong labels are memorized more than right ones", kind="ours")
REMOVING_COSTS = StudyClaim(
    "Removing memorized examples costs more test accuracy than removing others",
    "lower at every threshold",
    "memorized examples are too few, or too odd, to matter for the test examples",
)
REMOVING_COSTS_BY_CLASS = StudyClaim(
    "It also costs more than removing others of the same classes",
    explanation=REMOVING_COSTS.explanation,
    kind="ours",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    networks = SubsetNetworks.load(results["influence"])
    wrong = SubsetNetworks.load(results["wrong-labels"])
    removal = accuracy_without(networks, list(REMOVED_FROM), REPEATS)
    pairs = influential_pairs(networks, MEMORIZED, INFLUENTIAL)
    findings = [
        _tail(networks),
        _use(REMOVING_COSTS, removal, "random"),
        *pairs_alike(networks, pairs),
        _use(REMOVING_COSTS_BY_CLASS, removal, "classes"),
        not_pixels(pairs),
        repeated_pairs(networks, MEMORIZED, INFLUENTIAL),
        _wrong_labels(wrong),
    ]
    figures = [tail_figure(networks, removal), pairs_figure(networks, pairs), wrong_labels_figure(wrong)]
    numbers = pd.concat([removal.assign(table="removal"), pairs.assign(table="pairs")], ignore_index=True)
    return StudyAnswer(findings, figures, numbers, [_describe_gap(networks)])


def _describe_gap(networks: SubsetNetworks) -> str:
    mean, gap = networks.gap
    return (
        f"The mean memorization is {mean:.3f}, and the accuracy on seen examples {gap:.3f} above that on unseen ones: "
        "averaged over the training split, memorization is the generalization gap."
    )


def _tail(networks: SubsetNetworks) -> Finding:
    by_group = networks.memorization_by_group()
    skew = mean_of([float(np.nanmean(values) - np.nanmedian(values)) for values in by_group])
    excess = []
    for values, chance in zip(by_group, networks.chance_by_group(), strict=True):
        excess.append(_memorized_part(values) - _memorized_part(chance))
    memorized = mean_of(excess)
    part = f"{_memorized_part(networks.memorization):.1%} of examples"
    more = f"more than by chance: {show_interval(memorized, '+.3f', 'group')}"
    evidence = f"mem ≥ {MEMORIZED} for {part} ({more}); mean minus median {show_interval(skew, '+.3f', 'group')}"
    return TAIL.decide(skew.low > 0 and memorized.low > 0, evidence)


def _memorized_part(values: np.ndarray) -> float:
    return float(np.mean(values >= MEMORIZED))


def _use(claim: StudyClaim, removal: pd.DataFrame, control: str) -> Finding:
    at_threshold = rows_with(removal, "threshold", MEMORIZED)
    rows = at_threshold.pivot(index="seed", columns="which", values="accuracy")
    difference = mean_of((rows[control] - rows["memorized"]).tolist())
    count = at_threshold["removed"].iloc[0]
    whole = rows_with(removal, "which", "none")["accuracy"].mean()
    without = f"without the {count} memorized {rows['memorized'].mean():.4f}"
    others = f"without as many others {rows[control].mean():.4f}, with all {whole:.4f}"
    evidence = f"{without}, {others}; difference {show_interval(difference, '+.4f', 'seed')}"
    return claim.decide(difference.low > 0, evidence)


def _wrong_labels(networks: SubsetNetworks) -> Finding:
    wrong = (networks.train.labels[0] != networks.train.true_labels).numpy()
    differences = []
    for values in networks.memorization_by_group():
        differences.append(np.nanmean(values[wrong]) - np.nanmean(values[~wrong]))
    difference = mean_of(differences)
    values = networks.memorization
    area = roc_auc_score(wrong, values)
    means = f"mean mem {values[wrong].mean():.3f} of {wrong.sum()} wrong labels, {values[~wrong].mean():.3f} of others"
    shown = show_interval(difference, "+.3f", "group")
    return WRONG_LABELS.decide(difference.low > 0, f"{means}; difference {shown}; area under the ROC curve {area:.3f}")
