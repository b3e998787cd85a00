"""Which sections of a `RunConfig` go together: every rule that looks at more than one of them.

What a section can tell alone, it refuses itself. A rule is added by writing a function of a `Candidate` and naming it
in `RULES`; it returns the line that refuses, or None. Planning asks once for every kind of run (`Configuration.kind`):
of fields that may differ in a cohort and are numbers a rule may ask whether they are given, not which number it is,
unless they are `init.at` or `labels.at`, or in `prune`, `reset` or `stop`.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from benevolent.trainables import data
from benevolent.trainables.config.run import FOREST, RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.modules import RandomFeatures
from benevolent.trainables.stack import network
from benevolent.trainables.stack.layer_types import is_batch_norm
from benevolent.trainables.store.manifest import Record
from benevolent.trainables.training.losses import LOSSES, Loss


def check(config: RunConfig, record: Record | None = None) -> None:
    """Refuse a run that cannot be trained, or not to any sense, though each of its sections is valid.

    Args:
        config: of the run.
        record: what its sweep records; None leaves out the rule that asks for it.

    Raises:
        BadInput: one line that says what, where, and what is allowed.
    """
    candidate = Candidate(config, record)
    for rule in RULES:
        if line := rule(candidate):
            raise BadInput(line)


class Traits(NamedTuple):
    """What the rules ask of a network, which is built and tried once.

    Attributes:
        shapes: of what is trained, by name.
        tensors: of all that belongs to a network, by name.
        layers: how many have weights.
        normalizes: whether it has BatchNorm.
        places: positions of the feature map that the last pooling leaves; None without one.
        random_features: whether it has layers of cosines beside sines.
    """

    shapes: dict[str, torch.Size]
    tensors: dict[str, torch.Size]
    layers: int
    normalizes: bool
    places: int | None
    random_features: bool

    @property
    def weights(self) -> list[str]:
        """The tensors that are drawn and pruned."""
        return [name for name, shape in self.shapes.items() if len(shape) >= 2]

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(shape.numel() for shape in self.shapes.values())


@dataclass(frozen=True)
class Candidate:
    """A run that may be refused, and what rules ask of it."""

    config: RunConfig
    record: Record | None

    @property
    def task(self) -> data.Task:
        """What its data set asks for."""
        return data.describe(self.config.data)

    @property
    def network(self) -> Traits:
        """Of its network."""
        outputs = LOSSES[self.config.loss.name].outputs(self.task.classes)
        return _traits(self.config.model.model_dump_json(), self.task.input_shape, outputs)

    @property
    def batch(self) -> int:
        """Examples of a step."""
        return self.config.optimizer.examples_per_step(self.config.data.train_size)


def loss_fits_targets(run: Candidate) -> str | None:
    """Numbers need a loss of numbers, more than two classes one of classes."""

    def fits(loss: Loss) -> bool:
        return loss.real if run.task.target == "real" else run.task.classes == 2 or loss.per_class

    name = run.config.loss.name
    if fits(LOSSES[name]):
        return None
    what = "numbers" if run.task.target == "real" else f"{run.task.classes} classes"
    allowed = ", ".join(name for name, loss in LOSSES.items() if fits(loss))
    return f"loss.name = {name!r}: does not fit the targets of {run.config.data.name}, {what}; allowed: {allowed}"


def only_labels_are_corrupted(run: Candidate) -> str | None:
    """Numbers have no other class to go to (what is said of `data.label_corruption`, the data set refuses)."""
    pretrain = run.config.pretrain
    if run.task.target == "real" and pretrain.epochs and pretrain.label_corruption:
        where = f"pretrain.label_corruption = {pretrain.label_corruption}"
        return f"{where}: the targets of {run.config.data.name} are no classes; allowed: 0"
    return None


def arithmetic_has_factors(run: Candidate) -> str | None:
    """What rounds the factors of products rounds float32 numbers."""
    arithmetic = run.config.optimizer.arithmetic
    if arithmetic == "full" or run.config.precision == "float32":
        return None
    return f"optimizer.arithmetic = {arithmetic!r}: rounds float32 numbers, and precision is float64; allowed: 'full'"


def augmenting_has_steps(run: Candidate) -> str | None:
    """What is solved for in one step sees each image once."""
    if run.config.data.augment == "none" or not run.config.solved:
        return None
    return f"data.augment = {run.config.data.augment!r}: does not go with {run.config.solved}; leave it out"


def batch_is_there(run: Candidate) -> str | None:
    """A batch is drawn from the training split."""
    size, train_size = run.config.optimizer.batch_size, run.config.data.train_size
    if size != "full" and size > train_size:
        return f"optimizer.batch_size = {size}: data.train_size is {train_size}; allowed: 1 to {train_size}, or 'full'"
    return None


def batch_has_a_spread(run: Candidate) -> str | None:
    """BatchNorm divides by the deviation over a batch, and in one example there is none."""
    last = run.config.data.train_size % run.batch or run.batch
    if last > 1 or not run.network.normalizes:
        return None
    size, what = run.config.optimizer.batch_size, "a" if run.batch == 1 else "the last"
    where = f"optimizer.batch_size = {size!r} with data.train_size = {run.config.data.train_size}"
    return f"{where}: {what} batch has one example, which BatchNorm cannot normalize; allowed: sizes that leave more"


def conv6_sees_places(run: Candidate) -> str | None:
    """The linear layers of Frankle and Carbin's networks read a map; on one position 3 x 3 filters read padding."""
    if run.config.model.family != "frankle_conv" or run.network.places != 1:  # type: ignore[attr-defined]
        return None
    return (
        f"model.depth = {run.config.model.depth}: on inputs of shape {run.task.input_shape} the last pooling leaves "  # type: ignore[attr-defined]
        "1 x 1; allowed: less depth, or larger inputs"
    )


