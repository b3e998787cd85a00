"""Running studies: train their sweeps, answer them, and write their pages. `bth run study:NAME`."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from benevolent.analysis.report import study_page
from benevolent.analysis.results import Results, load_results
from benevolent.analysis.studies import StudyAnswer
from benevolent.orchestrator.plan.expand import configurations_of
from benevolent.orchestrator.provenance import git_commit, read_entries
from benevolent.orchestrator.reporting import report_inputs
from benevolent.orchestrator.study import Study, studies
from benevolent.orchestrator.study_scales import STUDY_PREFIX, Scale
from benevolent.orchestrator.sweep import train_sweep
from benevolent.orchestrator.sweep_summary import describe_setup
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
    specs = study.specs(scale)
    failures = []
    for name, spec in specs.items():
        failures += train_sweep(spec, posixpath.join(folder.uri, name), console, address).failures
    inputs = _inputs(study, folder)
    if study_page.read_inputs(folder) != inputs:
        results = {name: load_results(folder / name) for name in specs}
        files = study_page.render(_about(study, scale, folder, results), study.analysis(results), inputs)
        for path, content in files.items():
            folder.write(path, content)
    page = posixpath.join(folder.uri, paths.PAGE)
    return AnsweredStudy(study, study_page.read(folder), page, failures)


def _inputs(study: Study, folder: Folder) -> dict[str, Any]:
    """Describe everything a study's answer is made from, code included: if any of it changes, it is answered again."""
    inputs: dict[str, Any] = {"rule": study.rule}
    for name in study.sweeps:
        inputs[name] = report_inputs(folder / name)
    return inputs


def _about(study: Study, scale: Scale, folder: Folder, results: Mapping[str, Results]) -> dict[str, Any]:
    """Describe a study for its page, apart from the answer."""
    first_sweep = next(iter(study.sweeps))
    newest = read_entries(folder / first_sweep)[-1]
    newest["answered by commit"] = git_commit()
    command = f"bth run {STUDY_PREFIX}{study.name}"
    if scale != "small":
        command += f" --scale {scale}"
    specs = {}
    statuses = {}
    seconds = 0.0
    for name in study.sweeps:
        specs[name] = folder.read(f"{name}/{paths.SPEC}").decode()
    for name, result in results.items():
        statuses[name] = result.table()["status"].value_counts().to_dict()
        seconds += float(result.runs["seconds"].sum())
    return {
        "study": study.model_dump(include={"name", "title", "question"}) | {"reference": study.reference},
        "rule": study.rule,
        "scale": scale,
        "command": command,
        "setups": _setups(study, scale),
        "sweeps": specs,
        "runs": statuses,
        "seconds": seconds,
        "provenance": newest,
    }


def _setups(study: Study, scale: Scale) -> dict[str, dict[str, dict[str, str]]]:
    """Describe what each sweep trains, here and at paper scale: sweep -> scale -> words."""
    setups: dict[str, dict[str, dict[str, str]]] = {name: {} for name in study.sweeps}
    scales: list[Scale] = [scale] if scale == "paper" else [scale, "paper"]
    for shown in scales:
        for name, spec in study.specs(shown).items():
            setups[name][shown] = describe_setup(configurations_of(spec), spec.base, spec.grid, spec.list)
    return setups
