"""The path norms, and the layers through which it is known how paths run."""

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters
from benevolent.trainables.stack.layer_types import is_sequence, layer_type


def path_norm(network: MeasuredNetwork) -> Tensor:
    """The L2 path norm: the root of the sum, over all paths to an output, of the squared product of their parameters.

    A path begins at an input or a bias. For Linear, Conv2d and ReLU the sum is that of the outputs of the network
    with squared parameters on an input of ones (Neyshabur et al. 2015). A mean over n has n edges of weight 1 / n, so
    squared weights 1 / n^2. Through a maximum every one of its inputs is a path, so it counts as a sum (Gonon et al.
    2024). Other layers: not applicable; of a leaky ReLU, for one, the norm says nothing of the negative slope.
    """
    return _sum_over_paths(network, 2).sqrt()


def path_norm_l1(network: MeasuredNetwork) -> Tensor:
    """The L1 path norm: the sum, over all paths to an output, of the absolute product of their parameters."""
    return _sum_over_paths(network, 1)


def _sum_over_paths(network: MeasuredNetwork, power: int) -> Tensor:
    """The sum of the paths' products to a power."""
    powers = {name: value.double().abs() ** power for name, value in network.folded.items()}
    stored = network.train.sets.stored
    ones = torch.ones(1, *stored.shape[2:], dtype=torch.float64, device=stored.device)
    return _through(network.architecture.module, "", powers, ones, power).sum()


def why_no_paths(module: nn.Module) -> str | None:
    """Return the reason why the path norm of a module is not known; None where it is."""
    if is_sequence(module):
        return next(filter(None, map(why_no_paths, module.children())), None)
    rule = layer_type(module).paths
    if rule is None:
        name = type(module).__name__
        return f"needs nn.Sequential of Linear, Conv2d, ReLU, max and mean pooling, found {name}"
    return rule.why_not(module)


def _through(layer: nn.Module, at: str, powers: Parameters, paths: Tensor, power: int) -> Tensor:
    """Return the sums over paths to a layer's outputs, from those to its inputs `(1, ...)`."""
    if is_sequence(layer):
        for name, child in layer.named_children():
            paths = _through(child, f"{at}{name}.", powers, paths, power)
        return paths
    rule = layer_type(layer).paths
    assert rule is not None
    own_powers = {name: powers[f"{at}{name}"] for name, _ in layer.named_parameters()}
    return rule.sums(layer, own_powers, paths, power)
