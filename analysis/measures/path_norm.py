"""Path norms of networks through whose layers the sums over paths are known."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.measured_network import MeasuredNetwork
from benevolent.trainables.stack.layer_types import is_sequence, layer_type
from benevolent.trainables.stack.own_code import kind_name


def path_norm(network: MeasuredNetwork) -> Tensor:
    """The L2 path norm: the root of the sum, over all paths to an output, of the squared product of their parameters.

    A path begins at an input or a bias. For Linear, Conv2d and ReLU the sum is that of the outputs of the network
    with squared parameters on an input of ones (Neyshabur et al. 2015). A mean over n has n edges of weight 1 / n, so
    squared weights 1 / n^2. Through a maximum every one of its inputs is a path, so it counts as a sum (Gonon et al.
    2024). Not applicable with other layers: for a leaky ReLU, for example, the norm would ignore the negative slope.
    """
    return _sum_over_paths(network, 2).sqrt()


def path_norm_l1(network: MeasuredNetwork) -> Tensor:
    """The L1 path norm: the sum, over all paths to an output, of the absolute product of their parameters."""
    return _sum_over_paths(network, 1)


def _sum_over_paths(network: MeasuredNetwork, power: int) -> Tensor:
    """Return the sum over all paths of the absolute products of their parameters, to a power."""
    module = network.architecture.module
    powers = {}
    for name, parameter in module.named_parameters():
        powers[parameter] = network.folded[name].double().abs() ** power
    inputs = network.train.sets  # its `shape` is that of the network's inputs; stored images may have a border
    ones = torch.ones(1, *inputs.shape, dtype=torch.float64, device=inputs.stored.device)
    return _sums_through(network.architecture.sequence, powers, ones, power).sum()


def why_no_path_norm(module: nn.Module) -> str | None:
    """Return the reason why the path norm of a module is not known, or None."""
    if is_sequence(module):
        return next(filter(None, map(why_no_path_norm, module)), None)
    rule = layer_type(module).paths
    if rule is None:
        name = kind_name(module)
        return f"needs nn.Sequential of Linear, Conv2d, ReLU, max and mean pooling, found {name}"
    return rule.why_not(module)


def _sums_through(layer: nn.Module, powers: Mapping[nn.Parameter, Tensor], sums: Tensor, power: int) -> Tensor:
    """Return the sums over paths to a layer's outputs, from those to its inputs `(1, ...)`.

    Args:
        layer: may be used several times; each use is a part of the paths.
        powers: of the network's parameters, each under itself, as layers may share one.
        sums: at the layer's inputs.
        power: of absolute values.
    """
    if is_sequence(layer):
        for child in layer:
            sums = _sums_through(child, powers, sums, power)
        return sums
    rule = layer_type(layer).paths
    assert rule is not None
    own_powers = {name: powers[parameter] for name, parameter in layer.named_parameters()}
    return rule.sums(layer, own_powers, sums, power)
