"""Sizes that are zero but for rounding, over which no quotient has a meaning.

A network that does not move with its inputs has slopes that cancel: what is left of them is rounding, and a margin over
it an arbitrary number. Small slopes alone are no sign of that, since small weights have them, too. But rounding differs
in another precision.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, computed_once

#: Multiple of the precision's unit of rounding up to which a size is compared, relative to what it is without
#: cancellation. A normalization of equal numbers multiplies rounding by 300, one over the root of its `eps`.
COMPARED = 2.0**17
#: Relative size that is rounding in any precision.
ROUNDING = 64 * torch.finfo(torch.float64).eps
#: A size is rounding if it is at most this many times as large as its rounding error seems to be.
ERRORS = 10


def without_rounding(network: MeasuredNetwork, sizes_of: Callable[[MeasuredNetwork], Tensor], usual: Tensor) -> Tensor:
    """Return sizes, such as lengths of slopes, with 0 for those that are zero up to rounding.

    Small ones are computed once more in float32 where the network is in float64, and the other way around. The
    difference is the error of the less precise ones.

    Args:
        network: whose sizes they are.
        sizes_of: maps a network in some precision to the sizes, not negative.
        usual: the sizes without cancellation, of the same shape or one that is expanded to it.

    Returns:
        the sizes; NaN, where the network is mapped, for those that have to be compared, which it cannot do.

    >>> import types
    >>> example = types.SimpleNamespace(parameters={"weight": torch.ones(1)}, vmapped=False)
    >>> without_rounding(example, lambda network: torch.tensor([0.0, 1e-15, 2.0]), torch.ones(3)).tolist()
    [0.0, 0.0, 2.0]
    """
    sizes = sizes_of(network)
    usual = usual.where(usual.isfinite(), 0)
    precision = _precision(network)
    unit = torch.finfo(precision).eps
    sizes = torch.where(sizes <= ROUNDING * usual, 0.0, sizes)
    small = (sizes > 0) & (sizes <= COMPARED * unit * usual)
    if network.vmapped:
        return sizes.where(~small, torch.nan)
    if not small.any():
        return sizes
    try:
        others = sizes_of(in_other_precision(network))
    except RuntimeError:  # a module that computes in one precision only
        return sizes.where(~small, 0)
    share = min(1.0, unit / torch.finfo(torch.float32).eps)  # of the error of float32, the network's own
    errors = share * (sizes - others).abs()
    return sizes.where(~small | (sizes > ERRORS * errors), 0)


@computed_once
def in_other_precision(network: MeasuredNetwork) -> MeasuredNetwork:
    """Return a network in float32 if it is in float64, else in float64."""
    precision = torch.float32 if _precision(network) == torch.float64 else torch.float64
    return replace(
        network,
        parameters=_cast(network.parameters, precision),
        folded=_cast(network.folded, precision),
        folded_buffers=_cast(network.folded_buffers, precision),
        precision=precision,
        cache={},
    )


def _precision(network: MeasuredNetwork) -> torch.dtype:
    return next(iter(network.parameters.values())).dtype


def _cast(tensors: Parameters, precision: torch.dtype) -> dict[str, Tensor]:
    return {name: value.to(precision) if value.is_floating_point() else value for name, value in tensors.items()}
