"""A study: sweeps, and the question of the literature that their runs answer. `bth run study:NAME`."""

import contextlib
import copy
import functools
import hashlib
import importlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape

from benevolent.analysis.report import study_page
from benevolent.analysis.results import Results, load_results
from benevolent.analysis.studies import Analysis, Answer
from benevolent.orchestrator.provenance import commit, entries
from benevolent.orchestrator.reporting import report_inputs
from benevolent.orchestrator.spec import yaml12
from benevolent.orchestrator.spec.sweep_spec import SweepSpec, put
from benevolent.orchestrator.sweep import train_sweep
from benevolent.orchestrator.sweep_summary import describe_setup
from benevolent.orchestrator.training.ray_session import keep_ray_cluster
from benevolent.trainables.config.base import Section, did_you_mean
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder

Scale = Literal["small", "paper", "develop"]
#: Seeds of verdicts, and the seed that their splits are drawn from, begin here; those that a study is developed on are
#: so much smaller, and never the same. Those from 100 on are used up: rules were changed after a verdict on them.
VERDICT = 200
#: What a name begins with where a sweep or a study may be meant, and the name of all studies together.
PREFIX, ALL = "study:", "all"
#: Sweeps of a study by this name are all of them.
EVERY = "every"


class Scaled(Section):
    """What a scale changes: what it takes, in words; and new values of each sweep, by dotted keys."""

    takes: str
    changes: dict[str, dict[str, Any]] = {}


class Study(Section):
    """A question, and the sweeps that answer it.

    `sweeps` are as in a file of their own, at small scale, with seeds from `VERDICT` on and, where data are in files,
    those of the second half: a study is developed on the first. At paper scale data are whole. `small` and `paper` say
    what a scale takes, and changes (`every`: in each sweep). `alone`: it takes so long that `study:all` leaves it out.
    """

    name: str
    title: str
    source: str
    question: str
    sweeps: dict[str, dict[str, Any]]
    small: Scaled
    paper: Scaled
    alone: bool = False

    def specs(self, scale: Scale) -> dict[str, SweepSpec]:
        """The sweeps at a scale, by name. `develop` is small, with other seeds and the other half of the data.

        Raises:
            BadInput: the file of the study is wrong.
        """
        specs, changes = {}, (self.paper if scale == "paper" else self.small).changes
        for name, values in self.sweeps.items():
            values = yaml12.loads(yaml12.dumps({"name": f"{self.name}-{name}", **values}))  # sweeps may share parts
            for key, value in {**changes.get(EVERY, {}), **changes.get(name, {})}.items():
                put(values, key, copy.deepcopy(value), f"study {self.name}: {scale}.changes")
            try:
                spec = SweepSpec.parse(values)
                if scale == "develop":
                    values["seeds"] = [seed - VERDICT for seed in spec.seed_values]
                    put(values, "base.data.split_seed", 0, name)
                    if "half" in spec.base["data"]:  # of what is drawn anew, another seed is enough
                        put(values, "base.data.half", "first", name)
                    spec = SweepSpec.parse(values)
            except BadInput as error:
                raise BadInput(f"study {self.name}: {name}: {error}") from None
            specs[name] = spec
        return specs

    @property
    def module(self) -> Any:
        """The module of its rule and analysis."""
        return importlib.import_module(f"benevolent.analysis.studies.{self.name.replace('-', '_')}")

    @property
    def rule(self) -> str:
        """What decides, fixed beforehand."""
        return " ".join(str(self.module.RULE).split())

    @property
    def analysis(self) -> Analysis:
        """From results to the answer."""
        return self.module.answer


@functools.cache
def studies() -> dict[str, Study]:
    """Every study that comes with the package, in the order of their files."""
    folder = resources.files("benevolent.orchestrator") / "studies"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    found = [Study.parse(yaml12.loads(file.read_text(encoding="utf-8")), file.name) for file in files]
    return {study.name: study for study in found}


def named(text: str) -> list[Study]:
    """The studies that `study:NAME` or `study:all` means.

    Raises:
        BadInput: there is no study of that name.
    """
    name = text.removeprefix(PREFIX)
    if name == ALL:
        return [study for study in studies().values() if not study.alone]
    if name not in studies():
        raise BadInput(f"{text}: no such study" + did_you_mean(name, [*studies(), ALL]))
    return [studies()[name]]


