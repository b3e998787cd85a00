"""What defines a run: `RunConfig`, its identity, and the runs that it needs."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from benevolent.trainables.config.base import Section, flatten
from benevolent.trainables.config.data import Corruption, DataConfig
from benevolent.trainables.config.initialization import InitConfig, LabelsConfig, PretrainConfig
from benevolent.trainables.config.model import DEFAULT_FAMILY, MODEL_CONFIGS, ModelConfig
from benevolent.trainables.config.optimization import LossConfig, OptimizerConfig, StopConfig
from benevolent.trainables.config.pruning import PruneConfig, ResetConfig, SubspaceConfig
from benevolent.trainables.errors import BadInput

#: The family that is grown, not trained.
FOREST = "random_forest"

#: Bumped when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 1


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own labels: so many epochs and steps, fewer if the targets are reached before.

    One that `solves` finds its solution in its only step; that is its target.
    """

    name: str
    label_corruption: float
    corruption: Corruption
    max_epochs: int
    max_steps: int | None = None
    train_loss: float | None = None
    train_error: float | None = None
    snapshot_loss: float | None = None
    solves: bool = False

    @property
    def has_target(self) -> bool:
        """Whether the phase can end before its limit."""
        return self.solves or self.train_loss is not None or self.train_error is not None

    def reached(self, train: Mapping[str, Tensor]) -> Tensor:
        """Whether training outcomes, `loss` and `error` `(K,)`, are at every target that there is; False without."""
        at = torch.full_like(train["loss"], self.has_target, dtype=torch.bool)
        for name, target in (("loss", self.train_loss), ("error", self.train_error)):
            at &= train[name] <= (torch.inf if target is None else target)
        return at


