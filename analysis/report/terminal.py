"""The verdict table for a terminal."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from benevolent.analysis.formatting import in_words, interval, number, printable, probability
from benevolent.analysis.judging.decisions import CLAIMING, MEANINGS, SMALL_MEANING, UNDECIDED
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts

_COLUMNS_NOTES = (
    "τ: rank correlation over all runs; beyond: ρ among runs that share every hyperparameter;",
    "transfers: gain in cross-validated R² over the hyperparameters alone; q: adjusted p-value",
)
#: Decisions that a line explains; each undecided predictor has a line of its own reason.
_EXPLAINED = [decision for decision in MEANINGS if decision != UNDECIDED]
_TEST_NOTE = "† computed from test data"
_LINEAGE_NOTE = "lineage: a configuration, with those that start from its networks"
#: Place of the column that is left out where it does not fit.
_INTERVAL = 3
#: In shorter lines intervals are left out, since names would be cut with them.
_NARROW = 100


def verdict_table(verdicts: Verdicts, width: int = 100, rows: int | None = None, see_all: str = "") -> Table | Text:
    """Return verdicts as a rich table, the baseline in its first row; without runs, a sentence.

    Args:
        verdicts: of several scopes, the first is shown.
        width: characters per line; below 100, intervals are left out, and names that do not fit are shortened.
        rows: show at most this many predictors, the first in reading order; a line below counts the others.
        see_all: a command or option that shows all; the line after that count names it.
    """
    title = f"What predicts {in_words(verdicts.target)}?"
    if verdicts.nothing_judged:
        return Text(f"{title} {verdicts.nothing_judged}", style="bold")
    ordered = any(not math.isnan(verdict.kendall_tau) for verdict in verdicts)
    shown = verdicts.in_reading_order()[:rows]
    notes = [*_rest(verdicts, len(shown), see_all), *_fewer_runs(shown), *_notes(verdicts, ordered)]
    left_out: set[int] = set()
    if width < _NARROW:
        notes.append(f"intervals are shown in lines of at least {_NARROW} characters")
        left_out = {_INTERVAL}
    table = Table(
        title=Text(f"{title} {verdicts.population}", style="bold"),
        title_justify="left",
        caption=Text("\n".join(notes)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
        width=width,
    )
    for place, (heading, options) in enumerate(_columns(verdicts.confidence)):
        if place not in left_out:
            table.add_column(heading, no_wrap=True, **options)
    for row in _limits(verdicts):
        table.add_row(*_without(row, left_out), style="italic")
    if ordered:
        for verdict in shown:
            row = [*_cells(verdict), _decision(verdict)]
            table.add_row(*_without(row, left_out))
    return table


def _rest(verdicts: Verdicts, shown: int, see_all: str) -> list[str]:
    """Return the lines about the predictors without a row; empty if all have one."""
    rest = verdicts.in_reading_order()[shown:]
    if not rest:
        return []
    counts = Counter(f"{verdict.mark} {printable(verdict.decision)}" for verdict in rest)
    decisions = ", ".join(f"{count} {decision}" for decision, count in counts.items())
    see = [f"{see_all} shows all"] if see_all else []
    return [f"{len(rest)} more: {decisions}", *see, ""]


def _without(row: Sequence[Text | str], left_out: Collection[int]) -> list[Text | str]:
    """Return the cells of a row, without those of columns that are left out."""
    return [cell for place, cell in enumerate(row) if place not in left_out]


def _notes(verdicts: Verdicts, ordered: bool) -> list[str]:
    """Return the lines below the table."""
    notes = [verdicts.excluded_text, verdicts.scopes[0].missing_ceiling, *_COLUMNS_NOTES]
    if not ordered:
        notes += _undecided_notes(verdicts)
        return [note for note in notes if note]
    notes.append(verdicts.baseline_note)
    decisions = dict.fromkeys(verdict.decision for verdict in verdicts.in_reading_order())
    notes += [f"{decision}: {MEANINGS[decision]}" for decision in decisions if decision in _EXPLAINED]
    if any(verdict.small for verdict in verdicts):
        notes.append(f"small: {SMALL_MEANING}")
    notes += _undecided_notes(verdicts)
    notes.append(verdicts.detectable)
    if any(verdict.test_derived for verdict in verdicts):
        notes.append(_TEST_NOTE)
    notes.append(_noise_note(verdicts))
    if verdicts.intervals_text:
        notes += [verdicts.intervals_text, _LINEAGE_NOTE]
    return [note for note in notes if note]


def _undecided_notes(verdicts: Verdicts) -> list[str]:
    """Return a line for each reason why predictors are undecided."""
    reasons = verdicts.undecided_reasons
    return [f"undecided: {_predictors(len(names))} {reason}" for reason, names in reasons.items()]


def _predictors(count: int) -> str:
    return "1 predictor:" if count == 1 else f"{count} predictors:"


def _noise_note(verdicts: Verdicts) -> str:
    """Return the ceilings that measurement noise sets; empty if no predictor has one below 1."""
    ceilings = []
    for verdict in verdicts:
        if verdict.limited_by_noise:
            ceilings.append(f"{printable(verdict.predictor)} {_bare(number(verdict.within_ceiling))}")
    if not ceilings:
        return ""
    return "ceiling: measurement noise, of |ρ| in beyond: " + ", ".join(ceilings)


def _columns(confidence: float) -> list[tuple[str, dict[str, Any]]]:
    """Return the heading of each column, and how rich is to show it."""
    right = {"justify": "right"}
    return [
        ("predictor", {"overflow": "ellipsis", "ratio": 1}),
        ("τ", right),
        ("beyond\nρ", right),
        (f"\n{100 * confidence:g}%", {}),
        ("\nq", right),
        ("transfers\nΔR²", right),
        ("\nq", right),
        ("decision", {"overflow": "ellipsis", "max_width": 22}),
    ]


def _limits(verdicts: Verdicts) -> Iterator[list[Text | str]]:
    """Yield the rows of the axes alone and of the ceilings."""
    baseline = verdicts.baseline
    cells: list[Text | str] = [*_cells(baseline)]
    cells[5] = Text(_bare(f"R² {number(baseline.baseline_r2)}"))
    yield [*cells, "  baseline"]
    for ceiling in verdicts.ceilings:
        tau = Text(_bare(number(ceiling.kendall_tau, signed=True)))
        r2 = Text(_bare(f"R² {number(ceiling.r2)}"))
        yield [Text(f"ceiling: {ceiling.source}"), tau, "", "", "", r2, "", "  ceiling"]


def _cells(verdict: Verdict) -> list[Text]:
    """Return the row of a verdict without its decision; what was computed from test data carries a dagger."""
    dagger = " †" if verdict.test_derived else ""
    numbers: Sequence[str] = (
        number(verdict.kendall_tau, signed=True),
        number(verdict.within, signed=True),
        interval(verdict.within_low, verdict.within_high),
        probability(verdict.beyond_q),
        number(verdict.gain_r2, 3, signed=True),
        probability(verdict.transfers_q),
    )
    name = Text(printable(verdict.predictor) + dagger)
    return [name, *(Text(_bare(text)) for text in numbers)]


def _fewer_runs(shown: Sequence[Verdict]) -> list[str]:
    """Return a line on the predictors that have a value in some runs only; empty if none."""
    fewer = []
    for verdict in shown:
        if verdict.missing:
            runs = f"{verdict.runs:,} of {verdict.runs + verdict.missing:,}"
            fewer.append(f"{printable(verdict.predictor)} {runs}")
    return [f"with a value in fewer runs: {', '.join(fewer)}"] if fewer else []


def _decision(verdict: Verdict) -> Text:
    style = "dim"
    if verdict.decision in CLAIMING:
        style = "bold green"
    if verdict.decision == UNDECIDED:
        style = "yellow"
    return Text(f"{verdict.mark} {printable(verdict.label)}", style)


def _bare(text: str) -> str:
    """Drop the zero before the point, so that the table fits a line.

    >>> _bare("[−0.91, 0.30]")
    '[−.91, .30]'
    """
    return re.sub(r"\b0\.", ".", text)
