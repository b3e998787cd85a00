"""The answer of a study: its findings, each with a decision, and the figures and numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from benevolent.analysis.figures import RenderedFigure
from benevolent.analysis.results import Results

Decision = Literal["holds", "does not hold", "undecided"]
Kind = Literal["paper", "ours", "check"]
#: Kinds of claims in the order of a page, with the heading of each.
KINDS: Mapping[Kind, str] = {
    "paper": "Claims of the paper",
    "ours": "Our controls and stricter forms",
    "check": "Checks, which follow from mathematics",
}
#: How a headline names the claims of each kind.
COUNTED: Mapping[Kind, str] = {"paper": "claims of the paper", "ours": "of our own", "check": "checks"}
#: Sign of every decision on a page.
MARKS: Mapping[str, str] = {"holds": "●", "does not hold": "×", "undecided": "○"}

#: Beginning of every note about a rule that is no longer as it was when the first runs were seen.
RULE_CHANGED = "Changed after a verdict had been seen (small scale, seeds from 200)"


class Finding(NamedTuple):
    """One claim of the literature, and what the runs say about it.

    Attributes:
        claim: a short sentence without its full stop, in the words of the paper.
        decision: outcome of the rule.
        evidence: the numbers that decide, with an interval where there is one.
        paper: the source's own numbers; empty if it gives none.
        reason: in a few words, what decided, if the evidence does not show it.
        explanation: a possible explanation; shown only if the claim does not hold.
        kind: `paper`, a claim that a reader of the paper recognizes; `ours`, a control or a stricter form that the
            paper does not have; `check`, which follows from mathematics, and fails only if the software or an
            assumption is wrong.
    """

    claim: str
    decision: Decision
    evidence: str
    paper: str = ""
    reason: str = ""
    explanation: str = ""
    kind: Kind = "paper"

    @property
    def remarks(self) -> list[str]:
        """Remarks that a page shows below the claim.

        >>> Finding("a", "holds", "", explanation="chance").remarks
        []
        >>> Finding("a", "does not hold", "", explanation="chance").remarks
        ['possible explanation: chance']
        """
        remarks = []
        if self.reason:
            remarks.append(self.reason)
        if self.explanation and self.decision == "does not hold":
            remarks.append(f"possible explanation: {self.explanation}")
        return remarks


class StudyClaim(NamedTuple):
    """What is fixed of a finding before any run is seen; its parts are those of `Finding`.

    Attributes:
        text: a short sentence without its full stop, in the words of the paper.
        paper: the source's own numbers; empty if it gives none.
        explanation: a possible explanation if the claim does not hold.
        kind: `paper`, `ours` or `check`.
    """

    text: str
    paper: str = ""
    explanation: str = ""
    kind: Kind = "paper"

    def about(self, subject: str) -> "StudyClaim":
        """Return the claim about one of several networks or data sets.

        >>> StudyClaim("deeper is better").about("MNIST").text
        'MNIST: deeper is better'
        """
        return self._replace(text=f"{subject}: {self.text}")

    def naming(self, *names: str) -> "StudyClaim":
        """Return the claim with names in the places of its text that are marked by `{}`.

        >>> StudyClaim("any layer matters to the {}").naming("perceptron").text
        'any layer matters to the perceptron'
        """
        return self._replace(text=self.text.format(*names))

    def beyond_paper(self) -> "StudyClaim":
        """Return the claim as ours, about a case that the paper has no numbers for.

        >>> StudyClaim("deeper is better", "figure 1").beyond_paper()
        StudyClaim(text='deeper is better', paper='', explanation='', kind='ours')
        """
        return self._replace(paper="", kind="ours")

    def decide(self, holds: bool | None, evidence: str, reason: str = "") -> Finding:
        """Return the finding of a rule that is met, not met, or (None) cannot be applied to these data.

        >>> StudyClaim("deeper is better", kind="ours").decide(True, "by 0.1").decision
        'holds'
        """
        return Finding(self.text, decide(holds), evidence, self.paper, reason, self.explanation, self.kind)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings in the order of a page: the paper's claims, then ours, then checks.

    >>> control = Finding("a control", "holds", "", kind="ours")
    >>> [finding.claim for finding in in_order([control, Finding("a claim", "holds", "")])]
    ['a claim', 'a control']
    """
    kinds = list(KINDS)
    return sorted(findings, key=lambda finding: kinds.index(finding.kind))


