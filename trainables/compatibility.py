"""Rules on which sections of a `RunConfig` go together, with each other, the data set and the network.

A section refuses by itself what it can judge alone. A rule is a function of a `Candidate`, decorated with the fields
that it reads; it returns the line that refuses the run, or None. Planning asks a rule once for each distinct
combination of these fields, and a cohort is checked again where it starts to train.

The fields of a rule are dotted fields (`data.train_size`) or whole sections (`data`) of the run, and of its parent and
teacher (`parent.model`). Its guard, `only_if`, is a field and a condition: the rule concerns only runs that meet it.
The rule may also read the guard's field, but only to ask whether the condition holds.
"""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from benevolent.trainables import data
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import FOREST, RunConfig, parse_section
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models import weight_edits
from benevolent.trainables.models.modules import RandomFeatures
from benevolent.trainables.optimization.losses import LOSSES, Loss
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.computed_weights import computed_weights
from benevolent.trainables.stack.layer_types import is_batch_norm
from benevolent.trainables.stack.module_structure import forward_calls
from benevolent.trainables.stack.network import Network


def check(config: RunConfig, record: RecordConfig | None = None) -> None:
    """Refuse a run whose sections are valid but do not go together: it cannot be trained, or a field has no effect.

    Args:
        config: of the run.
        record: the records of its sweep; None leaves out the rules that read them.

    Raises:
        BadInput: one line that says what is wrong, where, and what is allowed.
    """
    candidate = Candidate(config, record)
    for rule in RULES:
        if rule.concerns(config) and (line := rule.refusal(candidate)):
            raise BadInput(line)


class Traits(NamedTuple):
    """Properties of a network that rules ask for; it is built and tried once.

    Attributes:
        shapes: of the trained tensors, by name.
        tensors: shapes of all tensors, buffers included, by name.
        layers: number of layers with weights.
        computed: names of the weights that are no parameters but computed from some.
        normalizes: True if the network has BatchNorm.
        places: positions of the feature map that the last pooling leaves; None without pooling.
        random_features: True if it has layers of cosines beside sines.
    """

    shapes: dict[str, torch.Size]
    tensors: dict[str, torch.Size]
    layers: int
    computed: tuple[str, ...]
    normalizes: bool
    places: int | None
    random_features: bool

    @property
    def weights(self) -> list[str]:
        """Return the names of the tensors that are drawn and pruned: those with two axes or more."""
        return [name for name, shape in self.shapes.items() if len(shape) >= 2]

    @property
    def size(self) -> int:
        """Return the number of trained parameters."""
        return sum(shape.numel() for shape in self.shapes.values())


class Candidate:
    """A run that may be refused.

    Args:
        config: of the run.
        record: the records of its sweep, if they are known.
        relative: from `parent` or `teacher` to that run of this one; by default its config is asked.
    """

    def __init__(
        self, config: RunConfig, record: RecordConfig | None, relative: Callable[[str], RunConfig | None] | None = None
    ) -> None:
        self.config = config
        self.record = record
        self._relative = relative or functools.partial(getattr, config)

    @functools.cached_property
    def parent(self) -> RunConfig | None:
        """Return the run that this one starts from."""
        return self._relative("parent")

    @functools.cached_property
    def teacher(self) -> RunConfig | None:
        """Return the run that labels the inputs of this one."""
        return self._relative("teacher")

    @property
    def source(self) -> RunConfig | None:
        """Return the run named by `init.source`; None for pruned and reset runs, whose ancestors are asked instead."""
        if self.config.prune.prunes or self.config.reset.layers:
            return None
        return self.parent

    @property
    def task(self) -> data.Task:
        """Return the task that the data set poses."""
        return data.describe(self.config.data)

    @property
    def network(self) -> Traits:
        """Return the properties of the run's network."""
        return traits_of(self.config)


def traits_of(config: RunConfig) -> Traits:
    """Return the properties of a run's network.

    Raises:
        BadInput: the network cannot be built.
    """
    task = data.describe(config.data)
    outputs = LOSSES[config.loss.name].outputs(task.classes)
    return _traits(config.model.model_dump_json(), task.input_shape, outputs)


