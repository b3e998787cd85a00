"""Layers in explicitly batched form: K networks at once, activations `(K, N, ...)`, parameters `(K, ...)`.

`trainables.stack.layer_types` says which layer uses which function. A module made of such layers trains K networks in
one program (`trainables.stack.batched_module`); `benchmarks/stacking.py` compares that with vmap and a serial loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.trainables.models.modules import Noise, PatternDetector, RandomFeatures, Shift
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.memory_layout import channels_last, per_network, side_by_side, with_layout_kept
from benevolent.trainables.stack.parameter_layout import ALIGNED

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Mode:
    """The mode that networks run in.

    Attributes:
        training: as in `nn.Module.train`.
        draws: the random numbers of each network for the layers that need them in training; None: those of torch's own
            generator, as in a plain module.
        convolution: K convolutions as one `grouped` convolution; the same with the channels of a pixel adjacent in
            memory (`channels_last`); or as `matmul` of unfolded inputs.
        dropout: the rate of each network `(K,)`, instead of those of its layers.
        dropout_rates: the same numbers where no device has to be asked for them.
    """

    training: bool = False
    draws: StackGenerator | None = None
    convolution: Literal["grouped", "channels_last", "matmul"] = "grouped"
    dropout: Tensor | None = None
    dropout_rates: Sequence[float] | None = None


#: The mode in which trained networks are used.
EVAL = Mode()

#: `(layer, its tensors by name, inputs (K, N, ...), mode) -> outputs (K, N, ...)`.
BatchedFunction = Callable[[Any, Tensors, Tensor, Mode], Tensor]


def linear(layer: nn.Linear, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K affine maps: `(K, N, in)` -> `(K, N, out)`; weights and biases are in their stored form."""
    if layer.in_features == 1:  # products of vectors: their last bits would depend on the place in the stack
        outputs = inputs * own["weight"]
        if "bias" in own:
            outputs = outputs + own["bias"].unsqueeze(1)
    elif "bias" in own:
        outputs = torch.baddbmm(own["bias"].unsqueeze(1), inputs, own["weight"])
    else:
        outputs = torch.bmm(inputs, own["weight"])
    if outputs.shape[-1] != layer.out_features:
        outputs = outputs[..., : layer.out_features]
    return outputs


