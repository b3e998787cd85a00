"""The command `bth`."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benevolent.analysis.judging import Verdicts
    from benevolent.orchestrator.study import Study

app = typer.Typer(
    name="bth",
    help="What does training reveal about the function a network learned? From a grid of networks to a verdict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets in files: what there is, and how to get it.", no_args_is_help=True)
app.add_typer(data_app, name="data", rich_help_panel="Commands")
console, errors = Console(highlight=False, emoji=False), Console(stderr=True, highlight=False, emoji=False)
if not console.is_terminal:
    console = Console(highlight=False, emoji=False, width=110)  # tables in a log file read like those in a terminal

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the spec; repeatable.")
]
Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a bundled sweep.")]
Scale = Annotated[
    Literal["small", "paper", "develop"],
    typer.Option(help="Of a study: for two cores; as in the paper; or small, on data that no verdict uses."),
]
Where = Annotated[str, typer.Argument(metavar="DIR", help="A results folder: a path or a URI such as s3://...")]
Root = Annotated[
    str | None,
    typer.Option(help="Where data sets are; the variable BENEVOLENT_DATA or ~/.cache/benevolent by default."),
]
Trust = Annotated[bool, typer.Option("--trust", help="Import modules that the results name.")]


def main() -> None:
    """Run the command line; bad input is one line and exit code 2, Ctrl-C one line and 130."""
    sys.path.append(os.getcwd())  # so that a user's own modules are found, last: they must not shadow a package
    try:
        app(standalone_mode=True)
    except BadInput as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == 130:  # what typer makes of Ctrl-C
            errors.print("\nstopped. Nothing is lost: the same command goes on from here.", soft_wrap=True)
        raise


@app.command()
def run(
    spec: Spec,
    out: Annotated[str | None, typer.Option(help="Results folder; results/<name> by default.")] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join; `auto` finds one.")] = None,
    set_: Set = None,
    scale: Scale = "small",
) -> None:
    """Train, measure, judge and report. Run again to go on after a stop, or to add runs.

    Also a study, `study:NAME`, or all of them, `study:all`: what a claim of the literature comes to here.

    [bold]Example:[/] bth run quickstart --set seeds=2 --out results/small
    """
    from benevolent.orchestrator.spec.sweep_spec import load_spec
    from benevolent.orchestrator.sweep import run_sweep

    if spec.startswith("study:"):
        return _run_studies(spec, out, address, set_, scale)

    sweep = load_spec(spec, set_ or [])
    done = run_sweep(sweep, out or str(Path("results") / sweep.name), console, address)
    _show(done.verdicts[:1])
    console.print(f"report: {done.report}", soft_wrap=True)
    _end(done.failures)


def _run_studies(spec: str, out: str | None, address: str | None, set_: list[str] | None, scale: Scale) -> None:
    """Run studies, print what each found, and where the pages are."""
    from benevolent.orchestrator.study import run_studies

    out = out or str(Path("results") / "studies" / scale)
    done = run_studies(_studies(spec, set_), scale, out, console, address)
    for one in done:
        console.print(f"{one.study.name}: {one.answer.headline} {one.page}", soft_wrap=True)
    console.print(f"all studies: {out}/{paths.PAGE}", soft_wrap=True)
    _end([failure for one in done for failure in one.failures])


def _studies(spec: str, set_: list[str] | None) -> "list[Study]":
    from benevolent.orchestrator.study import named

    if set_:
        raise BadInput(f"--set {set_[0]}: a study is as it is; copy its sweep from its page to change it")
    return named(spec)


def _end(failures: "Sequence[str]") -> None:
    """Name what failed, and exit with 1 if anything did."""
    for failure in failures:
        errors.print(f"[red]failed:[/] {escape(failure)}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _names(text: str, option: str) -> list[str]:
    """The names in a text with commas between them."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise BadInput(f"{option} {text!r}: an empty name; give names with one comma between two")
    return names


