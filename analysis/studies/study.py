"""What a study says: findings, each with its decision, and the figures and numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from analysis.figures.plate import Plate
from analysis.results import Results
from analysis.statistics.bootstrap import Estimate

Decision = Literal["holds", "does not hold", "undecided"]


class Finding(NamedTuple):
    """One claim of the literature, and what these runs say of it.

    Attributes:
        claim: a sentence without its full stop, as the rule has it.
        decision: what the rule makes of `ours`.
        ours: the number or numbers that decide, with an interval where there is one.
        paper: the source's own numbers; empty where it gives none.
        because: in a few words, what decided.
        guess: why it does not hold, should it not; shown only then.
    """

    claim: str
    decision: Decision
    ours: str
    paper: str = ""
    because: str = ""
    guess: str = ""

    @property
    def remarks(self) -> list[str]:
        """What is to be said besides.

        >>> Finding("a", "holds", "", guess="chance").remarks, Finding("a", "does not hold", "", guess="chance").remarks
        ([], ['a guess why: chance'])
        """
        guess = f"a guess why: {self.guess}" if self.guess and self.decision == "does not hold" else ""
        return [text for text in (self.because, guess) if text]


@dataclass(frozen=True)
class Answer:
    """What a study comes to.

    Attributes:
        findings: in reading order, the study's main claim first.
        plates: the figures; the first is the one like the paper's.
        numbers: the table behind the figures, one row per point.
        notes: what a reader should know besides, in sentences.
    """

    findings: Sequence[Finding]
    plates: Sequence[Plate]
    numbers: pd.DataFrame
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def headline(self) -> str:
        """How many claims hold.

        >>> Answer([Finding("a", "holds", ""), Finding("b", "undecided", "")], [], pd.DataFrame()).headline
        '1 of 2 claims holds; 1 is undecided.'
        """
        counts = {name: sum(one.decision == name for one in self.findings) for name in ("does not hold", "undecided")}
        held = len(self.findings) - sum(counts.values())
        rest = [
            f"{counts['does not hold']} {'does' if counts['does not hold'] == 1 else 'do'} not hold",
            f"{counts['undecided']} {'is' if counts['undecided'] == 1 else 'are'} undecided",
        ]
        others = [text for text, count in zip(rest, counts.values(), strict=True) if count]
        return "; ".join([f"{held} of {len(self.findings)} claims {'holds' if held == 1 else 'hold'}", *others]) + "."


#: From the results of a study's sweeps, by their names, to its answer.
Analysis = Callable[[Mapping[str, Results]], Answer]


def between(estimate: Estimate, form: str = "+.2f") -> str:
    """An estimate with its interval, and how many resamples that is from.

    >>> between(Estimate(-0.5, -0.75, -0.25, 12, 500))
    '−0.50 [−0.75, −0.25; 500 resamples]'
    """
    value, low, high = (format(number, form).replace("-", "−") for number in estimate[:3])
    return f"{value} [{low}, {high}; {estimate.resamples} resamples]"


def decided(holds: bool | None) -> Decision:
    """The decision of a rule that is met, not met, or (None) cannot be asked of these data.

    >>> decided(True), decided(False), decided(None)
    ('holds', 'does not hold', 'undecided')
    """
    return "undecided" if holds is None else "holds" if holds else "does not hold"
