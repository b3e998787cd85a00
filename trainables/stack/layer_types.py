"""The layer types that the package knows: one entry each, with every fact that depends on the type of a layer.

Add a layer type with one entry in `LAYER_TYPES` (a module made of other modules: in `CONTAINERS`) and an example in
`tests/test_layer_types.py`, which checks each fact of the entry against torch. Everything else asks `layer_type`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

import torch
from torch import Tensor, nn

from benevolent.trainables.models.modules import (
    Branches,
    FixedSigns,
    Noise,
    PatternDetector,
    RandomFeatures,
    Residual,
    Shift,
    ZeroPadShortcut,
)
from benevolent.trainables.stack import layers, path_sums
from benevolent.trainables.stack.layers import BatchedFunction
from benevolent.trainables.stack.own_code import computes_the_same, is_changed
from benevolent.trainables.stack.path_sums import PathRule


@dataclass(frozen=True)
class LayerType:
    """Facts about one type of layer; the defaults claim nothing.

    Attributes:
        batched: the forward pass of K networks at once; None: networks with such a layer train by `vmap` or `loop`.
        settings_batched: True for the layers whose settings the batched function covers.
        stored_weights: the batched function takes the stored form of its tensors (see `ParameterLayout`) instead of
            `(K, *shape)`.
        weights: the layer applies its `weight` to inputs as a `matrix` or as a convolution `kernel`; None: otherwise,
            or it has no weights.
        weight_parts: parts of the weight, of equal size, whose rows are not exchangeable with those of other parts.
        identity_weights: the weights are fixed at the identity, so that the layer has a bias only.
        homogeneous: f(a x) = a f(x) for all a > 0, leaving a bias out.
        affine_given_relus: affine in its inputs, in eval mode, once it is known which ReLUs are on.
        random: draws random numbers in training.
        absorbs_batch_norm: a BatchNorm layer that follows can be folded into the weights.
        paths: how sums over paths run through the layer (see `path_sums`); None: not known.
    """

    batched: BatchedFunction | None = None
    settings_batched: Callable[[Any], bool] = lambda layer: True
    stored_weights: bool = False
    weights: Literal["matrix", "kernel"] | None = None
    weight_parts: int = 1
    identity_weights: bool = False
    homogeneous: bool = False
    affine_given_relus: bool = False
    random: bool = False
    absorbs_batch_norm: bool = False
    paths: PathRule | None = None


def pads_with_zeros(layer: nn.Conv2d) -> bool:
    """Return True if a convolution pads with zeros, as many as it names."""
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _averages_with_momentum(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> bool:
    return layer.momentum is not None


def _returns_maxima_only(layer: nn.MaxPool2d) -> bool:
    return not layer.return_indices


def flattens_everything(layer: nn.Flatten) -> bool:
    """Return True if each example becomes one vector."""
    return layer.start_dim == 1 and layer.end_dim == -1


def _unflattens_features(layer: nn.Unflatten) -> bool:
    return isinstance(layer.dim, int) and layer.dim >= 1


#: Layers that multiply inputs by a weight.
_LINEAR = LayerType(homogeneous=True, affine_given_relus=True, absorbs_batch_norm=True)
#: Layers that paths pass through unchanged.
_UNCHANGED = LayerType(homogeneous=True, affine_given_relus=True, paths=path_sums.UNCHANGED)
#: Means over pixels.
_MEAN = LayerType(batched=layers.channelwise, homogeneous=True, affine_given_relus=True)
#: Matrices.
_MATRIX = replace(
    _LINEAR,
    batched=layers.linear,
    stored_weights=True,
    weights="matrix",
    paths=path_sums.WEIGHTED,
)
_BATCH_NORM = LayerType(batched=layers.batch_norm, settings_batched=_averages_with_momentum)

LAYER_TYPES: dict[type[nn.Module], LayerType] = {
    # Layers with weights.
    nn.Linear: _MATRIX,
    FixedSigns: replace(_MATRIX, absorbs_batch_norm=False),
    nn.Conv2d: replace(
        _LINEAR,
        batched=layers.conv2d,
        settings_batched=pads_with_zeros,
        weights="kernel",
        paths=path_sums.CONVOLVED,
    ),
    nn.Conv1d: LayerType(absorbs_batch_norm=True),
    nn.Conv3d: LayerType(absorbs_batch_norm=True),
    Shift: LayerType(batched=layers.shift, identity_weights=True, affine_given_relus=True),
    PatternDetector: LayerType(batched=layers.pattern_detector, stored_weights=True, weight_parts=2),
    RandomFeatures: LayerType(batched=layers.random_features, stored_weights=True),
    # Normalization and randomness.
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.LocalResponseNorm: LayerType(batched=layers.local_response_norm),
    nn.Dropout: replace(_UNCHANGED, batched=layers.dropout, random=True),
    Noise: replace(_UNCHANGED, batched=layers.noise, random=True),
    # Activations.
    nn.ReLU: replace(_UNCHANGED, batched=layers.elementwise),
    nn.LeakyReLU: LayerType(batched=layers.elementwise, homogeneous=True),
    nn.Tanh: LayerType(batched=layers.elementwise),
    nn.Sigmoid: LayerType(batched=layers.elementwise),
    nn.GELU: LayerType(batched=layers.elementwise),
    # Pooling.
    nn.MaxPool2d: LayerType(
        batched=layers.channelwise,
        settings_batched=_returns_maxima_only,
        homogeneous=True,
        paths=path_sums.MAX_POOLED,
    ),
    nn.AvgPool2d: replace(_MEAN, paths=path_sums.MEAN_POOLED),
    nn.AdaptiveAvgPool2d: replace(_MEAN, paths=path_sums.MEAN_OF_ALL),
    # Layers that move numbers, or add zeros.
    nn.Identity: replace(_UNCHANGED, batched=layers.elementwise),
    nn.Flatten: replace(_UNCHANGED, batched=layers.flatten, settings_batched=flattens_everything),
    nn.Unflatten: replace(_UNCHANGED, batched=layers.samplewise, settings_batched=_unflattens_features),
    nn.ZeroPad2d: replace(_UNCHANGED, batched=layers.channelwise),
    ZeroPadShortcut: replace(_UNCHANGED, batched=layers.strided),
}

Children = Mapping[str, Callable[[Tensor], Tensor]]


def _add_shortcut(children: Children, inputs: Tensor) -> Tensor:
    return children["body"](inputs) + children["shortcut"](inputs)


def _join_channels(children: Children, inputs: Tensor) -> Tensor:
    outputs = [child(inputs) for child in children.values()]
    if outputs[0].dim() != 5 or outputs[0].is_contiguous():
        return torch.cat(outputs, 2)
    channels_last = [one.permute(1, 3, 4, 0, 2) for one in outputs]
    return torch.cat(channels_last, 4).permute(3, 0, 4, 1, 2)


#: Modules made of other modules besides `nn.Sequential`: the outputs `(K, N, ...)` that they compute by their children.
CONTAINERS: dict[type[nn.Module], Callable[[Children, Tensor], Tensor]] = {
    Residual: _add_shortcut,
    Branches: _join_channels,
}

UNKNOWN = LayerType()

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


def layer_type(layer: nn.Module) -> LayerType:
    """Return the facts about a layer.

    A subclass of a known type that changes nothing of it but how it is made has the same facts, except that it has no
    batched function. Nothing is known about a layer with hooks, or with a forward pass of its own.

    >>> layer_type(nn.MaxPool2d(2)).homogeneous, layer_type(nn.Tanh()).homogeneous
    (True, False)
    """
    kind = type(layer)
    if is_changed(layer):
        return UNKNOWN
    if kind in LAYER_TYPES:
        return LAYER_TYPES[kind]
    for base in kind.__mro__:
        if base in LAYER_TYPES and computes_the_same(kind, base):
            return replace(LAYER_TYPES[base], batched=None)
    return UNKNOWN


def is_sequence(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Return True for `nn.Sequential`, and for subclasses that change nothing but how it is made, without hooks."""
    same = isinstance(module, nn.Sequential) and computes_the_same(type(module), nn.Sequential)
    return same and not is_changed(module)


def is_batch_norm(layer: nn.Module) -> TypeGuard[BatchNorm]:
    """Return True for BatchNorm layers, including subclasses that change the forward pass."""
    return isinstance(layer, BatchNorm)


def draws_random_numbers(layer: nn.Module) -> bool:
    """Return True for layers that draw random numbers in training: known ones, and anything called dropout."""
    return layer_type(layer).random or "Dropout" in type(layer).__name__
