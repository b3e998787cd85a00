"""Layers of convolutional networks with their derivatives, for K networks on a CPU without autograd.

Images are `(N, K C, H, W)`, the channels of K networks side by side and those of a pixel adjacent in memory. The
operations are those that autograd would run for the `channels_last` kernel, in their order, so that the gradients are
the same bit for bit (`tests/test_convolutional_networks.py`). They are the same up to rounding where a batch has one
example, or a layer gives images of one pixel: the strides of such images do not tell torch which order in memory they
have. They take less time: ReLU and its derivative change their inputs in place, and no graph is built and walked.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.trainables.stack.layers import Tensors, kernels_side_by_side

#: What a layer keeps for its derivatives.
Kept = tuple[Any, ...]

_aten = torch.ops.aten


class ImageLayer(Protocol):
    """A layer.

    Attributes:
        parameters: full names of its parameters.
    """

    parameters: tuple[str, ...]

    def outputs(self, tensors: Tensors, images: Tensor) -> tuple[Tensor, Kept]:
        """Return the outputs `(N, K C', H', W')` and what `backward` needs; tensors `(K, *shape)` are by full names."""
        ...

    def backward(
        self, grad_outputs: Tensor, kept: Kept, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """Return the gradient of a number with respect to the inputs, and store the parameters' gradients.

        Args:
            grad_outputs: the gradient with respect to the outputs, in their order in memory; may be changed.
            kept: what `outputs` gave.
            gradients: the place for the gradients with respect to the parameters `(K, *shape)`, by their full names.
            needs_input_grad: False if the gradient with respect to the inputs may be left out.
        """
        ...


class Convolution:
    """K convolutions."""

    def __init__(self, layer: nn.Conv2d, names: Mapping[str, str]) -> None:
        self.layer = layer
        self.weight = names["weight"]
        self.bias = names.get("bias")
        self.parameters = tuple(names.values())

    def outputs(self, tensors: Tensors, images: Tensor) -> tuple[Tensor, Kept]:
        """As `ImageLayer.outputs`."""
        layer = self.layer
        weights = tensors[self.weight]
        kernels = kernels_side_by_side(weights)
        bias = None if self.bias is None else tensors[self.bias].flatten()
        groups = len(weights) * layer.groups
        outputs = functional.conv2d(images, kernels, bias, layer.stride, layer.padding, layer.dilation, groups)
        return outputs, (images, kernels)

    def backward(
        self, grad_outputs: Tensor, kept: Kept, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """As `ImageLayer.backward`."""
        layer = self.layer
        images, kernels = kept
        networks = len(kernels) // layer.out_channels
        grad_images, grad_kernels, grad_bias = _aten.convolution_backward.default(
            grad_outputs,
            images,
            kernels,
            [len(kernels)],
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            networks * layer.groups,
            [needs_input_grad, True, self.bias is not None],
        )
        gradients[self.weight] = grad_kernels.unflatten(0, (networks, -1))
        if self.bias is not None:
            gradients[self.bias] = grad_bias.view(networks, -1)
        return grad_images


class BatchNorm:
    """K normalizations by the statistics of the batch; running ones change in place."""

    def __init__(self, layer: nn.BatchNorm2d, names: Mapping[str, str]) -> None:
        self.layer = layer
        self.names = names
        self.parameters = tuple(names[name] for name in ("weight", "bias") if name in names)

    def outputs(self, tensors: Tensors, images: Tensor) -> tuple[Tensor, Kept]:
        """As `ImageLayer.outputs`.

        Raises:
            ValueError: a channel has a single value, or `eps` is not positive; as `nn.BatchNorm2d` in training.
        """
        own = {name: tensors[full] for name, full in self.names.items()}
        flat = {name: tensor.flatten() for name, tensor in own.items()}
        weight, bias = flat.get("weight"), flat.get("bias")
        running = flat.get("running_mean"), flat.get("running_var")
        momentum, eps = self.layer.momentum, self.layer.eps
        assert momentum is not None
        if images.numel() == images.shape[1] or eps <= 0:
            functional.batch_norm(images, None, None, training=True, eps=eps)  # raises; the native function goes on
        outputs, *statistics = torch.native_batch_norm(images, weight, bias, *running, True, momentum, eps)
        for name in ("running_mean", "running_var"):
            if name in own:
                own[name].copy_(flat[name].view(own[name].shape))
        return outputs, (images, weight, *running, *statistics)

    def backward(
        self, grad_outputs: Tensor, kept: Kept, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """As `ImageLayer.backward`."""
        has_weight = bool(self.parameters)
        grad_images, grad_weight, grad_bias = _aten.native_batch_norm_backward.default(
            grad_outputs, *kept, True, self.layer.eps, [True, has_weight, has_weight]
        )
        if has_weight:
            gradients[self.names["weight"]] = grad_weight.view(-1, self.layer.num_features)
            gradients[self.names["bias"]] = grad_bias.view(-1, self.layer.num_features)
        return grad_images


class Relu:
    """ReLU, in place: the layer before must not need its outputs."""

    parameters: tuple[str, ...] = ()

    def outputs(self, tensors: Tensors, images: Tensor) -> tuple[Tensor, Kept]:
        """As `ImageLayer.outputs`."""
        return images.relu_(), (images,)

    def backward(
        self, grad_outputs: Tensor, kept: Kept, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """As `ImageLayer.backward`."""
        return _aten.threshold_backward.grad_input(grad_outputs, kept[0], 0, grad_input=grad_outputs)


class MaxPool:
    """Maxima of neighboring pixels."""

    parameters: tuple[str, ...] = ()

    def __init__(self, layer: nn.MaxPool2d) -> None:
        numbers = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        self.settings = (*map(_pair, numbers), layer.ceil_mode)

    def outputs(self, tensors: Tensors, images: Tensor) -> tuple[Tensor, Kept]:
        """As `ImageLayer.outputs`."""
        outputs, places = _aten.max_pool2d_with_indices.default(images, *self.settings)
        return outputs, (images, places)

    def backward(
        self, grad_outputs: Tensor, kept: Kept, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """As `ImageLayer.backward`."""
        images, places = kept
        return _aten.max_pool2d_with_indices_backward.default(grad_outputs, images, *self.settings, places)


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
