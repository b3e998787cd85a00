"""The answer of a study: its findings, each with a decision, and the figures and numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from benevolent.analysis.figures import RenderedFigure
from benevolent.analysis.results import Results

Decision = Literal["holds", "does not hold", "undecided"]
#: Sign of every decision on a page.
MARKS: Mapping[str, str] = {"holds": "●", "does not hold": "×", "undecided": "○"}

#: Beginning of every note about a rule that is no longer as it was when the first runs were seen.
RULE_CHANGED = "Changed after a verdict had been seen (small scale, seeds from 200)"


class Finding(NamedTuple):
    """One claim of the literature, and what the runs say about it.

    Attributes:
        claim: a sentence without its full stop, as the rule states it.
        decision: outcome of the rule.
        evidence: the numbers that decide, with an interval where there is one.
        paper: the source's own numbers; empty if it gives none.
        reason: in a few words, what decided, if the evidence does not show it.
        explanation: a possible explanation; shown only if the claim does not hold.
        check: the claim follows from mathematics, and fails only if the software or an assumption is wrong. Such
            claims are counted separately.
    """

    claim: str
    decision: Decision
    evidence: str
    paper: str = ""
    reason: str = ""
    explanation: str = ""
    check: bool = False

    @property
    def remarks(self) -> list[str]:
        """Remarks that a page shows below the claim.

        >>> Finding("a", "holds", "", explanation="chance").remarks
        []
        >>> Finding("a", "does not hold", "", explanation="chance").remarks
        ['possible explanation: chance']
        """
        remarks = []
        if self.check:
            remarks.append("a check: it follows from mathematics")
        if self.reason:
            remarks.append(self.reason)
        if self.explanation and self.decision == "does not hold":
            remarks.append(f"possible explanation: {self.explanation}")
        return remarks


@dataclass(frozen=True)
class StudyAnswer:
    """The answer of a study.

    Attributes:
        findings: in reading order, the study's main claim first.
        figures: the first one is like the paper's.
        numbers: the table behind the figures, one row per point.
        notes: full sentences that a reader needs besides.
    """

    findings: Sequence[Finding]
    figures: Sequence[RenderedFigure]
    numbers: pd.DataFrame
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def headline(self) -> str:
        """One sentence that counts the claims that hold and the checks that pass.

        >>> findings = [Finding("a", "holds", ""), Finding("b", "undecided", ""), Finding("c", "holds", "", check=True)]
        >>> StudyAnswer(findings, [], pd.DataFrame()).headline
        '1 of 2 claims holds; 1 is undecided; 1 of 1 checks passes.'
        """
        claims = [finding.decision for finding in self.findings if not finding.check]
        checks = [finding.decision for finding in self.findings if finding.check]
        parts = []
        if claims:
            held = claims.count("holds")
            parts.append(f"{held} of {len(claims)} claims {'holds' if held == 1 else 'hold'}")
        if failed := claims.count("does not hold"):
            parts.append(f"{failed} {'does' if failed == 1 else 'do'} not hold")
        if undecided := claims.count("undecided"):
            parts.append(f"{undecided} {'is' if undecided == 1 else 'are'} undecided")
        if checks:
            passed = checks.count("holds")
            parts.append(f"{passed} of {len(checks)} checks {'passes' if passed == 1 else 'pass'}")
        return "; ".join(parts) + "."


#: Function from the results of a study's sweeps, by name of the sweep, to its answer.
Analysis = Callable[[Mapping[str, Results]], StudyAnswer]


def decide(holds: bool | None) -> Decision:
    """Return the decision of a rule that is met, not met, or (None) cannot be applied to these data.

    >>> decide(True), decide(False), decide(None)
    ('holds', 'does not hold', 'undecided')
    """
    if holds is None:
        return "undecided"
    return "holds" if holds else "does not hold"
