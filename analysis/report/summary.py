"""Summary of the verdicts on one target: the headline of a report, and the sentences below it."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from benevolent.analysis.formatting import in_words, interval, number, probability
from benevolent.analysis.judging.decisions import (
    ADDS,
    ADDS_BEYOND,
    ADDS_IN_TRANSFER,
    CLAIMING,
    FUNCTION_OF_AXES,
    NOT_SHOWN,
)
from benevolent.analysis.judging.match_windows import windows_text
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts


class Summary(NamedTuple):
    """Result of the verdicts in words, and the predictors that add something, with their strength."""

    headline: str
    sentences: list[str]
    adding: list[tuple[str, str]]


def summarize(verdicts: Verdicts) -> Summary:
    """Return the result of the verdicts on one target, in their first scope, in plain words."""
    if verdicts.nothing_judged:
        return Summary(verdicts.nothing_judged, [], [])
    target = in_words(verdicts.target)
    if verdicts.descriptive:
        return Summary(f"What goes with {target} is described below; nothing was tested.", [], [])
    sentences = []
    if verdicts.match:
        sentences.append(f"Only runs with {windows_text(verdicts.match)} are compared.")
    sentences.append(_baseline(verdicts.baseline.baseline_r2, target))
    sentences += _others(verdicts)
    sentences += _strongest(verdicts)
    if verdicts.notes:
        noun = "note" if len(verdicts.notes) == 1 else "notes"
        sentences.append(
            f"Read the {noun} below the table of verdicts: how the data were read, and what is odd in them."
        )
    adding = [(verdict.predictor, _strength(verdict)) for verdict in verdicts.adding]
    return Summary(_headline(verdicts, target), sentences, adding)


def _headline(verdicts: Verdicts, target: str) -> str:
    counts = Counter(verdict.decision for verdict in verdicts)
    judged = f"{len(verdicts)} predictors of {target}"
    found: list[str] = []
    for decision, (one, several) in _FOUND.items():
        if counts[decision]:
            only = "only " if found else ""
            found.append(f"{counts[decision]} {only}{one if counts[decision] == 1 else several}")
    if found:
        return f"Of {judged}, {'; '.join(found)}."
    return f"None of the {judged} is shown to say more than the hyperparameters do."


#: What one predictor of a decision does, and what several do.
_FOUND = {
    ADDS: (
        "orders networks that share every hyperparameter and helps to predict new configurations",
        "order networks that share every hyperparameter and help to predict new configurations",
    ),
    ADDS_BEYOND: ("orders networks that share every hyperparameter", "order networks that share every hyperparameter"),
    ADDS_IN_TRANSFER: ("helps to predict new configurations", "help to predict new configurations"),
}


def _baseline(r2: float, target: str) -> str:
    if not math.isfinite(r2):
        return "How much the hyperparameters alone explain could not be estimated."
    share = f"{100 * r2:.0f}%" if r2 > 0 else "nothing"
    return (
        f"The hyperparameters alone explain {share} of the variance of the ranks of {target} "
        f"in configurations held out from the fit (cross-validated R² {number(r2)})."
    )


def _others(verdicts: Verdicts) -> Sequence[str]:
    """Return a sentence that counts the predictors that are not shown to add."""
    counts = Counter(verdict.decision for verdict in verdicts if verdict.decision not in CLAIMING)
    if not counts:
        return []
    parts = [_counted(decision, count) for decision, count in counts.most_common()]
    others = counts.total()
    subject = f"the other {others}" if others < len(verdicts) else f"the {others} predictors"
    return [f"Of {subject}, {_joined(parts)}."]


def _joined(parts: Sequence[str]) -> str:
    """Join parts of a sentence.

    >>> _joined(["a"]), _joined(["a", "b"]), _joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b, and c')
    """
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _counted(decision: str, count: int) -> str:
    """Return how many predictors have a decision, as part of a sentence."""
    if decision == FUNCTION_OF_AXES:
        subject = "is a function" if count == 1 else "are functions"
        return f"{count} {subject} of the hyperparameters"
    verb = "is" if count == 1 else "are"
    claim = "not shown to do either" if decision == NOT_SHOWN else decision
    return f"{count} {verb} {claim}"


def _strongest(verdicts: Verdicts) -> Sequence[str]:
    """Return a sentence on the predictor with the largest plain rank correlation, which often adds nothing."""
    known = [verdict for verdict in verdicts.in_reading_order() if not math.isnan(verdict.kendall_tau)]
    if not known:
        return []
    strongest = max(known, key=lambda verdict: abs(verdict.kendall_tau))
    tau = number(strongest.kendall_tau, signed=True)
    return [
        f"The strongest plain rank correlation is that of {strongest.predictor} (τ = {tau}); "
        f"its verdict: {strongest.decision}."
    ]


def _strength(verdict: Verdict) -> str:
    """Return the estimates behind what is claimed of a predictor."""
    parts = []
    if verdict.decision in (ADDS, ADDS_BEYOND):
        within = f"{number(verdict.within, signed=True)} {interval(verdict.within_low, verdict.within_high)}"
        parts.append(f"within configurations ρ\N{NO-BREAK SPACE}= {within}, q = {probability(verdict.beyond_q)}")
    if verdict.decision in (ADDS, ADDS_IN_TRANSFER):
        gain = f"{number(verdict.gain_r2, 3, signed=True)} {interval(verdict.gain_low, verdict.gain_high, 3)}"
        parts.append(f"R² in configurations held out {gain}, q = {probability(verdict.transfers_q)}")
    fewer = f"; in {verdict.runs} of {verdict.runs + verdict.missing} runs" if verdict.missing else ""
    return f"({'; '.join(parts)}; over all runs τ = {number(verdict.kendall_tau, signed=True)}{fewer})"
