"""The verdict table for a terminal."""

import re
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from benevolent.analysis.judging.decision_rule import ADDS, NOT_SHOWN, UNDECIDED
from benevolent.analysis.judging.text import (
    by_decision,
    by_scope,
    ceilings,
    in_words,
    interval,
    intervals_of,
    left_out,
    mark,
    no_ceiling,
    nothing_judged,
    number,
    population,
    printable,
    probability,
)

_STYLES = {ADDS: "bold green", UNDECIDED: "yellow"}
_NOTES = "gain: in cross-validated R² over the axes; within: over seeds of a configuration; q: of both tests"
_NOT_SHOWN = "\nnot shown: these runs do not show that it adds anything, which is no proof that it adds nothing"
_DAGGER = "\n† computed from test data"


def verdict_table(verdicts: pd.DataFrame, width: int = 100) -> Table | Text:
    """Return verdicts as a rich table of ``width`` characters, the baseline in its first row; of no runs, a sentence.

    Args:
        verdicts: what ``judge`` returned, with its ``attrs``; of several scopes the first is shown.
        width: characters per line; names that do not fit are shortened.
    """
    shown = by_scope(verdicts)[0]
    title = f"What predicts {in_words(str(shown.attrs['target']))}?"
    if nothing := nothing_judged(shown):
        return Text(f"{title} {nothing}", style="bold")
    notes = _NOTES + _NOT_SHOWN * bool((shown["decision"] == NOT_SHOWN).any())
    notes += _DAGGER * bool(shown["test_derived"].any())
    ordered = bool(shown["kendall_tau"].notna().any())
    notes = "\n".join(filter(None, (left_out(shown), no_ceiling(shown), notes, intervals_of(shown) * ordered)))
    if not ordered:
        notes += f"\nof none of the {len(shown)} predictors is there an order to compare over so few runs: undecided"
    table = Table(
        title=Text(f"{title} {population(shown)}", style="bold"),
        title_justify="left",
        caption=Text(notes),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
        width=width,
    )
    table.add_column("predictor", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("τ", justify="right", no_wrap=True)
    table.add_column(f"{100 * shown.attrs['confidence']:g}%", no_wrap=True)
    for heading in ("Ψ", "partial", "gain", "within", "q"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("decision", overflow="ellipsis", no_wrap=True, max_width=17)
    for row in shown.attrs["baseline"]:
        cells = _cells("hyperparameters only", pd.Series(row))
        cells[5] = Text(_bare(f"R² {number(row['baseline_r2'])}"))
        table.add_row(*cells, "  baseline", style="italic")
    for ceiling in ceilings(shown):
        texts = number(ceiling["kendall_tau"], signed=True), "", "", "", f"R² {number(ceiling['r2'])}", "", ""
        table.add_row(Text(ceiling["whom"]), *map(_bare, texts), "  ceiling", style="italic")
    for name, verdict in by_decision(shown).iterrows() if ordered else ():
        decision = printable(verdict["decision"]).split(" from ")[0]  # "not separable" fits without the rest
        style = _STYLES.get(decision, "dim")
        table.add_row(*_cells(printable(name), verdict), Text(f"{mark(verdict['decision'])} {decision}", style))
    return table


def _cells(name: str, row: "pd.Series[Any]") -> list[Text]:
    """Return a row without its decision; what was computed from test data carries a dagger."""
    texts = [
        number(row["kendall_tau"], signed=True),
        interval(row, "kendall_low", "kendall_high"),
        number(row["psi"], signed=True),
        number(row["partial_rank_correlation"], signed=True),
        number(row["gain_r2"], 3, signed=True),
        number(row["within"], signed=True),
        probability(row["adds_q"]),
    ]
    return [Text(name + " †" * bool(row["test_derived"])), *(Text(_bare(text)) for text in texts)]


def _bare(text: str) -> str:
    """Drop the zero before the point, so that the table fits a line.

    >>> _bare("[−0.91, 0.30]")
    '[−.91, .30]'
    """
    return re.sub(r"\b0\.", ".", text)
