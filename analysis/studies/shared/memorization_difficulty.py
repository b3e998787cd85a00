"""Findings about examples that networks of different seeds find easy or hard."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from benevolent.analysis.multi_run import difficulty_spread
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.memorization_tables import RANDX, RANDY, REAL
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval, show_intervals

#: Claims of the findings.
EASY_AND_HARD = StudyClaim(
    "Real data have easy and hard examples",
    "section 3.1: some examples are never wrong, some always",
)
NOISE_IS_ALIKE = StudyClaim(
    "Examples of random data are more alike in difficulty",
    "section 3.1: rates near those of a binomial",
)
EQUAL_DIFFICULTY = StudyClaim(
    "Examples of random data are equally difficult",
    explanation="classes, or images of noise, differ a little in what a network says of them by chance",
    kind="ours",
)


def difficulty_findings(right: Mapping[str, Tensor], groups: int) -> list[Finding]:
    """Compare the spread of difficulties with chance, and between real data and noise.

    Args:
        right: from `right_answers`.
        groups: number of groups of networks, each of which gives an estimate.
    """
    of_real = _spreads(right, REAL, groups)
    real = mean_of(of_real)
    logs = {}
    for kind in (RANDX, RANDY):
        ratios = np.array(of_real) / _spreads(right, kind, groups)
        logs[f"log ratio to {kind}"] = mean_of(np.log(ratios).tolist())
    noise_is_alike = all(estimate.low > 0 for estimate in logs.values())
    return [
        EASY_AND_HARD.decide(real.low > 1, f"variance over that of chance {show_interval(real, '.2f', 'group')}"),
        NOISE_IS_ALIKE.decide(noise_is_alike, show_intervals(logs, unit="group")),
    ]


def equal_difficulty_finding(right: Mapping[str, Tensor], groups: int) -> Finding:
    """Decide whether mistakes on noise fall on examples at random.

    Args:
        right: from `right_answers`.
        groups: number of groups of networks, each of which gives an estimate.
    """
    estimates = {kind: mean_of(_spreads(right, kind, groups)) for kind in (RANDX, RANDY)}
    holds = all(estimate.low <= 1 <= estimate.high for estimate in estimates.values())
    return EQUAL_DIFFICULTY.decide(holds, show_intervals(estimates, ".2f", "group"))


def _spreads(right: Mapping[str, Tensor], kind: str, groups: int) -> list[float]:
    """Return the spread of difficulties in each group of networks."""
    answers = right[kind]
    return [difficulty_spread(answers[group::groups]) for group in range(groups)]
