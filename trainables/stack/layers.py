"""Layers in explicitly batched form: K networks at once, activations `(K, N, ...)`, parameters `(K, ...)`.

`trainables.stack.layer_types` says which layer uses which function. A module made of such layers trains K networks in
one program (`trainables.stack.batched_module`); `benchmarks/stacking.py` compares that with vmap and a serial loop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.trainables.models.modules import Noise, PatternDetector, RandomFeatures, Shift
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.parameter_layout import ALIGNED

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Mode:
    """How networks are run.

    Attributes:
        training: as in `nn.Module.train`.
        draws: where the layers that draw random numbers in training take them from; without it, from torch's own
            generator, as a plain module does.
        convolution: K convolutions as one `grouped` convolution; the same with the channels of a pixel beside each
            other in memory (`channels_last`); or as `matmul` of unfolded inputs.
        dropout: the rate of each network `(K,)`, in place of what its layers say.
    """

    training: bool = False
    draws: StackGenerator | None = None
    convolution: Literal["grouped", "channels_last", "matmul"] = "grouped"
    dropout: Tensor | None = None


#: Networks as they are used: in eval mode.
EVAL = Mode()

#: `(layer, its tensors by name, inputs (K, N, ...), mode) -> outputs (K, N, ...)`.
BatchedFunction = Callable[[Any, Tensors, Tensor, Mode], Tensor]


def linear(layer: nn.Linear, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K affine maps: `(K, N, in)` -> `(K, N, out)`; weights and biases come in their stored form."""
    if layer.in_features == 1:  # products of vectors: their last bits would depend on the place in the stack
        outputs = inputs * own["weight"]
        outputs = outputs + own["bias"].unsqueeze(1) if "bias" in own else outputs
    elif "bias" in own:
        outputs = torch.baddbmm(own["bias"].unsqueeze(1), inputs, own["weight"])
    else:
        outputs = torch.bmm(inputs, own["weight"])
    return outputs[..., : layer.out_features] if outputs.shape[-1] != layer.out_features else outputs