@dataclass(frozen=True)
class Answered:
    """What a study came to, and where its page is; `failures`: lines about cohorts that did not end."""

    study: Study
    answer: Answer
    page: str
    failures: Sequence[str]


def run_studies(
    chosen: Sequence[Study], scale: Scale, out: str, console: Console, address: str | None = None
) -> list[Answered]:
    """Train what is missing of every study, answer it, and write its page and one that shows all.

    Args:
        chosen: the studies.
        scale: of all of them.
        out: a folder that has, or gets, one folder for each.
        console: for progress.
        address: of a Ray cluster, or None for this machine.

    Raises:
        BadInput: as `orchestrator.sweep.run_sweep`.
    """
    for study in chosen:
        study.specs(scale)  # all that can be refused is, before anything is trained
    done = []
    with keep_ray_cluster():
        for study in chosen:
            console.print(f"[bold]{escape(study.name)}[/]: {escape(study.title)}")
            done.append(run_study(study, scale, posixpath.join(out, study.name), console, address))
            for finding in done[-1].answer.findings:
                console.print(f"  {finding.decision}: {escape(finding.claim)} ({escape(finding.ours)})", soft_wrap=True)
    folder = Folder(out)
    pages = []
    for study in studies().values():
        with contextlib.suppress(BadInput):  # not answered yet, or by another version
            pages.append((study, study_page.read(folder / study.name)))
    folder.write(paths.PAGE, study_page.index(pages, scale))
    return done


def run_study(study: Study, scale: Scale, out: str, console: Console, address: str | None = None) -> Answered:
    """Train what is missing of a study, and answer it; arguments as in `run_studies`, but `out` is its own folder."""
    folder, failures = Folder(out), []
    specs = study.specs(scale)
    for name, spec in specs.items():
        failures += train_sweep(spec, posixpath.join(folder.uri, name), console, address).failures
    inputs: dict[str, Any] = {"rule": study.rule, "analysis": _analyses(), "version": metadata.version("benevolent")}
    inputs |= {name: report_inputs(folder / name) for name in specs}
    if study_page.made_from(folder) != inputs:
        results = {name: load_results(folder / name) for name in specs}
        answer = study.analysis(results)
        for path, content in study_page.render(_about(study, scale, folder, results), answer, inputs).items():
            folder.write(path, content)
    return Answered(study, study_page.read(folder), posixpath.join(folder.uri, paths.PAGE), failures)


@functools.cache
def _analyses() -> str:
    """A digest of the code that answers studies and shows them: with another one, answers are made again."""
    folders = (resources.files("benevolent.analysis") / name for name in ("studies", "templates"))
    files = [file for folder in folders for file in folder.iterdir() if file.name.endswith((".py", ".j2"))]
    code = b"".join(file.read_bytes() for file in sorted(files, key=lambda file: file.name))
    return hashlib.sha256(code).hexdigest()


def _about(study: Study, scale: Scale, folder: Folder, results: Mapping[str, Results]) -> Mapping[str, Any]:
    """What a page says of a study besides its answer."""
    newest = entries(folder / next(iter(study.sweeps)))[-1] | {"answered by commit": commit()}
    return {
        "study": study.model_dump(include={"name", "title", "source", "question"}),
        "rule": study.rule,
        "scale": scale,
        "command": f"bth run {PREFIX}{study.name}" + ("" if scale == "small" else f" --scale {scale}"),
        "setups": _setups(study, scale),
        "sweeps": {name: folder.read(f"{name}/{paths.SPEC}").decode() for name in study.sweeps},
        "runs": {name: one.table()["status"].value_counts().to_dict() for name, one in results.items()},
        "seconds": sum(float(one.runs["seconds"].sum()) for one in results.values()),
        "provenance": newest,
    }


def _setups(study: Study, scale: Scale) -> dict[str, dict[str, dict[str, str]]]:
    """What each sweep trains, in words: here, and at paper scale."""
    scales: tuple[Scale, ...] = (scale,) if scale == "paper" else (scale, "paper")
    specs = {one: study.specs(one) for one in scales}
    return {name: {one: describe_setup(specs[one][name]) for one in scales} for name in study.sweeps}
