"""P-values of all predictors of a scope: drawn until the decisions are certain, and adjusted for their number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benevolent.analysis.judging.decision_rule import in_family
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.statistics.resampling import false_discovery
from benevolent.analysis.statistics.sequential_permutation import PermutationTests, draw_until_decided


def with_p_values(
    verdicts: Sequence[Verdict], tests: Sequence[PermutationTests | None], level: float, stages: Sequence[int]
) -> list[Verdict]:
    """Return the verdicts with their p-values, as drawn and adjusted.

    Args:
        verdicts: the statistics of each predictor.
        tests: the permutation tests of each predictor; None if the data do not allow them.
        level: false discovery rate.
        stages: rising numbers of permutations. The predictors of the family are drawn on until their decisions are
            certain; the others, which are described only, to the first stage.
    """
    pairs = list(zip(verdicts, tests, strict=True))
    family = [test for verdict, test in pairs if test and in_family(verdict)]
    bounds = dict(zip(map(id, family), draw_until_decided(family, level, stages), strict=True))
    drawn = []
    for verdict, test in pairs:
        if test is not None:
            test.draw(stages[0])
            verdict = _with_drawn(verdict, test, bounds.get(id(test)))
        drawn.append(verdict)
    for name in ("gain", "within", "adds"):
        drawn = _with_adjusted(drawn, name)
    return drawn


def _with_drawn(verdict: Verdict, test: PermutationTests, bounds: tuple[float, float] | None) -> Verdict:
    """Fill in the p-values that were drawn; `bounds` of the adjusted p-value are known in the family only."""
    gain, within = test.counts
    within_p = np.nan if np.isnan(verdict.within) else within.p
    values: dict[str, Any] = {"gain_p": gain.p, "within_p": within_p, "permutations": float(gain.permutations)}
    if bounds is not None:
        values["adds_p"] = max(gain.p, within_p)
        values["adds_q_low"], values["adds_q_high"] = bounds
    return replace(verdict, **values)


def _with_adjusted(verdicts: Sequence[Verdict], name: str) -> list[Verdict]:
    """Fill in one kind of adjusted p-value, over all predictors that have the p-value."""
    p_values = np.array([getattr(verdict, f"{name}_p") for verdict in verdicts], dtype=float)
    adjusted = []
    for verdict, q_value in zip(verdicts, false_discovery(p_values), strict=True):
        values: dict[str, Any] = {f"{name}_q": float(q_value)}
        adjusted.append(replace(verdict, **values))
    return adjusted
