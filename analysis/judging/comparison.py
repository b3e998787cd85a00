"""Verdicts of two sweeps on one outcome, side by side: where they agree, and where they do not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benevolent.analysis.judging.decisions import ADDS, ADDS_BEYOND, NEGLIGIBLE
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.trainables.errors import BadInput

OPPOSITE = "opposite signs"
CONTRADICTION = "contradiction"
BOTH = "shown in both"
FIRST_ONLY = "shown in the first only"
SECOND_ONLY = "shown in the second only"
OTHER_CLAIM = "another claim"
SAME = "same decision"
NEITHER = "shown in neither"
NOT_BOTH = "judged in one only"

#: Kinds of agreement in reading order, and their meaning.
MEANINGS = {
    OPPOSITE: "both order runs that share every hyperparameter, in opposite directions",
    CONTRADICTION: "one shows an effect, the other shows that it is negligible",
    BOTH: "both show the same claims",
    OTHER_CLAIM: "both show something, not the same claims",
    FIRST_ONLY: "the second does not show it, which is no evidence against it",
    SECOND_ONLY: "the first does not show it, which is no evidence against it",
    SAME: "both come to the same decision, and claim nothing",
    NEITHER: "neither shows it, for different reasons",
    NOT_BOTH: "one of the two has no such predictor",
}


@dataclass(frozen=True)
class ComparedPredictor:
    """Verdicts of two sweeps on one predictor.

    Attributes:
        predictor: its name.
        first: the first sweep's verdict; None if it did not judge the predictor.
        second: the second sweep's verdict; None if it did not.
        agreement: one of `MEANINGS`.
    """

    predictor: str
    first: Verdict | None
    second: Verdict | None
    agreement: str


@dataclass(frozen=True)
class VerdictComparison:
    """Verdicts of two sweeps on one outcome.

    Attributes:
        target: the outcome.
        first: verdicts of the first sweep.
        second: verdicts of the second sweep.
        rows: every predictor that at least one of them judged: first where they contradict each other, then what both
            show.
    """

    target: str
    first: Verdicts
    second: Verdicts
    rows: tuple[ComparedPredictor, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of predictors by agreement, in reading order."""
        counted = Counter(row.agreement for row in self.rows)
        return {agreement: counted[agreement] for agreement in MEANINGS if counted[agreement]}

    @property
    def other_axes(self) -> list[str]:
        """Axes that only one of the two has."""
        return sorted({*self.first.axes} ^ {*self.second.axes})


def compare_verdicts(first: Sequence[Verdicts], second: Sequence[Verdicts]) -> list[VerdictComparison]:
    """Compare the verdicts of two sweeps on every outcome that both judged, each in its first scope.

    Nothing is tested between the sweeps: that only one of them comes to a decision may be due to the numbers of runs.

    Args:
        first: verdicts of the first sweep, as `read_verdicts` returns them.
        second: verdicts of the second sweep.

    Returns:
        A comparison for each outcome, in the order of the first sweep.

    Raises:
        BadInput: no outcome was judged in both.
    """
    first_of = _judged(first)
    second_of = _judged(second)
    both = [target for target in first_of if target in second_of]
    if not both:
        here = ", ".join(first_of) or "none"
        there = ", ".join(second_of) or "none"
        raise BadInput(f"no outcome was judged in both: the first has {here}; the second has {there}")
    return [_compared(target, first_of[target], second_of[target]) for target in both]


def _judged(all_verdicts: Sequence[Verdicts]) -> dict[str, Verdicts]:
    """Return the first verdicts on each outcome that was tested."""
    found: dict[str, Verdicts] = {}
    for verdicts in all_verdicts:
        if not verdicts.descriptive and not verdicts.nothing_judged:
            found.setdefault(verdicts.target, verdicts)
    return found


def _compared(target: str, first: Verdicts, second: Verdicts) -> VerdictComparison:
    first_of = {verdict.predictor: verdict for verdict in first.in_reading_order()}
    second_of = {verdict.predictor: verdict for verdict in second.in_reading_order()}
    rows = []
    for name in {**first_of, **second_of}:
        one = first_of.get(name)
        other = second_of.get(name)
        rows.append(ComparedPredictor(name, one, other, agreement(one, other)))
    order = list(MEANINGS)
    rows.sort(key=lambda row: order.index(row.agreement))
    return VerdictComparison(target, first, second, tuple(rows))


def agreement(first: Verdict | None, second: Verdict | None) -> str:
    """Return how two verdicts on one predictor agree, as one of `MEANINGS`."""
    if first is None or second is None:
        return NOT_BOTH
    if _orders(first) and _orders(second) and first.within * second.within < 0:
        return OPPOSITE
    if _contradict(first, second) or _contradict(second, first):
        return CONTRADICTION
    if first.decision == second.decision:
        return BOTH if first.claims else SAME
    if first.claims and second.claims:
        return OTHER_CLAIM
    if first.claims:
        return FIRST_ONLY
    return SECOND_ONLY if second.claims else NEITHER


def _orders(verdict: Verdict) -> bool:
    """Tell if a verdict claims an association within configurations."""
    return verdict.decision in (ADDS, ADDS_BEYOND)


def _contradict(one: Verdict, other: Verdict) -> bool:
    """Tell if one verdict claims more than a small effect, and the other one shows that it is negligible."""
    return one.claims and not one.small and other.decision == NEGLIGIBLE
