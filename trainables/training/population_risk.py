"""Exact outcomes on the distribution that the data are drawn from, instead of on a sample of it."""

import torch
from torch import Tensor, nn

from benevolent.trainables.data import SYNTHETIC
from benevolent.trainables.stack.layer_types import is_sequence
from benevolent.trainables.stack.own_code import is_changed
from benevolent.trainables.stack.stack import Stack


def population_outcomes(stack: Stack) -> dict[str, Tensor]:
    """`population_error`, the exact probability of a mistake: for a linear network on a task that has a formula for it.

    Args:
        stack: K runs.

    Returns:
        `population_error` `(K,)` in float64; nothing for other networks and data sets.
    """
    config = stack.configs[0].data
    exact = SYNTHETIC[config.name].population_error if config.name in SYNTHETIC else None
    if exact is None or not _is_one_linear_layer(stack.network.module):
        return {}
    named = {name.rpartition(".")[2]: value.detach().cpu().double() for name, value in stack.tensors.items()}
    weights = named["weight"]
    bias = named.get("bias", torch.zeros_like(weights[:, :, 0]))
    if weights.shape[1] == 2:  # the larger of two outputs decides
        weights, bias = weights.diff(dim=1), bias.diff(dim=1)
    errors = []
    for row, run in enumerate(stack.configs):
        errors.append(exact(weights[row, 0].numpy(), float(bias[row, 0]), run.data.noise))
    return {"population_error": torch.tensor(errors, dtype=torch.float64).to(stack.state.parameters.device)}


def _is_one_linear_layer(module: nn.Module) -> bool:
    if not is_sequence(module):
        return False
    layers = list(module)
    return [type(layer) for layer in layers] == [nn.Linear] and not is_changed(layers[0])
