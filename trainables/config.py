"""What defines a run: `RunConfig`, its identity, and which of its fields may differ inside one stack.

An intervention is one field here, with a default that does nothing, and one function where it acts.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from trainables.data.config import Corruption, DataConfig, Fraction
from trainables.edits import find
from trainables.errors import BadInput
from trainables.models import MODEL_CONFIGS, ModelConfig
from trainables.section import PerRun, Section, flatten

#: The family that is grown, not trained.
FOREST = "random_forest"

#: Bumped when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 1


def _names_a_run(source: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(source)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("source holds itself, or what is neither a number nor text, list or mapping") from None
    if "seed" in source:
        raise ValueError("source has the seed of the run that asks for it; leave seed out")
    return source


#: Another run, told from the one that names it: dotted fields and their values.
Source = Annotated[dict[str, Any], AfterValidator(_names_a_run)]


Scheme = Literal[
    "kaiming", "xavier", "xavier_normal", "normal", "orthogonal", "zeros", "torch", "run", "kmeans", "reuse"
]


class InitConfig(Section):
    """How weights are drawn, and biases.

    `kaiming`: normal, variance 2 / fan-in (He et al. 2015). `xavier`: uniform on +-sqrt(6 / (fan-in + fan-out)), and
    `xavier_normal`: normal of the same variance (Glorot and Bengio 2010). `normal`: normal with standard deviation
    `std`. `orthogonal`: orthonormal rows or columns (Saxe et al. 2014). `zeros`: for the linear problem of Nakkiran et
    al. 2019, section 5. `torch`: as layers of torch do, weights and biases uniform on +-1 / sqrt(fan-in). All are
    multiplied by `scale`. After that `first` replaces the very first weight: with it, and `normal`, one makes the
    adversarial starts of Nakkiran et al. 2019, section 5.

    Biases start at zero but by `torch`, or normal with standard deviation `bias_std`; those of normalisation at zero.

    `run`: as another run of the same network ended. `kmeans`: units are centres of those of a larger
    network, found by k-means (Brutzkus and Globerson 2019); only where no layer reads one whose width differs. `reuse`:
    the weights of a smaller network, and beside them new ones, drawn as by `normal` (Belkin et al. 2018, who widen the
    hidden layer step by step, std 0.1). `source` tells that run from this one: dotted fields and their values; its own
    `init` has the defaults where they do not say otherwise. `at`: not as it ended,
    but as it was after so many epochs of its last phase (then the sweep must keep checkpoints there; a run that had
    ended before counts as it ended).

    At last `edit`, one of `trainables.edits.EDITS`, changes them by `amount`.
    """

    inert: ClassVar = {
        "scale": ("scheme", ("run", "zeros")),
        "bias_std": ("scheme", ("torch", "run", "kmeans")),
        "first": ("scheme", ("run", "kmeans", "reuse")),
        "amount": ("edit", None),
    }

    scheme: Annotated[Scheme, PerRun] = "kaiming"
    scale: Annotated[float, Field(gt=0), PerRun] = 1.0
    std: Annotated[Annotated[float, Field(gt=0)] | None, PerRun] = None
    bias_std: Annotated[float, Field(ge=0), PerRun] = 0.0
    first: Annotated[float | None, PerRun] = None
    source: Annotated[Source | None, PerRun] = None
    at: Annotated[Annotated[int, Field(ge=0)] | None, PerRun] = None
    edit: Annotated[str | None, PerRun] = None
    amount: Annotated[float, PerRun] = 1.0

    @model_validator(mode="after")
    def _fields_go_with_their_scheme(self) -> "InitConfig":
        if (self.scheme in ("normal", "reuse")) != (self.std is not None):
            raise ValueError("schemes 'normal' and 'reuse' need std, and only they take it")
        if (self.scheme in ("run", "kmeans", "reuse")) != (self.source is not None):
            raise ValueError("schemes 'run', 'kmeans' and 'reuse' need source, and only they take it")
        if self.at is not None and self.source is None:
            raise ValueError("at is of a source, and none is given")
        return self

    def check(self) -> None:
        """Raise `BadInput` for an unknown edit."""
        if self.edit is not None:
            find(self.edit)


class LabelsConfig(Section):
    """Labels that another run gives: what its network predicts for the inputs of this one.

    So Nakkiran et al. 2019 (section 4) train small networks on images labelled by a large one. `source` tells that run,
    the teacher, from this one, as `init.source` does: dotted fields and their values; its `labels`, `prune` and
    `reset` have the defaults where they do not say otherwise. The teacher has the seed of this run, and labels the
    training inputs of every phase as this run sees them, as it ended; `label_corruption` then changes its labels.
    `held_out`: it labels the validation and the test split too.
    """

    inert: ClassVar = {"held_out": ("source", None)}

    source: Annotated[Source | None, PerRun] = None
    held_out: Annotated[bool, PerRun] = False


class PretrainConfig(Section):
    """A phase before `train`, on labels corrupted by `label_corruption` (Liao et al. 2018, random pretraining)."""

    inert: ClassVar = {"label_corruption": ("epochs", 0), "corruption": ("label_corruption", 0)}

    epochs: Annotated[int, Field(ge=0)] = 0
    label_corruption: Annotated[Fraction, PerRun] = 0.0
    corruption: Annotated[Corruption, PerRun] = "redraw"


class PruneConfig(Section):
    """Magnitude pruning of the trained dense network, then retraining (Frankle and Carbin 2019).

    In each of `rounds` rounds the `fraction` of the weights still there (biases are kept) of smallest magnitude is held
    at zero, chosen over all layers together (`magnitude`) or within each (`layer_magnitude`). Within each, layers may
    differ: `conv_rate` times the fraction goes of each convolution, `output_rate` times of the output layer. (Conv-2 of
    the source, 10 % and 20 %: fraction 0.2, conv_rate 0.5, output_rate 0.5.) Other parameters are set back to where
    they were at initialisation (`init`), at the start of phase `train` (`train`), or stay (`none`), and are trained
    again: a `ticket`. The controls of the last round: the same mask on newly drawn weights (`reinit`), and new weights
    at random places, as many in each layer (`random_mask`). `draw` numbers the draws of a control: others of the same
    ticket, whose dense network and earlier rounds are trained once.
    """

    inert: ClassVar = {
        "fraction": ("rounds", 0),
        "rounds": ("fraction", 0),
        "method": ("fraction", 0),
        "conv_rate": ("fraction", 0),
        "output_rate": ("fraction", 0),
        "rewind": ("fraction", 0),
        "control": ("fraction", 0),
        "draw": ("control", "ticket"),
    }

    fraction: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    rounds: Annotated[int, Field(ge=0, le=99), PerRun] = 1
    method: Annotated[Literal["magnitude", "layer_magnitude"], PerRun] = "magnitude"
    conv_rate: Annotated[Fraction, PerRun] = 1.0
    output_rate: Annotated[Fraction, PerRun] = 1.0
    rewind: Annotated[Literal["init", "train", "none"], PerRun] = "init"
    control: Annotated[Literal["ticket", "reinit", "random_mask"], PerRun] = "ticket"
    draw: Annotated[int, Field(ge=0), PerRun] = 0

    @model_validator(mode="after")
    def _rates_are_of_layers(self) -> "PruneConfig":
        for name in ("conv_rate", "output_rate"):
            if getattr(self, name) != 1 and self.method != "layer_magnitude":
                raise ValueError(f"{name} needs method 'layer_magnitude'")
        return self

    @property
    def prunes(self) -> bool:
        """Whether anything is pruned."""
        return self.fraction > 0 and self.rounds > 0

    @property
    def round_before(self) -> "PruneConfig":
        """What the network was pruned by whose weights decide the mask."""
        if self.rounds <= 1:
            return PruneConfig()
        return self.model_copy(update={"rounds": self.rounds - 1, "control": "ticket", "draw": 0})

    def gone(self, axes: int = 2, output: bool = False) -> float:
        """The fraction of weights that is gone after all rounds, in a layer.

        Args:
            axes: of its weight; a convolution has more than two.
            output: whether it is the output layer of several layers.

        >>> PruneConfig(fraction=0.5, rounds=2, conv_rate=0.5, method="layer_magnitude").gone(axes=4)
        0.4375
        """
        rate = self.output_rate if output else self.conv_rate if axes > 2 else 1.0
        return 1 - (1 - rate * self.fraction) ** self.rounds

    @property
    def stream(self) -> str:
        """What tells the draws of a control from the ticket's, and from another control's; empty for a ticket."""
        if not self.prunes or self.control == "ticket":
            return ""
        return f"/{self.control}" + (f"/{self.draw}" if self.draw else "")


class ResetConfig(Section):
    """Layers of the trained network set back, without training after that (Zhang, Bengio and Singer 2019).

    `layers`: numbers of the layers with weights, from 1. `to`: the parameters they had at initialisation (`init`) or
    after so many epochs of their last phase (then the sweep must keep checkpoints there; a run that had ended before
    stays as it ended), or newly drawn ones (`random`). Layers of normalisation have no weights and stay.
    """

    inert: ClassVar = {"to": ("layers", [])}

    layers: Annotated[list[Annotated[int, Field(ge=1)]], PerRun] = []
    to: Annotated[Literal["init", "random"] | Annotated[int, Field(ge=0)], PerRun] = "init"

    @model_validator(mode="after")
    def _layers_have_one_spelling(self) -> "ResetConfig":
        if self.layers != sorted(set(self.layers)):
            raise ValueError("layers are different numbers, the smallest first")
        return self


class SubspaceConfig(Section):
    """Training in a random subspace of `dimension` dimensions through the start (Li et al. 2018).

    theta = theta_0 + P phi. P has columns of norm one: normal numbers (`dense`), sparse with density 1 / sqrt(D)
    (`sparse`), or a product of Hadamard matrices, signs, a permutation and normal numbers that is never written out
    (`fastfood`; norms there are one in the mean, and within 3 / sqrt(D) of it).
    """

    inert: ClassVar = {"projection": ("dimension", None)}

    dimension: Annotated[int, Field(ge=1)] | None = None
    projection: Literal["dense", "sparse", "fastfood"] = "dense"


class LossConfig(Section):
    """What is minimised: see `trainables.losses`. All but `cross_entropy` have one output for two classes.

    `margin`: of the hinge loss, up to which examples that are classified rightly count (gamma in Brutzkus and
    Globerson 2019).
    """

    inert: ClassVar = {"margin": ("name", ("cross_entropy", "logistic", "squared"))}

    name: Literal["cross_entropy", "logistic", "squared", "hinge"] = "cross_entropy"
    margin: Annotated[float, Field(gt=0)] = 1.0


def _points(schedule: list[list[float]]) -> list[list[float]]:
    if not all(len(point) == 2 and point[0] >= 0 and point[0] == int(point[0]) and point[1] > 0 for point in schedule):
        raise ValueError("expected points [epoch, factor], of whole epochs >= 0 and factors > 0")
    epochs = [epoch for epoch, _ in schedule]
    if epochs != sorted(set(epochs)):
        raise ValueError("expected different epochs, the first one first")
    return schedule


class OptimizerConfig(Section):
    """SGD with momentum, or Adam (Kingma and Ba 2015, betas 0.9 and 0.999); weight decay adds to the gradient.

    The learning rate is multiplied by `decay` after every `decay_every` epochs of a phase. `schedule` multiplies it
    too: points [epoch, factor], the first epochs first; `between` the points the factor stays what it was (`hold`), or
    goes to the next `linear`ly or `geometric`ally, epoch by epoch. Before the first point it comes from 1 at epoch 0,
    after the last it stays. So [[100, 0.1], [150, 0.01]] are two drops, [[0, 0.1], [5, 1]] with `linear` a warm-up, and
    [[10, 1], [60, 0.01]] with `geometric` a decay that starts and ends.

    `clip`: gradients whose norm over all parameters of the network is larger are scaled down to it, before weight decay
    is added (Pascanu, Mikolov and Bengio 2013). A step takes `batch_size` examples, or all of them (`full`: gradient
    descent).

    `least_squares`: one step, in which the last layer becomes the solution of minimum norm for the features before it,
    and everything else stays as drawn (`trainables.least_squares`). It takes none of the other fields.

    `arithmetic`: of products of float32 numbers in a training step. `tf32` rounds their factors to 10 bits, on a GPU
    only; `bf16` (autocast) to 7 bits. Parameters, their gradients and the optimiser are in `precision` all the same.
    """

    inert: ClassVar = {"momentum": ("name", "adam"), "decay_every": ("decay", 1), "between": ("schedule", [])}

    name: Literal["sgd", "adam", "least_squares"] = "sgd"
    lr: Annotated[float, Field(gt=0), PerRun] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    weight_decay: Annotated[float, Field(ge=0), PerRun] = 0.0
    decay: Annotated[float, Field(gt=0, le=1), PerRun] = 1.0
    decay_every: Annotated[int, Field(ge=1), PerRun] = 1
    schedule: Annotated[Annotated[list[list[float]], AfterValidator(_points)], PerRun] = []
    between: Annotated[Literal["hold", "linear", "geometric"], PerRun] = "hold"
    clip: Annotated[Annotated[float, Field(gt=0)] | None, PerRun] = None
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] = 32
    arithmetic: Literal["full", "tf32", "bf16"] = "full"

    def examples_per_step(self, train_size: int) -> int:
        """The batch size as a number."""
        whole = self.batch_size == "full" or self.name == "least_squares"
        return train_size if whole else min(int(self.batch_size), train_size)


class StopConfig(Section):
    """A phase ends once its targets are reached, or after `max_epochs` epochs or `max_steps` steps.

    The targets are a loss (`train_loss`) and a fraction of wrong examples (`train_error`) on the full training split,
    of which those that are given must both be reached. They are evaluated every `check_every` epochs, or instead every
    `check_every_steps` steps of the phase, and never before the first; so a run may end in the middle of an epoch.
    `max_steps` may cut the last epoch short.

    `snapshot_loss`: the run ends as it was at the check whose loss on the full training split was nearest to this (of
    equal ones the first), though it trains on until its stop rule says so (Liao et al. 2018, figure 5). Its final
    parameters, its outcomes and its place in the tables are those of that check. A run that diverges has no snapshot.
    """

    train_loss: Annotated[Annotated[float, Field(ge=0)] | None, PerRun] = 0.01
    train_error: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, PerRun] = None
    max_epochs: Annotated[int, Field(ge=1), PerRun] = 100
    max_steps: Annotated[int, Field(ge=1)] | None = None
    check_every: Annotated[int, Field(ge=1)] = 1
    check_every_steps: Annotated[int, Field(ge=1)] | None = None
    snapshot_loss: Annotated[Annotated[float, Field(gt=0)] | None, PerRun] = None

    @model_validator(mode="after")
    def _checks_have_one_spelling(self) -> "StopConfig":
        if self.check_every_steps is not None and self.check_every != 1:
            raise ValueError("check_every counts epochs and check_every_steps steps; leave one out")
        return self

    def is_due(self, epoch: int | float, step: int) -> bool:
        """Whether targets are evaluated after so many epochs and steps of a phase."""
        if self.check_every_steps is not None:
            return step % self.check_every_steps == 0
        return isinstance(epoch, int) and epoch % self.check_every == 0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own labels: so many epochs and steps, fewer if the targets are reached before."""

    name: str
    label_corruption: float
    corruption: Corruption
    max_epochs: int
    max_steps: int | None = None
    train_loss: float | None = None
    train_error: float | None = None
    snapshot_loss: float | None = None

    @property
    def has_target(self) -> bool:
        """Whether the phase can end before its limit."""
        return self.train_loss is not None or self.train_error is not None

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
    model: ModelConfig = MODEL_CONFIGS["mlp"]()
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
            *(["init", "labels", "reset", "stop"] if self.is_forest else []),
        ]
        for line in (line for name in names for line in getattr(self, name).identity(name)):
            field = line.partition("=")[0]
            solver = field == "optimizer.name" and not self.is_forest
            if not solver and (not field.startswith("stop.") or field == "stop.snapshot_loss"):
                yield line

    def check_loss(self) -> None:
        """Refuse a loss that the way to the solution does not minimise.

        Raises:
            BadInput: least squares or a forest with another loss than `squared`.
        """
        if self.solved and self.loss.name != "squared":
            raise BadInput(
                f"loss.name = {self.loss.name!r}: {self.solved} minimises the squared loss; say loss.name: squared"
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
        epochs = 1 if self.solved else stop.max_epochs
        last = Phase(name, *labels, epochs, stop.max_steps, stop.train_loss, stop.train_error, stop.snapshot_loss)
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
    """The sections of the run that a `source` names; those left out have the defaults where it does not say more."""
    if (source := section(by).source) is None:
        return None
    names = RunConfig.model_fields.keys() - {"seed"}
    nested = {name: value.model_dump() if isinstance(value := section(name), Section) else value for name in names}
    nested |= {name: {} for name in left_out}
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