def weights_are_there(run: Candidate) -> str | None:
    """What is drawn, pruned or reset are weights: parameters with two axes or more."""
    config, network_ = run.config, run.network
    if not network_.weights:
        for where, asks in (("init.first", config.init.first is not None), ("prune.fraction", config.prune.prunes)):
            if asks:
                return f"{where}: the network has no weights (parameters with two axes or more); leave it out"
    if config.reset.layers and max(config.reset.layers) > network_.layers:
        layers = f"the network has {network_.layers} layers with weights"
        return f"reset.layers = {config.reset.layers}: {layers}; allowed: 1 to {network_.layers}"
    return None


def rates_have_layers(run: Candidate) -> str | None:
    """A rate of layers that are not there would name the same networks otherwise."""
    prune, shapes = run.config.prune, run.network.shapes
    if not prune.prunes:
        return None
    if prune.conv_rate != 1 and not any(len(shapes[name]) > 2 for name in run.network.weights[:-1]):
        return f"prune.conv_rate = {prune.conv_rate}: the network has no convolutions to prune; leave it out"
    if prune.output_rate != 1 and len(run.network.weights) < 2:
        return f"prune.output_rate = {prune.output_rate}: the network has one layer with weights; leave it out"
    return None


def rewind_has_a_phase(run: Candidate) -> str | None:
    """Without pretraining phase `train` starts at the initialization; a control of one round goes back to nothing."""
    prune = run.config.prune
    if prune.prunes and prune.rewind == "train" and not run.config.pretrain.epochs:
        return "prune.rewind = 'train': without pretrain.epochs that is the initialization; allowed: init, none"
    if prune.prunes and prune.rounds == 1 and prune.control != "ticket" and prune.rewind != "init":
        return f"prune.rewind = {prune.rewind!r}: has no effect on a {prune.control} of one round; leave it out"
    return None


def draws_are_new(run: Candidate) -> str | None:
    """Weights that come from another run are not drawn, so nothing can be drawn anew."""
    config = run.config
    if config.init.source is None:
        return None
    if config.prune.prunes and config.prune.control != "ticket":
        return f"prune.control = {config.prune.control!r}: with init.source nothing is drawn; allowed: ticket"
    if config.reset.layers and config.reset.to == "random":
        return "reset.to = 'random': with init.source nothing is drawn; allowed: init, or an epoch"
    return None


def checkpoint_is_kept(run: Candidate) -> str | None:
    """What goes back to an epoch of another run needs the parameters that were kept then."""
    reset, init, labels = run.config.reset, run.config.init, run.config.labels
    asked: list[tuple[str, int, RunConfig]] = []
    if isinstance(reset.to, int) and reset.layers and (trained := run.config.parent):
        asked.append(("reset.to", reset.to, trained))
    if init.at is not None and (source := run.config.dense.parent):
        asked.append(("init.at", init.at, source))
    if labels.at is not None and run.config.teacher:
        asked.append(("labels.at", labels.at, run.config.teacher))
    for where, epoch, other in asked:
        if epoch > other.last_epoch:
            return f"{where} = {epoch}: a phase has {other.last_epoch} epochs at most"
        # Those of the start of a phase always are.
        if epoch and run.record and not (run.record.checkpoints and run.record.is_due(epoch)):
            return f"{where} = {epoch}: needs record.measure_at = 'checkpoints' and {epoch} among record.epochs"
    return None


