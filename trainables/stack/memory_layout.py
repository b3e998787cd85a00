"""Order in memory of the activations of K networks, and of their gradients."""

import torch
from torch import Tensor


def with_layout_kept(inputs: Tensor) -> Tensor:
    """Return the inputs; on a CPU their gradient will be laid out in memory as they are.

    The layers before read both at once: with the channels last in one of them only, ReLU and BatchNorm take 5 to 40
    times as long in the backward pass. A compiler chooses layouts by itself.

    >>> images = torch.zeros(1, 3, 2, 2).to(memory_format=torch.channels_last).requires_grad_()
    >>> (gradient,) = torch.autograd.grad(with_layout_kept(images).flatten(1).sum(), images)
    >>> gradient.is_contiguous(memory_format=torch.channels_last)
    True
    """
    if not inputs.requires_grad or inputs.device.type != "cpu" or torch.compiler.is_compiling():
        return inputs
    strides = inputs.stride()
    own = inputs.view_as(inputs)  # gradients of several uses are added up after they are laid out
    laid_out = inputs.detach()

    def copied(gradient: Tensor) -> Tensor:
        return gradient if gradient.stride() == strides else torch.empty_like(laid_out).copy_(gradient)

    own.register_hook(copied)
    return own


def side_by_side(inputs: Tensor) -> Tensor:
    """Put the channels of K networks side by side: `(K, N, C, ...)` -> `(N, K C, ...)`.

    >>> side_by_side(torch.zeros(2, 5, 3, 8, 8)).shape
    torch.Size([5, 6, 8, 8])
    """
    if len(inputs) == 1:  # two operations less per layer, and no copy of the gradient, as `inputs[0]` would make
        return inputs.squeeze(0)
    return inputs.transpose(0, 1).flatten(1, 2)


def channels_last(inputs: Tensor) -> Tensor:
    """Return what `side_by_side` does of images, with the channels of a pixel adjacent in memory: one copy at most.

    >>> channels_last(torch.zeros(2, 5, 3, 8, 8)).is_contiguous(memory_format=torch.channels_last)
    True
    """
    pixels = inputs.permute(1, 3, 4, 0, 2).flatten(3)
    images = pixels.permute(0, 3, 1, 2)
    if images.shape[1] == 1 and not images.requires_grad:
        return _single_channel_last(images)
    return images


def _single_channel_last(images: Tensor) -> Tensor:
    """Return images of one channel with the strides that tell torch to compute a convolution with channels last."""
    samples, _, height, width = images.shape
    whole = images.contiguous()
    return whole.as_strided((samples, 1, height, width), (height * width, 1, width, 1))


def per_network(outputs: Tensor, stack: int) -> Tensor:
    """Undo `side_by_side`: `(N, K C, ...)` -> `(K, N, C, ...)`."""
    if stack == 1:
        return outputs.unsqueeze(0)
    return outputs.unflatten(1, (stack, -1)).transpose(0, 1)
