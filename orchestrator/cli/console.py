"""Output of the command line: the consoles, verdicts, and failures."""

import os
import shlex
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from benevolent.analysis.judging.verdicts import Verdicts
    from benevolent.trainables.store.folder import Folder

#: Characters per line where the output is no terminal and COLUMNS is not set, so that tables in a log file read as
#: those in a terminal.
LOG_WIDTH = 110
#: Characters per line of a table of verdicts, at most.
VERDICT_WIDTH = 120
#: Predictors in a table of verdicts, unless all are asked for.
ROWS = 15


def stdout_console() -> Console:
    """Make the console of standard output: as wide as the terminal, or as COLUMNS says, or as a log file."""
    console = Console(highlight=False, emoji=False)
    if console.is_terminal:
        return console
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else 0
    return Console(highlight=False, emoji=False, width=width or LOG_WIDTH)


console = stdout_console()
errors = Console(stderr=True, highlight=False, emoji=False)


def print_error(message: str) -> None:
    """Print an error in one line on stderr."""
    errors.print(f"[red]error:[/] {_as_text(message)}", soft_wrap=True)


def print_verdict_table(verdicts: "Verdicts", rows: int | None, see_all: str) -> None:
    """Print verdicts as one table; arguments as in `analysis.report.verdict_table`."""
    from benevolent.analysis.report import verdict_table

    console.print(verdict_table(verdicts, min(console.width, VERDICT_WIDTH), rows, see_all))
    for note in verdicts.notes:
        print_item(f"note: {note}")


def print_item(text: str, indent: int = 2) -> None:
    """Print text that may be longer than a line, without control characters; its further lines are indented."""
    from benevolent.analysis.formatting import printable

    lines = textwrap.wrap(printable(text), min(console.width, VERDICT_WIDTH), subsequent_indent=" " * indent)
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def print_verdicts(all_verdicts: "Sequence[Verdicts]", where: str, rows: int | None = ROWS) -> None:
    """Print a table for each target; say why there is none, or why it covers all runs.

    Args:
        all_verdicts: the first is shown in any case.
        where: the results folder.
        rows: predictors of each table; None for all.
    """
    for verdicts in all_verdicts:
        print_verdict_table(verdicts, rows, f"`{shlex.join(['bth', 'report', where, '--all'])}`")
    if not all_verdicts:
        console.print("too few runs, axes or predictors to judge")
    elif all_verdicts[0].scope == "all":
        console.print(
            "no run has reached a target (stop.train_loss, stop.train_error), so these verdicts are over all runs"
        )


def print_descriptions(folder: "Folder") -> None:
    """Print what stands beside the verdicts of a report, one paragraph for each heading."""
    from benevolent.analysis.formatting import printable
    from benevolent.orchestrator.reporting import read_descriptions

    for heading, sentences in read_descriptions(folder).items():
        console.print(f"[bold]{escape(printable(heading))}.[/] {escape(printable(sentences))}")


def exit_if_failed(failures: Sequence[str]) -> None:
    """Print a line for each failure; exit with code 1 if there is any."""
    for failure in failures:
        errors.print(f"[red]failed:[/] {_as_text(failure)}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _as_text(message: str) -> str:
    """Return markup that shows a message as it is, without control characters: what it quotes may be a stranger's."""
    from benevolent.analysis.formatting import printable

    return escape("\n".join(printable(line) for line in message.splitlines()))
