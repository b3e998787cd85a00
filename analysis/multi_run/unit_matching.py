"""Networks that compute one function with their hidden units in another order, and the order nearest to another one.

matched = permuted(second, match_units(first, second))  # computes what `second` does, as near to `first` as can be
barrier(loss_along_path(linear_path(first, matched), splits)["train_loss"])
"""

import copy
import itertools
from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator

#: One order of units for each hidden layer, from the input on: position i of the new layer has unit `order[i]`.
Orders = list[Tensor]

#: Rounds over all layers at most; matching ends as soon as a round changes nothing.
MAX_ROUNDS = 100


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a perceptron, from the input on.

    Raises:
        BadInput: there are other parameters or buffers, whose units cannot be told, or a layer does not read the last.
    """
    layers = [part for part in network.modules() if isinstance(part, nn.Linear)]
    own = {id(value) for layer in layers for value in layer.parameters()}
    others = [name for name, value in network.named_parameters() if id(value) not in own]
    others += [name for name, _ in network.named_buffers()]
    if others or not layers:
        raise BadInput(f"{type(network).__name__}: has {others or 'no parameters'}; needs linear layers only")
    for before, after in itertools.pairwise(layers):
        if before.out_features != after.in_features:
            raise BadInput(
                f"a layer of {before.out_features} outputs comes before one of {after.in_features} inputs; needs "
                "layers that each read the one before"
            )
    return layers


def permuted(network: nn.Module, orders: Sequence[Tensor]) -> nn.Module:
    """Return a copy of a perceptron with its hidden units in other orders; it computes the same function.

    Args:
        network: of linear layers and activations of single units.
        orders: a permutation for each hidden layer, `(units,)`.

    Raises:
        BadInput: see `linear_layers`, or the number of orders is not that of the hidden layers.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> swapped = permuted(net, [torch.tensor([1, 0])])
    >>> torch.equal(swapped[0].bias, net[0].bias.flip(0)), torch.equal(swapped[2].weight, net[2].weight.flip(1))
    (True, True)
    """
    changed = copy.deepcopy(network)
    layers = linear_layers(changed)
    if len(orders) != len(layers) - 1:
        raise BadInput(f"{len(orders)} orders of units for {len(layers) - 1} hidden layers")
    with torch.no_grad():
        for order, layer, reader in zip(orders, layers, layers[1:], strict=False):
            layer.weight.copy_(layer.weight[order])
            if layer.bias is not None:
                layer.bias.copy_(layer.bias[order])
            reader.weight.copy_(reader.weight[:, order])
    return changed


@torch.no_grad()
def match_units(first: nn.Module, second: nn.Module, random_seed: int = 0) -> Orders:
    """Find orders of the second perceptron's hidden units that bring its parameters near to those of the first.

    Source: Ainsworth et al. 2023, "Git Re-Basin", algorithm 1 (weight matching), with biases. The sum of products of
    corresponding parameters is maximized, layer by layer with the others fixed (a linear assignment problem), in a
    random order, until nothing changes. With one hidden layer that is the nearest of all permuted networks; with more
    it is a local optimum.

    Args:
        first: of linear layers and activations of single units.
        second: of the same architecture.
        random_seed: of the order of the layers.

    Returns:
        for `permuted(second, orders)`.

    Raises:
        BadInput: see `linear_layers`, or shapes differ.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> match_units(net, permuted(net, [torch.tensor([1, 0])]))
    [tensor([1, 0])]
    """
    targets = linear_layers(first)
    layers = linear_layers(second)
    shapes = [layer.weight.shape for layer in targets]
    if shapes != [layer.weight.shape for layer in layers]:
        raise BadInput("the shapes of the two networks' layers differ; needs equal architectures")
    hidden = len(layers) - 1
    orders = [torch.arange(layer.out_features) for layer in layers[:hidden]]
    for round_ in range(MAX_ROUNDS):
        changed = False
        for index in generator(random_seed, "across/matching", round_).permutation(hidden).tolist():
            order = _best_order(_products(targets, layers, orders, index), orders[index])
            changed |= not torch.equal(order, orders[index])
            orders[index] = order
        if not changed:
            break
    return orders


def _products(targets: list[nn.Linear], layers: list[nn.Linear], orders: Orders, index: int) -> Tensor:
    """Return how well each unit of a layer suits each place: sums of products of the parameters that it would meet.

    Returns:
        `(units, units)` in float64, of places in the first network and units of the second.
    """
    weight = layers[index].weight.double()
    if index > 0:
        weight = weight[:, orders[index - 1]]
    products = targets[index].weight.double() @ weight.T
    target_bias = targets[index].bias
    if target_bias is not None:
        products += torch.outer(target_bias.double(), layers[index].bias.double())
    outgoing = layers[index + 1].weight.double()
    if index + 1 < len(orders):
        outgoing = outgoing[orders[index + 1]]
    return products + targets[index + 1].weight.double().T @ outgoing


def _best_order(products: Tensor, present: Tensor) -> Tensor:
    """Return the order of largest total; the present one if no other is better, so that matching ends."""
    _, columns = linear_sum_assignment(products.cpu().numpy(), maximize=True)
    best = torch.from_numpy(columns)
    places = torch.arange(len(best))
    gained = products[places, best].sum() - products[places, present].sum()
    return best if gained > 1e-9 * products.abs().max() else present