def conv2d(layer: nn.Conv2d, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K convolutions: `(K, N, C, H, W)` -> `(K, N, C', H', W')`."""
    if mode.convolution == "matmul" and layer.groups == 1:
        return _unfolded(layer, own, inputs)
    images, weights, stride = beside(inputs), own["weight"].flatten(0, 1), layer.stride
    if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        # The same numbers. With a stride, and 3 to 5 channels last in memory, torch 2.14 on a CPU corrupts memory
        # on the way back.
        images, stride = images[..., :: layer.stride[0], :: layer.stride[1]], (1, 1)
    if mode.convolution == "channels_last":
        images, weights = (one.contiguous(memory_format=torch.channels_last) for one in (images, weights))
    outputs = functional.conv2d(
        images,
        weights,
        own["bias"].flatten() if "bias" in own else None,
        stride,
        layer.padding,
        layer.dilation,
        len(inputs) * layer.groups,
    )
    return apart(outputs, len(inputs))


def _unfolded(layer: Any, own: Tensors, inputs: Tensor) -> Tensor:
    stack, samples, *_, height, width = inputs.shape
    folding = (layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    columns = functional.unfold(inputs.flatten(0, 1), *folding).unflatten(0, (stack, samples))
    outputs = own["weight"].flatten(2).unsqueeze(1) @ columns
    if "bias" in own:
        outputs = outputs + own["bias"].view(stack, 1, -1, 1)
    reach = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    sides = [
        (side + 2 * pad - field) // step + 1
        for side, pad, field, step in zip((height, width), layer.padding, reach, layer.stride, strict=True)
    ]
    return outputs.unflatten(3, sides)


def beside(inputs: Tensor) -> Tensor:
    """Channels of K networks beside each other: `(K, N, C, ...)` -> `(N, K C, ...)`."""
    return inputs[0] if len(inputs) == 1 else inputs.transpose(0, 1).flatten(1, 2)  # two operations less per layer


def apart(outputs: Tensor, stack: int) -> Tensor:
    """The inverse of `beside`."""
    return outputs.unsqueeze(0) if stack == 1 else outputs.unflatten(1, (stack, -1)).transpose(0, 1)


def flatten(layer: nn.Flatten, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """All axes of a sample into one: `(K, N, ...)` -> `(K, N, D)`."""
    return inputs.flatten(2)


def elementwise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """A layer without parameters that acts on a stack as on one network."""
    return layer(inputs)


def channelwise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """A layer without parameters that acts on each channel by itself, such as pooling: `(K, N, C, H, W)`."""
    return apart(layer(beside(inputs)), len(inputs))


def samplewise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """A layer without parameters that acts on each sample by itself: `(K, N, ...)`."""
    return layer(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])


def batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K normalizations `(K, N, C, ...)`, each by its own statistics; in training the running ones change in place."""
    features, gap = inputs.shape[2], 0
    if inputs.dim() == 3:  # what keeps the last bits independent of the stack: alignment, and one order of summation
        gap = -features % ALIGNED
        if inputs.requires_grad:
            inputs.register_hook(Tensor.contiguous)

    def flat(name: str) -> Tensor | None:
        return functional.pad(own[name], (0, gap)).flatten() if name in own else None

    mean, variance = flat("running_mean"), flat("running_var")
    outputs = functional.batch_norm(
        beside(functional.pad(inputs, (0, gap)) if gap else inputs),
        mean,
        variance,
        flat("weight"),
        flat("bias"),
        mode.training or mean is None,
        layer.momentum,  # type: ignore[arg-type]
        layer.eps,
    )
    if mode.training:
        for name, value in (("running_mean", mean), ("running_var", variance)):
            if value is not None:
                own[name].copy_(value.view(len(inputs), -1)[:, :features])
    outputs = apart(outputs, len(inputs))
    return outputs[..., :features] if gap else outputs


def dropout(layer: nn.Dropout, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Each number is zero with probability p, else divided by 1 - p; in eval mode nothing is done."""
    if not mode.training or not layer.p:
        return inputs
    rates = torch.tensor([layer.p], dtype=torch.float64, device=inputs.device) if mode.dropout is None else mode.dropout
    rates = rates.view(-1, *[1] * (inputs.dim() - 1))
    kept = drawn(mode, "uniform", inputs, *inputs.shape[1:]) >= rates.to(inputs.dtype)
    return inputs * kept.to(inputs.dtype).div_((1 - rates).clamp(min=1e-9).to(inputs.dtype))  # at 1 nothing is kept


def noise(layer: Noise, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """As `Noise`, from each run's own draws."""
    if not mode.training:
        return inputs
    features, numbers = (1, inputs.shape[2], *[1] * (inputs.dim() - 3)), inputs.shape[1:]
    return layer.disturb(
        inputs,
        drawn(mode, "uniform", inputs, *features),
        drawn(mode, "uniform", inputs, *features),
        drawn(mode, "uniform", inputs, *numbers),
        drawn(mode, "normal", inputs, *numbers),
    )


def drawn(mode: Mode, kind: Literal["uniform", "normal"], like: Tensor, *shape: int) -> Tensor:
    """Random numbers `(K, *shape)` for K networks whose activations are `like`."""
    if mode.draws is None:
        draw = torch.rand if kind == "uniform" else torch.randn
        return draw(len(like), *shape, dtype=like.dtype, device=like.device)
    return (mode.draws.uniform if kind == "uniform" else mode.draws.normal)(*shape).to(like.dtype)


def shift(layer: Shift, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K biases `(K, D)` added to inputs `(K, N, D)`."""
    return inputs + own["bias"].unsqueeze(1)


def pattern_detector(layer: PatternDetector, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K detectors in patterns `(K, N, d, size)` -> `(K, N, 1)`; weights come in their stored form."""
    products = torch.bmm(inputs.flatten(1, 2), own["weight"])[..., : len(layer.weight)]
    return layer.signed(products.unflatten(1, inputs.shape[1:3]))


def random_features(layer: RandomFeatures, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K sets of features `(K, N, size)` -> `(K, N, 2 frequencies)`; weights come in their stored form."""
    return layer.waves(torch.bmm(inputs, own["weight"])[..., : len(layer.weight)])
