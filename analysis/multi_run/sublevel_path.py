"""The path between two wide networks with one hidden layer along which no convex loss exceeds that of the worse one."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import lstsq, qr
from torch import Tensor, nn

from benevolent.analysis.multi_run.unit_matching import linear_layers
from benevolent.trainables.errors import BadInput

#: Relative size of pivots below which hidden features count as linear combinations of others.
RANK_TOLERANCE = 1e-10


class Hidden(NamedTuple):
    """A network with one hidden layer, as far as a path changes it, in float64.

    Attributes:
        incoming: `(units, d + 1)`, weights and bias of each hidden unit.
        outgoing: `(C, units)`.
        bias: `(C,)`, of the outputs.
    """

    incoming: Tensor
    outgoing: Tensor
    bias: Tensor


def needed_units(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return hidden units whose outputs for some inputs span those of all units, in increasing order.

    Args:
        network: a perceptron with one hidden layer.
        inputs: `(N, *input_shape)`; at most N units are needed.
    """
    features = _features(network, inputs)
    _, triangle, order = qr(features.numpy(), mode="economic", pivoting=True)
    pivots = np.abs(np.diag(triangle))
    rank = int((pivots > RANK_TOLERANCE * max(pivots[0], 1e-300)).sum())
    return torch.from_numpy(np.sort(order[:rank])).long()


def sublevel_path(first: nn.Module, second: nn.Module, inputs: Tensor) -> list[nn.Module] | None:
    """Join two networks by straight lines along which no convex loss on some inputs exceeds that of the worse network.

    Source: Nguyen 2019, "On connected sublevel sets in deep learning", by the argument for a wide layer, made explicit
    for one hidden layer of any activation. The outputs of r hidden units span those of all (`needed_units`, r <= N), so
    the outgoing weights of the others can go to zero without any change of the outputs; then these units are free. If
    the width is at least the sum of both networks' r, so at most 2 N, the free units of the first network take the
    incoming weights of those that the second needs. Then the outgoing weights go to those of the second network in
    a straight line, on which the outputs are between those of both networks. All other steps change no output.

    Args:
        first: a perceptron with one hidden layer, whose outputs for the inputs its loss depends on.
        second: of the same architecture.
        inputs: `(N, *input_shape)`, all that the loss is computed on.

    Returns:
        the corners of the path in float64, both ends included; None if the width is too small.

    Raises:
        BadInput: a network has not one hidden layer, or shapes differ.
    """
    start = _hidden(first)
    end = _hidden(second)
    if start.incoming.shape != end.incoming.shape or start.outgoing.shape != end.outgoing.shape:
        raise BadInput("the shapes of the two networks' layers differ; needs equal architectures")
    width = len(start.incoming)
    own = needed_units(first, inputs)
    others = needed_units(second, inputs)
    if len(own) + len(others) > width:
        return None
    free = _complement(own, width)
    places = _places(others, free)
    reduced_start = start._replace(outgoing=_on_units(first, inputs, start.outgoing, own))
    reduced_end = end._replace(outgoing=_on_units(second, inputs, end.outgoing, others))
    with_both = reduced_start._replace(incoming=_placed(start.incoming, places, end.incoming[others]))
    moved = torch.zeros_like(end.outgoing)
    moved[:, places] = reduced_end.outgoing[:, others]
    switched = Hidden(with_both.incoming, moved, end.bias)
    home = _placed(switched.incoming, others, end.incoming[others])
    ready = switched._replace(incoming=home)
    returned = ready._replace(outgoing=reduced_end.outgoing)
    corners = [start, reduced_start, with_both, switched, ready, returned, reduced_end, end]
    return [_network(first, corner) for corner in corners]


def _places(units: Tensor, free: Tensor) -> Tensor:
    """Return a free place for each unit of the second network: its own if that is free."""
    is_free = torch.isin(units, free)
    vacant = free[~torch.isin(free, units)]
    places = units.clone()
    places[~is_free] = vacant[: int((~is_free).sum())]
    return places


def _complement(units: Tensor, width: int) -> Tensor:
    everything = torch.arange(width)
    return everything[~torch.isin(everything, units)]


def _placed(incoming: Tensor, places: Tensor, rows: Tensor) -> Tensor:
    changed = incoming.clone()
    changed[places] = rows
    return changed


def _on_units(network: nn.Module, inputs: Tensor, outgoing: Tensor, units: Tensor) -> Tensor:
    """Return outgoing weights of the same outputs that are zero but for some units."""
    features = _features(network, inputs)
    outputs = features @ outgoing.T
    solution, *_ = lstsq(features[:, units].numpy(), outputs.numpy())
    reduced = torch.zeros_like(outgoing)
    reduced[:, units] = torch.from_numpy(solution).T
    return reduced


@torch.no_grad()
def _features(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs `(N, units)` of the hidden units in float64."""
    doubled = copy.deepcopy(network).double().eval()
    read: list[Tensor] = []
    output_layer = linear_layers(doubled)[-1]
    handle = output_layer.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    doubled(inputs.double())
    handle.remove()
    return read[0]


def _hidden(network: nn.Module) -> Hidden:
    layers = linear_layers(network)
    if len(layers) != 2 or any(layer.bias is None for layer in layers):
        raise BadInput(f"{len(layers)} linear layers; needs one hidden layer, and biases")
    hidden, output = layers
    incoming = torch.cat([hidden.weight, hidden.bias.unsqueeze(1)], 1).detach().double()
    return Hidden(incoming, output.weight.detach().double(), output.bias.detach().double())


def _network(like: nn.Module, corner: Hidden) -> nn.Module:
    network = copy.deepcopy(like).double()
    hidden, output = linear_layers(network)
    with torch.no_grad():
        hidden.weight.copy_(corner.incoming[:, :-1])
        hidden.bias.copy_(corner.incoming[:, -1])
        output.weight.copy_(corner.outgoing)
        output.bias.copy_(corner.bias)
    return network
