"""`bth compare`: the verdicts of two sweeps, or of two tables, side by side."""

import math
import posixpath
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from benevolent.orchestrator.cli.arguments import AllRows
from benevolent.orchestrator.cli.console import ROWS, console, print_item

if TYPE_CHECKING:
    from benevolent.analysis.judging.comparison import VerdictComparison
    from benevolent.analysis.judging.verdict import Verdict
    from benevolent.analysis.judging.verdicts import Verdicts

#: Names of predictors up to this length are kept on one line.
LONG_NAME = 35
HELP = "A results folder, or a file that `bth judge --verdicts` wrote."


def compare(
    first: Annotated[str, typer.Argument(metavar="FIRST", help=HELP, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help=HELP, show_default=False)],
    html: Annotated[str | None, typer.Option(help="Also write the comparison to this HTML file.")] = None,
    all_rows: AllRows = False,
) -> None:
    """Show the verdicts of two sweeps side by side: where they agree, and where they do not.

    [bold]Example:[/] bth compare results/quickstart results/second-split --html compared.html
    """
    from benevolent.analysis.judging.comparison import compare_verdicts
    from benevolent.analysis.report.comparison_page import comparison_page
    from benevolent.orchestrator.provenance import command_line
    from benevolent.trainables.store.single_files import write_file

    comparisons = compare_verdicts(_verdicts_of(first), _verdicts_of(second))
    names = _names(first, second)
    for comparison in comparisons:
        _print(names, comparison, None if all_rows else ROWS)
    if html is not None:
        page = comparison_page(names, comparisons, command_line())
        write_file(html, page.encode())
        console.print(f"page: {html}", soft_wrap=True, markup=False)


def _verdicts_of(where: str) -> "list[Verdicts]":
    """Return the verdicts in a file, or on a results folder, whose report is made if it is not up to date."""
    from benevolent.analysis.judging.verdicts import read_verdicts
    from benevolent.orchestrator import reporting
    from benevolent.orchestrator.stored_spec import read_spec
    from benevolent.orchestrator.watched_folder import watched_runs
    from benevolent.trainables.errors import damaged, one_line
    from benevolent.trainables.store.folder import Folder
    from benevolent.trainables.store.single_files import read_file

    if where.partition("?")[0].endswith(".json"):
        data = read_file(where)
        try:
            return read_verdicts(data)
        except ValueError as error:
            raise damaged(where, f"no verdicts: {one_line(error)}") from None
    folder = Folder(where)
    spec: reporting.ReportedSweep = watched_runs(folder) or read_spec(folder)
    return reporting.report(folder, spec, console=console)


def _names(first: str, second: str) -> list[str]:
    """Return short names of two places that tell them apart.

    >>> _names("results/a", "other/b.json"), _names("x/a", "y/a/")
    (['a', 'b'], ['x/a', 'y/a'])
    """
    whole = [first.rstrip("/"), second.rstrip("/")]
    short = [posixpath.basename(place).removesuffix(".json") for place in whole]
    return whole if short[0] == short[1] else short


def _print(names: list[str], comparison: "VerdictComparison", rows: int | None) -> None:
    from benevolent.analysis.formatting import in_words, printable
    from benevolent.analysis.judging.comparison import MEANINGS
    from benevolent.analysis.report.comparison_page import sweep_facts

    for name, verdicts in zip(names, (comparison.first, comparison.second), strict=True):
        print_item(f"{name}: {sweep_facts(verdicts)}")
    if comparison.other_axes:
        print_item(f"varied in one only: {', '.join(comparison.other_axes)}")
    table = Table(title=Text(f"What predicts {in_words(comparison.target)}?"), title_justify="left", box=None)
    predictors = [printable(row.predictor) for row in comparison.rows[:rows]]
    table.add_column("predictor", overflow="fold", min_width=min(LONG_NAME, max(map(len, predictors), default=0)))
    for heading in (*names, "agreement"):
        table.add_column(Text(printable(heading)), overflow="fold")
    for predictor, row in zip(predictors, comparison.rows, strict=False):
        table.add_row(*map(Text, (predictor, _cell(row.first), _cell(row.second), row.agreement)))
    console.print(table)
    for agreement, count in comparison.counts.items():
        print_item(f"{count} {agreement}: {MEANINGS[agreement]}")
    if rows is not None and len(comparison.rows) > rows:
        console.print(f"{len(comparison.rows) - rows} more; --all shows all")


def _cell(verdict: "Verdict | None") -> str:
    from benevolent.analysis.formatting import number, printable

    if verdict is None:
        return "–"
    association = "" if math.isnan(verdict.within) else f" (ρ {number(verdict.within, signed=True)})"
    return f"{verdict.mark} {printable(verdict.label)}{association}"
