"""Margins at the inputs of every layer with weights (Jiang et al. 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import grad

from benevolent.analysis.measures.margins import margins_of
from benevolent.analysis.measures.measured_network import MeasuredNetwork, forward_with_hooks
from benevolent.analysis.measures.quantiles import quantile


def layer_margins(network: MeasuredNetwork) -> Tensor:
    """For each weight tensor the median over training inputs of the linearized margin at its layer's input, normalized.

    At the input h it is (f_y - f_j) / ||d (f_y - f_j) / d h||_2, with j the class with the largest logit but for y,
    over the root of the total variance of h, mean_i ||h_i - mean h||_2^2 (Jiang et al. 2019). The first value is of the
    inputs themselves.
    """
    layers = [weight.layer for weight in network.architecture.weights]
    example = next(network.batches(max_examples=1))[0]
    _, inputs_of_example = _layer_inputs(network, layers, example)
    shapes = [inputs.shape[1:] for inputs in inputs_of_example]
    distances: list[list[Tensor]] = [[] for _ in layers]
    variances = [RunningVariance() for _ in layers]
    for points, labels in network.batches():
        shifts = [points.new_zeros(len(points), *shape) for shape in shapes]
        slopes, (margins_here, layer_inputs) = grad(_shifted_margins, argnums=3, has_aux=True)(
            network, layers, points, shifts, labels
        )
        for place, slope in enumerate(slopes):
            length = slope.flatten(1).double().norm(dim=1)
            distances[place].append(margins_here.double() / length)
            variances[place].add(layer_inputs[place].flatten(1).double())
    medians = torch.stack([quantile(torch.cat(parts), 0.5) for parts in distances])
    spreads = torch.stack([variance.value.sqrt() for variance in variances])
    return medians / spreads


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


def _shifted_margins(
    network: MeasuredNetwork, layers: Sequence[nn.Module], points: Tensor, shifts: list[Tensor], labels: Tensor
) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
    """Return the sum of the margins with the layers' inputs shifted; and the margins `(n,)` and the layers' inputs."""
    outputs, layer_inputs = _layer_inputs(network, layers, points, shifts)
    each = margins_of(outputs, labels)
    return each.sum(), (each, layer_inputs)


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
