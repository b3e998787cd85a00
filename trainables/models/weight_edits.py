"""What is done to the parameters that a run starts from, after they were drawn or taken from another run.

An edit is added by writing a function and naming it in `EDITS`; `init: {edit: its name, amount: ...}` asks for it. It
gets the parameters and buffers of one network in float64, the amount, and a generator of the run's own, and returns
those it changes, in the same shapes.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput

Edit = Callable[[Mapping[str, Tensor], float, np.random.Generator], Mapping[str, Tensor]]


def shrink(tensors: Mapping[str, Tensor], amount: float, draw: np.random.Generator) -> Mapping[str, Tensor]:
    """All parameters with two axes or more times `amount`.

    Source: Ash and Adams 2020, 'On warm-starting neural network training': shrinking what another run has learned.

    >>> shrink({"w": torch.ones(1, 2), "b": torch.ones(2)}, 0.5, np.random.default_rng(0))
    {'w': tensor([[0.5000, 0.5000]])}
    """
    return {name: value * amount for name, value in tensors.items() if value.ndim >= 2}


def perturb(tensors: Mapping[str, Tensor], amount: float, draw: np.random.Generator) -> Mapping[str, Tensor]:
    """Normal noise on parameters with two axes or more, of `amount` times the root mean square of each tensor.

    Source: after Ash and Adams 2020, whose noise has the size of an initialization.
    """
    noise = {name: torch.from_numpy(draw.standard_normal(v.shape)) for name, v in tensors.items() if v.ndim >= 2}
    return {name: tensors[name] + amount * tensors[name].square().mean().sqrt() * own for name, own in noise.items()}


EDITS: dict[str, Edit] = {"shrink": shrink, "perturb": perturb}


def find_edit(name: str) -> Edit:
    """The edit of a name.

    Raises:
        BadInput: there is none.
    """
    if name not in EDITS:
        raise BadInput(f"init.edit = {name!r}: unknown edit" + did_you_mean(name, EDITS))
    return EDITS[name]