def _window(text: str) -> tuple[str, tuple[float, float]]:
    """The column and the ends of `COLUMN=LOW:HIGH`."""
    column, _, ends = text.rpartition("=")
    low, _, high = ends.partition(":")
    try:
        if column:
            return column, (float(low), float(high))
    except ValueError:
        pass
    raise BadInput(f"--match {text!r}: expected COLUMN=LOW:HIGH, such as train_loss=0.005:0.01")


def _show(verdicts: "Sequence[Verdicts]") -> None:
    """Print verdicts as tables, and say why there are none, or only those over all runs."""
    from benevolent.analysis.report import verdict_table

    for one in verdicts:
        console.print(verdict_table(one, min(console.width, 120)))
    if not verdicts:
        console.print("too few runs, axes or predictors to judge")
    elif verdicts[0].scope == "all":
        console.print(
            "no run has reached a target (stop.train_loss, stop.train_error), so these verdicts are over all runs"
        )


@app.command()
def plan(spec: Spec, set_: Set = None, scale: Scale = "small") -> None:
    """Tell what a sweep or a study will take: runs, cohorts, memory, disk, and time, by a rehearsal. Keeps nothing.

    [bold]Example:[/] bth plan quickstart --set seeds=20
    """
    from benevolent.analysis.measures.evaluate import select
    from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep, plan_table
    from benevolent.orchestrator.plan.plan import expand
    from benevolent.orchestrator.spec.sweep_spec import load_spec
    from benevolent.orchestrator.training.placement import machine_cpus

    if spec.startswith("study:"):
        sweeps = [sweep for study in _studies(spec, set_) for sweep in study.specs(scale).values()]
    else:
        sweeps = [load_spec(spec, set_ or [])]
    for sweep in sweeps:
        select(sweep.record.names)
    for sweep in sweeps:
        slots = max(1, int(machine_cpus() / sweep.resources.cpus))
        console.print(plan_table(estimate_sweep(sweep, expand(sweep, slots=slots), slots, timed=True)))


@app.command()
def status(where: Where) -> None:
    """Count the runs that are done, to do and failed, say why runs failed, and name a file that is damaged.

    [bold]Example:[/] bth status results/quickstart
    """
    from benevolent.analysis.results import load_results
    from benevolent.trainables.store.integrity import check_files

    results = load_results(where)
    for folder in results.folders:
        check_files(folder)
    table = Table("role", "status", "runs", box=None)
    if len(results.runs):
        counts = results.runs.groupby(["role", "status"], as_index=False).size()
        for role, state, count in counts.itertuples(index=False):
            table.add_row(role, state, str(count))
    console.print(table)
    for manifest, why in results.cohorts.failures():
        console.print(f"cohort {manifest.cohort_id} ({len(manifest.runs)} runs): {escape(why)}", soft_wrap=True)


@app.command()
def measure(
    where: Where,
    measures: Annotated[
        str | None, typer.Option(help="Names, sets (default, all) or import paths, with commas.")
    ] = None,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Also checkpoints before the end.")] = False,
    trust: Trust = False,
) -> None:
    """Measure the networks in a results folder, where that was not done before; by default the default set.

    [bold]Example:[/] bth measure results/quickstart --measures sharpness,path_norm
    """
    from benevolent.orchestrator.sweep import measure_folder

    names = _names(measures, "--measures") if measures is not None else None
    done = measure_folder(where, names, checkpoints, console, trust)
    console.print(
        f"measured {done} files; `{escape(shlex.join(['bth', 'report', where]))}` judges again", soft_wrap=True
    )


@app.command()
def report(where: Where) -> None:
    """Judge what is in a results folder, and write its report.

    [bold]Example:[/] bth report results/quickstart
    """
    from benevolent.orchestrator import reporting
    from benevolent.orchestrator.results_folder import read_spec
    from benevolent.trainables.store.folder import Folder
    from benevolent.trainables.store.integrity import check_files

    folder = Folder(where)
    spec = read_spec(folder)
    check_files(folder)
    by_target: dict[str, Verdicts] = {}  # the same over all runs, diverged ones included, is on the page
    for verdicts in reporting.report(folder, spec, anew=True):
        by_target.setdefault(verdicts.target, verdicts)
    _show([*by_target.values()])
    console.print(f"report: {folder.uri}/{paths.REPORT_PAGE}", soft_wrap=True)


