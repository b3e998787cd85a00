"""Findings on the time that networks take to fit random labels and inputs, relative to true labels."""

import functools
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.random_labels_runs import (
    NOISE_INPUTS,
    RANDOM_LABELS,
    TRUE_LABELS,
    all_fitted,
    by_network,
    images_only,
    in_condition,
    mean_where,
    show_each,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Largest slow-down that counts as small.
SMALL_FACTOR = 10
#: Largest ratio of slow-downs, at most and fewest examples, that counts as constant.
CONSTANT = 2

#: Claims of the findings.
SLOWS_DOWN_LITTLE = StudyClaim(
    "Random labels slow training down by a small constant factor only",
    "about 3.5 (Inception)",
    explanation="few examples in many dimensions are almost as easy to tell apart whatever their labels",
)
NOISE_IS_FASTER = StudyClaim(
    "Random pixels and Gaussian noise are fitted sooner than random labels",
    "they start converging faster (figure 1a)",
)
LONGER_WITH_CORRUPTION = StudyClaim(
    "Fitting takes longer the more labels are random",
    "figure 1b: time rises with corruption",
    explanation="a fraction of wrong labels already takes as long as random labels",
)
FACTOR_IS_CONSTANT = StudyClaim(
    "The slow-down by random labels does not grow with the number of examples",
    explanation="examples with true labels help each other, random ones only get in each other's way",
    kind="ours",
)


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
    return mean_where(rows, "condition", condition, "epochs") / mean_where(rows, "condition", reference, "epochs")


def _small_factor(networks: pd.DataFrame) -> Finding:
    ratios = by_network(networks, _slow_down)
    holds = all(ratio.low > 1 and ratio.high < SMALL_FACTOR for ratio in ratios.values())
    evidence = f"epochs to fit, random over true labels: {show_each(ratios, '.2f')}"
    return SLOWS_DOWN_LITTLE.decide(holds if _times_are_known(networks) else None, evidence)


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
    return NOISE_IS_FASTER.decide(holds, f"epochs to fit, over those of random labels; {'; '.join(texts)}")


def _longer_with_corruption(networks: pd.DataFrame) -> Finding:
    rows = images_only(networks)
    correlations = by_network(rows, lambda runs: spearman(runs["corruption"], runs["epochs"]), (-1, 1))
    holds = all(correlation.low > 0 for correlation in correlations.values())
    return LONGER_WITH_CORRUPTION.decide(
        holds if all_fitted(rows) else None,
        f"Spearman's correlation of corruption and epochs: {show_each(correlations, '+.2f')}",
    )


def slow_downs(sizes: pd.DataFrame) -> Mapping[int, SeedMean]:
    """Return the slow-down by random labels at each number of training examples."""
    return {int(examples): mean_over_seeds(rows, _slow_down) for examples, rows in sizes.groupby("examples")}


def _factor_is_constant(sizes: pd.DataFrame) -> Finding:
    fewest = sizes["examples"].min()
    most = sizes["examples"].max()

    def growth(rows: pd.DataFrame) -> float:
        at_most = _slow_down(rows_with(rows, "examples", most))
        return at_most / _slow_down(rows_with(rows, "examples", fewest))

    grown = mean_over_seeds(sizes, growth)
    shown = ", ".join(f"{factor.value:.2f} at {examples}" for examples, factor in slow_downs(sizes).items())
    evidence = f"from {fewest} to {most} examples it grows {show_interval(grown, '.2f')} times: {shown}"
    holds = None
    if _times_are_known(sizes) and grown.low > 1:
        holds = False
    elif _times_are_known(sizes) and grown.high < CONSTANT:
        holds = True
    return FACTOR_IS_CONSTANT.decide(holds, evidence)


def _slow_down(rows: pd.DataFrame) -> float:
    """Return the time that a seed's networks took to fit random labels, relative to true ones."""
    return time_ratio(rows, RANDOM_LABELS, TRUE_LABELS)
