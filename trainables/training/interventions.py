"""Interventions on parameters: what is done to networks between phases; those on labels are in `data`."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.config.pruning import PruneConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream


def magnitude_mask(
    parameters: Mapping[str, Tensor], config: PruneConfig, earlier_masks: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return the mask of magnitude pruning: 0 for the weights nearest to zero, 1 elsewhere.

    Weights are the parameters with two axes or more; the others are never pruned. After r rounds of fraction f exactly
    `round((1 - (1 - f)^r) n)` weights are gone, over all layers together (`magnitude`) or in each (`layer_magnitude`,
    where f may be smaller for convolutions and for the output layer); of equal ones the first. Weights pruned in
    earlier rounds go first.

    Args:
        parameters: `name -> (...)` of one network.
        config: fraction and rates, rounds and method.
        earlier_masks: of earlier rounds, `name -> (...)`, False where pruned.

    Returns:
        `name -> (...)`, for all parameters, of the same dtype.

    >>> mask = magnitude_mask({"w": torch.tensor([[3.0, -1.0], [2.0, 0.5]])}, PruneConfig(fraction=0.5))
    >>> mask["w"].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    masks = {name: torch.ones_like(value) for name, value in parameters.items()}
    weights = [name for name, value in parameters.items() if value.ndim >= 2]
    groups = [weights] if config.method == "magnitude" else [[name] for name in weights]
    for group in groups:
        magnitudes = torch.cat([_magnitudes(parameters[name], (earlier_masks or {}).get(name)) for name in group])
        is_output = group == weights[-1:] and len(weights) > 1
        fraction = config.pruned_fraction(parameters[group[0]].ndim, output=is_output)
        smallest = magnitudes.argsort(stable=True)[: round(fraction * len(magnitudes))]
        keep = torch.ones_like(magnitudes)
        keep[smallest] = 0
        sizes = [parameters[name].numel() for name in group]
        for name, part in zip(group, keep.split(sizes), strict=True):
            masks[name] = part.view_as(parameters[name])
    return masks


def _magnitudes(weight: Tensor, earlier_mask: Tensor | None) -> Tensor:
    """Return the absolute values of a weight as one row, -1 where it was pruned before."""
    magnitudes = weight.abs().flatten()
    if earlier_mask is None:
        return magnitudes
    return magnitudes.masked_fill(~earlier_mask.flatten(), -1)


def random_mask(mask: Mapping[str, Tensor], seed: int, step: int, draw: int = 0) -> dict[str, Tensor]:
    """Return a mask with as many ones in each tensor as in `mask`, at random places; tensors of ones stay.

    Args:
        mask: `name -> (...)` of zeros and ones.
        seed: of the run.
        step: the round of pruning.
        draw: number of the mask, if several are drawn.

    >>> random = random_mask({"w": torch.tensor([1.0, 1.0, 0.0, 0.0])}, 0, 1)
    >>> random["w"].sum().item()
    2.0
    """
    stream = f"random mask/{draw}" if draw else "random mask"
    rng = RandomStream(seed, stream, step)
    masks = {}
    for name, value in mask.items():
        order = torch.from_numpy(rng.permutation(value.numel())).to(value.device)
        masks[name] = value.flatten()[order].view_as(value)
    return masks


def shuffled(
    parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor], seed: int, step: int, draw: int = 0
) -> dict[str, Tensor]:
    """Return parameters whose kept weights have changed places at random, each tensor by itself.

    Source: Frankle et al. 2021, "Pruning neural networks at initialization: why are we missing the mark?", section 4.

    Args:
        parameters: `name -> (...)`.
        masks: of the weights, booleans, False where pruned; tensors without a mask, and pruned weights, stay.
        seed: of the run.
        step: the round of pruning.
        draw: number of the shuffle, if several are drawn.

    >>> mask = torch.tensor([True, True, True, False])
    >>> shuffled({"w": torch.tensor([1.0, 2.0, 3.0, 4.0])}, {"w": mask}, 1, 1)["w"].tolist()
    [3.0, 1.0, 2.0, 4.0]
    """
    stream = f"shuffle/{draw}" if draw else "shuffle"
    rng = RandomStream(seed, stream, step)
    tensors = dict(parameters)
    for name, mask in masks.items():
        value = parameters[name].clone()
        kept = value[mask]
        order = torch.from_numpy(rng.permutation(len(kept))).to(value.device)
        value[mask] = kept[order]
        tensors[name] = value
    return tensors


def reused(
    smaller: Mapping[str, Tensor], drawn: Mapping[str, Tensor], roles: Mapping[str, int] | None = None
) -> dict[str, Tensor]:
    """Return a network that starts with a smaller one: its numbers come first on every axis, then the own draws.

    Args:
        smaller: `name -> (...)` of the smaller network.
        drawn: of the larger one; no axis may be shorter.
        roles: of tensors whose rows are so many parts of equal size: the rows of each part stay in it.

    >>> reused({"w": torch.ones(1, 2)}, {"w": torch.zeros(2, 3)})["w"].tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    tensors = {name: value.clone() for name, value in drawn.items()}
    for name, value in tensors.items():
        parts = (roles or {}).get(name, 1)
        new_parts = value.chunk(parts) if parts > 1 else [value]
        old_parts = smaller[name].chunk(parts) if parts > 1 else [smaller[name]]
        for new, old in zip(new_parts, old_parts, strict=True):
            first_numbers = tuple(slice(size) for size in old.shape)
            new[first_numbers] = old
    return tensors


def centers(
    larger: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    scale: float,
    seed: int,
    roles: Mapping[str, int] | None = None,
) -> dict[str, Tensor]:
    """Return a small network whose rows of each weight are k-means centers of a larger one's rows.

    Args:
        larger: `name -> (units, ...)` of the larger network.
        shapes: of the small one; only the first axis may be shorter.
        scale: factor of the centers.
        seed: of k-means.
        roles: of tensors whose rows are so many parts of equal size: each part is clustered alone, since its rows are
            not exchangeable with others (those of `PatternDetector` that count for and against).

    Returns:
        `name -> (...)` of the small network; tensors of equal shape are taken as they are.

    Raises:
        BadInput: other axes differ.

    >>> rows = torch.tensor([[0.0, 1.0], [0.0, 2.0], [5.0, 5.0]])
    >>> centers({"w": rows}, {"w": torch.Size([2, 2])}, 1.0, 0)["w"].sort(0).values.tolist()
    [[0.0, 1.5], [5.0, 5.0]]
    """
    from sklearn.cluster import KMeans

    tensors = {}
    for name, shape in shapes.items():
        value = larger.get(name)
        if value is None or value.shape[1:] != shape[1:] or len(value) < shape[0]:
            has = None if value is None else tuple(value.shape)
            raise BadInput(
                f"init.scheme = 'kmeans': {name} is {has} in the larger network, {tuple(shape)} in the small"
            )
        if value.shape != shape:
            parts = (roles or {}).get(name, 1)
            k_means = KMeans(shape[0] // parts, n_init=10, random_state=seed % 2**32)
            fitted = []
            for part in value.chunk(parts):
                rows = part.flatten(1).double().cpu().numpy()
                fitted.append(k_means.fit(rows).cluster_centers_)
            value = torch.from_numpy(np.concatenate(fitted)).view(shape) * scale
        tensors[name] = value
    return tensors
