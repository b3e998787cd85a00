"""Least-squares solution of a network's last layer, with everything before it as drawn: random features."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.modules import FixedSigns
from benevolent.trainables.optimization.losses import targets
from benevolent.trainables.stack.layer_types import is_sequence, layer_type
from benevolent.trainables.stack.network import Network

#: Singular values below this part of the largest count as zero.
RCOND = 1e-12


def parts(module: nn.Module) -> tuple[nn.Sequential, str, nn.Linear]:
    """Split a network into the part that makes the features, and the name and module of the layer that is solved for.

    Raises:
        BadInput: the module is no `nn.Sequential` that ends with `nn.Linear`, one of them has a forward pass of its
            own, or that layer is not trained.
    """
    layers = list(module._modules.items()) if is_sequence(module) else []  # also those that are there twice
    name, last = layers[-1] if layers else ("", None)
    if not (isinstance(last, nn.Linear) and layer_type(last).weights == "matrix"):
        raise BadInput("optimizer.name = 'least_squares': the network does not end with a linear layer (nn.Sequential)")
    if isinstance(last, FixedSigns):
        raise BadInput("optimizer.name = 'least_squares': the network ends with a layer that is not trained")
    return nn.Sequential(OrderedDict(layers[:-1])), name, last


def solution(network: Network, tensors: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    """Return K networks with the last layer of minimum norm among those of least squared error.

    `min ||W||_F` over the W that minimize `||Phi W^T - T||_F`, where Phi are the features, in float64 by a singular
    value decomposition. A bias is the weight of a feature that is always one. As in Belkin et al. 2018, whose error
    peaks where there are as many features as examples.

    Args:
        network: of all K.
        tensors: parameters and buffers by name, `(K, ...)`.
        inputs: `(K, N, *input_shape)`.
        labels: `(K, N)`; the targets are those of `trainables.optimization.losses.squared`.

    Returns:
        rows `(K, P)` of parameters, of the dtype of `tensors`.
    """
    body, last, layer = parts(network.module)
    solved = {name: tensors[name].clone() for name in network.shapes}
    before_last = {name: value for name, value in tensors.items() if not name.startswith(f"{last}.")}
    for run, run_inputs in enumerate(inputs):
        run_tensors = {name: value[run] for name, value in before_last.items()}
        # On the CPU: a GPU lacks the driver that is meant for matrices without full rank.
        features = functional_call(body, run_tensors, (run_inputs,)).double().cpu()
        if layer.bias is not None:
            features = torch.cat([features, torch.ones(len(features), 1, dtype=features.dtype)], 1)
        goals = targets(labels[run], layer.out_features).cpu()
        weights = torch.linalg.lstsq(features, goals, rcond=RCOND, driver="gelsd").solution.t()
        solved[f"{last}.weight"][run] = weights[:, : layer.in_features]
        if layer.bias is not None:
            solved[f"{last}.bias"][run] = weights[:, -1]
    return network.parameters.rows(solved)