def early_stop_has_a_validation_split(run: Candidate) -> str | None:
    """What is kept is the network of the lowest validation loss."""
    if not run.record or not run.record.early_stop or run.config.data.validation_size or run.config.is_forest:
        return None
    return "record.early_stop: needs a validation split, and data.validation_size is 0; allowed: 1 or more"


def subspace_fits(run: Candidate) -> str | None:
    """A subspace has at most the dimensions of the whole, and leads out of what pruning holds at zero."""
    dimension = run.config.subspace.dimension
    if dimension is None:
        return None
    if dimension > run.network.size:
        return f"subspace.dimension = {dimension}: the network has {run.network.size} parameters; allowed: up to that"
    if run.config.prune.prunes:
        return f"subspace.dimension = {dimension}: pruned weights would not stay zero; leave out subspace or prune"
    return None


def source_has_the_shape(run: Candidate) -> str | None:
    """What is taken over from another run must have the same tensors; k-means takes more units, a larger net less."""
    source = run.config.dense.parent
    if source is None:
        return None
    if line := loss_fits_targets(Candidate(source, None)):
        return f"init.source: {line}"
    own, other = run.network.tensors, Candidate(source, None).network.tensors
    scheme = run.config.init.scheme
    if scheme == "reuse" and run.network.random_features:
        return "init.scheme = 'reuse': random features are cosines beside sines, which a larger network has elsewhere"
    for name, shape in own.items():
        there = tuple(other.get(name, ()))
        alike = len(there) == len(shape) > 0
        rows = scheme == "kmeans" and alike and there[0] > shape[0] and there[1:] == shape[1:]
        inside = scheme == "reuse" and alike and all(old <= new for old, new in zip(there, shape, strict=True))
        if name not in other or not (there == shape or rows or inside):
            has = f"of shape {there}" if name in other else "not there"
            more = {"kmeans": ", or more rows", "reuse": ", or less on any axis"}.get(scheme, "")
            allowed = f"that shape{more}"
            return f"init.source: {name} is {has}, in the run that starts from it {tuple(shape)}; allowed: {allowed}"
    return None


def teacher_knows_the_inputs(run: Candidate) -> str | None:
    """Labels are the classes that a network sees in the same inputs, normalized as those it has learned from."""
    config, teacher = run.config, run.config.teacher
    if teacher is None:
        return None
    if run.task.target == "real":
        return f"labels.source: the targets of {config.data.name} are no classes; leave it out"
    if teacher.is_forest:
        return f"labels.source: model.family = {FOREST!r} labels nothing; allowed: networks"
    same = {"name", "classes", "crop", "pool", "normalize", "dimension"}
    if config.data.normalize == "split" and config.data.name not in data.SYNTHETIC:
        same |= {"train_size", "validation_size", "test_size", "split_seed"}  # which make mean and deviation
    for name in sorted(same):
        own, other = getattr(config.data, name), getattr(teacher.data, name)
        if own != other:
            return f"labels.source: data.{name} = {other!r} is {own!r} in the run that it labels; allowed: the same"
    return None


#: Asked in this order; what has a network asked for may rely on the targets to fit.
RULES: tuple[Callable[[Candidate], str | None], ...] = (
    loss_fits_targets,
    only_labels_are_corrupted,
    arithmetic_has_factors,
    augmenting_has_steps,
    batch_is_there,
    batch_has_a_spread,
    conv6_sees_places,
    weights_are_there,
    rates_have_layers,
    rewind_has_a_phase,
    draws_are_new,
    checkpoint_is_kept,
    early_stop_has_a_validation_split,
    subspace_fits,
    source_has_the_shape,
    teacher_knows_the_inputs,
)


@functools.lru_cache(maxsize=1024)
def _traits(model: str, input_shape: tuple[int, ...], outputs: int) -> Traits:
    built = network.build(RunConfig.parse({"model": json.loads(model)}).model, input_shape, outputs)
    poolings = [part for part in built.module.modules() if isinstance(part, nn.MaxPool2d)]
    left: list[int] = []
    if poolings:
        hook = poolings[-1].register_forward_hook(lambda part, inputs, out: left.append(out.shape[-1] * out.shape[-2]))
        with torch.no_grad():
            built.module(torch.zeros(1, *input_shape))
        hook.remove()
    normalizes = any(is_batch_norm(part) for part in built.module.modules())
    tensors = {**built.shapes, **built.buffers.shapes}
    random_features = any(isinstance(part, RandomFeatures) for part in built.module.modules())
    places = left[-1] if left else None
    return Traits(built.shapes, tensors, len(built.layers), normalizes, places, random_features)
