"""Interventions on parameters: what is done to networks between phases; those on labels are in `data`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.config import PruneConfig


def magnitude_mask(parameters: Mapping[str, Tensor], config: PruneConfig) -> dict[str, Tensor]:
    """The mask of magnitude pruning: 0 for the `fraction` of weights nearest to zero, 1 elsewhere.

    Weights are the parameters with two axes or more; the others are never pruned. Exactly `round(fraction * n)`
    weights go, over all layers together (`magnitude`) or in each (`layer_magnitude`); of equal ones the first.

    Args:
        parameters: `name -> (...)` of one network.
        config: fraction and method.

    Returns:
        `name -> (...)`, for all parameters, of the same dtype.

    >>> mask = magnitude_mask({"w": torch.tensor([[3.0, -1.0], [2.0, 0.5]])}, PruneConfig(fraction=0.5))
    >>> mask["w"].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    masks = {name: torch.ones_like(value) for name, value in parameters.items()}
    weights = [name for name, value in parameters.items() if value.ndim >= 2]
    for group in [weights] if config.method == "magnitude" else [[name] for name in weights]:
        magnitudes = torch.cat([parameters[name].abs().flatten() for name in group])
        keep = torch.ones_like(magnitudes)
        keep[magnitudes.argsort(stable=True)[: round(config.fraction * len(magnitudes))]] = 0
        for name, part in zip(group, keep.split([parameters[name].numel() for name in group]), strict=True):
            masks[name] = part.view_as(parameters[name])
    return masks