@app.command()
def judge(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A CSV or parquet file, one row per trained network.")],
    target: Annotated[str, typer.Option(help="The column to predict, larger is worse.")],
    axes: Annotated[str, typer.Option(help="The columns that were varied, with commas.")],
    predictors: Annotated[str | None, typer.Option(help="Columns to judge; all other numeric ones by default.")] = None,
    seed_column: Annotated[
        str | None, typer.Option(help="The column that tells repetitions apart; `seed` by default, if it is there.")
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=LOW:HIGH", help="Compare only models whose value lies there; repeatable."),
    ] = None,
    test_size: Annotated[
        int | None, typer.Option(min=1, help="Examples that the target is a mean over: for the noise ceiling.")
    ] = None,
    html: Annotated[str | None, typer.Option(help="Also write a report: one HTML file.")] = None,
) -> None:
    """Judge predictors on anybody's table of models.

    [bold]Example:[/] bth judge models.csv --target gen_gap --axes width,depth --html verdicts.html
    """
    from benevolent.analysis import judging
    from benevolent.analysis.report import verdict_table
    from benevolent.analysis.results import read_table
    from benevolent.orchestrator.provenance import command
    from benevolent.orchestrator.reporting import report_on_table
    from benevolent.trainables.store.folder import Folder

    names = _names(predictors, "--predictors") if predictors is not None else None
    varied = _names(axes, "--axes")
    windows = dict(_window(text) for text in match or [])
    models = read_table(table)
    verdicts = judging.judge(models, target, varied, names, seed_column=seed_column, match=windows, test_size=test_size)
    if html is not None:
        page = Path(html)
        Folder(page.parent).write(page.name, report_on_table(Path(table).name, models, varied, verdicts, command()))
    console.print(verdict_table(verdicts, min(console.width, 120)))
    console.print(verdicts.rule, soft_wrap=True)
    if html is not None:
        console.print(f"report: {html}", soft_wrap=True)


@app.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="sweeps, studies, models, datasets, measures or dynamics; all by default.")
    ] = "all",
) -> None:
    """List what there is with its source; of measures also their direction and what they need.

    [bold]Example:[/] bth list measures
    """
    from benevolent.orchestrator.cli.catalog import CATALOG, COMMON, HEADS
    from benevolent.trainables.config.base import did_you_mean

    if what != "all" and what not in CATALOG:
        raise BadInput(f"bth list {what}: unknown" + did_you_mean(what, CATALOG))
    for name in CATALOG if what == "all" else [what]:
        table = Table(*HEADS.get(name, COMMON), title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for line in CATALOG[name]():
            table.add_row(*map(escape, line))
        console.print(table)


@data_app.command(name="fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets, as `bth data list` names them.")],
    root: Root = None,
) -> None:
    """Download data sets, where they are not there yet; `bth run` does so too, before it starts.

    [bold]Example:[/] bth data fetch mnist cifar10
    """
    import benevolent.trainables.config.run  # noqa: F401  (a user's own modules may add data sets)
    from benevolent.trainables import data

    with data.use_data_root(root):
        for name in names:
            outcome = "fetched to" if data.fetch(name) else "already in"
            console.print(f"{name}: {outcome} {data.location(name)}", soft_wrap=True)


@data_app.command(name="list")
def data_list(root: Root = None) -> None:
    """List the data sets: shape, classes, examples, whether they are there, and their source.

    [bold]Example:[/] bth data list --root /data
    """
    from benevolent.trainables import data

    with data.use_data_root(root):
        console.print(f"data root: {data.data_root()}", soft_wrap=True)
        list_("datasets")