class RunConfig(Section):
    """One network trained once.

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

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if what := self.solved:
            # Not a field's validator: sweeps put runs together from validated sections, and want the one line too.
            for line in self._foreign_lines():
                raise BadInput(f"{line.replace('=', ' = ')}: does not go with {what}; leave it out")

    def _foreign_lines(self) -> Iterator[str]:
        """What is set of the sections that have no meaning where the solution is found in one step."""
        names = [
            "pretrain",
            "prune",
            "subspace",
            "optimizer",
            "stop",
            *(["init", "labels", "reset"] if self.is_forest else []),
        ]
        for line in (line for name in names for line in getattr(self, name).identity(name)):
            field = line.partition("=")[0]
            solver = field == "optimizer.name" and not self.is_forest
            if not solver and (not field.startswith("stop.") or field == "stop.snapshot_loss"):
                yield line

    def check_loss(self) -> None:
        """Refuse a loss that the way to the solution does not minimize.

        Raises:
            BadInput: least squares or a forest with another loss than `squared`.
        """
        if self.solved and self.loss.name != "squared":
            raise BadInput(
                f"loss.name = {self.loss.name!r}: {self.solved} minimizes the squared loss; say loss.name: squared"
            )

    @property
    def is_forest(self) -> bool:
        """Whether trees are grown, and no network is trained."""
        return type(self.model) is MODEL_CONFIGS[FOREST]

    @property
    def solved(self) -> str | None:
        """What finds the solution in one step, whatever the limits of training; None for what trains step by step."""
        if self.is_forest:
            return f"model.family = '{FOREST}'"
        return "optimizer.name = 'least_squares'" if self.optimizer.name == "least_squares" else None

    @functools.cached_property
    def run_id(self) -> str:
        """16 hexadecimal digits: a hash of the seed and of every field that differs from its default."""
        return run_id(self.configuration_lines(), self.seed)

    def configuration_lines(self, shared_only: bool = False) -> list[str]:
        """The fields that differ from their defaults, as sorted `path=value` lines; the seed is left out."""
        sections = {name: getattr(self, name) for name in RunConfig.model_fields if name not in ("precision", "seed")}
        lines = [line for name, section in sections.items() for line in section.identity(name, shared_only)]
        return sorted([*lines, f"precision={self.precision}"])

    @property
    def cohort_key(self) -> tuple[str, ...]:
        """Equal for runs that may share a cohort: same data, network, batches and phases."""
        names = (phase.name for phase in self.phases)
        layers = (line.partition("=")[0] for line in self.model.identity("model"))  # there are some only with dropout
        # Runs that wait for others do not train beside them.
        return (*self.configuration_lines(shared_only=True), *layers, *names, f"after {len(self.ancestors)}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that this run trains itself; a pruned or reset run starts from its `parent`."""
        stop, pretrain = self.stop, self.pretrain
        labels = (self.data.label_corruption, self.data.corruption)
        if self.reset.layers:
            return (Phase("reset", *labels, 0),)
        name = f"prune{self.prune.rounds}" if self.prune.prunes else "train"
        if self.solved:
            return (Phase(name, *labels, 1, solves=True),)
        targets = stop.train_loss, stop.train_error, stop.snapshot_loss
        last = Phase(name, *labels, stop.max_epochs, stop.max_steps, *targets)
        if self.prune.prunes or not pretrain.epochs:
            return (last,)
        return Phase("pretrain", pretrain.label_corruption, pretrain.corruption, pretrain.epochs), last

    @property
    def parent(self) -> "RunConfig | None":
        """The run that this one starts from; None for one that starts from drawn weights."""
        changes = parent_sections(functools.partial(getattr, self))
        if changes is None:
            return None
        return self._with(changes)

    @functools.cached_property
    def teacher(self) -> "RunConfig | None":
        """The run that labels the inputs of this one; None where labels are those of the data set."""
        changes = teacher_sections(functools.partial(getattr, self))
        return None if changes is None else self._with(changes)

    def _with(self, changes: dict[str, Any]) -> "RunConfig":
        """Not `model_copy`, which copies what is cached too."""
        return RunConfig(**{name: getattr(self, name) for name in RunConfig.model_fields} | changes)

    @property
    def ancestors(self) -> "tuple[RunConfig, ...]":
        """The parent, the teacher, theirs, and so on, each once."""
        before = [one for one in (self.parent, self.teacher) if one is not None]
        return tuple({each.run_id: each for one in before for each in (one, *one.ancestors)}.values())

    @property
    def steps_per_epoch(self) -> int:
        """Of a whole epoch."""
        return -(-self.data.train_size // self.optimizer.examples_per_step(self.data.train_size))

    @property
    def last_epoch(self) -> int:
        """The epochs that the last phase has at most."""
        most, steps = self.phases[-1].max_epochs, self.phases[-1].max_steps
        return most if steps is None else min(most, -(-steps // self.steps_per_epoch))

    @property
    def dense(self) -> "RunConfig":
        """The run without its pruning and its resets."""
        return self._with({"prune": PruneConfig(), "reset": ResetConfig()})

    def flat(self) -> dict[str, Any]:
        """Every field by its dotted path, as in the columns of the tables, where a column has values of one type.

        So the batch size is a number also where it is `full`; of lists, `reset.to` and what names other runs there is
        text.
        """
        values = self.model_dump()
        values["optimizer"]["batch_size"] = self.optimizer.examples_per_step(self.data.train_size)
        values["optimizer"]["schedule"] = ",".join(f"{epoch:g}:{factor:g}" for epoch, factor in self.optimizer.schedule)
        values["reset"] = {"layers": ",".join(map(str, self.reset.layers)), "to": str(self.reset.to)}
        for name in ("init", "labels"):
            if values[name]["source"] is not None:
                values[name]["source"] = json.dumps(values[name]["source"], sort_keys=True)
        return dict(flatten(values))


def parent_sections(section: Callable[[str], Any]) -> dict[str, Any] | None:
    """What tells the run that another one starts from: the sections that differ; None if it starts from drawn weights.

    Args:
        section: the sections, by name, of the `RunConfig` that starts from it.

    Raises:
        BadInput: `init.source` does not give a run.
    """
    if section("reset").layers:
        return {"reset": ResetConfig()}
    if section("prune").prunes:
        return {"prune": section("prune").round_before}
    return _named(section, "init", ("init",))


def teacher_sections(section: Callable[[str], Any]) -> dict[str, Any] | None:
    """What tells the run that labels the inputs of another: the sections that differ; None if there is none.

    Args:
        section: the sections, by name, of the `RunConfig` that learns from it.

    Raises:
        BadInput: `labels.source` does not give a run.
    """
    return _named(section, "labels", ("labels", "prune", "reset"))


def _named(section: Callable[[str], Any], by: str, left_out: Sequence[str]) -> dict[str, Any] | None:
    """The sections of the run that a `source` names; those left out have the defaults where it does not say more.

    Where it names a family, so have the network's other fields: those of this run may be of another family.
    """
    if (source := section(by).source) is None:
        return None
    names = RunConfig.model_fields.keys() - {"seed"}
    nested = {name: value.model_dump() if isinstance(value := section(name), Section) else value for name in names}
    nested |= {name: {} for name in (*left_out, *(["model"] if "model.family" in source else []))}
    for field, value in source.items():
        part, _, name = field.partition(".")
        if name and isinstance(nested.get(part), dict):
            nested[part] = {**nested[part], name: value}
        else:
            nested[part] = value
    try:
        found = RunConfig.parse(nested)
    except BadInput as error:
        raise BadInput(f"{by}.source: {error}") from None
    return {name: getattr(found, name) for name in names}


def run_id(configuration_lines: Iterable[str], seed: int) -> str:
    """The id of a run from its `RunConfig.configuration_lines()` and seed."""
    text = "\n".join([f"version={ALGORITHM_VERSION}", *configuration_lines, f"seed={seed}"])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
