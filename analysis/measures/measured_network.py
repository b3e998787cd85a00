"""What a measure sees: one network, its data, and what other measures of it have computed before."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.analysis.measures.architecture import Architecture
from benevolent.trainables.data import Split

Parameters = Mapping[str, Tensor]
T = TypeVar("T")

#: Activations that one network computes at once: examples beyond come in the next batch, so that a data set of any size
#: fits in the memory (as 32-bit numbers these are 128 MiB, of which a product with the Hessian holds a few copies).
ACTIVATIONS = 2**25


@dataclass(frozen=True, eq=False)
class MeasuredNetwork:
    """One network and its data, as pure tensors: every measure is a function of a `MeasuredNetwork`.

    Under `vmap` the tensors stand for one network of a stack, so a measure is written for one network only.

    A network of one output that tells two classes apart by its sign is seen by its two-class equivalent, the logits
    (0, z): their cross-entropy is the logistic loss of z, their margin its signed value.

    Attributes:
        logits_of: `(parameters, inputs (N, *input_shape)) -> logits (N, C)`, in the precision of the inputs.
        parameters: what is trained, `name -> (...)`, in the precision that the network was trained in.
        initial: the parameters at the random initialization, or None; of weights that are pruned (exactly zero now) 0,
            so that they have not moved.
        splits: `train`, and `validation` and `test` where there are such.
        architecture: the layers, the same for all networks of a stack; BatchNorm is folded.
        loss: `(logits (N, C), targets (N,)) -> (N,)`: what was minimized.
        folded: all parameters, trained or frozen, of the network with BatchNorm folded into the layers before it.
        kept: the buffers that are left then.
        initial_folded: the same of the initialization, where the statistics of BatchNorm are mean 0 and variance 1.
        true_labels: `(N,)` of the training examples, as they were before some were corrupted; None where not known.
        stacked: True under `vmap`, where the values of tensors cannot steer the program.
    """

    logits_of: Callable[[Parameters, Tensor], Tensor]
    parameters: Parameters
    initial: Parameters | None
    splits: Mapping[str, Split]
    architecture: Architecture
    loss: Callable[[Tensor, Tensor], Tensor]
    folded: Parameters
    kept: Parameters = field(default_factory=dict)
    initial_folded: Parameters | None = None
    true_labels: Tensor | None = None
    stacked: bool = False
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

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
        """How far the weight tensors are from the random initialization, W_k - W_k^0, in order, in float64."""
        assert self.initial_folded is not None
        first = [self.initial_folded[weight.name].double() for weight in self.architecture.weights]
        return [weight - start for weight, start in zip(self.weights, first, strict=True)]

    def batches(self, split: str = "train", most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs `(n, *input_shape)`, normalized, and labels `(n,)`: all examples, as many at once as fit.

        Args:
            split: which.
            most: examples at once at most.
        """
        examples = self.splits[split]
        size = max(1, min(ACTIVATIONS // max(1, self.architecture.activations), most or len(examples)))
        for start in range(0, len(examples), size):
            yield examples.sets.rows(start, start + size)[0], examples.labels[start : start + size]


def computed_once(function: Callable[..., T]) -> Callable[..., T]:
    """Computes a function of a network once, for all measures of that network that ask for it."""

    @functools.wraps(function)
    def cached(network: MeasuredNetwork, *arguments: Any) -> T:
        key = (function, *arguments)
        if key not in network.cache:
            network.cache[key] = function(network, *arguments)
        found: T = network.cache[key]
        return found

    return cached


def one_network_at_a_time(function: Callable[[MeasuredNetwork], Tensor]) -> Callable[[MeasuredNetwork], Tensor]:
    """A measure whose steps depend on values, so that networks are measured one by one."""

    @functools.wraps(function)
    def alone(network: MeasuredNetwork) -> Tensor:
        if network.stacked:
            raise NotImplementedError(f"{function.__name__} is of one network")
        return function(network)

    return alone


@computed_once
def logits(network: MeasuredNetwork, split: str) -> Tensor:
    """The logits `(N, C)`, computed in the network's precision, in float64 for what follows.

    Normalized losses of different networks differ by 1e-4 and less, so norms, division and loss need float64;
    the rounding of a float32 forward pass is divided by the norms too.
    """
    parts = [network.logits_of(network.parameters, inputs).double() for inputs, _ in network.batches(split)]
    return torch.cat(parts)


def forward_with_hooks(
    network: MeasuredNetwork, inputs: Tensor, hooks: Mapping[nn.Module, Callable[..., Any]]
) -> Tensor:
    """Return the logits `(n, C)` of the network with BatchNorm folded, computed with hooks on some layers.

    Args:
        network: the network.
        inputs: `(n, *input_shape)`.
        hooks: layer of `network.architecture.module` -> a forward pre-hook.
    """
    handles = [layer.register_forward_pre_hook(hook) for layer, hook in hooks.items()]
    try:
        outputs = functional_call(network.architecture.module, {**network.kept, **network.folded}, (inputs,))
    finally:
        for handle in handles:
            handle.remove()
    return two_class_logits(outputs)


def two_class_logits(outputs: Tensor) -> Tensor:
    """Outputs `(N, C)`; of one output z the two-class equivalent (0, z)."""
    return outputs if outputs.shape[-1] > 1 else torch.cat([torch.zeros_like(outputs), outputs], -1)


def flat(parameters: Parameters) -> Tensor:
    """All parameters as one vector `(P,)`."""
    return torch.cat([value.flatten() for value in parameters.values()])
