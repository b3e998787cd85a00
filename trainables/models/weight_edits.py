"""Edits of the parameters that a run starts from, after they were drawn or taken from another run.

Add an edit by writing a function and naming it in `EDITS`; `init: {edit: its name, amount: ...}` selects it. An edit
gets the parameters and buffers of one network in float64, the amount, and a `RandomStream` of the run's own. It returns
the tensors that it changes, in the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.rng import RandomStream

Edit = Callable[[Mapping[str, Tensor], float, RandomStream], Mapping[str, Tensor]]


def shrink(tensors: Mapping[str, Tensor], amount: float, rng: RandomStream) -> Mapping[str, Tensor]:
    """Multiply all parameters with two axes or more by `amount`.

    Source: Ash and Adams 2020, 'On warm-starting neural network training': shrink the weights of a trained network.

    >>> shrink({"w": torch.ones(1, 2), "b": torch.ones(2)}, 0.5, RandomStream(0, "edit"))
    {'w': tensor([[0.5000, 0.5000]])}
    """
    return {name: value * amount for name, value in tensors.items() if value.ndim >= 2}


def perturb(tensors: Mapping[str, Tensor], amount: float, rng: RandomStream) -> Mapping[str, Tensor]:
    """Add normal noise to parameters with two axes or more, of `amount` times the root mean square of each tensor.

    Source: after Ash and Adams 2020, whose noise has the size of an initialization.
    """
    edited = {}
    for name, value in tensors.items():
        if value.ndim >= 2:
            noise = torch.from_numpy(rng.standard_normal(value.shape))
            root_mean_square = value.square().mean().sqrt()
            edited[name] = value + amount * root_mean_square * noise
    return edited


EDITS: dict[str, Edit] = {"shrink": shrink, "perturb": perturb}


def find_edit(name: str) -> Edit:
    """Return the edit of a name.

    Raises:
        BadInput: there is no such edit.
    """
    if name not in EDITS:
        raise BadInput(f"init.edit = {name!r}: unknown edit" + did_you_mean(name, EDITS))
    return EDITS[name]
