"""Stacks of networks with BatchNorm folded away, for the measures that read weights."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.batchnorm_folding import fold_batchnorm
from benevolent.trainables.stack.layer_types import is_batch_norm


def fold_stack(
    module: nn.Module, tensors: Mapping[str, Tensor]
) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]:
    """Rewrite K networks as the same functions (in eval mode) without BatchNorm, where that is possible.

    Args:
        module: the architecture; not changed.
        tensors: `name -> (K, ...)`: parameters, trained or frozen, and buffers, the statistics of BatchNorm among them.

    Returns:
        the architecture, its parameters and its buffers, both `name -> (K, ...)`; unchanged if there is no BatchNorm or
        if the module's forward pass cannot be followed.
    """
    parameters = {name: tensors[name] for name, _ in module.named_parameters()}
    buffers = {name: tensors[name] for name, _ in module.named_buffers()}
    if not batchnorm_names(module):
        return module, parameters, buffers
    example = next(iter(parameters.values()))
    folded = []
    for row in range(len(example)):
        network = copy.deepcopy(module).to(example)
        network.load_state_dict({name: value[row] for name, value in tensors.items()}, strict=False)
        try:
            folded.append(fold_batchnorm(network))
        except BadInput:
            return module, parameters, buffers
    folded_parameters = _stacked([dict(network.named_parameters()) for network in folded])
    folded_buffers = _stacked([dict(network.named_buffers()) for network in folded])
    return folded[0], folded_parameters, folded_buffers


def _stacked(networks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    stacked = {}
    for name in networks[0]:
        values = [network[name].detach() for network in networks]
        stacked[name] = torch.stack(values)
    return stacked


def untrained_statistics(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, `name -> (K, ...)`, with BatchNorm statistics as before training: mean 0, variance 1."""
    untrained = dict(tensors)
    for layer in batchnorm_names(module):
        mean = f"{layer}.running_mean"
        variance = f"{layer}.running_var"
        if mean in tensors:
            untrained[mean] = torch.zeros_like(tensors[mean])
        if variance in tensors:
            untrained[variance] = torch.ones_like(tensors[variance])
    return untrained


def batchnorm_names(module: nn.Module) -> list[str]:
    """Return the names of the BatchNorm layers of a module."""
    return [name for name, part in module.named_modules() if is_batch_norm(part)]
