"""Modules that the model families use besides those of torch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.trainables.rng import RandomStream


class Residual(nn.Module):
    """The sum of a body and a shortcut of the same inputs: He et al. 2015, 'Deep residual learning', equation 1.

    >>> Residual(nn.Linear(2, 2), nn.Identity())(torch.zeros(3, 2)).shape
    torch.Size([3, 2])
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs `(N, ...)` to outputs `(N, ...)`; both parts give the same shape."""
        return self.body(inputs) + self.shortcut(inputs)


class Branches(nn.Module):
    """The outputs of several modules on the same inputs, concatenated: Szegedy et al. 2015, figure 2.

    >>> Branches(nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 3, padding=1))(torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5, 6, 8, 8])
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for index, branch in enumerate(branches):
            self.add_module(str(index), branch)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs `(N, C, ...)` to outputs `(N, sum of channels, ...)`; branches agree in the other axes."""
        return torch.cat([branch(inputs) for branch in self.children()], 1)


class ZeroPadShortcut(nn.Module):
    """The shortcut without parameters between sizes (He et al. 2015, section 3.3, option A).

    Takes every `stride`-th pixel and adds `channels` channels of zeros.

    >>> ZeroPadShortcut(2, channels=3)(torch.ones(1, 3, 8, 8)).shape
    torch.Size([1, 6, 4, 4])
    """

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs `(..., C, H, W)` to `(..., C + channels, H / stride, W / stride)`."""
        pixels = inputs[..., :: self.stride, :: self.stride]
        return functional.pad(pixels, (0, 0, 0, 0, 0, self.channels))


class Shift(nn.Module):
    """A first layer whose weights are frozen at the identity: only its bias is trained (Loukas et al. 2021).

    With W1 = I, an SGD step on one example moves the bias by the learning rate times the loss derivative times the
    norm of the gradient of the outputs by the inputs.

    >>> Shift(3)(torch.zeros(2, 3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, inputs: Tensor) -> Tensor:
        """Add the bias to inputs `(N, size)`."""
        return inputs + self.bias


class Noise(nn.Module):
    """The noise of 'noisy' BatchNorm (Santurkar et al. 2018, section 2.1 and figure 2); nothing in eval mode.

    In training every activation `a` of every example becomes `s a + m` with `m` uniform on `mu +- 0.1` and `s` normal
    around `sigma` with standard deviation 0.1; at each step every feature or channel draws its `mu` uniform on
    `+-shift` and its `sigma` uniform on `[1, scale]`: time-varying noise of non-zero mean and non-unit variance. The
    form and the constants are those of the paper's appendix as we remember it.
    """

    #: Spread of `m` and `s` within a step.
    SPREAD = 0.1

    def __init__(self, shift: float = 0.5, scale: float = 1.25) -> None:
        super().__init__()
        self.shift = shift
        self.scale = scale

    def forward(self, inputs: Tensor) -> Tensor:
        """Return noisy inputs `(N, C, ...)` in training, the same inputs in eval mode."""
        if not self.training:
            return inputs
        features = inputs.new_empty(1, inputs.shape[1], *[1] * (inputs.dim() - 2))
        mean = torch.rand_like(features)
        spread = torch.rand_like(features)
        uniform = torch.rand_like(inputs)
        normal = torch.randn_like(inputs)
        return self.disturb(inputs, mean, spread, uniform, normal)

    def disturb(self, inputs: Tensor, mean: Tensor, spread: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Return noisy inputs, given uniform draws for `mu`, `sigma` and `m`, and normal draws for `s`."""
        shift = self.shift * (2 * mean - 1) + self.SPREAD * (2 * uniform - 1)
        scale = 1 + (self.scale - 1) * spread + self.SPREAD * normal
        return scale * inputs + shift


class PatternDetector(nn.Module):
    """`sum_i max_j relu(w_i x_j) - max_j relu(u_i x_j)` (Brutzkus and Globerson 2019): filters w, then filters u.

    >>> PatternDetector(3)(torch.ones(4, 10, 2)).shape
    torch.Size([4, 1])
    """

    def __init__(self, filters: int, size: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2 * filters, size))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs of d patterns `(N, d, size)` to `(N, 1)`."""
        return self.signed(functional.linear(inputs, self.weight))

    @staticmethod
    def signed(products: Tensor) -> Tensor:
        """Map products of patterns and filters `(..., d, 2 filters)` to `(..., 1)`."""
        positive, negative = products.relu().amax(-2).chunk(2, -1)
        return positive.sum(-1, keepdim=True) - negative.sum(-1, keepdim=True)


class FixedSigns(nn.Linear):
    """Output weights that are not trained: random signs over the square root of the units (Du et al. 2019).

    `f(h) = 1 / sqrt(m) sum_r a_r h_r` with `a_r` uniform in {-1, 1}, for the m hidden units h.

    >>> FixedSigns(4, 1).weight.abs()
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """

    def __init__(self, units: int, outputs: int) -> None:
        super().__init__(units, outputs, bias=False)
        signs = torch.ones_like(self.weight).bernoulli_(0.5) * 2 - 1
        self.weight = nn.Parameter(signs / units**0.5, requires_grad=False)

    def draw(self, name: str, rng: RandomStream) -> np.ndarray[Any, Any]:
        """Draw the signs of one run, over the square root of the units."""
        signs = 2 * rng.integers(0, 2, tuple(self.weight.shape)) - 1
        return signs / self.in_features**0.5


class RandomFeatures(nn.Module):
    """Random Fourier features (Rahimi and Recht 2007): cosines and sines of products with frozen frequencies.

    >>> RandomFeatures(3, 5, bandwidth=0.1)(torch.zeros(2, 3)).sum(1)
    tensor([5., 5.])
    """

    def __init__(self, size: int, frequencies: int, bandwidth: float) -> None:
        super().__init__()
        self.bandwidth = bandwidth
        self.weight = nn.Parameter(torch.randn(frequencies, size) * bandwidth, requires_grad=False)

    def draw(self, name: str, rng: RandomStream) -> np.ndarray[Any, Any]:
        """Draw the frequencies of one run: normal with standard deviation `bandwidth`."""
        return rng.standard_normal(tuple(self.weight.shape)) * self.bandwidth

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs `(N, size)` to features `(N, 2 frequencies)`."""
        return self.waves(functional.linear(inputs, self.weight))

    @staticmethod
    def waves(products: Tensor) -> Tensor:
        """Map products with the frequencies `(..., F)` to their cosines and sines `(..., 2 F)`."""
        return torch.cat([products.cos(), products.sin()], -1)