class StudyTable(NamedTuple):
    """A table beside the claims, such as one of the paper's with our numbers in it.

    Attributes:
        title: without a full stop.
        caption: full sentences.
        cells: shown as they are, with the names of their columns.
    """

    title: str
    caption: str
    cells: pd.DataFrame


@dataclass(frozen=True)
class StudyAnswer:
    """The answer of a study.

    Attributes:
        findings: in reading order, the study's main claim first.
        figures: the first one is like the paper's.
        numbers: the table behind the figures, one row per point.
        notes: full sentences that a reader needs besides.
        tables: shown below the claims of the study's page, and nowhere else.
    """

    findings: Sequence[Finding]
    figures: Sequence[RenderedFigure]
    numbers: pd.DataFrame
    notes: Sequence[str] = field(default_factory=tuple)
    tables: Sequence[StudyTable] = field(default_factory=tuple)

    @property
    def groups(self) -> list[tuple[str, list[Finding]]]:
        """Headings and findings of each kind that occurs: the paper's claims, then ours, then checks."""
        groups = []
        for kind, heading in KINDS.items():
            findings = [finding for finding in self.findings if finding.kind == kind]
            if findings:
                groups.append((heading, findings))
        return groups

    @property
    def headline(self) -> str:
        """One sentence that counts decisions: of the paper's claims, of ours, of checks.

        >>> paper = [Finding("a", "holds", ""), Finding("b", "undecided", "")]
        >>> others = [Finding("d", "holds", "", kind="ours"), Finding("e", "holds", "", kind="check")]
        >>> StudyAnswer([*paper, *others], [], pd.DataFrame()).headline
        '1 of 2 claims of the paper holds (1 is undecided); 1 of 1 of our own holds; 1 of 1 checks passes.'
        """
        parts = []
        for kind, what in COUNTED.items():
            decisions = [finding.decision for finding in self.findings if finding.kind == kind]
            if decisions:
                parts.append(_count_decisions(decisions, what, "pass" if kind == "check" else "hold"))
        return "; ".join(parts) + "."


def _count_decisions(decisions: Sequence[Decision], what: str, verb: str) -> str:
    """Return how many of some claims hold, do not hold and are undecided, in words.

    >>> _count_decisions(["holds", "holds", "undecided"], "claims", "hold")
    '2 of 3 claims hold (1 is undecided)'
    """
    held = decisions.count("holds")
    failed = decisions.count("does not hold")
    undecided = decisions.count("undecided")
    others = []
    if failed:
        others.append(f"{failed} {'does' if failed == 1 else 'do'} not {verb}")
    if undecided:
        others.append(f"{undecided} {'is' if undecided == 1 else 'are'} undecided")
    ending = "" if held != 1 else ("es" if verb == "pass" else "s")
    sentence = f"{held} of {len(decisions)} {what} {verb}{ending}"
    return f"{sentence} ({', '.join(others)})" if others else sentence


#: Results of the sweeps that a study is answered from, by the name of the sweep.
Sweeps = Mapping[str, Results]
#: Function from the results of a study's sweeps to its answer.
Analysis = Callable[[Sweeps], StudyAnswer]
#: The same from the sweeps of other studies, by `study/sweep`, and from the citation of each study's paper.
ReadingAnalysis = Callable[[Sweeps, Mapping[str, str]], StudyAnswer]


def decide(holds: bool | None) -> Decision:
    """Return the decision of a rule that is met, not met, or (None) cannot be applied to these data.

    >>> decide(True), decide(False), decide(None)
    ('holds', 'does not hold', 'undecided')
    """
    if holds is None:
        return "undecided"
    return "holds" if holds else "does not hold"
