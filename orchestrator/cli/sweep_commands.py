"""`bth run` and `bth plan`."""

import itertools
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from benevolent.orchestrator.cli.arguments import Overrides, Spec, StudyScale
from benevolent.orchestrator.cli.console import console, exit_if_failed, print_descriptions, print_verdicts
from benevolent.orchestrator.study_scales import STUDY_PREFIX, Scale
from benevolent.trainables.errors import BadInput, located_in
from benevolent.trainables.quick_imports import uncollected
from benevolent.trainables.store import paths

if TYPE_CHECKING:
    from benevolent.orchestrator.study import Study

RESULTS = Path("results")


def run(
    spec: Spec,
    out: Annotated[str | None, typer.Option(help="Results folder. Default: results/NAME.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster, or `auto`. Default: start Ray on this machine.")
    ] = None,
    overrides: Overrides = None,
    scale: StudyScale = "small",
) -> None:
    """Train a sweep or a study, measure, judge, and write a report.

    The same command again continues after a stop. If the spec has new values, only the new runs are trained.

    [bold]Example:[/] bth run quickstart --set seeds=2 --out results/small
    """
    from benevolent.orchestrator.lease import check_free
    from benevolent.orchestrator.spec.load_spec import load_spec
    from benevolent.orchestrator.stored_spec import check_folder
    from benevolent.orchestrator.training.ray_session import keep_ray_cluster, ray_starts_meanwhile
    from benevolent.trainables.store.folder import Folder

    if spec.startswith(STUDY_PREFIX):
        return _run_studies(spec, out, address, overrides, scale)

    sweep = load_spec(spec, overrides or [])
    where = out or str(RESULTS / sweep.name)
    check_free(Folder(where))
    check_folder(Folder(where), sweep)
    reported = Folder(where).exists(paths.REPORT_PAGE)  # then there may be nothing to train
    starts_ray = not (address or reported)
    with keep_ray_cluster():
        with ray_starts_meanwhile() if starts_ray else nullcontext(), uncollected():
            from benevolent.orchestrator.estimates.machine_pace import machine_pace
            from benevolent.orchestrator.sweep import run_sweep  # with torch

            if starts_ray:
                machine_pace()  # probes this machine, while Ray's processes start
        result = run_sweep(sweep, where, console, address)
    print_verdicts(result.verdicts[:1], where)
    print_descriptions(Folder(where))
    console.print(f"report: {result.report}", soft_wrap=True)
    exit_if_failed(result.failures)


def plan(
    spec: Spec,
    overrides: Overrides = None,
    scale: StudyScale = "small",
    effect: Annotated[
        float | None,
        typer.Option("--for", metavar="EFFECT", help="Say how many replicates this rank correlation takes."),
    ] = None,
) -> None:
    """Show what a sweep or a study takes, and what it can show. Trains and writes nothing.

    That is its runs, cohorts, memory, disk and time, and the smallest effects that its verdicts would find. Times come
    from a rehearsal of a few seconds on random numbers.

    [bold]Example:[/] bth plan quickstart --for 0.2 --set seeds=20
    """
    with uncollected():
        from benevolent.orchestrator.estimates.detectable import Design, detectable_table
        from benevolent.orchestrator.estimates.machine_pace import machine_pace
        from benevolent.orchestrator.estimates.plan_table import plan_table
        from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
        from benevolent.orchestrator.plan.expand import expand
        from benevolent.orchestrator.spec.load_spec import load_spec
        from benevolent.orchestrator.spec.names import check_names
        from benevolent.trainables.data import check_own
        from benevolent.trainables.machine_cpus import machine_cpus

    if spec.startswith(STUDY_PREFIX):
        chosen = _studies(spec, overrides)
        sweeps = list(itertools.chain.from_iterable(study.specs(scale).values() for study in chosen))
        for reading in [study for study in chosen if study.reads is not None]:
            console.print(f"{reading.name}: it reads the runs of other studies, and measures them; see study:all")
    else:
        sweeps = [load_spec(spec, overrides or [])]
    for sweep in sweeps:
        with located_in(f"sweep {sweep.name}"):  # an unknown measure is refused before anything is rehearsed
            check_names(sweep.record, sweep.judging)
    for sweep in sweeps:
        cores = machine_cpus()
        slots = max(1, int(cores / sweep.resources.cpus))
        with located_in(f"sweep {sweep.name}"):
            planned = expand(sweep, slots=slots)
        for name in planned.new_data_sets:
            check_own(name)
        detectable = detectable_table(Design.of(planned, sweep.record), effect)
        outcomes = len(sweep.judging.outcomes)
        estimate = estimate_sweep(planned, slots, timed=True, cores=cores, outcomes=outcomes, pace=machine_pace())
        console.print(plan_table(estimate))
        console.print(detectable)


def _run_studies(spec: str, out: str | None, address: str | None, overrides: list[str] | None, scale: Scale) -> None:
    from benevolent.orchestrator.study_run import run_studies

    out = out or str(RESULTS / "studies" / scale)
    answered_studies = run_studies(_studies(spec, overrides), scale, out, console, address)
    for answered in answered_studies:
        line = f"{answered.study.name}: {answered.answer.headline} {answered.page}"
        console.print(escape(line), soft_wrap=True)
    console.print(f"all studies: {out}/{paths.PAGE}", soft_wrap=True)
    exit_if_failed(list(itertools.chain.from_iterable(answered.failures for answered in answered_studies)))


def _studies(spec: str, overrides: list[str] | None) -> "list[Study]":
    from benevolent.orchestrator.study import find_studies

    if overrides:
        raise BadInput(f"--set {overrides[0]}: a study cannot be changed; copy its sweep from its page and run that")
    return find_studies(spec)
