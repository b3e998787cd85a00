"""The symbol of a convolution: the matrix that it is at one frequency of an endless image.

On an endless image a convolution maps the wave v e^{i theta q} to F(theta) v e^{i theta q}, with F its symbol. So its
operator norm is the largest singular value of F at any frequency; on an image of finite size, with zeros around it, it
is at most that.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.matrix_norm import matrix_norm

#: Upper bound on the numbers in the matrices that are computed at once.
NUMBERS = 2**21


@dataclass(frozen=True)
class Symbol:
    """Symbol of a convolution of images; with a stride s, each input channel becomes s x s channels, its phases.

    F(theta)[o, (c, r)] = sum_t W[o, c, t] e^{i theta q}, over the taps t of the kernel that look at phase r. Output m
    of the convolution sees the input at s m + s q + r through tap t.

    Attributes:
        taps: weights `(T, G, O, I)` of each tap and group, in float64 on the CPU, in the columns of their phase.
        places: `(T, 2)`, the places q.
        degrees: the difference of the largest and the smallest place in one phase, per axis.
        steps: distance of inputs that are one place apart, per axis.
        phases: number of phases per axis.
    """

    taps: Tensor
    places: Tensor
    degrees: tuple[int, int]
    steps: tuple[int, int]
    phases: tuple[int, int]

    @classmethod
    def of(cls, conv: nn.Conv2d, weight: Tensor) -> "Symbol":
        """Make the symbol of a layer with a weight `(O, I, h, w)`.

        >>> conv = nn.Conv2d(1, 1, 3, bias=False)
        >>> Symbol.of(conv, torch.ones(1, 1, 3, 3)).at(torch.zeros(1, 2)).abs().item()
        9.0
        """
        axes = [_axis(conv, axis) for axis in range(2)]
        rows, columns = axes
        filters, channels = weight.shape[:2]
        kernel = weight.detach().double().cpu().view(conv.groups, filters // conv.groups, channels, -1)
        height = len(rows.places)
        width = len(columns.places)
        phase_count = rows.phases * columns.phases
        taps = kernel.new_zeros(height * width, *kernel.shape[:3], phase_count)
        for tap in range(height * width):
            phase = rows.phase_of[tap // width] * columns.phases + columns.phase_of[tap % width]
            taps[tap, ..., phase] = kernel[..., tap]
        places = torch.cartesian_prod(torch.tensor(rows.places), torch.tensor(columns.places))
        return cls(
            taps.flatten(3),
            places.view(-1, 2).double(),
            (rows.degree, columns.degree),
            (rows.step, columns.step),
            (rows.phases, columns.phases),
        )

    def at(self, frequencies: Tensor) -> Tensor:
        """Return the matrices `(n, G, O, I)` at frequencies `(n, 2)`."""
        angles = frequencies.double() @ self.places.T
        waves = torch.polar(torch.ones_like(angles), angles)
        return torch.einsum("nt,tgoi->ngoi", waves, self.taps.to(waves.dtype))

    def largest_at(self, frequencies: Tensor) -> Tensor:
        """Return the largest singular values `(n,)` at frequencies `(n, 2)`."""
        pieces = frequencies.split(max(1, NUMBERS // self.taps[0].numel()))
        return torch.cat([matrix_norm(self.at(piece)).amax(-1) for piece in pieces])

    def wave(self, frequency: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the real image `(C, H, W)` of the wave that grows most at a frequency `(2,)`, fading to its edges."""
        matrices = self.at(frequency.unsqueeze(0))[0]
        _, sizes, vectors = torch.linalg.svd(matrices, full_matrices=False)
        group = int(sizes[:, 0].argmax())
        vector = vectors[group, 0].conj()
        largest = vector[vector.abs().argmax()]
        vector = vector * (largest.conj() / largest.abs().clamp(min=torch.finfo(torch.float64).tiny))
        channels = len(vector) // math.prod(self.phases)
        phases = vector.view(channels, *self.phases)
        height, width = shape[1:]
        rows = self._fading_wave(0, height, frequency[0])
        columns = self._fading_wave(1, width, frequency[1])
        row_phases = torch.arange(height) % self.phases[0]
        column_phases = torch.arange(width) % self.phases[1]
        image = phases[:, row_phases][:, :, column_phases] * rows.unsqueeze(1) * columns
        whole = torch.zeros(shape, dtype=torch.float64)
        whole[group * channels : (group + 1) * channels] = image.real
        return whole

    def _fading_wave(self, axis: int, length: int, frequency: Tensor) -> Tensor:
        """Return e^{i theta q} `(length,)` times half a wave of a sine."""
        positions = torch.arange(length, dtype=torch.float64)
        places = positions / self.steps[axis]
        if self.phases[axis] > 1:
            places = places.floor()
        window = torch.sin(torch.pi * (positions + 1) / (length + 1))
        return torch.polar(window, frequency * places)


@dataclass(frozen=True)
class _Axis:
    """The taps of a kernel along one axis: their phases and places."""

    phase_of: list[int]
    places: list[int]
    phases: int
    step: int

    @property
    def degree(self) -> int:
        """The largest difference of places in one phase."""
        spans = []
        for phase in range(self.phases):
            places = [place for place, own in zip(self.places, self.phase_of, strict=True) if own == phase]
            spans.append(max(places) - min(places) if places else 0)
        return max(spans)


def _axis(conv: nn.Conv2d, axis: int) -> _Axis:
    size = conv.kernel_size[axis]
    stride = conv.stride[axis]
    dilation = conv.dilation[axis]
    if stride == 1:  # images of a dilated convolution fall apart into ones of a plain convolution
        return _Axis([0] * size, list(range(size)), 1, dilation)
    padding = 0 if isinstance(conv.padding, str) else conv.padding[axis]
    offsets = [dilation * tap - padding for tap in range(size)]
    return _Axis([offset % stride for offset in offsets], [offset // stride for offset in offsets], stride, stride)
