"""Plain copies of modules: their parameters are the weights that act, whatever computes these weights."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
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
    `DistributedDataParallel`) are left out. Half precision becomes float32, and parameters that are integers, which
    nothing trains, become buffers.

    Args:
        module: not changed.

    Returns:
        the copy, and `name of a parameter -> mask`, 0 for the entries that `torch.nn.utils.prune` has masked.

    Raises:
        BadInput: TorchScript, whose parameters torch cannot replace; complex parameters, and those without a shape yet.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2, bias=False))
    >>> [name for name, _ in layer.named_parameters()]
    ['parametrizations.weight.original0', 'parametrizations.weight.original1']
    >>> [name for name, _ in plain_copy(layer)[0].named_parameters()]
    ['weight']
    """
    plain = eval_copy(module)
    masks = _remove_pruning(plain)
    for part in list(plain.modules()):
        _remove_parametrizations(part)
        _remove_hooks(part)
        _keep_integers_as_buffers(part)
    for tensor in [*plain.parameters(), *plain.buffers()]:
        if tensor.is_floating_point() and tensor.dtype not in PRECISIONS:
            tensor.data = tensor.data.float()
    return plain, masks


def eval_copy(module: nn.Module) -> nn.Module:
    """Copy a module in eval mode, without the wrappers of it and of its parts.

    Raises:
        BadInput: see `plain_copy`.
    """
    inner = _unwrapped(module)
    for name, value in inner.named_parameters():
        if isinstance(value, UninitializedParameter):
            raise BadInput(f"{type(inner).__name__}: parameter {name!r} has no shape yet; call the module once")
        if value.is_complex():
            raise BadInput(f"{type(inner).__name__}: parameter {name!r} is complex; measures need real parameters")
    plain = copy.deepcopy(inner, _computed_weights(inner)).eval()
    for name, part in list(plain.named_modules()):
        wrapped = _unwrapped(part)
        if wrapped is not part:
            plain.set_submodule(name, wrapped)
    return plain


def without_hooks(module: nn.Module) -> nn.Module:
    """Return a copy of a plain module without hooks of forward and backward passes.

    >>> layer = nn.Linear(2, 2)
    >>> handle = layer.register_forward_hook(lambda *_: print("called"))
    >>> _ = without_hooks(layer)(torch.ones(1, 2))
    """
    bare = copy.deepcopy(module)
    for part in bare.modules():
        for hooks in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks):
            hooks.clear()
    return bare


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
    """Make plain parameters of the pruned ones of a copied module, and return their masks.

    `torch.nn.utils.prune.remove` writes into a parameter that other layers may share.
    """
    masks = {}
    made: list[tuple[nn.Parameter, Tensor, nn.Parameter]] = []
    for prefix, part in module.named_modules():
        for name, mask in list(part.named_buffers(recurse=False)):
            weight = name.removesuffix("_mask")
            original = part._parameters.get(f"{weight}_orig")
            if not name.endswith("_mask") or original is None:
                continue
            acting = nn.Parameter(original.detach() * mask.to(original.dtype))
            for other, other_mask, other_acting in made:
                if other is original and torch.equal(other_mask, mask):
                    acting = other_acting  # layers that share a weight and its mask
            made.append((original, mask, acting))
            part.register_parameter(f"{weight}_orig", nn.Parameter(original.detach().clone()))
            prune.remove(part, weight)
            part.register_parameter(weight, acting)
            masks[f"{prefix}.{weight}" if prefix else weight] = mask
    named = dict(module.named_parameters())
    return {name: mask for name, mask in masks.items() if name in named}


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


def _keep_integers_as_buffers(part: nn.Module) -> None:
    for name, value in list(part.named_parameters(recurse=False)):
        if not value.is_floating_point():
            delattr(part, name)
            part.register_buffer(name, value.detach())
