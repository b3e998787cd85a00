"""Loss along several paths between two networks with one hidden layer that were trained apart."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.multi_run.examples import Examples, network_outputs
from benevolent.analysis.multi_run.fitted_curves import fit_curves
from benevolent.analysis.multi_run.mode_connectivity import loss_along_path
from benevolent.analysis.multi_run.parameter_path import ParameterPath, linear_path
from benevolent.analysis.multi_run.sublevel_path import sublevel_path
from benevolent.analysis.multi_run.unit_matching import linear_layers, match_units, permuted
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.network_outputs import examples
from benevolent.trainables.optimization.losses import LOSSES

#: Positions on a path, ends included.
POINTS = 21
#: SGD on the bend of a curve.
CURVE_STEPS = 1000
CURVE_LR = 0.1
CURVE_BATCH = 64
WIDTH = "model.width"


class Pair(NamedTuple):
    """Two networks that were trained from different starts.

    Attributes:
        number: of the pair: its replicates are 2 number and 2 number + 1.
        first: a network.
        second: a network.
    """

    number: int
    first: nn.Module
    second: nn.Module


class Width(NamedTuple):
    """Pairs of networks of one width, and the training examples of all of them."""

    width: int
    pairs: list[Pair]
    train: Examples


def pairs_by_width(results: Results) -> list[Width]:
    """Return pairs of networks, each replicate with the next, for each width of a sweep.

    A last network without a partner is left out; `widths_without_partner` says where there is one.
    """
    table = results.table().sort_values([WIDTH, "replicate"])
    run_ids = table["run_id"].tolist()
    train = examples(results, run_ids[0], "train")
    widths = []
    for width, rows in table.groupby(WIDTH):
        networks = [results.network(run_id) for run_id in rows["run_id"]]
        halves = zip(networks[::2], networks[1::2], strict=False)
        pairs = [Pair(number, first, second) for number, (first, second) in enumerate(halves)]
        widths.append(Width(int(width), pairs, train))
    return widths


def widths_without_partner(results: Results) -> list[int]:
    """Return the widths of a sweep with an odd number of networks, one of which is in no pair."""
    counts = results.table()[WIDTH].value_counts().sort_index()
    return [int(width) for width in counts.index[counts % 2 == 1]]


def losses_along_paths(widths: list[Width], random_seed: int = 0) -> pd.DataFrame:
    """Return train losses along the paths of every pair.

    Returns:
        One row per `width`, `pair`, `path` and position `t`, with the train `loss`. Paths: `straight`; `matched`,
        straight to the second network with its units in the order nearest to the first; `rescaled`, straight with
        each layer scaled to the norm between those of the ends; `curve`, fitted; `proof`, of `sublevel_path` in
        float64, where there are at least twice as many units as examples.
    """
    tables = []
    for width, pairs, train in widths:
        ends = [(pair.first, pair.second) for pair in pairs]
        options = {"steps": CURVE_STEPS, "lr": CURVE_LR, "batch_size": CURVE_BATCH, "random_seed": random_seed}
        curves = fit_curves(ends, *train, **options)  # type: ignore[arg-type]
        for pair, curve in zip(pairs, curves, strict=True):
            for name, losses in _losses_of_pair(pair, curve, train).items():
                rows = pd.DataFrame({"t": losses.index, "loss": losses.to_numpy()})
                tables.append(rows.assign(width=width, pair=pair.number, path=name))
    return pd.concat(tables, ignore_index=True)


def _losses_of_pair(pair: Pair, curve: ParameterPath, train: Examples) -> Mapping[str, "pd.Series[float]"]:
    straight = linear_path(pair.first, pair.second)
    second = permuted(pair.second, match_units(pair.first, pair.second))
    paths = {"straight": straight, "matched": linear_path(pair.first, second), "curve": curve}
    losses = {name: train_losses(path, train) for name, path in paths.items()}
    losses["rescaled"] = _losses_rescaled(straight, pair, train)
    inputs, labels = train
    if linear_layers(pair.first)[0].out_features >= 2 * len(labels):
        corners = sublevel_path(pair.first, pair.second, inputs)
        assert corners is not None  # twice as many units as examples always suffice
        losses["proof"] = _losses_on_corners(corners, train)
    return losses


def train_losses(path: ParameterPath, train: Examples, points: int = POINTS) -> "pd.Series[float]":
    """Return the train loss at equal steps along a path."""
    return loss_along_path(path, {"train": train}, points=points)["train_loss"]


def _losses_on_corners(corners: list[nn.Module], train: Examples) -> "pd.Series[float]":
    """Return the losses along straight lines from corner to corner, in float64; each takes an equal part of [0, 1]."""
    inputs, labels = train
    doubled = (inputs.double(), labels)
    pieces = []
    for place, ends in enumerate(itertools.pairwise(corners)):
        piece = train_losses(linear_path(*ends), doubled, points=11)
        piece.index = (piece.index + place) / (len(corners) - 1)
        pieces.append(piece)
    return pd.concat(pieces)


def _losses_rescaled(path: ParameterPath, pair: Pair, train: Examples) -> "pd.Series[float]":
    """Return losses on the straight line where each layer is scaled to the norm between those of the ends' layers."""
    inputs, labels = train
    positions = np.linspace(0, 1, POINTS)
    means = []
    for t in positions.tolist():
        module = path.network(t, inputs)
        layers = zip(linear_layers(module), linear_layers(pair.first), linear_layers(pair.second), strict=True)
        for layer, first, second in layers:
            _scale(layer, (1 - t) * _norm(first) + t * _norm(second))
        losses, _ = LOSSES["cross_entropy"].function(network_outputs(module, inputs), labels)
        means.append(losses.double().mean().item())
    return pd.Series(means, index=positions)


def _norm(layer: nn.Linear) -> Tensor:
    squares = sum(value.detach().square().sum() for value in layer.parameters())
    return torch.as_tensor(squares).sqrt()


@torch.no_grad()
def _scale(layer: nn.Linear, norm: Tensor) -> None:
    factor = norm / _norm(layer).clamp(min=1e-12)
    for value in layer.parameters():
        value.mul_(factor)


def largest_change_of_outputs(widths: list[Width]) -> float:
    """Return the largest change of an output, in float64, when networks are permuted as `match_units` says."""
    changes = []
    for _, pairs, (inputs, _) in widths:
        for pair in pairs:
            network = pair.second.double()
            other = permuted(network, match_units(pair.first, network))
            before = network_outputs(network, inputs.double())
            after = network_outputs(other, inputs.double())
            changes.append(float((after - before).abs().max() / before.abs().max()))
            pair.second.float()
    return max(changes)
