"""Findings on what networks fit, and on what it does to their test error."""

import itertools

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.random_labels_runs import (
    INPUTS,
    PERCEPTRON,
    RANDOM_LABELS,
    SHUFFLED_PIXELS,
    TRUE_LABELS,
    by_network,
    images_only,
    in_condition,
    mean_where,
    show_each,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds

#: Smallest train accuracy that counts as a fit: below the paper's lowest, 99.34%.
LEAST_FIT = 0.99
#: Accuracy of guessing one of ten classes, and the largest distance from it that counts as chance.
CHANCE = 0.1
AT_CHANCE = 0.02

#: Claims of the findings.
LABELS_ARE_FITTED = StudyClaim(
    "Networks fit random labels",
    "train accuracy 100% (Inception, MLP 3x512), 99.82% (AlexNet), 99.34% (MLP 1x512)",
    explanation="the network is too small, or training too short",
)
INPUTS_ARE_FITTED = StudyClaim(
    "Networks fit shuffled pixels, random pixels and Gaussian noise",
    "zero training error (figure 1a)",
    explanation="the network is too small, or training too short",
)
TEST_AT_CHANCE = StudyClaim(
    "Networks that fit random labels do no better than chance on test images",
    "9.78% (Inception), 9.86% (AlexNet), 10.48% (MLP 3x512)",
)
ERROR_RISES = StudyClaim(
    "Test error rises steadily with the fraction of random labels",
    "figure 1c: from the error without noise to 90%",
    explanation="at one step of the corruption the seeds differ more than the errors",
)
SHUFFLE_COSTS_CONVOLUTIONS = StudyClaim(
    "A fixed shuffle of pixels costs test accuracy in convolutional networks only",
    explanation="with so few and small images, convolutions may have no use of neighborhoods",
    kind="ours",
)


def fitting_findings(networks: pd.DataFrame) -> list[Finding]:
    """Return the findings on what is fitted, of networks without regularizers (`random_labels_runs.networks_of`)."""
    return [
        _labels_are_fitted(networks),
        _inputs_are_fitted(networks),
        _test_at_chance(networks),
        _error_rises(networks),
        _shuffle_costs_convolutions(networks),
    ]


def _labels_are_fitted(networks: pd.DataFrame) -> Finding:
    accuracies = by_network(in_condition(networks, RANDOM_LABELS), "train", (0, 1))
    holds = all(accuracy.value >= LEAST_FIT for accuracy in accuracies.values())
    return LABELS_ARE_FITTED.decide(holds, f"train accuracy {show_each(accuracies)}")


def _inputs_are_fitted(networks: pd.DataFrame) -> Finding:
    texts = []
    lowest = 1.0
    for inputs in INPUTS.values():
        accuracies = in_condition(networks, inputs).groupby("network", sort=False)["train"].mean()
        lowest = min(lowest, accuracies.min())
        texts.append(f"{inputs} {accuracies.min():.3f}")
    return INPUTS_ARE_FITTED.decide(
        bool(lowest >= LEAST_FIT), f"lowest train accuracy of an architecture: {', '.join(texts)}"
    )


def _test_at_chance(networks: pd.DataFrame) -> Finding:
    accuracies = by_network(in_condition(networks, RANDOM_LABELS), "test", (0, 1))
    holds = all(abs(accuracy.value - CHANCE) <= AT_CHANCE for accuracy in accuracies.values())
    return TEST_AT_CHANCE.decide(holds, f"test accuracy {show_each(accuracies)}")


def _error_rises(networks: pd.DataFrame) -> Finding:
    rows = images_only(networks)
    levels = sorted(rows["corruption"].unique())
    holds = True
    texts = []
    for network, runs in rows.groupby("network", sort=False):
        for less, more in itertools.pairwise(levels):
            holds = holds and _rise(runs, less, more).low > 0
        errors = 1 - runs.groupby("corruption")["test"].mean()
        texts.append(f"{network} {', '.join(f'{error:.3f}' for error in errors)}")
    shown_levels = ", ".join(f"{level:g}" for level in levels)
    evidence = f"test error at corruption {shown_levels}: {'; '.join(texts)}"
    return ERROR_RISES.decide(holds, evidence)


def _rise(runs: pd.DataFrame, less: float, more: float) -> SeedMean:
    """Return by how much test error rises between two levels of corruption, over seeds."""

    def rise(rows: pd.DataFrame) -> float:
        return mean_where(rows, "corruption", less, "test") - mean_where(rows, "corruption", more, "test")

    return mean_over_seeds(runs, rise, (-1, 1))


def _shuffle_costs_convolutions(networks: pd.DataFrame) -> Finding:
    def loss(rows: pd.DataFrame) -> float:
        shuffled = mean_where(rows, "condition", SHUFFLED_PIXELS, "test")
        return mean_where(rows, "condition", TRUE_LABELS, "test") - shuffled

    losses = by_network(networks, loss, (-1, 1))
    perceptrons = [loss.low > 0 for network, loss in losses.items() if network.startswith(PERCEPTRON)]
    convolutions = [loss.low > 0 for network, loss in losses.items() if not network.startswith(PERCEPTRON)]
    holds = all(convolutions) and not any(perceptrons)
    return SHUFFLE_COSTS_CONVOLUTIONS.decide(holds, f"test accuracy lost: {show_each(losses, '+.3f')}")
