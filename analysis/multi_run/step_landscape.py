"""The loss around the steps of training, and how steps shift what layers see (Santurkar et al. 2018).

All numbers are of the batch that a run takes next, in training mode, so that BatchNorm has the statistics of a batch:
those of the paper. The measures of the same names (`analysis.measures.landscape`) are of a single network, on all
training examples and in eval mode.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.measures.landscape import STEPS
from benevolent.analysis.multi_run.batch_loss import BatchLoss, StepOfRuns, kept_steps
from benevolent.analysis.results import Results
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.stack.network import Network


def landscape_along_gradient(loss: BatchLoss, parameters: Tensor, steps: Sequence[float] = STEPS) -> dict[str, Tensor]:
    """Compute how loss and gradient of K networks change along the gradient.

    Source: Santurkar et al. 2018, "How does batch normalization help optimization?", section 3.1 and figure 4. With g
    the gradient of the batch's loss L at theta and g(eta) the gradient at theta - eta g, over the steps eta:

    Args:
        loss: of the K networks.
        parameters: theta `(K, P)`, laid out by `loss.network.parameters`.
        steps: the eta, multiples of the gradient; by default eight from 0.05 to 0.4.

    Returns:
        `(K,)` each: `loss` L(theta), `gradient_norm` ||g||, `loss_range` max - min of L(theta - eta g),
        `gradient_change` max of ||g - g(eta)|| (the gradient's predictiveness), `smoothness` max of
        ||g - g(eta)|| / ||eta g|| (the effective beta), and `gradient_cosine`, min of the cosine of g and g(eta).
    """
    here, loss_here = loss.gradient(parameters)
    norm = here.double().norm(dim=1)
    losses = []
    changes = []
    ratios = []
    cosines = []
    for step in steps:
        there, loss_there = loss.gradient(parameters - step * here)
        change = (here - there).double().norm(dim=1)
        losses.append(loss_there.double())
        changes.append(change)
        ratios.append(change / (step * norm))
        cosines.append(_cosine(here, there))
    stacked_losses = torch.stack(losses)
    return {
        "loss": loss_here.double(),
        "gradient_norm": norm,
        "loss_range": stacked_losses.amax(0) - stacked_losses.amin(0),
        "gradient_change": torch.stack(changes).amax(0),
        "smoothness": torch.stack(ratios).amax(0),
        "gradient_cosine": torch.stack(cosines).amin(0),
    }


def gradient_shifts(loss: BatchLoss, parameters: Tensor, learning_rates: Tensor) -> list[dict[str, Tensor]]:
    """Compute the internal covariate shift of each layer but the first: how its gradient changes as others step.

    Source: Santurkar et al. 2018, definition 2.1. G is the gradient of a layer's weight, G' the one after the layers
    before it, and their BatchNorm, have taken a step of plain gradient descent. Layers come in the order of their
    parameters.

    Args:
        loss: of the K networks.
        parameters: `(K, P)`, laid out by `loss.network.parameters`.
        learning_rates: `(K,)`, of the step.

    Returns:
        One entry per layer, from the second on: `(K,)` each, `difference` ||G - G'||, `relative_difference`
        ||G - G'|| / ||G||, and `cosine` of G and G'.
    """
    gradient, _ = loss.gradient(parameters)
    stepped = parameters - learning_rates.unsqueeze(1).to(parameters) * gradient
    shifts = []
    for weight, before in _weights_with_layers_before(loss.network):
        moved = torch.where(before, stepped, parameters)
        after, _ = loss.gradient(moved)
        first = gradient[:, weight].double()
        second = after[:, weight].double()
        difference = (first - second).norm(dim=1)
        relative = difference / first.norm(dim=1)
        shifts.append({"difference": difference, "relative_difference": relative, "cosine": _cosine(first, second)})
    return shifts


def input_shifts(loss: BatchLoss, parameters: Tensor, learning_rates: Tensor) -> list[Tensor]:
    """Compute how far the inputs of each layer but the first shift in one step of training.

    A step changes the mean m of each feature of a layer's inputs, over the examples of the batch (and pixels), from m
    to m', where layers that draw random numbers draw new ones. The shift is the root mean square over features of
    m' - m, divided by that of their standard deviations before the step.

    Args:
        loss: of the K networks, which are plain sequences of layers.
        parameters: `(K, P)`, laid out by `loss.network.parameters`.
        learning_rates: `(K,)`, of the step of plain gradient descent.

    Returns:
        One tensor `(K,)` per layer with weights, from the second on.
    """
    gradient, _ = loss.gradient(parameters)
    stepped = parameters - learning_rates.unsqueeze(1).to(parameters) * gradient
    before = loss.layer_inputs(parameters)
    after = loss.layer_inputs(stepped, later_steps=1)
    shifts = []
    for first, second in zip(before[1:], after[1:], strict=True):
        features = _by_feature(first)
        change = _by_feature(second).mean(1) - features.mean(1)
        variance = features.var(1, unbiased=False)
        shifts.append((change.square().mean(1) / variance.mean(1)).sqrt())
    return shifts


@checked_arguments
def landscape_table(results: Results, run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """Return `landscape_along_gradient` of every kept checkpoint of the last phase, on the batch that comes next.

    Args:
        results: of runs with `record.measure_at: checkpoints`.
        run_ids: of the runs that are wanted, by default all.

    Returns:
        A row per run and checkpoint: `run_id`, `step` and the values.

    Raises:
        BadInput: as `kept_steps`.
    """
    rows: list[dict[str, Any]] = []
    for kept in kept_steps(results, run_ids):
        rows += _rows(kept, landscape_along_gradient(kept.loss, kept.parameters))
    return pd.DataFrame(rows)


@checked_arguments
def shift_table(results: Results, run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """Return `gradient_shifts` and `input_shifts` of every kept checkpoint, as each run's own learning rate steps.

    Args:
        results: as for `landscape_table`.
        run_ids: of the runs that are wanted, by default all.

    Returns:
        A row per run, checkpoint and layer, from layer 2 on: `run_id`, `step`, `layer`, the values of
        `gradient_shifts`, and `input_shift`.

    Raises:
        BadInput: as `kept_steps`; a network is no plain sequence of layers.
    """
    rows: list[dict[str, Any]] = []
    for kept in kept_steps(results, run_ids):
        rates = torch.tensor([config.optimizer.lr for config in kept.loss.configs])
        shifts = gradient_shifts(kept.loss, kept.parameters, rates)
        moved = input_shifts(kept.loss, kept.parameters, rates)
        for layer, (values, input_shift) in enumerate(zip(shifts, moved, strict=True), 2):
            rows += _rows(kept, {**values, "input_shift": input_shift}, layer=layer)
    return pd.DataFrame(rows)


def _rows(kept: StepOfRuns, values: dict[str, Tensor], **given: int) -> list[dict[str, Any]]:
    """Return one row per run of values `(K,)`."""
    rows = []
    for place, run_id in enumerate(kept.run_ids):
        numbers = {name: value[place].item() for name, value in values.items()}
        rows.append({"run_id": run_id, "step": kept.step, **given, **numbers})
    return rows


def _weights_with_layers_before(network: Network) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each layer with weights from the second on, two masks of columns of the parameters `(P,)`.

    The first is of its weight, the second of all parameters that come before it.
    """
    names = list(network.shapes)
    weights = [tensors[0] for tensors in network.layers]
    for weight in weights[1:]:
        before = names[: names.index(weight)]
        yield _columns(network, [weight]), _columns(network, before)


def _columns(network: Network, names: Sequence[str]) -> Tensor:
    """Return a mask `(P,)` of the columns of some parameters."""
    chosen = {}
    for name, shape in network.shapes.items():
        chosen[name] = torch.full((1, *shape), float(name in names))
    return network.parameters.rows(chosen)[0] > 0


def _cosine(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosines `(K,)` of rows `(K, P)`."""
    return torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=1)


def _by_feature(inputs: Tensor) -> Tensor:
    """Return inputs `(K, N, C, ...)` as `(K, N pixels, C)` in float64."""
    channels_last = inputs.double().movedim(2, -1)
    return channels_last.flatten(1, -2)