@dataclass(frozen=True)
class Rule:
    """A function that refuses runs, and the fields that it reads; see the module."""

    function: Callable[[Candidate], str | None]
    reads: tuple[str, ...]
    only_if: tuple[str, Callable[[Any], bool]] | None = None

    def concerns(self, config: RunConfig) -> bool:
        """Return True if a run meets the rule's guard."""
        if self.only_if is None:
            return True
        field, condition = self.only_if
        section, _, name = field.partition(".")
        return condition(getattr(getattr(config, section), name))

    def refusal(self, candidate: Candidate) -> str | None:
        """Return the line that refuses a run that the rule concerns, or None."""
        try:
            return self.function(candidate)
        except BadInput as error:
            return str(error)


#: Asked in the order in which they are written: a rule that builds the network relies on the targets to fit the loss.
RULES: list[Rule] = []


def rule(
    *reads: str, only_if: tuple[str, Callable[[Any], bool]] | None = None
) -> Callable[[Callable[[Candidate], str | None]], Callable[[Candidate], str | None]]:
    """Add the decorated function to `RULES`.

    Args:
        reads: the fields that it reads.
        only_if: a field, and the condition on its value under which the rule is asked at all.
    """

    def add(function: Callable[[Candidate], str | None]) -> Callable[[Candidate], str | None]:
        RULES.append(Rule(function, reads, only_if))
        return function

    return add


#: The fields that decide what the network of a run is.
NETWORK = ("model", "data", "loss.name")
#: The fields that decide how many epochs a phase of a run has.
LIMITS = ("data", "model.family", "optimizer", "pretrain", "prune", "reset.layers", "stop")
#: A guard's condition: a value other than None, 0 and the empty list.
is_set = bool


