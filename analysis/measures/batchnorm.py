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
    """K networks as the same functions (in eval mode) without BatchNorm, where that is possible.

    Args:
        module: the architecture; not changed.
        tensors: `name -> (K, ...)`: parameters, trained or frozen, and buffers, the statistics of BatchNorm among them.

    Returns:
        the architecture, its parameters and its buffers, both `name -> (K, ...)`; as they were if there is no BatchNorm
        or if the module's forward pass cannot be followed.
    """
    plain = {name: tensors[name] for name, _ in module.named_parameters()}
    buffers = {name: tensors[name] for name, _ in module.named_buffers()}
    if not batchnorms(module):
        return module, plain, buffers
    names, folded = list(plain), list[nn.Module]()
    for row in range(len(plain[names[0]])):
        one = copy.deepcopy(module).to(plain[names[0]])
        one.load_state_dict({name: value[row] for name, value in tensors.items()}, strict=False)
        try:
            folded.append(fold_batchnorm(one))
        except BadInput:
            return module, plain, buffers
    return (
        folded[0],
        _stacked([dict(one.named_parameters()) for one in folded]),
        _stacked([dict(one.named_buffers()) for one in folded]),
    )


def _stacked(networks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name].detach() for one in networks]) for name in networks[0]}


def untrained_statistics(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, `name -> (K, ...)`, with the statistics of BatchNorm as before training: mean 0, variance 1."""
    means, variances = ({f"{name}.running_{kind}" for name in batchnorms(module)} for kind in ("mean", "var"))
    fresh = {name: torch.zeros_like(value) for name, value in tensors.items() if name in means}
    return {**tensors, **fresh, **{name: torch.ones_like(tensors[name]) for name in variances & {*tensors}}}


def batchnorms(module: nn.Module) -> list[str]:
    """The names of the BatchNorm layers of a module."""
    return [name for name, part in module.named_modules() if is_batch_norm(part)]
