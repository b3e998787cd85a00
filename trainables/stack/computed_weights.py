"""Weights that a layer computes from other tensors: by a parametrization, or by a hook of `torch.nn.utils`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod, PruningContainer
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.module_calls import copied, load_tensors, named_tensors

#: Evaluations in training after which power iterations have settled: as many as the constructor of torch's own
#: spectral norm makes.
SETTLING = 15
_PARAMETRIZATIONS = "parametrizations"


@dataclass(frozen=True)
class ComputedWeight:
    """A weight or bias that is no parameter, but computed from some.

    Attributes:
        layer: name of the layer that it acts in.
        local_name: its attribute there, such as `weight`.
        sources: names of the parameters that it is computed from.
    """

    layer: str
    local_name: str
    sources: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in the module."""
        return _joined(self.layer, self.local_name)

    def value(self, module: nn.Module) -> Tensor:
        """Return what it is now."""
        layer = module.get_submodule(self.layer)
        hook = _hook_of(layer, self.local_name)
        if isinstance(hook, WeightNorm):
            return hook.compute_weight(layer)
        if isinstance(hook, SpectralNorm):
            return hook.compute_weight(layer, do_power_iteration=layer.training)
        if hook is not None:
            return hook.apply_mask(layer)
        value: Tensor = getattr(layer, self.local_name)
        return value

    def assign(self, module: nn.Module, value: Tensor) -> None:
        """Change the sources so that they stand for a value, or for what is nearest to it.

        A parametrization without `right_inverse` gets the value itself as its source, if the shape fits; its sources
        stay as they are otherwise.
        """
        layer = module.get_submodule(self.layer)
        hook = _hook_of(layer, self.local_name)
        sources = [module.get_parameter(name) for name in self.sources]
        if isinstance(hook, WeightNorm):
            getattr(layer, f"{self.local_name}_g").data = torch.norm_except_dim(value, 2, hook.dim)
            getattr(layer, f"{self.local_name}_v").data = value.clone()
        elif hook is not None:
            sources[0].data = value.clone()
        else:
            try:
                setattr(layer, self.local_name, value)
            except Exception:  # whatever a user's `right_inverse` raises where there is no inverse
                if len(sources) == 1 and sources[0].shape == value.shape:
                    sources[0].data = value.clone()


def computed_weights(module: nn.Module) -> list[ComputedWeight]:
    """Return the weights and biases that a module computes.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> [weight.name for weight in computed_weights(layer)], computed_weights(nn.Linear(2, 3))
    (['weight'], [])
    """
    found = []
    for layer_name, layer in module.named_modules():
        if parametrize.is_parametrized(layer):
            for name, chain in layer.parametrizations.items():
                prefix = _joined(layer_name, f"{_PARAMETRIZATIONS}.{name}")
                sources = [f"{prefix}.{source}" for source, _ in chain.named_parameters(recurse=False)]
                found.append(ComputedWeight(layer_name, name, tuple(sources)))
        for hook in weight_hooks(layer):
            name = _hooked_name(hook)
            ends = ("_g", "_v") if isinstance(hook, WeightNorm) else ("_orig",)
            found.append(ComputedWeight(layer_name, name, tuple(_joined(layer_name, f"{name}{end}") for end in ends)))
    return found


def owner(tensor_name: str) -> str:
    """Return the name of the layer that a tensor belongs to; what a weight is computed from belongs to the weight's.

    >>> owner("body.0.weight"), owner("body.0.parametrizations.weight.original0"), owner("bias")
    ('body.0', 'body.0', '')
    """
    layer = f".{tensor_name}".partition(f".{_PARAMETRIZATIONS}.")[0]
    if layer != f".{tensor_name}":
        return layer[1:]
    return tensor_name.rpartition(".")[0]


def drawn_sources(
    module: nn.Module, drawn: Mapping[str, Tensor], given: Mapping[str, Tensor], kept: Collection[str], torch_seed: int
) -> dict[str, Tensor]:
    """Return the parameters and buffers, in float64, with which a module computes drawn weights.

    Args:
        module: not changed.
        drawn: weights and biases `name -> (...)`, by the names of `computed_weights`; those that are left out stay.
        given: the values of other parameters, such as those of a parametrization's own layers.
        kept: names of the parameters that keep the values of the module.
        torch_seed: for parametrizations that draw random numbers.

    Raises:
        BadInput: a parametrization cannot stand for what is drawn.
    """
    network = copied(module).double()
    own = dict(module.named_parameters())
    load_tensors(network, given)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)
        for weight in computed_weights(network):
            if weight.name not in drawn:
                continue
            weight.assign(network, drawn[weight.name])
            load_tensors(network, {name: own[name] for name in weight.sources if name in kept})
            _settle(network, weight)
            if not weight.value(network).isfinite().all():
                raise BadInput(f"init: the parametrization of {weight.name!r} cannot stand for the weights drawn")
    return {name: value.detach() for name, value in named_tensors(network).items() if value.is_floating_point()}


def _settle(network: nn.Module, weight: ComputedWeight) -> None:
    """Evaluate a weight as in training, so that what is estimated along the way, such as a norm, belongs to it."""
    layer = network.get_submodule(weight.layer)
    layer.train()
    for _ in range(SETTLING):
        weight.value(network)
    layer.eval()


def weight_hooks(layer: nn.Module) -> list[Any]:
    """Return the hooks that compute weights before each forward pass."""
    kinds = (WeightNorm, SpectralNorm, BasePruningMethod)
    return [hook for hook in layer._forward_pre_hooks.values() if isinstance(hook, kinds)]


def _hook_of(layer: nn.Module, name: str) -> Any:
    """Return the hook that computes a weight; None if it is parametrized."""
    return next((hook for hook in weight_hooks(layer) if _hooked_name(hook) == name), None)


def _hooked_name(hook: Any) -> str:
    name: str = hook._tensor_name if isinstance(hook, BasePruningMethod | PruningContainer) else hook.name
    return name


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name