def of(relative: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return fields of the parent or the teacher.

    >>> of("parent", ("model", "loss.name"))
    ('parent.model', 'parent.loss.name')
    """
    return tuple(f"{relative}.{field}" for field in fields)


@rule("data")
def data_set_has_what_is_asked(run: Candidate) -> str | None:
    """The data set must exist, take the fields that are set, and have enough examples."""
    data.describe(run.config.data)
    return None


@rule("data.name")
def corrupted_inputs_are_images(run: Candidate) -> str | None:
    """Test errors under noise, blur and low contrast are asked for on images only."""
    if run.record is None or data.has_images(run.config.data):
        return None
    asked = data.corruptions_among(run.record.names)
    if not asked:
        return None
    return f"record.measures: {asked[0]!r} corrupts images; the inputs of {run.config.data.name} are not images"


@rule("data", "pretrain", only_if=("data.intervention_seed", lambda seed: seed is not None))
def intervention_seed_has_an_effect(run: Candidate) -> str | None:
    """A seed of interventions that are not made would give one run two names."""
    own, pretrain = run.config.data, run.config.pretrain
    corrupts_pretraining = pretrain.epochs > 0 and pretrain.label_corruption > 0
    if own.label_corruption or corrupts_pretraining or data.interventions_on(own, "train"):
        return None
    return (
        f"data.intervention_seed = {own.intervention_seed}: no labels are corrupted, no pixels replaced and no noise "
        "is added; leave it out"
    )


@rule("init.edit", only_if=("init.edit", is_set))
def edit_is_known(run: Candidate) -> str | None:
    """An edit of the initial weights must exist."""
    weight_edits.find_edit(str(run.config.init.edit))
    return None


@rule(
    *("pretrain", "prune", "subspace", "optimizer", "stop.snapshot_loss"),
    only_if=("optimizer.name", lambda name: name == "least_squares"),
)
def least_squares_takes_no_steps(run: Candidate) -> str | None:
    """Fields about training steps have no meaning where the last layer is solved for."""
    config = run.config
    sections = {name: getattr(config, name) for name in ("pretrain", "prune", "subspace", "optimizer")}
    for name, section in sections.items():
        for field in section.identity_lines(name):
            if (name, field) != ("optimizer", "name"):
                return _does_not_go_with(name, section, field, "optimizer.name = 'least_squares'")
    if config.stop.snapshot_loss is not None:
        return _does_not_go_with("stop", config.stop, "snapshot_loss", "optimizer.name = 'least_squares'")
    return None


@rule(
    *("pretrain", "prune", "subspace", "optimizer", "init", "labels", "reset", "stop.snapshot_loss"),
    only_if=("model.family", lambda family: family == FOREST),
)
def forests_take_no_steps(run: Candidate) -> str | None:
    """Fields about initial weights, labels and training steps have no meaning for trees that are grown."""
    what = f"model.family = {FOREST!r}"
    for name in ("pretrain", "prune", "subspace", "optimizer", "init", "labels", "reset"):
        section = getattr(run.config, name)
        for field in section.identity_lines(name):
            return _does_not_go_with(name, section, field, what)
    if run.config.stop.snapshot_loss is not None:
        return _does_not_go_with("stop", run.config.stop, "snapshot_loss", what)
    return None


def _does_not_go_with(name: str, section: Section, field: str, what: str) -> str:
    return f"{name}.{field} = {getattr(section, field)!r}: does not go with {what}; leave it out"


@rule("optimizer.name", "model.family", "loss.name")
def solvers_minimize_the_squared_loss(run: Candidate) -> str | None:
    """Least squares and forests minimize the squared loss and no other."""
    solver, loss = run.config.solved, run.config.loss.name
    if solver is None or loss == "squared":
        return None
    return f"loss.name = {loss!r}: {solver} minimizes the squared loss; allowed: squared"


@rule("data", "loss.name")
def loss_fits_targets(run: Candidate) -> str | None:
    """A numerical target needs a loss for numbers, more than two classes a loss for classes."""
    return _loss_that_does_not_fit(run.config)


def _loss_that_does_not_fit(config: RunConfig) -> str | None:
    task = data.describe(config.data)

    def fits(loss: Loss) -> bool:
        if task.target == "real":
            return loss.real
        return task.classes == 2 or loss.per_class

    name = config.loss.name
    if fits(LOSSES[name]):
        return None
    targets = "numbers" if task.target == "real" else f"{task.classes} classes"
    allowed = ", ".join(name for name, loss in LOSSES.items() if fits(loss))
    return f"loss.name = {name!r}: does not fit the targets of {config.data.name}, {targets}; allowed: {allowed}"


@rule("data", "pretrain.label_corruption", only_if=("pretrain.epochs", is_set))
def only_classes_are_corrupted(run: Candidate) -> str | None:
    """Numerical targets cannot move to another class (the data set itself refuses `data.label_corruption`)."""
    corruption = run.config.pretrain.label_corruption
    if run.task.target != "real" or not corruption:
        return None
    name = run.config.data.name
    return f"pretrain.label_corruption = {corruption}: the targets of {name} are not classes; allowed: 0"


@rule("optimizer.arithmetic", "precision")
def reduced_arithmetic_needs_float32(run: Candidate) -> str | None:
    """Reduced arithmetic rounds the factors of float32 products."""
    arithmetic = run.config.optimizer.arithmetic
    if arithmetic == "full" or run.config.precision == "float32":
        return None
    return f"optimizer.arithmetic = {arithmetic!r}: rounds float32 numbers, and precision is float64; allowed: 'full'"


@rule("data.augment", "optimizer.name", "model.family")
def augmentation_needs_steps(run: Candidate) -> str | None:
    """A solver sees each image once, so augmentation has no effect on it."""
    augment = run.config.data.augment
    if augment == "none" or not run.config.solved:
        return None
    return f"data.augment = {augment!r}: does not go with {run.config.solved}; leave it out"


@rule("optimizer.batch_size", "data")
def batch_fits_the_training_split(run: Candidate) -> str | None:
    """A batch cannot have more examples than the run sees."""
    size, seen = run.config.optimizer.batch_size, run.config.data.seen_size
    if size == "full" or size <= seen:
        return None
    return f"optimizer.batch_size = {size}: {_seen_text(run.config.data)}; allowed: 1 to {seen}, or 'full'"


def _seen_text(config: data.DataConfig) -> str:
    """Return how many examples a run sees, in the words of its fields."""
    if config.subset == 1:
        return f"data.train_size is {config.train_size}"
    return f"data.subset = {config.subset:g} of data.train_size = {config.train_size} is {config.seen_size}"


@rule("optimizer.batch_size", "optimizer.name", *NETWORK)
def batches_can_be_normalized(run: Candidate) -> str | None:
    """BatchNorm divides by the standard deviation over a batch, which one example does not have."""
    seen = run.config.data.seen_size
    batch = run.config.optimizer.examples_per_step(seen)
    last_batch = seen % batch or batch
    if last_batch > 1 or not run.network.normalizes:
        return None
    where = f"optimizer.batch_size = {run.config.optimizer.batch_size!r}, and {_seen_text(run.config.data)}"
    which = "a" if batch == 1 else "the last"
    return f"{where}: {which} batch has one example, which BatchNorm cannot normalize; allowed: sizes that leave more"


@rule(*NETWORK, only_if=("model.family", lambda family: family == "frankle_conv"))
def last_pooling_leaves_a_map(run: Candidate) -> str | None:
    """The linear layers of Frankle and Carbin's networks read a map; on one position 3 x 3 filters read padding."""
    if run.network.places != 1:
        return None
    depth = run.config.model.depth  # type: ignore[attr-defined]
    return (
        f"model.depth = {depth}: on inputs of shape {run.task.input_shape} the last pooling leaves 1 x 1; "
        "allowed: a smaller depth, or larger inputs"
    )


@rule(*NETWORK, only_if=("init.first", lambda first: first is not None))
def first_weight_exists(run: Candidate) -> str | None:
    """A network whose first weight is set must have weights."""
    return None if run.network.weights else _no_weights("init.first")


@rule("prune.rounds", *NETWORK, only_if=("prune.fraction", is_set))
def pruned_weights_exist(run: Candidate) -> str | None:
    """A network that is pruned must have weights."""
    return _no_weights("prune.fraction") if run.config.prune.prunes and not run.network.weights else None


#: A guard's condition: only a user's module computes weights.
is_module = "module".__eq__


@rule(
    *("prune.fraction", "prune.rounds", "init.edit", "init.first", "init.scheme", *NETWORK),
    only_if=("model.family", is_module),
)
def changed_weights_are_parameters(run: Candidate) -> str | None:
    """Single weights can be pruned, edited, set and taken from another network where they are parameters."""
    computed = run.network.computed
    if not computed:
        return None
    prune, init = run.config.prune, run.config.init
    field = None
    if prune.prunes:
        field = f"prune.fraction = {prune.fraction}"
    elif init.edit is not None:
        field = f"init.edit = {init.edit!r}"
    elif init.first is not None:
        field = f"init.first = {init.first}"
    elif init.scheme in ("kmeans", "reuse"):
        field = f"init.scheme = {init.scheme!r}"
    return field and f"{field}: {computed[0]!r} is computed from other parameters (by a parametrization or a hook)"


@rule("init", *NETWORK, only_if=("model.family", is_module))
def computed_weights_can_be_drawn(run: Candidate) -> str | None:
    """A parametrization must be able to stand for the weights that are drawn."""
    if not run.network.computed or run.config.init.source is not None:
        return None
    outputs = LOSSES[run.config.loss.name].outputs(run.task.classes)
    _built(run.config.model.model_dump_json(), run.task.input_shape, outputs).initial(run.config.init, seed=0)
    return None


def _no_weights(field: str) -> str:
    return f"{field}: the network has no weights (parameters with two axes or more); leave it out"


@rule("reset.layers", *NETWORK, only_if=("reset.layers", is_set))
def reset_layers_exist(run: Candidate) -> str | None:
    """Layers that are reset must be layers of the network."""
    layers, count = run.config.reset.layers, run.network.layers
    if max(layers) <= count:
        return None
    return f"reset.layers = {layers}: the network has {count} layers with weights; allowed: 1 to {count}"


@rule("prune.rounds", "prune.conv_rate", "prune.output_rate", *NETWORK, only_if=("prune.fraction", is_set))
def pruning_rates_have_layers(run: Candidate) -> str | None:
    """A rate for layers that the network does not have would give one run two names."""
    prune, weights, shapes = run.config.prune, run.network.weights, run.network.shapes
    if not prune.prunes:
        return None
    if prune.conv_rate != 1 and not any(len(shapes[name]) > 2 for name in weights[:-1]):
        return f"prune.conv_rate = {prune.conv_rate}: the network has no convolutions to prune; leave it out"
    if prune.output_rate != 1 and len(weights) < 2:
        return f"prune.output_rate = {prune.output_rate}: the network has one layer with weights; leave it out"
    return None


@rule("prune.rounds", "prune.rewind", "prune.control", "pretrain.epochs", only_if=("prune.fraction", is_set))
def rewind_has_an_effect(run: Candidate) -> str | None:
    """Without pretraining, phase `train` starts at the initialization; a control of one round rewinds nothing."""
    prune = run.config.prune
    if not prune.prunes:
        return None
    if prune.rewind == "train" and not run.config.pretrain.epochs:
        return "prune.rewind = 'train': without pretrain.epochs that is the initialization; allowed: init, none"
    if prune.rounds == 1 and prune.control != "ticket" and prune.rewind != "init":
        return f"prune.rewind = {prune.rewind!r}: has no effect on a {prune.control} of one round; leave it out"
    return None


@rule(
    *("prune.fraction", "prune.rounds", "prune.control", "reset.layers", "reset.to"),
    only_if=("init.source", lambda source: source is not None),
)
def redrawn_weights_are_drawn(run: Candidate) -> str | None:
    """Weights that come from another run are not drawn, so they cannot be drawn again."""
    prune, reset = run.config.prune, run.config.reset
    if prune.prunes and prune.control != "ticket":
        return f"prune.control = {prune.control!r}: with init.source nothing is drawn; allowed: ticket"
    if reset.layers and reset.to == "random":
        return "reset.to = 'random': with init.source nothing is drawn; allowed: init, or an epoch"
    return None


@rule(
    *("reset.layers", "reset.to", *of("parent", LIMITS)),
    only_if=("reset.to", lambda to: to not in ("init", "random")),
)
def reset_epoch_is_kept(run: Candidate) -> str | None:
    """Layers can go back to an epoch of the parent only if its checkpoint was kept."""
    if not run.config.reset.layers:
        return None
    return _checkpoint_that_is_not_kept("reset.to", int(run.config.reset.to), run.parent, run.record)


@rule(
    *("init.at", "prune.fraction", "prune.rounds", "reset.layers", *of("parent", LIMITS)),
    only_if=("init.at", is_set),
)
def source_epoch_is_kept(run: Candidate) -> str | None:
    """A run can start from an epoch of its source only if that checkpoint was kept."""
    return _checkpoint_that_is_not_kept("init.at", run.config.init.at or 0, run.source, run.record)


@rule("labels.at", *of("teacher", LIMITS), only_if=("labels.at", is_set))
def teacher_epoch_is_kept(run: Candidate) -> str | None:
    """A teacher can label as it was at an epoch only if that checkpoint was kept."""
    return _checkpoint_that_is_not_kept("labels.at", run.config.labels.at or 0, run.teacher, run.record)


def _checkpoint_that_is_not_kept(
    field: str, epoch: int, trained: RunConfig | None, record: RecordConfig | None
) -> str | None:
    if trained is None:
        return None
    if epoch > trained.last_epoch:
        return f"{field} = {epoch}: that run trains for {trained.last_epoch} epochs; allowed: 0 to {trained.last_epoch}"
    # The checkpoint of the start of a phase is always kept.
    if epoch == 0 or record is None or (record.keeps_checkpoints and record.is_due(epoch)):
        return None
    missing = []
    if not record.keeps_checkpoints:
        missing.append("record.measure_at: checkpoints")
    if not record.is_due(epoch):
        missing.append(f"record.also: [{epoch}]")
    return f"{field} = {epoch}: the parameters at that epoch are not kept; set {' and '.join(missing)}"


@rule("data.validation_size", "model.family")
def early_stop_has_a_validation_split(run: Candidate) -> str | None:
    """Early stopping looks for the lowest validation loss."""
    if run.record is None or not run.record.early_stop or run.config.data.validation_size or run.config.is_forest:
        return None
    return "record.early_stop: needs a validation split, and data.validation_size is 0; allowed: 1 or more"


@rule(
    *("subspace.dimension", "prune.fraction", "prune.rounds", *NETWORK),
    only_if=("subspace.dimension", is_set),
)
def subspace_fits_the_network(run: Candidate) -> str | None:
    """A subspace has at most the dimensions of the whole, and leaves what pruning holds at zero."""
    dimension = run.config.subspace.dimension
    size = run.network.size
    if dimension is not None and dimension > size:
        return f"subspace.dimension = {dimension}: the network has {size} parameters; allowed: 1 to {size}"
    if run.config.prune.prunes:
        return (
            f"subspace.dimension = {dimension}: does not go with prune.fraction = {run.config.prune.fraction} "
            "(steps in a subspace move pruned weights too); leave one out"
        )
    return None


@rule(
    *("init.scheme", "prune.fraction", "prune.rounds", "reset.layers", *NETWORK, *of("parent", NETWORK)),
    only_if=("init.source", lambda source: source is not None),
)
def source_has_the_shape(run: Candidate) -> str | None:
    """The source must have the same tensors; `kmeans` takes more rows, and `reuse` a smaller network."""
    source = run.source
    if source is None:
        return None
    if line := _loss_that_does_not_fit(source):
        return f"init.source: {line}"
    scheme = run.config.init.scheme
    if scheme == "reuse" and run.network.random_features:
        return "init.scheme = 'reuse': random features are cosines beside sines, which a larger network has elsewhere"
    of_source = traits_of(source).tensors
    for name, shape in run.network.tensors.items():
        if name not in of_source or not _can_start_from(scheme, tuple(shape), tuple(of_source[name])):
            if name not in of_source:
                return f"init.source: the source has no {name}, which this run has; allowed: a network of equal layers"
            more = {"kmeans": ", or more rows", "reuse": ", or less on any axis"}.get(scheme, "")
            return (
                f"init.source: {name} of the source has the shape {tuple(of_source[name])}, that of this run "
                f"{tuple(shape)}; allowed: an equal shape{more}"
            )
    return None


def _can_start_from(scheme: str, shape: tuple[int, ...], of_source: tuple[int, ...]) -> bool:
    """Return True if a scheme can make a tensor of `shape` from one of another shape."""
    if shape == of_source:
        return True
    if len(shape) != len(of_source):
        return False
    if scheme == "kmeans":
        return of_source[0] > shape[0] and of_source[1:] == shape[1:]
    return scheme == "reuse" and all(old <= new for old, new in zip(of_source, shape, strict=True))


@rule("data", "teacher.model.family", "teacher.data", only_if=("labels.source", lambda source: source is not None))
def teacher_knows_the_inputs(run: Candidate) -> str | None:
    """A teacher must have learned from inputs that are made and normalized as those that it labels."""
    own, teacher = run.config.data, run.teacher
    assert teacher is not None
    if run.task.target == "real":
        return f"labels.source: the targets of {own.name} are not classes; leave it out"
    if teacher.is_forest:
        return f"labels.source: model.family = {FOREST!r} labels nothing; allowed: networks"
    same = {"name", "classes", "crop", "pool", "normalize", "dimension"}
    if own.normalize == "split" and own.name not in data.SYNTHETIC:
        same |= {"train_size", "validation_size", "test_size", "split_seed"}  # these decide mean and deviation
    for name in sorted(same):
        taught, learned = getattr(own, name), getattr(teacher.data, name)
        if taught != learned:
            return (
                f"labels.source: the teacher has data.{name} = {learned!r}, the run that it labels {taught!r}; "
                f"allowed: an equal data.{name}"
            )
    return None


@functools.lru_cache(maxsize=1)  # one rule after the other asks for it; many might not fit in memory
def _built(model: str, input_shape: tuple[int, ...], outputs: int) -> Network:
    return built_network.build(parse_section("model", json.loads(model)), input_shape, outputs)


@functools.lru_cache(maxsize=1024)
def _traits(model: str, input_shape: tuple[int, ...], outputs: int) -> Traits:
    built = _built(model, input_shape, outputs)
    layers = [*built.module.modules()]
    normalizes = any(is_batch_norm(layer) for layer in layers)
    random_features = any(isinstance(layer, RandomFeatures) for layer in layers)
    pools = any(isinstance(layer, nn.MaxPool2d) for layer in layers)
    places = _places_after_last_pooling(built.module, input_shape) if pools else None
    tensors = {**built.shapes, **built.buffers.shapes}
    computed = tuple(weight.name for weight in computed_weights(built.module))
    return Traits(built.shapes, tensors, len(built.layers), computed, normalizes, places, random_features)


def _places_after_last_pooling(module: nn.Module, input_shape: tuple[int, ...]) -> int | None:
    """Return height times width of what the last max pooling returns; None if it is not called."""
    places = None
    for call in forward_calls(module, input_shape):
        if isinstance(call.layer, nn.MaxPool2d) and call.output_shape is not None:
            places = math.prod(call.output_shape[-2:])
    return places
