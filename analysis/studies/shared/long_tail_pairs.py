"""Findings about the pairs of a memorized training example and a test example that it helps."""

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.bootstrap import Estimate, bootstrap_mean
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.long_tail_networks import SubsetNetworks
from benevolent.analysis.studies.shared.seed_means import show_interval

ONE_CLASS = StudyClaim("Influential pairs are of one class", "pairs of one class")
LOOK_ALIKE = StudyClaim("Influential pairs look alike", "near duplicates and rare views")
NOT_NEAREST = StudyClaim("Most influential partners are not the nearest image in pixels", kind="ours")
REPEATED = StudyClaim("Pairs found in half of the networks are influential in the other half", kind="ours")

TOO_FEW = "pairs have fewer than two test or training examples"


def mean_over_pairs(pairs: pd.DataFrame, column: str) -> Estimate | None:
    """Return the mean over pairs, with the interval that contains those from test and from training examples.

    Pairs that share an example of either kind are not independent, so examples are drawn with all their pairs.

    Args:
        pairs: one row per pair, with the positions `train` and `test`.
        column: a numeric column; pairs without it are left out.

    Returns:
        None with fewer than two examples of either kind.

    >>> pairs = pd.DataFrame({"train": [0, 0, 1, 1], "test": [0, 1, 2, 3], "alike": [1.0, 1.0, 0.0, 0.0]})
    >>> mean_over_pairs(pairs, "alike")[:3]
    (0.5, 0.0, 1.0)
    >>> mean_over_pairs(pairs.assign(train=0), "alike") is None
    True
    """
    known = pairs.dropna(subset=[column])
    if min(known["test"].nunique(), known["train"].nunique()) < 2:
        return None
    of_tests = bootstrap_mean(known, column, "test")
    of_training = bootstrap_mean(known, column, "train")
    low = min(of_tests.low, of_training.low)
    high = max(of_tests.high, of_training.high)
    return of_tests._replace(low=low, high=high)


def pairs_alike(networks: SubsetNetworks, pairs: pd.DataFrame) -> list[Finding]:
    """Decide whether influential pairs are of one class, and alike within it.

    Args:
        networks: with their answers.
        pairs: from `influential_pairs`.
    """
    train = networks.train.labels[0].numpy()
    test = networks.test.labels[0].numpy()
    base = float((train[:, None] == test[None]).mean())
    among = f"{len(pairs)} pairs of {pairs['train'].nunique()} training and {pairs['test'].nunique()} test examples"
    same = mean_over_pairs(pairs, "same_class")
    nearer = mean_over_pairs(pairs[pairs["same_class"]], "nearer")
    return [
        _above(ONE_CLASS, same, base, f"{among}; all pairs {base:.3f}; these"),
        _below(LOOK_ALIKE, nearer, 0.5, "fraction of the class that is nearer in pixels"),
    ]


def not_pixels(pairs: pd.DataFrame) -> Finding:
    """Decide whether most partners, in pairs from `influential_pairs`, are not the nearest image."""
    nearest = mean_over_pairs(pairs, "nearest")
    return _below(NOT_NEAREST, nearest, 0.5, "fraction of pairs whose partner is the nearest")


def repeated_pairs(networks: SubsetNetworks, least_memorization: float, least_influence: float) -> Finding:
    """Decide whether pairs of one half of the networks have influence in the other half.

    Args:
        networks: with their answers.
        least_memorization: of the training example, in all networks.
        least_influence: of it on the test example, in the half that chooses.
    """
    is_memorized = networks.memorization >= least_memorization
    tables = []
    for first, second in (networks.halves, networks.halves[::-1]):
        is_influential = networks.influence_in(first) >= least_influence
        train, test = np.nonzero(is_memorized[:, None] & is_influential)
        again = networks.influence_in(second)[train, test]
        tables.append(pd.DataFrame({"train": train, "test": test, "again": again}))
    mean = mean_over_pairs(pd.concat(tables), "again")
    return _above(REPEATED, mean, 0, f"chosen at {least_influence} in one half, mean influence in the other")


def _above(claim: StudyClaim, estimate: Estimate | None, threshold: float, what: str) -> Finding:
    """Decide whether the interval of a mean over pairs lies above a threshold."""
    if estimate is None:
        return claim.decide(None, TOO_FEW)
    return claim.decide(estimate.low > threshold, f"{what} {show_interval(estimate, '.3f')}")


def _below(claim: StudyClaim, estimate: Estimate | None, threshold: float, what: str) -> Finding:
    """Decide whether the interval of a mean over pairs lies below a threshold."""
    if estimate is None:
        return claim.decide(None, TOO_FEW)
    return claim.decide(estimate.high < threshold, f"{what} {show_interval(estimate, '.3f')}")
