"""The decision boundary of a network on the disk while it trains, after Nakkiran et al. 2019, figure 1."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.explained_information import recorded_steps

#: Points of the grid over the disk, along a side.
SIDE = 161
#: Inverse strength of the ridge of logistic regressions.
INVERSE_RIDGE = 1e3


class BoundaryHistory(NamedTuple):
    """Boundary of one network at every recorded step.

    Attributes:
        run_id: of the network.
        table: one row per step: agreement with the `curve` and with the best `line`, and `train` accuracy.
        logits: on the grid `(N,)`, by step.
    """

    run_id: str
    table: pd.DataFrame
    logits: Mapping[int, np.ndarray]


def disk_points() -> np.ndarray:
    """Return the grid points in the unit disk, `(N, 2)`."""
    ends = np.linspace(-1, 1, SIDE)
    grid = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    return grid[(grid**2).sum(1) <= 1]


def is_above_curve(inputs: np.ndarray, frequency: float) -> np.ndarray:
    """Return the noiseless labels of points `(N, 2)`: which are above x_2 = sin(2 pi f x_1) / 2."""
    return inputs[:, 1] > curve(inputs[:, 0], frequency)


def curve(x: np.ndarray, frequency: float) -> np.ndarray:
    """Return the height of the curve, sin(2 pi f x) / 2, at every x."""
    return np.sin(2 * np.pi * frequency * x) / 2


def line_agreement(grid: np.ndarray, labels: np.ndarray) -> float:
    """Return the agreement of the best linear classifier with labels on the grid."""
    if labels.all() or not labels.any():
        return 1.0
    return float(LogisticRegression(C=INVERSE_RIDGE).fit(grid, labels).score(grid, labels))


@torch.no_grad()
def boundary_history(results: Results, run_id: str, grid: np.ndarray, truth: np.ndarray) -> BoundaryHistory:
    """Return the boundary of a network at every recorded step.

    Args:
        results: with the run.
        run_id: of the network.
        grid: points `(N, 2)` of the disk, from `disk_points`.
        truth: their noiseless labels `(N,)`.
    """
    *earlier, last = recorded_steps(results, run_id)
    inputs = torch.from_numpy(grid).float()
    logits = {}
    rows = {}
    for step in [*earlier, last]:
        network = results.network(run_id, step if step != last else None)
        logits[step] = network(inputs).squeeze(-1).numpy()
        predicted = logits[step] > 0
        rows[step] = {"curve": (predicted == truth).mean(), "line": line_agreement(grid, predicted)}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")
    errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
    table["train"] = 1 - errors.set_index("step")["value"]
    return BoundaryHistory(run_id, table, logits)
