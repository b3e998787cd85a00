"""What defines a run: `RunConfig`, its identity, and which of its fields may differ inside one stack.

An intervention is one field here, with a default that does nothing, and one function where it acts.
"""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainables.data.config import Corruption, DataConfig, Fraction
from trainables.models import MODEL_CONFIGS, ModelConfig
from trainables.section import PerRun, Section, flatten

#: Bumped when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 1


class InitConfig(Section):
    """How weights are drawn; biases start at zero.

    `kaiming`: normal, variance 2 / fan-in (He et al. 2015). `xavier`: uniform on +-sqrt(6 / (fan-in + fan-out))
    (Glorot and Bengio 2010). `normal`: normal with standard deviation `std`. All are multiplied by `scale`.
    """

    scheme: Annotated[Literal["kaiming", "xavier", "normal"], PerRun] = "kaiming"
    scale: Annotated[float, Field(gt=0), PerRun] = 1.0
    std: Annotated[Annotated[float, Field(gt=0)] | None, PerRun] = None

    @model_validator(mode="after")
    def _std_goes_with_normal(self) -> "InitConfig":
        if (self.scheme == "normal") != (self.std is not None):
            raise ValueError("scheme 'normal' needs std, and only scheme 'normal' takes it")
        return self


class PretrainConfig(Section):
    """A phase before `train`, on labels corrupted by `label_corruption` (Liao et al. 2018, random pretraining)."""

    inert: ClassVar = {"label_corruption": ("epochs", 0), "corruption": ("label_corruption", 0)}

    epochs: Annotated[int, Field(ge=0)] = 0
    label_corruption: Annotated[Fraction, PerRun] = 0.0
    corruption: Annotated[Corruption, PerRun] = "redraw"


class PruneConfig(Section):
    """One-shot magnitude pruning of the trained dense network, then retraining (Frankle and Carbin 2019).

    The `fraction` of weights (biases are kept) of smallest magnitude is held at zero, chosen over all layers together
    (`magnitude`) or within each layer (`layer_magnitude`). The other parameters are set back to where they were at
    initialisation (`init`), at the start of phase `train` (`train`), or stay (`none`), and are trained again.
    """

    inert: ClassVar = {"method": ("fraction", 0), "rewind": ("fraction", 0)}

    fraction: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    method: Annotated[Literal["magnitude", "layer_magnitude"], PerRun] = "magnitude"
    rewind: Annotated[Literal["init", "train", "none"], PerRun] = "init"


class OptimizerConfig(Section):
    """SGD with momentum, or Adam (Kingma and Ba 2015, betas 0.9 and 0.999); weight decay adds to the gradient."""

    inert: ClassVar = {"momentum": ("name", "adam")}

    name: Literal["sgd", "adam"] = "sgd"
    lr: Annotated[float, Field(gt=0), PerRun] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    weight_decay: Annotated[float, Field(ge=0), PerRun] = 0.0
    batch_size: Annotated[int, Field(ge=1)] = 32


class StopConfig(Section):
    """A phase ends once the loss on the full training split is at most `train_loss`, or after `max_epochs`.

    The loss is evaluated every `check_every` epochs; at least one epoch is trained.
    """

    train_loss: Annotated[Annotated[float, Field(ge=0)] | None, PerRun] = 0.01
    max_epochs: Annotated[int, Field(ge=1), PerRun] = 100
    check_every: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own labels: `max_epochs` epochs, fewer if `train_loss` is reached before."""

    name: str
    label_corruption: float
    corruption: Corruption
    max_epochs: int
    train_loss: float | None


class RunConfig(Section):
    """One network trained once.

    >>> RunConfig(seed=3).run_id == RunConfig.parse({"seed": 3, "init": {"scale": 1}}).run_id
    True
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = MODEL_CONFIGS["mlp"]()
    init: InitConfig = InitConfig()
    pretrain: PretrainConfig = PretrainConfig()
    prune: PruneConfig = PruneConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    stop: StopConfig = StopConfig()
    precision: Literal["float32", "float64"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0

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
        return (*self.configuration_lines(shared_only=True), *(phase.name for phase in self.phases))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that this run trains itself; a pruned run starts where its `parent` ended."""
        train = (self.data.label_corruption, self.data.corruption, self.stop.max_epochs, self.stop.train_loss)
        if self.prune.fraction:
            return (Phase("prune1", *train),)
        pretrain = self.pretrain
        first = Phase("pretrain", pretrain.label_corruption, pretrain.corruption, pretrain.epochs, None)
        return ((first,) if pretrain.epochs else ()) + (Phase("train", *train),)

    @property
    def parent(self) -> "RunConfig | None":
        """The dense run that a pruned run is cut from; None for a dense run."""
        if not self.prune.fraction:
            return None
        return RunConfig(**{name: getattr(self, name) for name in RunConfig.model_fields if name != "prune"})

    def flat(self) -> dict[str, Any]:
        """Every field by its dotted path, as in the columns of the tables."""
        return dict(flatten(self.model_dump()))


def run_id(configuration_lines: Iterable[str], seed: int) -> str:
    """The id of a run from its `RunConfig.configuration_lines()` and seed."""
    text = "\n".join([f"version={ALGORITHM_VERSION}", *configuration_lines, f"seed={seed}"])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
