"""Products of layers with weights for K networks, written out for derivatives: `(K, N, ...)` all through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input, conv2d_weight

#: Up to this many channels of the images, a convolution's slopes by them are computed by products of matrices.
FEW_CHANNELS = 3


class LinearMap(Protocol):
    """A product that is linear in the weights and in the inputs, for each of K networks.

    With `onto`, a result is added to that tensor in place.
    """

    def forward(self, weights: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """Return the outputs."""

    def backward(self, weights: Tensor, slopes: Tensor, onto: Tensor | None = None) -> Tensor:
        """Return the slopes by the inputs, given those by the outputs."""

    def weight_slopes(self, slopes: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """Return the slopes by the weights, given those by the outputs."""

    def bias_slopes(self, slopes: Tensor) -> Tensor:
        """Return the slopes by the bias, given those by the outputs."""

    def broadcast(self, bias: Tensor) -> Tensor:
        """Return a bias in a shape that can be added to the outputs."""


class DenseMap:
    """The map of `nn.Linear`: inputs `(K, N, in)`, weights `(K, out, in)`."""

    def forward(self, weights: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""
        return _product(inputs, weights.mT, onto)

    def backward(self, weights: Tensor, slopes: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""
        return _product(slopes, weights, onto)

    def weight_slopes(self, slopes: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""
        return _product(slopes.mT, inputs, onto)

    def bias_slopes(self, slopes: Tensor) -> Tensor:
        """See `LinearMap`."""
        return slopes.sum(1)

    def broadcast(self, bias: Tensor) -> Tensor:
        """See `LinearMap`."""
        return bias.unsqueeze(1)


@dataclass(frozen=True)
class ConvolutionMap:
    """The map of a convolution, one network after another; a pixel's channels are adjacent in memory, which is faster.

    Attributes:
        layer: for its settings.
        image: shape `(C, H, W)` of an input.
    """

    layer: nn.Conv2d
    image: tuple[int, ...]

    def forward(self, weights: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""

        def convolve(weight: Tensor, images: Tensor) -> Tensor:
            return adjacent_channels(
                functional.conv2d(adjacent_channels(images), adjacent_channels(weight), None, *self._settings)
            )

        return _sum(_each(convolve, weights, inputs), onto)

    def backward(self, weights: Tensor, slopes: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""

        def pull(weight: Tensor, slope: Tensor) -> Tensor:
            if self._has_few_channels:
                columns = weight.flatten(1).mT @ slope.flatten(2)
                return functional.fold(columns, self.image[1:], *self._window)
            shape = (len(slope), *self.image)
            return conv2d_input(shape, adjacent_channels(weight), adjacent_channels(slope), *self._settings)

        return _sum(_each(pull, weights, slopes), onto)

    def weight_slopes(self, slopes: Tensor, inputs: Tensor, onto: Tensor | None = None) -> Tensor:
        """See `LinearMap`."""
        shape = tuple(self.layer.weight.shape)

        def pull(slope: Tensor, images: Tensor) -> Tensor:
            return conv2d_weight(adjacent_channels(images), shape, adjacent_channels(slope), *self._settings)

        return _sum(_each(pull, slopes, inputs), onto)

    def bias_slopes(self, slopes: Tensor) -> Tensor:
        """See `LinearMap`."""
        return slopes.sum((1, 3, 4))

    def broadcast(self, bias: Tensor) -> Tensor:
        """See `LinearMap`."""
        return bias[:, None, :, None, None]

    @property
    def _has_few_channels(self) -> bool:
        """True where products of matrices are faster than the library's gradient by the inputs."""
        return self.image[0] <= FEW_CHANNELS and self.layer.groups == 1

    @property
    def _window(self) -> tuple[Any, ...]:
        layer = self.layer
        return layer.kernel_size, layer.dilation, layer.padding, layer.stride

    @property
    def _settings(self) -> tuple[Any, ...]:
        return self.layer.stride, self.layer.padding, self.layer.dilation, self.layer.groups


def _product(first: Tensor, second: Tensor, onto: Tensor | None) -> Tensor:
    return torch.bmm(first, second) if onto is None else onto.baddbmm_(first, second)


def _sum(value: Tensor, onto: Tensor | None) -> Tensor:
    return value if onto is None else onto.add_(value)


def _each(function: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Return the results of K networks `(K, ...)`; of one alone without a copy."""
    results = [function(one, other) for one, other in zip(first, second, strict=True)]
    return results[0].unsqueeze(0) if len(results) == 1 else torch.stack(results)


def adjacent_channels(images: Tensor) -> Tensor:
    """Return images `(N, C, H, W)`, or kernels, with the channels of a pixel adjacent in memory."""
    return images.contiguous(memory_format=torch.channels_last)
