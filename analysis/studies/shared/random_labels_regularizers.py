"""Findings on regularization, explicit and implicit, of networks that fit random labels."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding
from benevolent.analysis.studies.shared.random_labels_fitting import CHANCE, LEAST_FIT
from benevolent.analysis.studies.shared.random_labels_runs import (
    ALEXNET,
    AUGMENTATION,
    INCEPTION,
    NONE,
    PERCEPTRON,
    RANDOM_LABELS,
    SMALLEST_PERCEPTRON,
    TRUE_LABELS,
    WEIGHT_DECAY,
    by_network,
    in_condition,
    mean_where,
    show_each,
)
from benevolent.analysis.studies.shared.random_labels_stopping import (
    HALF_RANDOM,
    stopping_gains_nothing,
    stopping_gains_with_noise,
)
from benevolent.analysis.studies.shared.regularizer_claims import (
    ARCHITECTURE_GAINS_MORE,
    FIT_WITH_BEST,
    FIT_WITH_WEIGHT_DECAY,
    GENERALIZE_WITHOUT,
    NONE_STOPS_RANDOM_LABELS_ALONE,
)
from benevolent.analysis.studies.shared.seed_means import (
    SeedMean,
    mean_over_seeds,
    seed_mean,
    show_interval,
    show_intervals,
)
from benevolent.analysis.studies.shared.tables import rows_with

#: Smallest part of the best regularized network's test accuracy that is left without: in the paper 0.96, of Inception.
LEAST_KEPT = 0.9


class Regularized(NamedTuple):
    """A regularizer of an architecture.

    Attributes:
        network: the architecture.
        regularizer: with its amount.
        gain: in test accuracy on true labels, over none.
        fit: train accuracy on random labels.
    """

    network: str
    regularizer: str
    gain: SeedMean
    fit: SeedMean


def regularized_networks(networks: pd.DataFrame) -> list[Regularized]:
    """Return every regularizer of every architecture, in the order of the table."""
    all_regularized = []
    for network, runs in networks.groupby("network", sort=False):
        with_true_labels = in_condition(runs, TRUE_LABELS)
        with_one = runs[runs["regularizer"] != NONE]
        for regularizer, rows in with_one.groupby("regularizer", sort=False):
            gain = _gain(with_true_labels, str(regularizer))
            fit = seed_mean(in_condition(rows, RANDOM_LABELS), "train", (0, 1))
            all_regularized.append(Regularized(str(network), str(regularizer), gain, fit))
    return all_regularized


def best_regularizers(regularized: Sequence[Regularized]) -> dict[str, Regularized]:
    """Return the regularizer of each architecture with the largest gain."""
    best: dict[str, Regularized] = {}
    for one in regularized:
        if one.network not in best or one.gain.value > best[one.network].gain.value:
            best[one.network] = one
    return best


def regularizer_findings(networks: pd.DataFrame) -> list[Finding]:
    """Return the findings on regularization.

    Args:
        networks: with and without regularizers, as `random_labels_runs.networks_of` returns them.
    """
    regularized = regularized_networks(networks)
    best = best_regularizers(regularized)
    bare = rows_with(networks, "regularizer", NONE)
    return [
        _generalize_without(in_condition(networks, TRUE_LABELS), best),
        _fit_with_weight_decay(regularized),
        _architecture_gains_more(in_condition(networks, TRUE_LABELS)),
        stopping_gains_nothing(in_condition(bare, TRUE_LABELS)),
        _fit_with_best(best),
        _none_stops_random_labels_alone(regularized),
        stopping_gains_with_noise(rows_with(bare, "corruption", HALF_RANDOM)),
    ]


def _generalize_without(networks: pd.DataFrame, best: dict[str, Regularized]) -> Finding:
    bare = by_network(rows_with(networks, "regularizer", NONE), "test", (0, 1))
    kept = {}
    for network, one in best.items():
        kept[network] = bare[network].value / (bare[network].value + one.gain.value)
    better_than_chance = all(accuracy.low > CHANCE for accuracy in bare.values())
    shown = ", ".join(f"{network} {part:.2f}" for network, part in kept.items())
    evidence = f"test accuracy {show_each(bare)}; of the best regularized one's: {shown}"
    return GENERALIZE_WITHOUT.decide(better_than_chance and all(part >= LEAST_KEPT for part in kept.values()), evidence)


def _fit_with_weight_decay(regularized: Sequence[Regularized]) -> Finding:
    with_decay = [one for one in regularized if one.regularizer.startswith(WEIGHT_DECAY)]
    weakest: dict[str, Regularized] = {}
    for one in sorted(with_decay, key=_amount_of_weight_decay):
        weakest.setdefault(one.network, one)
    asked = [one for name, one in weakest.items() if name.startswith(PERCEPTRON) or name == INCEPTION]
    others = [one for one in weakest.values() if one not in asked]
    not_asked = f"; not asked: {_show_fits(others)}" if others else ""
    evidence = f"train accuracy on random labels: {_show_fits(asked)}{not_asked}"
    return FIT_WITH_WEIGHT_DECAY.decide(_all_fit(asked), evidence)


def _amount_of_weight_decay(one: Regularized) -> float:
    return float(one.regularizer.removeprefix(WEIGHT_DECAY))


def _fit_with_best(best: dict[str, Regularized]) -> Finding:
    return FIT_WITH_BEST.decide(
        _all_fit(best.values()), f"train accuracy on random labels: {_show_fits(best.values())}"
    )


def _all_fit(chosen: Iterable[Regularized]) -> bool:
    return all(one.fit.value >= LEAST_FIT for one in chosen)


def _show_fits(chosen: Iterable[Regularized]) -> str:
    return ", ".join(f"{one.network} with {one.regularizer} {one.fit.value:.3f}" for one in chosen)


def _architecture_gains_more(networks: pd.DataFrame) -> Finding:
    names = list(networks["network"].unique())
    better = INCEPTION if INCEPTION in names else ALEXNET
    worse = next(name for name in names if name.startswith(SMALLEST_PERCEPTRON))

    def between(rows: pd.DataFrame) -> float:
        bare = rows_with(rows, "regularizer", NONE)
        return mean_where(bare, "network", better, "test") - mean_where(bare, "network", worse, "test")

    def by_regularizing(rows: pd.DataFrame) -> float:
        return _seed_gain(rows_with(rows, "network", ALEXNET), AUGMENTATION)

    architecture = mean_over_seeds(networks, between, (-1, 1))
    regularizer = mean_over_seeds(networks, by_regularizing, (-1, 1))
    difference = mean_over_seeds(networks, lambda rows: between(rows) - by_regularizing(rows), (-2, 2))
    gains = {f"{better} over {worse}": architecture, f"{AUGMENTATION} in {ALEXNET}": regularizer}
    evidence = f"{show_intervals(gains, '+.3f')}; difference {show_interval(difference, '+.3f')}"
    return ARCHITECTURE_GAINS_MORE.decide(difference.low > 0, evidence)


def _gain(networks: pd.DataFrame, regularizer: str) -> SeedMean:
    return mean_over_seeds(networks, lambda rows: _seed_gain(rows, regularizer), (-1, 1))


def _seed_gain(rows: pd.DataFrame, regularizer: str) -> float:
    """Return the test accuracy that a regularizer gains among one architecture's networks of one seed."""
    return mean_where(rows, "regularizer", regularizer, "test") - mean_where(rows, "regularizer", NONE, "test")


def _none_stops_random_labels_alone(regularized: Sequence[Regularized]) -> Finding:
    hindering = [one for one in regularized if one.fit.value < LEAST_FIT]
    if not hindering:
        return NONE_STOPS_RANDOM_LABELS_ALONE.decide(None, "every regularized network fits random labels")
    texts = []
    for one in hindering:
        texts.append(f"{one.network} with {one.regularizer} {one.fit.value:.3f} and {show_interval(one.gain, '+.3f')}")
    evidence = "train accuracy on random labels, and gain of test accuracy on true ones: " + "; ".join(texts)
    return NONE_STOPS_RANDOM_LABELS_ALONE.decide(all(one.gain.high < 0 for one in hindering), evidence)
