"""Studies: a question of the literature each, with the sweeps that answer it."""

import copy
import functools
import importlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import Results, load_results
from benevolent.analysis.studies import FIRST_VERDICT_REPLICATE, Analysis, ReadingAnalysis
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.load_spec import put
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.study_heading import StudyHeading, study_texts
from benevolent.orchestrator.study_scales import STUDY_PREFIX, Scale
from benevolent.trainables.config.base import Section
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.store.folder import Folder

#: Name of all studies together.
ALL = "all"


class ReadRuns(Section):
    """Runs of other studies, in the same folder of results, that a study reads instead of training its own.

    `studies`: their names; or `all`, those of `study:all`, and of the others those that the folder already holds.
    `measures`: names, as in `record.measures`, of what is measured at the end of every run that is read; of each
    configuration, the first `measured_replicates`.
    """

    studies: Literal["all"] | list[str] = "all"
    measures: list[str]
    measured_replicates: Annotated[int, Field(ge=1)] | None = None


class Study(StudyHeading):
    """A question, and the sweeps that answer it.

    `source` is the citation of a paper, spelled alike in all of its studies; `parts` says what of it is studied.
    `sweeps` are written as in a file of their own, at small scale, but `seeds` names no first replicate: replicates,
    and the seed of the data split, begin at `FIRST_VERDICT_REPLICATE`. A study that compares networks of one seed has
    `shared: true`. Data in files are those of the second half; a study is developed on the first half. At paper scale
    data are whole. `small` and `paper` say how long a scale takes, and what it changes (`every`: in each sweep).
    `alone`: it takes so long that `study:all` leaves it out. `reads`: it is answered from the runs of other studies,
    which are run before it.
    """

    sweeps: dict[str, dict[str, Any]] = {}
    reads: ReadRuns | None = None

    def specs(self, scale: Scale) -> dict[str, SweepSpec]:
        """Return the sweeps at a scale, by name.

        Args:
            scale: `develop` is small, with other replicates, from 0 on, and the other half of the data.

        Raises:
            BadInput: the study's file is wrong.
        """
        return {name: self._spec(name, scale) for name in self.sweeps}

    def _spec(self, name: str, scale: Scale) -> SweepSpec:
        changes = self.paper if scale == "paper" else self.small
        # Sweeps may share parts of the YAML, which no change may reach twice.
        values = yaml_text.loads(yaml_text.dumps({"name": f"{self.name}-{name}", **self.sweeps[name]}))
        try:
            for key, value in changes.of_sweep(name).items():
                put(values, key, copy.deepcopy(value), f"{scale}.changes")
            _set_first(values, 0 if scale == "develop" else FIRST_VERDICT_REPLICATE)
            if scale == "develop" and "half" in values["base"]["data"]:  # tasks that are drawn need only another seed
                values["base"]["data"]["half"] = "first"
            return SweepSpec.parse(values)
        except BadInput as error:
            raise BadInput(f"study {self.name}: {name}: {error}") from None

    @property
    def module(self) -> Any:
        """Module of the study's rule and analysis."""
        return importlib.import_module(f"benevolent.analysis.studies.{self.name.replace('-', '_')}")

    @property
    def rule(self) -> str:
        """Rule that decides the study's claims, on one line."""
        return " ".join(self.rule_paragraphs)

    @property
    def rule_paragraphs(self) -> list[str]:
        """Paragraphs of the rule, which blank lines part, each on one line."""
        paragraphs = re.split(r"\n\s*\n", str(self.module.RULE).strip())
        return [" ".join(paragraph.split()) for paragraph in paragraphs]

    @property
    def analysis(self) -> Analysis:
        """Function from the results of the sweeps to the answer."""
        return self.module.answer

    @property
    def reading_analysis(self) -> ReadingAnalysis:
        """The same of a study that reads the runs of others: it takes the papers of these, too."""
        return self.module.answer


class Source(NamedTuple):
    """A sweep that a study is answered from.

    Attributes:
        study: name of the study that trains it.
        spec: its specification.
        folder: its results.
        measures: the measures that the answer may see, as `analysis.measures.selection.select` takes them. Others may
            have been measured since, by `bth measure` or for another study; they change no answer.
    """

    study: str
    spec: SweepSpec
    folder: Folder
    measures: Sequence[str]

    @property
    def measure_names(self) -> set[str]:
        """Names of these measures in tables."""
        return {measure.name for measure in select(self.measures)}

    def load(self) -> Results:
        """Return the results as the answer sees them: of the runs of the last plan, with these measures."""
        return load_results(self.folder, measures=self.measure_names, last_plan_only=True)


def _set_first(values: dict[str, Any], first: int) -> None:
    """Begin the replicates of a sweep, and the seed of its data split, at `first`."""
    given = values.get("seeds")
    seeds = {"count": given} if type(given) is int else given
    if not isinstance(seeds, dict) or "first" in seeds:
        allowed = f"a number of replicates, or {{count: 5, shared: true}}; they begin at {FIRST_VERDICT_REPLICATE}"
        raise BadInput(f"seeds = {given!r}: allowed: {allowed}")
    data = values.setdefault("base", {}).setdefault("data", {})
    if "split_seed" in data:
        raise BadInput("base.data.split_seed: leave it out; the split of a verdict has a seed of its own")
    values["seeds"] = {**seeds, "first": first}
    data["split_seed"] = first


@functools.cache
def studies() -> dict[str, Study]:
    """Return every study that comes with the package, by name; those that read the runs of others come last."""
    parsed = [Study.parse(yaml_text.loads(text), name) for name, text in study_texts().items()]
    return {study.name: study for study in parsed}


def find_studies(text: str) -> list[Study]:
    """Return the studies that `study:NAME` or `study:all` means.

    Raises:
        BadInput: there is no study of that name.
    """
    name = text.removeprefix(STUDY_PREFIX)
    if name == ALL:
        return [study for study in studies().values() if not study.alone]
    if name not in studies():
        raise BadInput(f"{text}: no such study" + did_you_mean(name, [*studies(), ALL], "bth list studies"))
    return [studies()[name]]
