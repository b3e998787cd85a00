"""Named tensors of K networks in one tensor `(K, P)`: what is done to all of them is one operation on rows."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

#: Numbers of one tensor start at multiples of this. On a CPU the last bits of a product depend on where its result
#: starts: so they are the same at every place in a stack. And a product of 10 columns takes three times as long as
#: one of 16 (64 -> 10 units, batches of 32, AVX2).
ALIGNED = 16


class ParameterLayout:
    """Where tensors of given shapes lie in a row of `width` numbers; what fills the gaps is zero.

    Tensors have two forms. `views` gives them as they are stored: a matrix `(out, in)` as `(K, in, aligned out)`, which
    is what a batched product takes and what its gradient looks like; anything else as `(K, aligned numbers)`. `named`
    makes of these the tensors `(K, *shape)`. Both share the memory of the rows.

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
        """The stored form of every tensor in rows `(K, width)`."""
        parts = rows.split(self._lengths, 1) if self._lengths else ()
        return {
            name: part.view(len(rows), *stored) if len(stored) > 1 else part
            for (name, stored), part in zip(self._stored.items(), parts, strict=True)
        }

    def named(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors `(K, *shape)` of a stored form; differentiable."""
        return {name: self.tensor(name, view) for name, view in views.items()}

    def tensor(self, name: str, view: Tensor) -> Tensor:
        """The tensor `(K, *shape)` of one stored form."""
        shape = self.shapes[name]
        if len(shape) == 2:
            return view[:, :, : shape[0]].transpose(1, 2)
        return view[:, : shape.numel()].view(len(view), *shape)

    def rows(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Rows `(K, width)` of tensors `(K, *shape)`, the inverse of `named` and `views`."""
        parts = [torch.zeros(len(next(iter(tensors.values()), ())), 0)]  # a layout may be of nothing
        for name, stored in self._stored.items():
            tensor = tensors[name]
            flat = tensor.transpose(1, 2) if len(stored) == 2 else tensor.reshape(len(tensor), -1)
            parts.append(functional.pad(flat, (0, stored[-1] - flat.shape[-1])).reshape(len(tensor), -1))
        return torch.cat(parts[1:] or parts, 1)

    def filled(self) -> Tensor:
        """Which columns of a row are in use, `(width,)`; the others are gaps."""
        ones = {name: torch.ones(1, *shape) for name, shape in self.shapes.items()}
        return self.rows(ones)[0] > 0

    def columns(self, name: str) -> slice:
        """Where the numbers of a tensor that is no matrix lie in a row."""
        names = list(self.shapes)
        start = sum(self._lengths[: names.index(name)])
        return slice(start, start + self.shapes[name].numel())


def _stored(shape: torch.Size) -> tuple[int, ...]:
    return (shape[1], _aligned(shape[0])) if len(shape) == 2 else (_aligned(shape.numel()),)


def _aligned(numbers: int) -> int:
    return -(-numbers // ALIGNED) * ALIGNED
