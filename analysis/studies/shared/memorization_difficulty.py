"""Findings about examples that networks of different seeds find easy or hard."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from benevolent.analysis.multi_run import difficulty_spread
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.memorization_tables import RANDX, RANDY, REAL
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval


def difficulty_findings(right: Mapping[str, Tensor], groups: int) -> list[Finding]:
    """Compare the spread of difficulties with chance, and between real data and noise.

    Args:
        right: from `right_answers`.
        groups: number of groups of networks, each of which gives an estimate.
    """
    real = mean_of(_spreads(right, REAL, groups))
    logs = {}
    for kind in (RANDX, RANDY):
        logs[kind] = mean_of(np.log(np.array(_spreads(right, REAL, groups)) / _spreads(right, kind, groups)).tolist())
    shown = ", ".join(f"log ratio to {kind} {show_interval(estimate, unit='group')}" for kind, estimate in logs.items())
    return [
        Finding(
            "Real data have easy and hard examples",
            decide(real.low > 1),
            f"variance over that of chance {show_interval(real, '.2f', 'group')}",
            "section 3.1: some examples are never wrong, some always",
        ),
        Finding(
            "Examples of random data are more alike in difficulty",
            decide(all(estimate.low > 0 for estimate in logs.values())),
            shown,
            "section 3.1: rates near those of a binomial",
        ),
    ]


def equal_difficulty_finding(right: Mapping[str, Tensor], groups: int) -> Finding:
    """Decide whether mistakes on noise fall on examples at random.

    Args:
        right: from `right_answers`.
        groups: number of groups of networks, each of which gives an estimate.
    """
    estimates = {kind: mean_of(_spreads(right, kind, groups)) for kind in (RANDX, RANDY)}
    return Finding(
        "Examples of random data are equally difficult",
        decide(all(estimate.low <= 1 <= estimate.high for estimate in estimates.values())),
        ", ".join(f"{kind} {show_interval(estimate, '.2f', 'group')}" for kind, estimate in estimates.items()),
        explanation="classes, or images of noise, differ a little in what a network says of them by chance",
        kind="ours",
    )


def _spreads(right: Mapping[str, Tensor], kind: str, groups: int) -> list[float]:
    """Return the spread of difficulties in each group of networks."""
    answers = right[kind]
    return [difficulty_spread(answers[group::groups]) for group in range(groups)]
