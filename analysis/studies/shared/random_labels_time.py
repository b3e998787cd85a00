"""Findings on the time that networks take to fit random labels and inputs, relative to true labels."""

import functools
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.random_labels_runs import (
    NOISE_INPUTS,
    RANDOM_LABELS,
    TRUE_LABELS,
    all_fitted,
    by_network,
    images_only,
    in_condition,
    only,
    show_each,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval

#: Largest slow-down that counts as small.
SMALL_FACTOR = 10
#: Largest ratio of slow-downs, at most and fewest examples, that counts as constant.
CONSTANT = 2


def time_findings(networks: pd.DataFrame, sizes: pd.DataFrame) -> list[Finding]:
    """Return the findings on the time to fit.

    A network that reached the limit of its epochs without fitting would have taken longer, so that claims which its
    time could change are undecided.

    Args:
        networks: without regularizers, as `random_labels_runs.networks_of` returns them.
        sizes: the same, of networks with different numbers of training examples.
    """
    return [
        _small_factor(networks),
        _noise_is_faster(networks),
        _longer_with_corruption(networks),
        _factor_is_constant(sizes),
    ]


def time_ratio(rows: pd.DataFrame, condition: str, reference: str) -> float:
    """Return the epochs that a seed's networks took to fit one condition, over those of another."""
    return only(rows, "condition", condition, "epochs") / only(rows, "condition", reference, "epochs")


def _small_factor(networks: pd.DataFrame) -> Finding:
    statistic = functools.partial(time_ratio, condition=RANDOM_LABELS, reference=TRUE_LABELS)
    ratios = by_network(networks, statistic)
    holds = all(ratio.low > 1 and ratio.high < SMALL_FACTOR for ratio in ratios.values())
    return Finding(
        "Random labels slow training down by a small constant factor only",
        decide(holds if _times_are_known(networks) else None),
        f"epochs to fit, random over true labels: {show_each(ratios, '.2f')}",
        "about 3.5 (Inception)",
        explanation="few examples in many dimensions are almost as easy to tell apart whatever their labels",
    )


def _times_are_known(networks: pd.DataFrame) -> bool:
    """Return whether all networks with true and with random labels fit them before the limit."""
    return all_fitted(networks[networks["condition"].isin([TRUE_LABELS, RANDOM_LABELS])])


def _noise_is_faster(networks: pd.DataFrame) -> Finding:
    texts = []
    holds: bool | None = all_fitted(networks[networks["condition"].isin(NOISE_INPUTS)])
    for inputs in NOISE_INPUTS:
        ratios = by_network(networks, functools.partial(time_ratio, condition=inputs, reference=RANDOM_LABELS))
        holds = holds and all(ratio.high < 1 for ratio in ratios.values())
        texts.append(f"{inputs}: {show_each(ratios, '.2f')}")
    if not holds and not all_fitted(in_condition(networks, RANDOM_LABELS)):
        holds = None
    return Finding(
        "Random pixels and Gaussian noise are fitted sooner than random labels",
        decide(holds),
        f"epochs to fit, over those of random labels; {'; '.join(texts)}",
        "they start converging faster (figure 1a)",
    )


def _longer_with_corruption(networks: pd.DataFrame) -> Finding:
    rows = images_only(networks)
    correlations = by_network(rows, lambda runs: spearman(runs["corruption"], runs["epochs"]), (-1, 1))
    holds = all(correlation.low > 0 for correlation in correlations.values())
    return Finding(
        "Fitting takes longer the more labels are random",
        decide(holds if all_fitted(rows) else None),
        f"Spearman's correlation of corruption and epochs: {show_each(correlations, '+.2f')}",
        "figure 1b: time rises with corruption",
        explanation="a fraction of wrong labels already takes as long as random labels",
    )


def slow_downs(sizes: pd.DataFrame) -> Mapping[int, SeedMean]:
    """Return the slow-down by random labels at each number of training examples."""
    statistic = functools.partial(time_ratio, condition=RANDOM_LABELS, reference=TRUE_LABELS)
    return {int(examples): mean_over_seeds(rows, statistic) for examples, rows in sizes.groupby("examples")}


def _factor_is_constant(sizes: pd.DataFrame) -> Finding:
    fewest = sizes["examples"].min()
    most = sizes["examples"].max()

    def growth(rows: pd.DataFrame) -> float:
        at_most = time_ratio(rows[rows["examples"] == most], RANDOM_LABELS, TRUE_LABELS)
        at_fewest = time_ratio(rows[rows["examples"] == fewest], RANDOM_LABELS, TRUE_LABELS)
        return at_most / at_fewest

    grown = mean_over_seeds(sizes, growth)
    shown = ", ".join(f"{factor.value:.2f} at {examples}" for examples, factor in slow_downs(sizes).items())
    holds: bool | None = None
    if _times_are_known(sizes):
        holds = False if grown.low > 1 else (True if grown.high < CONSTANT else None)
    return Finding(
        "The slow-down by random labels does not grow with the number of examples",
        decide(holds),
        f"from {fewest} to {most} examples it grows {show_interval(grown, '.2f')} times: {shown}",
        explanation="examples with true labels help each other, random ones only get in each other's way",
        kind="ours",
    )
