"""Named tensors of K networks in one tensor `(K, P)`, so that an optimizer step is one operation on rows."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

#: Tensors start at multiples of this many numbers. On a CPU the last bits of a product depend on where its result
#: starts; with aligned starts they are the same at every place in a stack. And a product of 10 columns takes three
#: times as long as one of 16 (64 -> 10 units, batches of 32, AVX2).
ALIGNED = 16


class ParameterLayout:
    """The places of tensors of given shapes in a row of `width` numbers; gaps between them are zero.

    Tensors have two forms. `views` gives the stored form: a matrix `(out, in)` as `(K, in, aligned out)`, the form of a
    batched product's factor and of its gradient; anything else as `(K, aligned numbers)`. `named` gives the tensors
    `(K, *shape)`. Both share the memory of the rows.

    >>> layout = ParameterLayout({"weight": torch.Size([2, 3]), "bias": torch.Size([2])})
    >>> rows = layout.rows({"weight": torch.ones(1, 2, 3), "bias": torch.zeros(1, 2)})
    >>> rows.shape, {name: tuple(view.shape) for name, view in layout.views(rows).items()}
    (torch.Size([1, 64]), {'weight': (1, 3, 16), 'bias': (1, 16)})
    >>> {name: tuple(tensor.shape) for name, tensor in layout.named(layout.views(rows)).items()}
    {'weight': (1, 2, 3), 'bias': (1, 2)}
    """

    def __init__(self, shapes: Mapping[str, torch.Size]) -> None:
        self.shapes = dict(shapes)
        self._stored = {name: _stored(shape) for name, shape in self.shapes.items()}
        self._lengths = [torch.Size(stored).numel() for stored in self._stored.values()]
        self.width = sum(self._lengths)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the stored form of every tensor in rows `(K, width)`."""
        views: dict[str, Tensor] = {}
        if not self._stored:
            return views
        parts = rows.split(self._lengths, 1)
        for name, part in zip(self._stored, parts, strict=True):
            stored = self._stored[name]
            views[name] = part.view(len(rows), *stored) if len(stored) > 1 else part
        return views

    def named(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors `(K, *shape)` of a stored form; differentiable."""
        return {name: self.tensor(name, view) for name, view in views.items()}

    def tensor(self, name: str, view: Tensor) -> Tensor:
        """Return the tensor `(K, *shape)` of one stored form."""
        shape = self.shapes[name]
        if len(shape) == 2:
            return _without_gap(view, shape[0]).transpose(1, 2)
        return _without_gap(view, shape.numel()).view(len(view), *shape)

    def rows(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return rows `(K, width)` of tensors `(K, *shape)`: the inverse of `named` and `views`."""
        if not self._stored:
            networks = len(next(iter(tensors.values()), ()))
            return torch.zeros(networks, 0)
        parts = []
        for name, stored in self._stored.items():
            tensor = tensors[name]
            is_matrix = len(stored) == 2
            flat = tensor.transpose(1, 2) if is_matrix else tensor.reshape(len(tensor), -1)
            gap = stored[-1] - flat.shape[-1]
            padded = functional.pad(flat, (0, gap))
            parts.append(padded.reshape(len(tensor), -1))
        return torch.cat(parts, 1)

    def filled(self) -> Tensor:
        """Return booleans `(width,)`: True for columns that hold a number of a tensor, False for gaps."""
        ones = {name: torch.ones(1, *shape) for name, shape in self.shapes.items()}
        return self.rows(ones)[0] > 0

    def columns(self, name: str) -> slice:
        """Return the columns of a tensor that is not a matrix, whose numbers are adjacent in a row."""
        names = list(self.shapes)
        lengths_before = self._lengths[: names.index(name)]
        start = sum(lengths_before)
        stop = start + self.shapes[name].numel()
        return slice(start, stop)


def _stored(shape: torch.Size) -> tuple[int, ...]:
    """Return the shape of the stored form of one tensor."""
    if len(shape) == 2:
        return shape[1], _aligned(shape[0])
    return (_aligned(shape.numel()),)


def _without_gap(view: Tensor, numbers: int) -> Tensor:
    """Return the first numbers of the last axis: where these are all, the view itself, whose gradient is not copied."""
    return view if view.shape[-1] == numbers else view[..., :numbers]


def _aligned(numbers: int) -> int:
    """Round up to a multiple of `ALIGNED`."""
    return -(-numbers // ALIGNED) * ALIGNED
