"""Input of every measure: one network and its data, and what other measures of that network have already computed."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.architecture import Architecture
from benevolent.analysis.measures.rng import current_draw
from benevolent.analysis.measures.time_budget import check_time
from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.measures.weights import Weight
from benevolent.trainables.data import Split
from benevolent.trainables.stack.module_calls import call_with

Parameters = Mapping[str, Tensor]
T = TypeVar("T")

#: Upper bound on the activations of one forward pass; further examples come in the next batch, so that a data set of
#: any size fits in memory (128 MiB as 32-bit numbers, of which a product with the Hessian holds a few copies).
ACTIVATIONS = 2**25


@dataclass(frozen=True, eq=False)
class MeasuredNetwork:
    """One network and its data, as pure tensors: every measure is a function of a `MeasuredNetwork`.

    Write a measure for one network only. Under `vmap` the tensors stand for one network of a stack.

    A network of one output z that separates two classes by the sign of z appears as its two-class equivalent with the
    logits (0, z): their cross-entropy is the logistic loss of z, and their margin is its signed value.

    Attributes:
        logits_of: `(parameters, inputs (N, *input_shape)) -> logits (N, C)`, in the precision of the inputs.
        parameters: the trained parameters, `name -> (...)`, in the precision of training.
        initial: the parameters at the random initialization, or None; 0 at pruned weights, so that these have not
            moved.
        splits: `train`, and `validation` and `test` where there are such.
        architecture: the layers, the same for all networks of a stack; BatchNorm is folded.
        loss: `(logits (N, C), targets (N,)) -> losses (N,)`, the loss that was minimized.
        folded: all parameters, trained or frozen, of the network with BatchNorm folded into the layers before it.
        folded_buffers: the buffers that remain in the folded network.
        initial_folded: `folded` of the initialization, where the statistics of BatchNorm are mean 0 and variance 1.
        masks: 1 for the weights that are trained and 0 for those that are pruned, `name -> (...)`, in the precision of
            the parameters; a parameter without a mask is not pruned. A weight that merely is zero is not pruned.
        true_labels: `(N,)`, the training labels before some were corrupted; None if unknown.
        mapped: under `vmap`, the networks that are being mapped, as `as_stack` returns them.
        place: of this network among them.
        precision: of the inputs, if it is not that of the splits.
    """

    logits_of: Callable[[Parameters, Tensor], Tensor]
    parameters: Parameters
    initial: Parameters | None
    splits: Mapping[str, Split]
    architecture: Architecture
    loss: Callable[[Tensor, Tensor], Tensor]
    folded: Parameters
    folded_buffers: Parameters = field(default_factory=dict)
    initial_folded: Parameters | None = None
    masks: Parameters = field(default_factory=dict)
    true_labels: Tensor | None = None
    mapped: "MeasuredNetwork | None" = None
    place: Tensor | None = None
    precision: torch.dtype | None = None
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def vmapped(self) -> bool:
        """True under `vmap`, where the values of tensors cannot steer the program."""
        return self.mapped is not None

    @property
    def train(self) -> Split:
        """The split that all measures may read."""
        return self.splits["train"]

    @property
    def weights(self) -> list[Tensor]:
        """The weight tensors (two axes or more) in order, in float64; BatchNorm is folded into them."""
        return [self.folded[weight.name].double() for weight in self.architecture.weights]

    @property
    def weight_changes(self) -> list[Tensor]:
        """The differences of the weight tensors from the random initialization, W_k - W_k^0, in order, in float64."""
        assert self.initial_folded is not None
        changes = []
        for name, weight in zip(self.architecture.weight_names, self.weights, strict=True):
            changes.append(weight - self.initial_folded[name].double())
        return changes

    def as_stack(self) -> "MeasuredNetwork":
        """Return the networks that are being mapped, or this one as a stack of one.

        All parameters, the initial ones, the masks, and the labels of the training examples have a leading axis K. All
        these tensors are plain ones: values may steer the computation, as they cannot under `vmap`.
        """
        if self.mapped is not None:
            return self.mapped
        if "stack" not in self.cache:
            labels = self.train.labels.unsqueeze(0)
            self.cache["stack"] = replace(
                self,
                parameters=_stack_of_one(self.parameters),
                initial=None if self.initial is None else _stack_of_one(self.initial),
                masks=_stack_of_one(self.masks),
                splits={**self.splits, "train": replace(self.train, labels=labels)},
                cache={},
            )
        stack: MeasuredNetwork = self.cache["stack"]
        return stack

    def own_row(self, values: Tensor) -> Tensor:
        """Return this network's row of a plain tensor `(K, ...)` that was computed for all networks of `as_stack`."""
        if self.place is None:
            return values[0]
        return values.index_select(0, self.place.unsqueeze(0)).squeeze(0)

    @property
    def all_masks(self) -> dict[str, Tensor]:
        """The masks of all parameters, in the order of these; all 1 for a parameter without a mask."""
        return {name: self.masks.get(name, torch.ones_like(value)) for name, value in self.parameters.items()}

    @property
    def fitting_examples(self) -> int:
        """How many examples fit into one batch."""
        return fitting_examples(self.architecture)

    def batches(self, split: str = "train", max_examples: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs `(n, *input_shape)`, normalized, and labels `(n,)`: all examples, as many at once as fit.

        Args:
            split: name of the split.
            max_examples: upper bound on the examples of one batch.
        """
        examples = self.splits[split]
        size = max(1, min(self.fitting_examples, max_examples or len(examples)))
        for start in range(0, len(examples), size):
            check_time()
            stop = start + size
            inputs = self.in_precision(examples.sets.rows(start, stop)[0])
            yield inputs, examples.labels[start:stop]

    def in_precision(self, inputs: Tensor) -> Tensor:
        """Return inputs of a split in the `precision` of this network; integers as they are."""
        if self.precision is None or not inputs.is_floating_point():
            return inputs
        return inputs.to(self.precision)


def fitting_examples(architecture: Architecture) -> int:
    """Return how many examples fit into one batch."""
    return ACTIVATIONS // max(1, architecture.activations)


def _stack_of_one(tensors: Parameters) -> dict[str, Tensor]:
    return {name: value.unsqueeze(0) for name, value in tensors.items()}


def as_matrix(layer: Weight, weight: Tensor) -> Tensor:
    """Return a weight as a matrix with a row for every unit, or every filter of a convolution.

    The kernel of a transposed convolution has its filters along the second axis, in groups.
    """
    if not layer.function.startswith("conv_transpose"):
        return weight.flatten(1)
    groups = int(getattr(layer.layer, "groups", 1))
    grouped = weight.unflatten(0, (groups, -1)).transpose(1, 2)
    return grouped.reshape(groups * weight.shape[1], -1)


def computed_once(function: Callable[..., T]) -> Callable[..., T]:
    """Cache a function of a `MeasuredNetwork` and hashable arguments for all measures of that network that call it.

    Each draw of random numbers has values of its own.
    """

    @functools.wraps(function)
    def cached(network: MeasuredNetwork, *arguments: Any) -> T:
        key = (function, current_draw(), *arguments)
        if key not in network.cache:
            network.cache[key] = function(network, *arguments)
        value: T = network.cache[key]
        return value

    return cached


@computed_once
def logits(network: MeasuredNetwork, split: str) -> Tensor:
    """Return the logits `(N, C)`, computed in the network's precision, in float64 for all further arithmetic.

    Normalized losses of different networks differ by 1e-4 and less, so norms, division and loss need float64;
    the rounding of a float32 forward pass is divided by the norms too.
    """
    batches = [network.logits_of(network.parameters, inputs).double() for inputs, _ in network.batches(split)]
    return torch.cat(batches)


def forward_with_hooks(
    network: MeasuredNetwork, inputs: Tensor, hooks: Mapping[nn.Module, Callable[..., Any]]
) -> Tensor:
    """Return the logits `(n, C)` of the network with BatchNorm folded, computed with hooks on some layers.

    Args:
        network: the network, of which the folded form is evaluated.
        inputs: `(n, *input_shape)`.
        hooks: layer of `network.architecture.module` -> a forward pre-hook.
    """
    buffers = {name: value.clone() for name, value in network.folded_buffers.items()}
    tensors = {**buffers, **network.folded}
    handles = [layer.register_forward_pre_hook(hook) for layer, hook in hooks.items()]
    try:
        outputs = call_with(network.architecture.module, tensors, inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    return two_class_logits(outputs)


def flatten(parameters: Parameters) -> Tensor:
    """Return all parameters as one vector `(P,)`."""
    return torch.cat([value.flatten() for value in parameters.values()])
