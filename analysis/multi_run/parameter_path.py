"""Paths between two networks in the space of their parameters."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.analysis.multi_run.examples import EXAMPLES_PER_PASS
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.layer_types import BatchNorm, is_batch_norm

#: Tensors by name.
State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class ParameterPath:
    """A quadratic Bezier curve theta(t) = (1 - t)^2 first + 2 t (1 - t) bend + t^2 second, t in [0, 1].

    With the bend halfway between the ends it is the straight line (1 - t) first + t second.

    Attributes:
        module: the architecture; integers in its state are those of the first network.
        first: floating-point parameters and buffers by name.
        bend: tensors of the same names and shapes.
        second: tensors of the same names and shapes.
    """

    module: nn.Module
    first: State
    bend: State
    second: State

    def tensors(self, t: float) -> State:
        """Return theta(t)."""
        state = {}
        for name in self.first:
            start = (1 - t) ** 2 * self.first[name]
            weight = 2 * t * (1 - t)
            middle = weight * self.bend[name]
            end = t**2 * self.second[name]
            state[name] = start + middle + end
        return state

    def network(self, t: float, inputs: Tensor) -> nn.Module:
        """Return the network at t, in eval mode.

        Args:
            t: position on the path, in [0, 1].
            inputs: `(N, *input_shape)`. The statistics of BatchNorm are recomputed from them, at the ends too: between
                two networks the statistics of neither are right (Garipov et al. 2018, section 4).
        """
        module = copy.deepcopy(self.module)
        module.load_state_dict(self.tensors(t), strict=False)
        compute_statistics(module, inputs)
        return module.eval()


def linear_path(first: nn.Module, second: nn.Module) -> ParameterPath:
    """Return the straight path between two networks.

    Args:
        first: any module; not changed.
        second: a module of the same architecture.

    Raises:
        BadInput: names or shapes of their tensors differ.
    """
    first_state = _floating_point_state(first)
    second_state = _floating_point_state(second)
    for name in {**first_state, **second_state}:
        shape = _shape_text(first_state, name)
        second_shape = _shape_text(second_state, name)
        if shape != second_shape:
            raise BadInput(
                f"tensor {name!r} is {shape} in the first network and {second_shape} in the second; needs equal "
                "architectures"
            )
    middle = {name: (value + second_state[name]) / 2 for name, value in first_state.items()}
    return ParameterPath(copy.deepcopy(first), first_state, middle, second_state)


def _floating_point_state(module: nn.Module) -> State:
    """Copy the floating-point parameters and buffers of a module."""
    state = module.state_dict()
    return {name: value.detach().clone() for name, value in state.items() if value.is_floating_point()}


def _shape_text(state: State, name: str) -> str:
    """Return the shape of a tensor as text."""
    return str(tuple(state[name].shape)) if name in state else "absent"


def train_batch_norms_only(module: nn.Module) -> list[BatchNorm]:
    """Put a network in eval mode except for BatchNorm layers that keep statistics; return those."""
    norms = []
    for part in module.eval().modules():
        if is_batch_norm(part) and part.track_running_stats:
            norms.append(part)
    for norm in norms:
        norm.train()
    return norms


def compute_statistics(module: nn.Module, inputs: Tensor) -> None:
    """Compute the statistics of a network's BatchNorm layers anew, in place, as means over batches of the inputs.

    Weights that were changed after training give other statistics than those that training has left (Garipov et al.
    2018, section 4). Layers without statistics stay; the network is in eval mode afterwards.

    Args:
        module: of any architecture.
        inputs: `(N, *input_shape)`.

    >>> norm = nn.BatchNorm1d(1)
    >>> compute_statistics(norm, torch.tensor([[1.0], [3.0]]))
    >>> norm.running_mean.tolist(), norm.running_var.tolist()
    ([2.0], [2.0])
    """
    norms = train_batch_norms_only(module)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over batches
    if norms:
        batches = math.ceil(len(inputs) / EXAMPLES_PER_PASS)
        with torch.no_grad():
            for rows in inputs.tensor_split(batches):  # of equal size, so that each has the same weight
                module(rows)
    module.eval()
