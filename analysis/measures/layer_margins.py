"""Margins at the inputs of every layer with weights (Jiang et al. 2019)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad

from benevolent.analysis.measures.margins import margins_of
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, forward_with_hooks
from benevolent.analysis.measures.quantiles import quantile
from benevolent.analysis.measures.rounding import without_rounding


def layer_margins(network: MeasuredNetwork) -> Tensor:
    """For each weight tensor the median over training inputs of the linearized margin at its layer's input, normalized.

    At the input h it is (f_y - f_j) / ||d (f_y - f_j) / d h||_2, with j the class with the largest logit but for y,
    over the root of the total variance of h, mean_i ||h_i - mean h||_2^2 (Jiang et al. 2019). The first value is of the
    inputs themselves.
    """
    slopes = _layer_slopes(network)
    lengths = without_rounding(network, lambda same: _layer_slopes(same).lengths, slopes.usual)
    spreads = without_rounding(network, lambda same: _layer_slopes(same).spreads, slopes.size)
    medians = torch.stack([quantile(distances, 0.5) for distances in slopes.margins / lengths])
    return medians / spreads


class _LayerSlopes(NamedTuple):
    """Margins and their slopes at the inputs of L layers.

    Attributes:
        margins: `(N,)`.
        lengths: `(L, N)`, of the slopes.
        usual: `(L, N)`, lengths that the slopes would have without cancellation: the largest logit over `size`.
        spreads: `(L,)`, roots of the total variances of the inputs.
        size: `(L,)`, roots of the mean squares of the inputs.
    """

    margins: Tensor
    lengths: Tensor
    usual: Tensor
    spreads: Tensor
    size: Tensor


@computed_once
def _layer_slopes(network: MeasuredNetwork) -> _LayerSlopes:
    """Return the slopes of the margins at the inputs of all layers with weights."""
    layers = [weight.layer for weight in network.architecture.weights]
    example = next(network.batches(max_examples=1))[0]
    _, inputs_of_example = _layer_inputs(network, layers, example)
    shapes = [inputs.shape[1:] for inputs in inputs_of_example]
    margins: list[Tensor] = []
    lengths: list[list[Tensor]] = [[] for _ in layers]
    outputs: list[Tensor] = []
    variances = [RunningVariance() for _ in layers]
    for points, labels in network.batches():
        shifts = [points.new_zeros(len(points), *shape) for shape in shapes]
        slopes, (margins_here, largest, layer_inputs) = grad(_shifted_margins, argnums=3, has_aux=True)(
            network, layers, points, shifts, labels
        )
        margins.append(margins_here.double())
        outputs.append(largest.double())
        for place, slope in enumerate(slopes):
            lengths[place].append(slope.flatten(1).double().norm(dim=1))
            variances[place].add(layer_inputs[place].flatten(1).double())
    size = torch.stack([variance.second_moment.sqrt() for variance in variances])
    return _LayerSlopes(
        margins=torch.cat(margins),
        lengths=torch.stack([torch.cat(parts) for parts in lengths]),
        usual=torch.cat(outputs) / size.unsqueeze(1),
        spreads=torch.stack([variance.value.sqrt() for variance in variances]),
        size=size,
    )


class RunningVariance:
    """Total variance of points that come in batches (Chan, Golub and LeVeque 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())  # sum of the squared distances from the mean

    def add(self, points: Tensor) -> None:
        """Take in points `(n, d)`."""
        batch_mean = points.mean(0)
        total = self.count + len(points)
        shift = batch_mean - self.mean.to(batch_mean)
        between = shift.square().sum() * (self.count * len(points) / total)
        within = (points - batch_mean).square().sum()
        self.squares = self.squares.to(batch_mean) + within + between
        self.mean = self.mean.to(batch_mean) + shift * (len(points) / total)
        self.count = total

    @property
    def value(self) -> Tensor:
        """mean_i ||h_i - mean h||_2^2 of all points h_i."""
        return self.squares / self.count

    @property
    def second_moment(self) -> Tensor:
        """mean_i ||h_i||_2^2 of all points h_i."""
        return self.value + self.mean.square().sum()


def _shifted_margins(
    network: MeasuredNetwork, layers: Sequence[nn.Module], points: Tensor, shifts: list[Tensor], labels: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, list[Tensor]]]:
    """Return the sum of the margins with the layers' inputs shifted; the margins, the largest logits, the inputs."""
    outputs, layer_inputs = _layer_inputs(network, layers, points, shifts)
    each = margins_of(outputs, labels)
    return each.sum(), (each, outputs.abs().amax(-1), layer_inputs)


def _layer_inputs(
    network: MeasuredNetwork, layers: Sequence[nn.Module], points: Tensor, shifts: Sequence[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Return the logits, and the inputs of each layer before they are moved by the shifts."""
    inputs: dict[nn.Module, Tensor] = {}

    def move(layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs[layer] = arguments[0].clone()  # a later layer may change them
        if shifts is None:
            return arguments
        return (arguments[0] + shifts[layers.index(layer)], *arguments[1:])

    outputs = forward_with_hooks(network, points, dict.fromkeys(layers, move))
    return outputs, [inputs[layer] for layer in layers]
