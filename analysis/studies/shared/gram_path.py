"""Two-layer networks on their way from initialization: losses, moves and Gram matrices (Du et al. 2019)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.multi_run.gram_matrix import (
    gram_matrix,
    infinite_gram_matrix,
    largest_distance,
    least_eigenvalue,
    linear_losses,
    pattern_changes,
)
from benevolent.analysis.multi_run.stored_tensors import stored_tensors
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.explained_information import recorded_steps
from benevolent.analysis.studies.shared.network_outputs import examples
from benevolent.analysis.studies.shared.tables import rows_with

WEIGHT = "0.weight"
SIGNS = "2.weight"


class GramPath(NamedTuple):
    """Record of networks while they train.

    Attributes:
        table: one row per network and recorded step: `seed`, `width`, `step`, `loss` (half the sum of squared errors),
            `linear_loss` (if the Gram matrix stayed as at initialization), `changed` (fraction of activations that
            differ from those at initialization), `distance` (largest one of a unit's weights from initialization), and
            `least` (smallest eigenvalue of the Gram matrix).
        infinite_least: lambda_0, the smallest eigenvalue of H infinity.
        step_size: eta of the source, whose loss is a sum over the examples.
        examples: n.
    """

    table: pd.DataFrame
    infinite_least: float
    step_size: float
    examples: int

    def at(self, step: int) -> pd.DataFrame:
        """Return the rows of one step."""
        return rows_with(self.table, "step", step)

    @property
    def end(self) -> pd.DataFrame:
        """The rows of the last step."""
        return self.at(int(self.table["step"].max()))


def gram_path(results: Results) -> GramPath:
    """Follow every network of a sweep of `fixed_signs` networks through its checkpoints."""
    runs = results.table()
    some_run = str(runs["run_id"].iloc[0])
    inputs, targets = examples(results, some_run, "train")
    count = len(inputs)
    step_size = float(runs["optimizer.lr"].iloc[0]) / count
    steps = recorded_steps(results, some_run)
    starts = stored_tensors(results, WEIGHT, step=0)
    signs = stored_tensors(results, SIGNS)
    losses = _losses(results) * count
    linear = {}
    for run_id in runs["run_id"]:
        residual = outputs(inputs, starts[run_id], signs[run_id]) - targets.double()
        gram = gram_matrix(inputs, starts[run_id])
        linear[run_id] = linear_losses(gram, residual, step_size, torch.tensor(steps)).tolist()
    parts = []
    for place, step in enumerate(steps):
        weights = starts if step == 0 else stored_tensors(results, WEIGHT, None if step == steps[-1] else step)
        for run in runs.itertuples():
            run_id = str(run.run_id)
            row = _moves(inputs, starts[run_id], weights[run_id])
            row |= {"run_id": run_id, "step": step, "linear_loss": linear[run_id][place]}
            parts.append(row | {"loss": losses[run_id, step]})
    table = pd.DataFrame(parts).merge(runs[["run_id", "seed", "model.width"]], on="run_id")
    infinite_least = least_eigenvalue(infinite_gram_matrix(inputs)).item()
    return GramPath(table.rename(columns={"model.width": "width"}), infinite_least, step_size, count)


def outputs(inputs: Tensor, weights: Tensor, signs: Tensor) -> Tensor:
    """Return the outputs `(n,)` in float64 of a network of the family `fixed_signs`.

    Args:
        inputs: `(n, d)`.
        weights: `(m, d)`, of the hidden units.
        signs: `(1, m)`, of the output.
    """
    hidden = (inputs.double() @ weights.double().T).relu()
    return (hidden @ signs.double().T).squeeze(1)


def _losses(results: Results) -> "pd.Series[float]":
    """Return the mean train loss by run and step."""
    outcomes = results.outcomes
    rows = outcomes[(outcomes["split"] == "train") & (outcomes["name"] == "loss")]
    return rows.set_index(["run_id", "step"])["value"]


def _moves(inputs: Tensor, start: Tensor, weights: Tensor) -> dict[str, float | int | str]:
    return {
        "changed": pattern_changes(inputs, start, weights).item(),
        "distance": largest_distance(start, weights).item(),
        "least": least_eigenvalue(gram_matrix(inputs, weights)).item(),
    }


def slope_on_log_width(table: pd.DataFrame, column: str) -> float:
    """Return the slope of the logarithm of a column on the logarithm of the width.

    >>> networks = pd.DataFrame({"width": [1, 4, 16], "distance": [8.0, 4.0, 2.0]})
    >>> round(slope_on_log_width(networks, "distance"), 6)
    -0.5
    """
    widths = np.log(table["width"].to_numpy(dtype=float))
    values = np.log(table[column].to_numpy(dtype=float))
    return float(np.polyfit(widths, values, 1)[0])
