"""Running studies: train their sweeps, answer them, and write their pages. `bth run study:NAME`."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from benevolent.analysis.report import study_page
from benevolent.analysis.results import Results
from benevolent.analysis.studies import StudyAnswer
from benevolent.orchestrator.measure_folders import measure_folders
from benevolent.orchestrator.reporting import report_inputs
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.study import ReadRuns, Source, Study, studies
from benevolent.orchestrator.study_description import describe_study
from benevolent.orchestrator.study_scales import Scale
from benevolent.orchestrator.study_sources import is_answered, own_sources, read_sources, read_studies
from benevolent.orchestrator.sweep import train_sweep
from benevolent.orchestrator.training.ray_session import keep_ray_cluster
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


@dataclass(frozen=True)
class AnsweredStudy:
    """A study with its answer.

    Attributes:
        study: the study.
        answer: of its rule.
        page: address of its page.
        failures: one line about each cohort that did not finish.
    """

    study: Study
    answer: StudyAnswer
    page: str
    failures: Sequence[str]


def run_studies(
    chosen: Sequence[Study], scale: Scale, out: str, console: Console, address: str | None = None
) -> list[AnsweredStudy]:
    """Train what is missing of every study, answer it, and write its page and one that shows all studies.

    Args:
        chosen: the studies.
        scale: of all of them.
        out: folder that has, or gets, one folder for each study.
        console: shows progress.
        address: of a Ray cluster, or None for this machine.

    Raises:
        BadInput: as `orchestrator.sweep.run_sweep`.
    """
    for study in chosen:
        study.specs(scale)  # a study with a mistake is refused before anything is trained
    answered = []
    with keep_ray_cluster():
        for study in chosen:
            console.print(f"[bold]{escape(study.name)}[/]: {escape(study.title)}")
            done = run_study(study, scale, posixpath.join(out, study.name), console, address)
            _print_findings(done.answer, console)
            answered.append(done)
    _write_index(Folder(out), scale, console)
    return answered


def _print_findings(answer: StudyAnswer, console: Console) -> None:
    """Print the decisions of a study: the paper's claims, then ours, then checks."""
    for heading, findings in answer.groups:
        console.print(f"  {heading}")
        for finding in findings:
            line = f"    {finding.decision}: {escape(finding.claim)} ({escape(finding.evidence)})"
            console.print(line, soft_wrap=True)


def _write_index(folder: Folder, scale: Scale, console: Console) -> None:
    """Write the page of all studies in a folder that have been answered; say which answers cannot be read."""
    pages = []
    for study in studies().values():
        if not (folder / study.name).exists(paths.ANSWER):
            continue
        try:
            pages.append((study, study_page.read(folder / study.name)))
        except BadInput as error:
            console.print(f"left out of {folder.uri}/{paths.PAGE}: {escape(str(error))}", soft_wrap=True)
    folder.write(paths.PAGE, study_page.index(pages, scale))


def run_study(study: Study, scale: Scale, out: str, console: Console, address: str | None = None) -> AnsweredStudy:
    """Train what is missing of a study, and answer it; arguments as in `run_studies`, but `out` is its own folder."""
    folder = Folder(out)
    sources = own_sources(study, scale, folder)
    failures = []
    for source in sources.values():
        failures += train_sweep(source.spec, source.folder.uri, console, address).failures
    if study.reads is not None:
        read, failures_there = _read_runs(study, study.reads, scale, folder, console, address)
        sources |= read
        failures += failures_there
    inputs = _inputs(study, sources)
    if study_page.read_inputs(folder) != inputs:
        results = {name: source.load() for name, source in sources.items()}
        about = describe_study(study, scale, sources, results)
        files = study_page.render(about, _answer(study, results), inputs)
        for path, content in files.items():
            folder.write(path, content)
    page = posixpath.join(folder.uri, paths.PAGE)
    return AnsweredStudy(study, study_page.read(folder), page, failures)


def _read_runs(
    study: Study, reads: ReadRuns, scale: Scale, folder: Folder, console: Console, address: str | None
) -> tuple[dict[str, Source], list[str]]:
    """Run the studies that a study reads and that are not answered yet, and measure what it asks for of their runs.

    Returns:
        the sweeps of those studies, and a line about each failure.
    """
    together = Folder(posixpath.dirname(folder.uri))
    chosen = read_studies(reads, studies(), together)
    missing = [other for other in chosen if not is_answered(other, scale, together)]
    console.print(f"it reads the runs of {len(chosen)} studies", soft_wrap=True)
    if missing:
        names = ", ".join(other.name for other in missing)
        console.print(f"{len(missing)} of them are not answered yet and run first: {names}", soft_wrap=True)
    failures: list[str] = []
    for other in missing:
        failures += run_study(other, scale, posixpath.join(together.uri, other.name), console, address).failures
    sources = read_sources(reads, chosen, scale, together)
    folders = [source.folder for source in sources.values()]
    measured = measure_folders(
        folders,
        reads.measures,
        checkpoints=False,
        resources=ResourcesConfig(),
        console=console,
        address=address,
        trust=True,
        most_replicates=reads.measured_replicates,
    )
    return sources, failures + measured.failures


def _answer(study: Study, results: Mapping[str, Results]) -> StudyAnswer:
    """Answer a study from the results of its sweeps, or of those that it reads."""
    if study.reads is None:
        return study.analysis(results)
    papers = {name: other.source for name, other in studies().items()}
    return study.reading_analysis(results, papers)


def _inputs(study: Study, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Describe everything a study's answer is made from, code included: if any of it changes, it is answered again."""
    inputs: dict[str, Any] = {"rule": study.rule}
    for name, source in sources.items():
        inputs[name] = report_inputs(source.folder, source.measure_names)
    return inputs