def conv2d(layer: nn.Conv2d, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K convolutions: `(K, N, C, H, W)` -> `(K, N, C', H', W')`."""
    if mode.convolution == "matmul" and layer.groups == 1:
        return _unfolded(layer, own, inputs)
    images = channels_last(inputs) if mode.convolution == "channels_last" else side_by_side(inputs)
    images = with_layout_kept(images)
    stride = layer.stride
    if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        # The same result. With a stride, and 3 to 5 channels last in memory, torch 2.14 on a CPU corrupts memory in the
        # backward pass.
        images = images[..., :: layer.stride[0], :: layer.stride[1]]
        stride = (1, 1)
    if mode.convolution == "channels_last":
        images = images.contiguous(memory_format=torch.channels_last)
        weights = kernels_side_by_side(own["weight"])
    else:
        weights = own["weight"].flatten(0, 1)
    bias = own["bias"].flatten() if "bias" in own else None
    groups = len(inputs) * layer.groups
    outputs = functional.conv2d(images, weights, bias, stride, layer.padding, layer.dilation, groups)
    return per_network(outputs, len(inputs))


def kernels_side_by_side(weights: Tensor) -> Tensor:
    """Return weights `(K, C', C, h, w)` as those of one convolution with the channels of a pixel adjacent in memory."""
    return weights.permute(0, 1, 3, 4, 2).flatten(0, 1).permute(0, 3, 1, 2)


def _unfolded(layer: Any, own: Tensors, inputs: Tensor) -> Tensor:
    stack, samples, *_, height, width = inputs.shape
    images = inputs.flatten(0, 1)
    columns = functional.unfold(images, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    weights = own["weight"].flatten(2).unsqueeze(1)
    outputs = weights @ columns.unflatten(0, (stack, samples))
    if "bias" in own:
        outputs = outputs + own["bias"].view(stack, 1, -1, 1)
    output_height = _output_side(layer, 0, height)
    output_width = _output_side(layer, 1, width)
    return outputs.unflatten(3, (output_height, output_width))


def _output_side(layer: nn.Conv2d, axis: int, side: int) -> int:
    """Return the height (axis 0) or width (axis 1) of a convolution's output, from that of its input."""
    gaps = layer.kernel_size[axis] - 1
    field = layer.dilation[axis] * gaps + 1
    padding = int(layer.padding[axis])
    free = side + 2 * padding - field
    return free // layer.stride[axis] + 1


def flatten(layer: nn.Flatten, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Flatten all axes of a sample: `(K, N, ...)` -> `(K, N, D)`."""
    return with_layout_kept(inputs).flatten(2)


def elementwise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run a layer without parameters that acts on each number by itself, or on trailing axes only."""
    return layer(inputs)


def channelwise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run a layer without parameters that acts on each channel by itself, such as pooling: `(K, N, C, H, W)`."""
    channels = with_layout_kept(side_by_side(inputs))
    return per_network(layer(channels), len(inputs))


def strided(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run a layer without parameters that leaves out numbers and adds zeros, as `ZeroPadShortcut` does."""
    return layer(with_layout_kept(inputs))


def samplewise(layer: nn.Module, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run a layer without parameters that acts on each sample by itself: `(K, N, ...)`."""
    outputs = layer(inputs.flatten(0, 1))
    return outputs.unflatten(0, inputs.shape[:2])


def batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K normalizations `(K, N, C, ...)`, each by its own statistics; running ones change in place in training."""
    features = inputs.shape[2]
    gap = 0
    if inputs.dim() == 3:  # alignment and one order of summation keep the last bits independent of the stack
        gap = -features % ALIGNED
        if inputs.requires_grad:
            inputs.register_hook(Tensor.contiguous)

    def flat(name: str) -> Tensor | None:
        if name not in own:
            return None
        return functional.pad(own[name], (0, gap)).flatten()

    mean = flat("running_mean")
    variance = flat("running_var")
    padded = functional.pad(inputs, (0, gap)) if gap else inputs
    channels = side_by_side(padded)
    weight = flat("weight")
    bias = flat("bias")
    by_batch = mode.training or mean is None
    momentum: float = layer.momentum  # type: ignore[assignment]
    outputs = functional.batch_norm(channels, mean, variance, weight, bias, by_batch, momentum, layer.eps)
    if mode.training:
        for name, value in (("running_mean", mean), ("running_var", variance)):
            if value is not None:
                updated = value.view(len(inputs), -1)
                own[name].copy_(updated[:, :features])
    outputs = per_network(outputs, len(inputs))
    return outputs[..., :features] if gap else outputs


def local_response_norm(layer: nn.LocalResponseNorm, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run `nn.LocalResponseNorm` on `(K, N, C, ...)`; means over neighboring channels are one matrix product.

    On a CPU that takes a third of the time of torch's own layer, which pools in three dimensions.
    """
    place = torch.arange(inputs.shape[2], device=inputs.device)
    distance = place.unsqueeze(1) - place
    is_near = (distance <= layer.size // 2) & (distance >= -((layer.size - 1) // 2))
    weights = is_near.to(inputs.dtype).div_(layer.size)
    mean_square = inputs.square().movedim(2, -1) @ weights.t()
    scale = mean_square.movedim(-1, 2).mul(layer.alpha).add(layer.k)
    return inputs / scale.pow(layer.beta)


def dropout(layer: nn.Dropout, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Set each number to zero with probability p, and divide it by 1 - p otherwise; do nothing in eval mode."""
    if not mode.training or not layer.p:
        return inputs
    rates = mode.dropout
    if rates is None:
        rates = torch.full((1,), layer.p, dtype=torch.float64, device=inputs.device)
    ones = [1] * (inputs.dim() - 1)
    rates = rates.view(-1, *ones)
    numbers = inputs.shape[1:]
    kept = drawn(mode, "uniform", inputs, *numbers) >= rates.to(inputs.dtype)
    kept_fraction = (1 - rates).clamp(min=1e-9).to(inputs.dtype)  # at a rate of 1 nothing is kept, and nothing divided
    return inputs * kept.to(inputs.dtype).div_(kept_fraction)


def noise(layer: Noise, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Run `Noise` on each run's own draws."""
    if not mode.training:
        return inputs
    ones = [1] * (inputs.dim() - 3)
    features = (1, inputs.shape[2], *ones)
    numbers = inputs.shape[1:]
    mean = drawn(mode, "uniform", inputs, *features)
    spread = drawn(mode, "uniform", inputs, *features)
    uniform = drawn(mode, "uniform", inputs, *numbers)
    normal = drawn(mode, "normal", inputs, *numbers)
    return layer.disturb(inputs, mean, spread, uniform, normal)


def drawn(mode: Mode, kind: Literal["uniform", "normal"], like: Tensor, *shape: int) -> Tensor:
    """Draw random numbers `(K, *shape)` for K networks, of the type and on the device of `like` `(K, ...)`."""
    if mode.draws is None:
        draw = torch.rand if kind == "uniform" else torch.randn
        return draw(len(like), *shape, dtype=like.dtype, device=like.device)
    draw_each = mode.draws.uniform if kind == "uniform" else mode.draws.normal
    return draw_each(*shape).to(like.dtype)


def shift(layer: Shift, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """Add K biases `(K, D)` to inputs `(K, N, D)`."""
    return inputs + own["bias"].unsqueeze(1)


def pattern_detector(layer: PatternDetector, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K detectors of patterns: `(K, N, d, size)` -> `(K, N, 1)`; weights are in their stored form."""
    patterns = inputs.flatten(1, 2)
    products = _products(patterns, own["weight"], len(layer.weight))
    return layer.signed(products.unflatten(1, inputs.shape[1:3]))


def random_features(layer: RandomFeatures, own: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
    """K sets of features: `(K, N, size)` -> `(K, N, 2 frequencies)`; weights are in their stored form."""
    return layer.waves(_products(inputs, own["weight"], len(layer.weight)))


def _products(inputs: Tensor, stored_weights: Tensor, units: int) -> Tensor:
    """Multiply inputs `(K, N, in)` by weights in their stored form, and leave out the columns that align them."""
    return torch.bmm(inputs, stored_weights)[..., :units]
