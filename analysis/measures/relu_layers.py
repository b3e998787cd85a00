"""Layers of K networks at their inputs, with first and second derivatives written out: `(K, N, ...)` all through."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from benevolent.analysis.measures.layer_products import LinearMap, adjacent_channels

#: Directions or slopes by the name of the parameter, `(K, ...)`.
ByName = Mapping[str, Tensor]


class Step(Protocol):
    """One layer of K networks at its inputs, those of all N examples.

    Slopes are derivatives of one number: in `pull` and `pull_change` of the mean training loss. Changes are derivatives
    along a direction of the parameters; a tensor of changes that is passed in may be overwritten.
    """

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the outputs `(K, N, ...)` at the layer's inputs."""

    def push(self, change: Tensor | None, directions: ByName) -> Tensor:
        """Return the change of the outputs, given those of the inputs (None: they are fixed) and of the parameters."""

    def to_inputs(self, slopes: Tensor) -> Tensor:
        """Return the slopes by the inputs, given those by the outputs."""

    def pull(self, slopes: Tensor, found: dict[str, Tensor]) -> Tensor:
        """Return the slopes by the inputs, as `to_inputs`, and put those by the parameters into `found`."""

    def pull_change(self, changes: Tensor, directions: ByName, found: dict[str, Tensor]) -> Tensor:
        """Return and put into `found` the changes of what `pull` does, given those of the slopes by the outputs.

        After `pull`, and along the directions that were given to `push` last.
        """

    def select(self, rows: Tensor) -> "Step":
        """Return the layer of some of the networks."""


@dataclass
class Weighted:
    """A layer with weights: its linear map, and a bias where it has one.

    Attributes:
        map: the product.
        weight_name: of the parameter.
        bias_name: of the parameter, or None.
        is_first: True if it reads the inputs of the network, whose slopes nobody needs.
        weights: `(K, ...)`.
        bias: `(K, ...)`, or None.
        inputs: `(K, N, ...)`.
        slopes: of the loss by the outputs `(K, N, ...)`, kept by `pull`.
        tangents: the change of the inputs that was given to `push` last.
    """

    map: LinearMap
    weight_name: str
    bias_name: str | None
    is_first: bool
    weights: Tensor
    bias: Tensor | None
    inputs: Tensor
    slopes: Tensor | None = None
    tangents: Tensor | None = None

    def outputs(self, inputs: Tensor) -> Tensor:
        """See `Step`."""
        outputs = self.map.forward(self.weights, inputs)
        if self.bias is not None:
            outputs += self.map.broadcast(self.bias)
        return outputs

    def push(self, change: Tensor | None, directions: ByName) -> Tensor:
        """See `Step`."""
        self.tangents = change
        outputs = self.map.forward(directions[self.weight_name], self.inputs)
        if change is not None:
            outputs = self.map.forward(self.weights, change, outputs)
        if self.bias_name is not None:
            outputs += self.map.broadcast(directions[self.bias_name])
        return outputs

    def to_inputs(self, slopes: Tensor) -> Tensor:
        """See `Step`."""
        return self.map.backward(self.weights, slopes)

    def pull(self, slopes: Tensor, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        self.slopes = slopes
        found[self.weight_name] = self.map.weight_slopes(slopes, self.inputs)
        if self.bias_name is not None:
            found[self.bias_name] = self.map.bias_slopes(slopes)
        return slopes if self.is_first else self.to_inputs(slopes)

    def pull_change(self, changes: Tensor, directions: ByName, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        assert self.slopes is not None
        by_weights = self.map.weight_slopes(changes, self.inputs)
        if self.tangents is not None:
            by_weights = self.map.weight_slopes(self.slopes, self.tangents, by_weights)
        found[self.weight_name] = by_weights
        if self.bias_name is not None:
            found[self.bias_name] = self.map.bias_slopes(changes)
        if self.is_first:
            return changes
        by_inputs = self.map.backward(directions[self.weight_name], self.slopes)
        return self.map.backward(self.weights, changes, by_inputs)

    def select(self, rows: Tensor) -> "Weighted":
        """See `Step`."""
        assert self.slopes is not None
        return replace(
            self,
            weights=self.weights[rows],
            bias=None if self.bias is None else self.bias[rows],
            inputs=self.inputs[rows],
            slopes=self.slopes[rows],
            tangents=None,
        )


@dataclass(frozen=True)
class Active:
    """A ReLU: units `(K, N, ...)`, 1 where they are active and 0 elsewhere, by which everything is multiplied."""

    units: Tensor

    def outputs(self, inputs: Tensor) -> Tensor:
        """See `Step`."""
        return inputs.relu()

    def push(self, change: Tensor | None, directions: ByName) -> Tensor:
        """See `Step`."""
        assert change is not None
        return change.mul_(self.units)

    def to_inputs(self, slopes: Tensor) -> Tensor:
        """See `Step`."""
        return slopes * self.units

    def pull(self, slopes: Tensor, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        return self.to_inputs(slopes)

    def pull_change(self, changes: Tensor, directions: ByName, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        return changes.mul_(self.units)

    def select(self, rows: Tensor) -> "Active":
        """See `Step`."""
        return Active(self.units[rows])


@dataclass(frozen=True)
class Flattened:
    """A change of the shape of each example, which was `shape`."""

    shape: tuple[int, ...]

    def outputs(self, inputs: Tensor) -> Tensor:
        """See `Step`."""
        return inputs.flatten(2)

    def push(self, change: Tensor | None, directions: ByName) -> Tensor:
        """See `Step`."""
        assert change is not None
        return change.flatten(2)

    def to_inputs(self, slopes: Tensor) -> Tensor:
        """See `Step`."""
        images = slopes.unflatten(2, self.shape)
        if images.ndim != 5:
            return images
        return adjacent_channels(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    def pull(self, slopes: Tensor, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        return self.to_inputs(slopes)

    def pull_change(self, changes: Tensor, directions: ByName, found: dict[str, Tensor]) -> Tensor:
        """See `Step`."""
        return self.to_inputs(changes)

    def select(self, rows: Tensor) -> "Flattened":
        """See `Step`."""
        return self
