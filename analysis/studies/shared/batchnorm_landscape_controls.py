"""Controls of the study `batchnorm-landscape`: equal losses, noise, and other learning rates."""

from collections.abc import Mapping

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


def equal_loss_finding(fields: Tables) -> Finding:
    """Compare the landscapes at checkpoints of equal loss."""
    ratios = {}
    for name, table in fields.items():
        for column, label in LANDSCAPE.items():
            ratios[f"{NAMES[name]}, {label}"] = ratio_at_equal_loss(table, column)
    return Finding(
        "The loss is smoother at equal loss, too, not only later in training",
        all_above(ratios, 1),
        f"without / with, {show_ratios(ratios)}",
        explanation="part of the difference is that networks with BatchNorm are further in training",
        kind="ours",
    )


def noisy_landscape_finding(fields: Tables) -> Finding:
    """Compare the landscape with noisy BatchNorm to that without any."""
    ratios = {}
    for name, table in fields.items():
        for column, label in LANDSCAPE.items():
            ratios[f"{NAMES[name]}, {label}"] = ratio_to(table, column, NOISY)
    return Finding(
        "Noisy BatchNorm smooths the loss as well",
        all_above(ratios, 1),
        f"without / noisy, {show_ratios(ratios)}",
        explanation="the loss of a batch is taken with the noise of its step",
        kind="ours",
    )


def every_rate_finding(fields: Tables) -> Finding:
    """Compare the effective smoothness at every learning rate."""
    ratios = {}
    for name, table in fields.items():
        for rate in sorted(table[RATE].unique()):
            ratios[f"{NAMES[name]}, {rate:g}"] = ratio_to(at_rate(table, rate), "smoothness", PLAIN)
    return Finding(
        "With BatchNorm the loss is effectively smoother at every learning rate",
        all_above(ratios, 1),
        f"effective smoothness, without / with, at {show_ratios(ratios)}",
        explanation="a network that a large learning rate has thrown into a flat region does not train there",
        kind="ours",
    )


def at_rate(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    """Return the rows of one learning rate."""
    return table[table[RATE] == rate]


def all_above(values: Mapping[str, SeedMean], threshold: float) -> Decision:
    """Return the decision on whether all intervals lie above a threshold."""
    return decide(min(value.low for value in values.values()) > threshold)


def show_ratios(values: Mapping[str, SeedMean], number_format: str = ".2f") -> str:
    """Return estimates with their intervals by network, or by another name, as text."""
    shown = [f"{NAMES.get(name, name)} {show_interval(value, number_format)}" for name, value in values.items()]
    return "; ".join(shown)
