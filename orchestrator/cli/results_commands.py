"""`bth status`, `bth measure` and `bth report`: commands on a results folder."""

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benevolent.orchestrator.cli.arguments import AllRows, ResultsFolder, Trust, parse_names
from benevolent.orchestrator.cli.console import ROWS, console, print_descriptions, print_verdicts
from benevolent.trainables.store import paths

if TYPE_CHECKING:
    from benevolent.analysis.judging.verdicts import Verdicts
    from benevolent.trainables.store.folder import Folder


def status(where: ResultsFolder) -> None:
    """Count the runs by status, and show why runs failed, the space used and the command at work in the folder.

    Names the first damaged file, if there is one.

    [bold]Example:[/] bth status results/quickstart
    """
    from rich.filesize import decimal

    from benevolent.analysis.cohort_parts import Cohorts, results_folders
    from benevolent.analysis.formatting import printable, quantity
    from benevolent.analysis.run_counts import count_runs
    from benevolent.orchestrator.stored_spec import check_descriptions
    from benevolent.trainables.store.integrity import check_files

    folders = results_folders(where)
    for folder in folders:
        check_files(folder)
        check_descriptions(folder)
    cohorts = Cohorts(folders)
    table = Table("role", "status", box=None)
    table.add_column("runs", justify="right")
    for (role, state), count in sorted(count_runs(cohorts).items()):
        table.add_row(Text(printable(role)), Text(printable(state)), f"{count:,}")
    console.print(table)
    for folder in folders:
        used = folder.used_bytes()
        line = f"{decimal(used.total())} used in {folder.uri}, {decimal(used['.safetensors'])} of it by parameters"
        console.print(line, soft_wrap=True, markup=False, highlight=False)
        _print_holder(folder)
    for manifest, reason in cohorts.failures():
        runs = quantity(len(manifest.runs), "run")
        line = f"cohort {manifest.cohort_id} ({runs}): {printable(reason)}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _print_holder(folder: "Folder") -> None:
    from benevolent.analysis.formatting import duration, printable
    from benevolent.orchestrator.lease import holder

    at_work = holder(folder)
    if at_work is None:
        return
    state = "has ended, by a kill or a crash" if at_work.has_ended else "is at work in it"
    line = f"{printable(at_work)} {state}; last sign of life {duration(at_work.silent_for)} ago"
    console.print(line, soft_wrap=True, markup=False)


def measure(
    where: ResultsFolder,
    measures: Annotated[
        str | None,
        typer.Option(help="Comma-separated measures, sets (default, all) or import paths. Default: the default set."),
    ] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Measure all checkpoints, not only the end of each run.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Measure the trained networks in a results folder that lack measures.

    [bold]Example:[/] bth measure results/quickstart --measures sharpness,path_norm
    """
    from benevolent.orchestrator.sweep import measure_folder

    names = parse_names(measures, "--measures") if measures is not None else None
    files = measure_folder(where, names, checkpoints, console, trust)
    command = escape(shlex.join(["bth", "report", where]))
    console.print(f"measured {files} files; `{command}` judges them", soft_wrap=True)


def report(
    where: ResultsFolder,
    anew: Annotated[
        bool, typer.Option("--anew", help="Judge again, even if results and code have not changed since the last time.")
    ] = False,
    all_rows: AllRows = False,
    figures: Annotated[
        Literal["pdf", "png"] | None,
        typer.Option(help="Also write every figure for a paper, 6.75 inches wide, and what it draws as CSV."),
    ] = None,
) -> None:
    """Judge the runs in a results folder, and write its report.

    A report that is up to date is only shown: results, spec and code are compared with those it was made from.

    [bold]Example:[/] bth report results/quickstart
    """
    from benevolent.orchestrator import reporting
    from benevolent.orchestrator.stored_spec import read_spec
    from benevolent.orchestrator.watched_folder import watched_runs
    from benevolent.trainables.store.folder import Folder
    from benevolent.trainables.store.integrity import check_files

    folder = Folder(where)
    spec: reporting.ReportedSweep = watched_runs(folder) or read_spec(folder)
    check_files(folder)
    formats = [figures] if figures else []
    first_of_target: dict[str, Verdicts] = {}  # the page also has those over all runs, diverged ones included
    for verdicts in reporting.report(folder, spec, anew=anew, console=console, figure_formats=formats):
        first_of_target.setdefault(verdicts.target, verdicts)
    judged = [verdicts for verdicts in first_of_target.values() if not verdicts.descriptive]
    print_verdicts(judged, where, None if all_rows else ROWS)
    print_descriptions(folder)
    if figures:
        console.print(
            f"figures: {folder.uri}/{paths.REPORT}/figures/*.{figures}, and *.csv beside them", soft_wrap=True
        )
    console.print(f"report: {folder.uri}/{paths.REPORT_PAGE}", soft_wrap=True)
