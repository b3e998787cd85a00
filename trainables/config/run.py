"""The configuration of a run: `RunConfig`, its identity, and the runs that it needs."""

import functools
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, create_model

from benevolent.trainables.config.base import Section, flatten
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.identity import (
    configuration_id,
    family_revision,
    id_text,
    identity_text,
    run_id,
    shared_text,
)
from benevolent.trainables.config.initialization import InitConfig, LabelsConfig, PretrainConfig
from benevolent.trainables.config.model import DEFAULT_FAMILY, MODEL_CONFIGS, ModelConfig
from benevolent.trainables.config.optimization import LossConfig, OptimizerConfig, StopConfig
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.pruning import PruneConfig, ResetConfig, SubspaceConfig
from benevolent.trainables.errors import BadInput, did_you_mean

#: The model family that is grown, not trained.
FOREST = "random_forest"


class RunSections:
    """The sections of one run, and what follows from them.

    `RunConfig` validates all of them at once; a `StoredRun` reads each when it is first asked for.
    """

    data: DataConfig
    model: ModelConfig
    init: InitConfig
    labels: LabelsConfig
    pretrain: PretrainConfig
    prune: PruneConfig
    reset: ResetConfig
    subspace: SubspaceConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    stop: StopConfig
    precision: Literal["float32", "float64"]
    seed: int

    @functools.cached_property
    def run_id(self) -> str:
        """Return 16 hexadecimal digits: a hash of the seed and of every field that differs from its default."""
        return id_text(run_id(self._identity_text, self.seed, self.revision))

    @functools.cached_property
    def revision(self) -> int:
        """Return the revisions of the model families of this run and its ancestors, added up; see `run_id`."""
        return _revision(self.sections)

    @functools.cached_property
    def configuration(self) -> str:
        """Return the id of the run without its seed: equal for replicates."""
        return id_text(configuration_id(self._identity_text))

    @property
    def _identity_text(self) -> str:
        return "".join([identity_text(name, section) for name, section in self.sections.items()])

    @property
    def sections(self) -> dict[str, Any]:
        """Return every field but the seed, by name."""
        return {name: getattr(self, name) for name in SECTIONS}

    @property
    def cohort_key(self) -> str:
        """Return text that is equal for runs of one network, data set, batch size and sequence of phases.

        Runs share a cohort if, besides, equally many generations of runs must be trained before them.
        """
        sections = [shared_text(name, section) for name, section in self.sections.items()]
        return "".join(sections) + " ".join(phase.name for phase in self.phases)

    @property
    def is_forest(self) -> bool:
        """Return True if trees are grown and no network is trained."""
        return self.model.family == FOREST  # type: ignore[attr-defined]

    @property
    def solved(self) -> str | None:
        """Return the field that makes a solver find the solution in one step; None if training takes steps."""
        if self.is_forest:
            return f"model.family = '{FOREST}'"
        if self.optimizer.name == "least_squares":
            return "optimizer.name = 'least_squares'"
        return None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases that this run trains itself; a pruned or reset run starts from its `parent`."""
        label_corruption, corruption = self.data.label_corruption, self.data.corruption
        if self.reset.layers:
            return (Phase("reset", label_corruption, corruption, max_epochs=0),)
        name = f"prune{self.prune.rounds}" if self.prune.prunes else "train"
        if self.solved:
            return (Phase(name, label_corruption, corruption, max_epochs=1, solves=True),)
        last = Phase(
            name,
            label_corruption,
            corruption,
            max_epochs=self.stop.max_epochs,
            max_steps=self.stop.max_steps,
            train_loss=self.stop.train_loss,
            train_error=self.stop.train_error,
            snapshot_loss=self.stop.snapshot_loss,
        )
        if self.prune.prunes or not self.pretrain.epochs:
            return (last,)
        first = Phase("pretrain", self.pretrain.label_corruption, self.pretrain.corruption, self.pretrain.epochs)
        return first, last

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of steps in a whole epoch."""
        seen_size = self.data.seen_size
        return -(-seen_size // self.optimizer.examples_per_step(seen_size))

    @property
    def last_epoch(self) -> int:
        """Return the number of epochs that the last phase has at most."""
        last = self.phases[-1]
        if last.max_steps is None:
            return last.max_epochs
        return min(last.max_epochs, -(-last.max_steps // self.steps_per_epoch))

    # ---- the runs that this one needs; they have its seed

    @functools.cached_property
    def parent(self) -> Self | None:
        """Return the run that this one starts from; None for one that starts from drawn weights."""
        return self._changed(parent_sections(self.sections))

    @functools.cached_property
    def teacher(self) -> Self | None:
        """Return the run that labels the inputs of this one; None if the labels are those of the data set."""
        return self._changed(teacher_sections(self.sections))

    @property
    def ancestors(self) -> tuple[Self, ...]:
        """Return the parent, the teacher, theirs, and so on, each once."""
        ancestors = {}
        for relative in (self.parent, self.teacher):
            if relative is not None:
                for ancestor in (relative, *relative.ancestors):
                    ancestors[ancestor.run_id] = ancestor
        return tuple(ancestors.values())

    @property
    def lineage(self) -> str:
        """Return the configuration at the root: follow the parent where there is one, else the teacher."""
        relative = self.parent or self.teacher
        return self.configuration if relative is None else relative.lineage

    @property
    def dense(self) -> Self:
        """Return the run without its pruning and its resets; the run itself if it has neither."""
        is_dense = not self.prune.prunes and not self.reset.layers
        return self if is_dense or self.parent is None else self.parent.dense

    def _changed(self, sections: Mapping[str, Any] | None) -> Self | None:
        """Return the run with other sections, without the values that this one has cached."""
        raise NotImplementedError

    def flat(self) -> dict[str, Any]:
        """Return every field by its dotted path, as in the columns of the tables, where a column has one type.

        So the batch size is a number even where it is `full`; lists, `reset.to` and `source` are text.
        """
        values: dict[str, Any] = {}
        for name in RunConfig.model_fields:
            values.update(flat_section(name, getattr(self, name)))
        values["optimizer.batch_size"] = self.optimizer.examples_per_step(self.data.seen_size)
        return values


class RunConfig(RunSections, Section):
    """One network trained once.

    Every section is valid by itself; `trainables.compatibility` says which ones go together.

    >>> RunConfig(seed=3).run_id == RunConfig.parse({"seed": 3, "init": {"scale": 1}}).run_id
    True
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = MODEL_CONFIGS[DEFAULT_FAMILY]()
    init: InitConfig = InitConfig()
    labels: LabelsConfig = LabelsConfig()
    pretrain: PretrainConfig = PretrainConfig()
    prune: PruneConfig = PruneConfig()
    reset: ResetConfig = ResetConfig()
    subspace: SubspaceConfig = SubspaceConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    stop: StopConfig = StopConfig()
    precision: Literal["float32", "float64"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0

    def _changed(self, sections: Mapping[str, Any] | None) -> Self | None:
        return None if sections is None else type(self)(**{**self.sections, **sections}, seed=self.seed)


#: The sections of a run in the order in which its identity names them: every field but the seed.
SECTIONS: tuple[str, ...] = tuple(sorted(RunConfig.model_fields.keys() - {"seed"}))
#: Sections with one field, by name: to validate a section alone, with the error lines that a run has.
_ALONE: dict[str, Any] = {
    name: create_model(name, __base__=Section, **{name: (field.rebuild_annotation(), field.default)})  # type: ignore[call-overload]
    for name, field in RunConfig.model_fields.items()
}


def parse_section(name: str, values: Any) -> Any:
    """Return the validated section `name` of a run.

    Raises:
        BadInput: one line that begins with the field's path.

    >>> parse_section("init", {"scale": 2}).scale
    2.0
    """
    return getattr(_ALONE[name].parse({name: values}), name)


def flat_section(name: str, section: Any) -> list[tuple[str, Any]]:
    """Return the dotted fields of a section with their values as a table holds them; see `RunConfig.flat`.

    >>> flat_section("reset", ResetConfig(layers=[1, 3]))
    [('reset.layers', '1,3'), ('reset.to', 'init')]
    """
    if not isinstance(section, Section):
        return [(name, section)]
    values = section.model_dump()
    if name == "optimizer":
        values["schedule"] = ",".join(f"{epoch:g}:{factor:g}" for epoch, factor in values["schedule"])
    elif name == "reset":
        values["layers"] = ",".join(map(str, values["layers"]))
        values["to"] = str(values["to"])
    elif name in ("init", "labels") and values["source"] is not None:
        values["source"] = json.dumps(values["source"], sort_keys=True)
    fields = []
    for field, value in flatten(values, f"{name}."):
        is_list = isinstance(value, (list, tuple))  # of a builder's argument
        fields.append((field, json.dumps(value) if is_list else value))
    return fields


#: Sections that the run which a `source` names has at their defaults, where the source does not say more.
_NOT_INHERITED = {"init": ("init",), "labels": ("labels", "prune", "reset")}


def parent_sections(sections: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the sections in which the parent of a run differs from it; None if the run starts from drawn weights.

    Args:
        sections: of the run, by name.

    Raises:
        BadInput: `init.source` does not name a valid run.
    """
    if sections["reset"].layers:
        return {"reset": ResetConfig()}
    if sections["prune"].prunes:
        return {"prune": sections["prune"].round_before}
    return _source_sections("init", sections)


def teacher_sections(sections: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the sections in which the teacher of a run differs from it; None if there is no teacher.

    Args:
        sections: of the run, by name.

    Raises:
        BadInput: `labels.source` does not name a valid run.
    """
    return _source_sections("labels", sections)


def _revision(sections: Mapping[str, Any]) -> int:
    """Return the revision of a run with these sections, read section by section: no run is made of its ancestors."""
    revision = family_revision(sections["model"])
    for changed in (parent_sections(sections), teacher_sections(sections)):
        if changed is not None:
            revision += _revision({**sections, **changed})
    return revision


def _source_sections(by: str, sections: Mapping[str, Any]) -> dict[str, Any] | None:
    source = sections[by].source
    if source is None:
        return None
    return {name: source_section(by, source, name, sections[name]) for name in sections_of_source(by, source)}


def sections_of_source(by: str, source: Mapping[str, Any]) -> list[str]:
    """Return the names of the sections in which the run that `<by>.source` names may differ from the one naming it.

    Raises:
        BadInput: the source has a key that is no section.
    """
    named = dict.fromkeys(field.partition(".")[0] for field in source)
    for name in named:
        if name not in SECTIONS:
            raise BadInput(f"{by}.source: {name}: unknown key" + did_you_mean(name, SECTIONS))
    return list(dict.fromkeys([*_NOT_INHERITED[by], *named]))


def source_section(by: str, source: Mapping[str, Any], name: str, asking: Any) -> Any:
    """Return the section `name` of the run that `<by>.source` names.

    Args:
        by: `init` or `labels`.
        source: dotted fields and their values. If it names `model.family`, the other fields of the network have their
            defaults: those of the run that asks may be of another family.
        name: one of `sections_of_source`.
        asking: this section of the run that names the source.

    Raises:
        BadInput: a value that is not valid.
    """
    starts_anew = name in _NOT_INHERITED[by] or (name == "model" and "model.family" in source)
    values: Any = asking
    if isinstance(asking, Section):
        values = {} if starts_anew else asking.model_dump()
    for field, value in source.items():
        section, _, rest = field.partition(".")
        if section == name:
            values = {**values, rest: value} if rest and isinstance(values, dict) else value
    try:
        return parse_section(name, values)
    except BadInput as error:
        raise BadInput(f"{by}.source: {error}") from None
