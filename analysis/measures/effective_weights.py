"""Plain copies of modules: their parameters are the weights that act, whatever computes these weights."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from benevolent.trainables.errors import BadInput

#: Precisions that measures compute in; parameters of a lower one are measured as the same values in float32.
PRECISIONS = (torch.float32, torch.float64)


def plain_copy(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """Copy a module in eval mode, with the weights that act as plain parameters, and return the masks of pruned ones.

    A parametrized weight (`torch.nn.utils.parametrizations.weight_norm`, `spectral_norm`, `orthogonal`, a user's own)
    becomes the weight that it stands for, and so does one that a hook computes (`torch.nn.utils.weight_norm`,
    `spectral_norm`, `prune`). Modules that only wrap another one (`torch.compile`, `DataParallel`,
    `DistributedDataParallel`) are left out. Half precision becomes float32.

    Args:
        module: not changed.

    Returns:
        the copy, and `name of a parameter -> mask`, 0 for the entries that `torch.nn.utils.prune` has masked.

    Raises:
        BadInput: TorchScript, whose parameters torch cannot replace.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2, bias=False))
    >>> [name for name, _ in layer.named_parameters()]
    ['parametrizations.weight.original0', 'parametrizations.weight.original1']
    >>> [name for name, _ in plain_copy(layer)[0].named_parameters()]
    ['weight']
    """
    inner = _unwrapped(module)
    plain = copy.deepcopy(inner, _computed_weights(inner)).eval()
    masks = _remove_pruning(plain)
    for part in list(plain.modules()):
        _remove_parametrizations(part)
        _remove_hooks(part)
    for tensor in [*plain.parameters(), *plain.buffers()]:
        if tensor.is_floating_point() and tensor.dtype not in PRECISIONS:
            tensor.data = tensor.data.float()
    return plain, masks


def _unwrapped(module: nn.Module) -> nn.Module:
    """Return the module that a wrapper calls, which has the same outputs."""
    if isinstance(module, torch.jit.ScriptModule):
        raise BadInput(f"{type(module).__name__}: TorchScript cannot be measured; pass the module it was made from")
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return _unwrapped(module.module)
    compiled = getattr(module, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return _unwrapped(compiled)
    return module


def _computed_weights(module: nn.Module) -> dict[int, Tensor]:
    """Return copies of the weights that hooks have computed, which torch refuses to copy, by id as `deepcopy` asks."""
    copies = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                copies[id(value)] = value.detach().clone()
    return copies


def _remove_pruning(module: nn.Module) -> dict[str, Tensor]:
    masks = {}
    for prefix, part in module.named_modules():
        for name, _ in list(part.named_buffers(recurse=False)):
            weight = name.removesuffix("_mask")
            if name.endswith("_mask") and hasattr(part, f"{weight}_orig"):
                masks[f"{prefix}.{weight}" if prefix else weight] = getattr(part, name)
                prune.remove(part, weight)
    return masks


def _remove_parametrizations(part: nn.Module) -> None:
    """Make plain parameters of the parametrized ones of a copied module.

    `torch.nn.utils.parametrize.remove_parametrizations` would take them from the class, which the copy shares.
    """
    if not parametrize.is_parametrized(part):
        return
    names = list(part.parametrizations)  # type: ignore[arg-type]
    values = {name: getattr(part, name).detach().clone() for name in names}
    del part.parametrizations
    part.__class__ = type(part).__bases__[0]
    for name, value in values.items():
        part.register_parameter(name, nn.Parameter(value))


def _remove_hooks(part: nn.Module) -> None:
    for hook in list(part._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(part, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(part, hook.name)
