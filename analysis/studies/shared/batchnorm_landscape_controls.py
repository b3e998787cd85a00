"""Controls of the study `batchnorm-landscape`: equal losses, noise, and other learning rates."""

import functools
from collections.abc import Callable, Mapping

import pandas as pd

from benevolent.analysis.studies.shared.batchnorm_landscape_tables import (
    LANDSCAPE,
    NAMES,
    NOISY,
    PLAIN,
    RATE,
    ratio_at_equal_loss,
    ratio_to,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval
from benevolent.analysis.studies.shared.tables import Tables, rows_with

EQUAL_LOSS = StudyClaim(
    "The loss is smoother at equal loss, too, not only later in training",
    explanation="part of the difference is that networks with BatchNorm are further in training",
    kind="ours",
)
NOISY_LANDSCAPE = StudyClaim(
    "Noisy BatchNorm smooths the loss as well",
    explanation="the loss of a batch is taken with the noise of its step",
    kind="ours",
)
EVERY_RATE = StudyClaim(
    "With BatchNorm the loss is effectively smoother at every learning rate",
    explanation="a network that a large learning rate has thrown into a flat region does not train there",
    kind="ours",
)


def equal_loss_finding(fields: Tables, seeds: int) -> Finding:
    """Compare the landscapes at checkpoints of equal loss."""
    ratios = _landscape_ratios(fields, ratio_at_equal_loss)
    return EQUAL_LOSS.decide(all_above(ratios, 1, seeds), f"without / with, {show_by_network(ratios)}")


def noisy_landscape_finding(fields: Tables, seeds: int) -> Finding:
    """Compare the landscape with noisy BatchNorm to that without any."""
    ratios = _landscape_ratios(fields, functools.partial(ratio_to, kind=NOISY))
    return NOISY_LANDSCAPE.decide(all_above(ratios, 1, seeds), f"without / noisy, {show_by_network(ratios)}")


def _landscape_ratios(fields: Tables, ratio: Callable[[pd.DataFrame, str], SeedMean]) -> dict[str, SeedMean]:
    """Return a ratio of every quantity of the landscape, for every network, by what evidence calls it."""
    ratios = {}
    for name, table in fields.items():
        for column, label in LANDSCAPE.items():
            ratios[f"{NAMES[name]}, {label}"] = ratio(table, column)
    return ratios


def every_rate_finding(fields: Tables, seeds: int) -> Finding:
    """Compare the effective smoothness at every learning rate."""
    ratios = {}
    for name, table in fields.items():
        for rate in sorted(table[RATE].unique()):
            at_rate = rows_with(table, RATE, rate)
            ratios[f"{NAMES[name]}, {rate:g}"] = ratio_to(at_rate, "smoothness", PLAIN)
    evidence = f"effective smoothness, without / with, at {show_by_network(ratios)}"
    return EVERY_RATE.decide(all_above(ratios, 1, seeds), evidence)


def all_above(values: Mapping[str, SeedMean], threshold: float, seeds: int) -> bool | None:
    """Return whether all intervals lie above a threshold.

    A claim about all of them does not hold where one with all seeds is not above, and is undecided (None) where one
    lacks a seed and no other fails.

    >>> above, short = SeedMean(2.0, 1.5, 2.5, 5), SeedMean(2.0, 0.5, 3.5, 4)
    >>> all_above({"a": above}, 1, 5), all_above({"a": above, "b": short}, 1, 5), all_above({"a": above}, 1.7, 5)
    (True, None, False)
    """
    complete = [value for value in values.values() if value.seeds >= seeds]
    if any(value.low <= threshold for value in complete):
        return False
    return True if len(complete) == len(values) else None


def side_of(value: SeedMean, threshold: float, seeds: int) -> bool | None:
    """Return whether an interval lies above a threshold; None if it contains it, or lacks a seed.

    >>> mean = SeedMean(2.0, 1.5, 2.5, 5)
    >>> side_of(mean, 1, 5), side_of(mean, 3, 5), side_of(mean, 2, 5), side_of(mean, 1, 6)
    (True, False, None, None)
    """
    if value.seeds < seeds or value.low <= threshold <= value.high:
        return None
    return value.low > threshold


def show_by_network(values: Mapping[str, SeedMean], number_format: str = ".2f") -> str:
    """Return estimates with their intervals by network, or by another name, as text."""
    shown = [f"{NAMES.get(name, name)} {show_interval(value, number_format)}" for name, value in values.items()]
    return "; ".join(shown)
