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
    Tables,
    ratio_at_equal_loss,
    ratio_to,
)
from benevolent.analysis.studies.shared.findings import Decision, Finding, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval


def equal_loss_finding(fields: Tables, seeds: int) -> Finding:
    """Compare the landscapes at checkpoints of equal loss."""
    ratios = _landscape_ratios(fields, ratio_at_equal_loss)
    return Finding(
        "The loss is smoother at equal loss, too, not only later in training",
        all_above(ratios, 1, seeds),
        f"without / with, {show_ratios(ratios)}",
        explanation="part of the difference is that networks with BatchNorm are further in training",
        kind="ours",
    )


def noisy_landscape_finding(fields: Tables, seeds: int) -> Finding:
    """Compare the landscape with noisy BatchNorm to that without any."""
    ratios = _landscape_ratios(fields, functools.partial(ratio_to, kind=NOISY))
    return Finding(
        "Noisy BatchNorm smooths the loss as well",
        all_above(ratios, 1, seeds),
        f"without / noisy, {show_ratios(ratios)}",
        explanation="the loss of a batch is taken with the noise of its step",
        kind="ours",
    )


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
            ratios[f"{NAMES[name]}, {rate:g}"] = ratio_to(at_rate(table, rate), "smoothness", PLAIN)
    return Finding(
        "With BatchNorm the loss is effectively smoother at every learning rate",
        all_above(ratios, 1, seeds),
        f"effective smoothness, without / with, at {show_ratios(ratios)}",
        explanation="a network that a large learning rate has thrown into a flat region does not train there",
        kind="ours",
    )


def at_rate(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    """Return the rows of one learning rate."""
    return table[table[RATE] == rate]


def all_above(values: Mapping[str, SeedMean], threshold: float, seeds: int) -> Decision:
    """Return the decision on whether all intervals lie above a threshold.

    A claim about all of them does not hold where one with all seeds is not above, and is undecided where one lacks a
    seed and no other fails.

    >>> above, short = SeedMean(2.0, 1.5, 2.5, 5), SeedMean(2.0, 0.5, 3.5, 4)
    >>> all_above({"a": above}, 1, 5), all_above({"a": above, "b": short}, 1, 5), all_above({"a": above}, 1.7, 5)
    ('holds', 'undecided', 'does not hold')
    """
    complete = [value for value in values.values() if value.seeds >= seeds]
    if any(value.low <= threshold for value in complete):
        return "does not hold"
    return decide(True if len(complete) == len(values) else None)


def show_ratios(values: Mapping[str, SeedMean], number_format: str = ".2f") -> str:
    """Return estimates with their intervals by network, or by another name, as text."""
    shown = [f"{NAMES.get(name, name)} {show_interval(value, number_format)}" for name, value in values.items()]
    return "; ".join(shown)
