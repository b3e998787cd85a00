"""Plain copies of modules: their parameters are the weights that act, whatever computes these weights."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.wrappers import unwrapped
from benevolent.trainables.stack.computed_weights import computed_weights, weight_hooks
from benevolent.trainables.stack.module_calls import copied, load_tensors, named_tensors
from benevolent.trainables.stack.network import Network

#: Precisions that measures compute in; parameters of a lower one are measured as the same values in float32.
PRECISIONS = (torch.float32, torch.float64)


def plain_copy(module: nn.Module, tensors: Mapping[str, Tensor] | None = None) -> tuple[nn.Module, dict[str, Tensor]]:
    """Copy a module in eval mode, with its acting weights as plain parameters, and return the masks of pruned ones.

    A parametrized weight (`torch.nn.utils.parametrizations.weight_norm`, `spectral_norm`, `orthogonal`, a user's own)
    becomes the weight that it stands for, and so does one that a hook computes (`torch.nn.utils.weight_norm`,
    `spectral_norm`, `prune`). Modules that only wrap another one (`torch.compile`, `DataParallel`,
    `DistributedDataParallel`) are left out. Half precision becomes float32, and parameters that are integers, which
    nothing trains, become buffers.

    Args:
        module: not changed.
        tensors: values of its parameters and buffers, by the names that these have without wrappers; its own by
            default.

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
    if tensors:
        plain.to(next(iter(tensors.values())))  # in the precision of the values, and where they are
        load_tensors(plain, tensors)
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
    plain = copied(inner).eval()
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
    for hooks in _hooks(bare):
        hooks.clear()
    return bare


def has_hooks(module: nn.Module) -> bool:
    """Return True if a module or a part of it has hooks of forward or backward passes."""
    return any(_hooks(module))


def _hooks(module: nn.Module) -> Iterator[dict[int, Callable[..., Any]]]:
    """Yield the hooks of forward and backward passes of a module and its parts."""
    for part in module.modules():
        yield from (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)


def _unwrapped(module: nn.Module) -> nn.Module:
    """Return the module that a wrapper calls, which has the same outputs."""
    inner = unwrapped(module)
    if isinstance(inner, torch.jit.ScriptModule):
        raise BadInput(f"{type(inner).__name__}: TorchScript cannot be measured; pass the module it was made from")
    return inner


def plain_stack(
    network: Network, tensors: Mapping[str, Tensor]
) -> tuple[Network, dict[str, Tensor], dict[str, Tensor]]:
    """Rewrite K networks as the same functions whose parameters are the weights that act.

    Args:
        network: the architecture.
        tensors: `name -> (K, ...)`, its parameters and buffers.

    Returns:
        the architecture with plain parameters, where a computed weight counts as trained if one of its sources is; its
        parameters and buffers, `name -> (K, ...)`; and the masks `name -> (K, ...)` of `torch.nn.utils.prune`.
    """
    networks = []
    masks = []
    for row in range(len(next(iter(tensors.values())))):
        plain, own_masks = plain_copy(network.module, {name: value[row] for name, value in tensors.items()})
        networks.append(plain)
        masks.append(own_masks)
    trained = set(network.shapes)
    for weight in computed_weights(network.module):
        if not trained.isdisjoint(weight.sources):
            trained.add(weight.name)
    for name, parameter in networks[0].named_parameters():
        parameter.requires_grad_(name in trained)
    plain_network = network.of_module(networks[0])
    values = [named_tensors(each) for each in networks]
    names = [*plain_network.shapes, *plain_network.buffers.shapes]
    stacked = {name: torch.stack([each[name].detach() for each in values]) for name in names}
    return plain_network, stacked, {name: torch.stack([each[name] for each in masks]) for name in masks[0]}


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
    for hook in weight_hooks(part):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(part, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(part, hook.name)


def _keep_integers_as_buffers(part: nn.Module) -> None:
    for name, value in list(part.named_parameters(recurse=False)):
        if not value.is_floating_point():
            delattr(part, name)
            part.register_buffer(name, value.detach())
