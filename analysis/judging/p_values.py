"""P-values of all predictors of a scope: drawn until the decisions are certain, and adjusted for their number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benevolent.analysis.judging.decision_rule import lacks_beyond, lacks_transfer
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.statistics.resampling import false_discovery
from benevolent.analysis.statistics.sequential_permutation import Claim, PredictorTests, draw_until_decided


def with_p_values(
    verdicts: Sequence[Verdict], tests: Sequence[PredictorTests | None], level: float, stages: Sequence[int]
) -> list[Verdict]:
    """Return the verdicts with their p-values, as drawn and adjusted.

    Args:
        verdicts: the statistics of each predictor.
        tests: the permutation tests of each predictor; None if the data do not allow them.
        level: false discovery rate.
        stages: rising numbers of permutations.
    """
    tested: dict[int, PredictorTests] = {}
    for number, (verdict, test) in enumerate(zip(verdicts, tests, strict=True)):
        if test is None or verdict.function_of_axes:
            continue
        test.beyond = test.beyond and not lacks_beyond(verdict)
        test.transfers = test.transfers and not lacks_transfer(verdict)
        if test.beyond or test.transfers:
            tested[number] = test
    intervals = draw_until_decided(list(tested.values()), level, stages)
    results = list(verdicts)
    for number, bounds in zip(tested, intervals, strict=True):
        values: dict[str, Any] = {"permutations": float(tested[number].permutations)}
        for claim, (low, high) in bounds.items():
            values |= {f"{claim}_p": tested[number].p(claim), f"{claim}_q_low": low, f"{claim}_q_high": high}
        results[number] = replace(results[number], **values)
    for claim in Claim:
        results = _with_adjusted(results, claim)
    return results


def _with_adjusted(verdicts: Sequence[Verdict], claim: Claim) -> list[Verdict]:
    """Fill in the adjusted p-values of one claim, over all predictors that have the p-value."""
    p_values = np.array([getattr(verdict, f"{claim}_p") for verdict in verdicts], dtype=float)
    adjusted = []
    for verdict, q_value in zip(verdicts, false_discovery(p_values), strict=True):
        values: dict[str, Any] = {f"{claim}_q": float(q_value)}
        adjusted.append(replace(verdict, **values))
    return adjusted
