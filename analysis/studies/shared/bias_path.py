"""Path of the first layer's bias while networks train one example at a time, for the studies of Loukas et al. 2021.

With the weights of the first layer frozen at the identity, ||b_{t+1} - b_t|| / (alpha eps_t) is the local Lipschitz
constant ||d f / d x|| at the example of step t, with eps_t = |d loss / d f| and the learning rate alpha.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
import torch

from benevolent.analysis.judging.histories import run_histories
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.trainables import data
from benevolent.trainables.training.example_order import training_order

#: Examples that a network is given at once.
EXAMPLES_PER_PASS = 500

IDENTITY = StudyClaim(
    "A step moves the bias by α ε times the local Lipschitz constant", "by the chain rule", kind="check"
)


def recorded_progress(results: Results, *columns: str) -> pd.DataFrame:
    """Return the histories of runs with some of the runs' columns.

    Args:
        results: of one sweep.
        columns: of its table of runs, to add to each row.

    Returns:
        `run_id`, `epoch`, `name`, `value`, and the columns asked for; losses are named `train_loss` and `test_loss`.
    """
    history = run_histories(results, splits=("train", "test"))
    return history.merge(results.runs[["run_id", *columns]], on="run_id")


def identity_errors(results: Results) -> np.ndarray:
    """Return the relative errors of recorded increments of the bias, against the local Lipschitz constant.

    Where two consecutive steps were recorded, the sum of increments grew between them by what belongs to one example;
    ||d f / d x|| there is computed by automatic differentiation from the network saved before the step. Steps without
    an increment (whose loss derivative vanishes) are left out.
    """
    errors = []
    sums = rows_with(results.dynamics, "name", "bias_increment_sum")
    for run_id, rows in sums.groupby("run_id"):
        recorded = rows.sort_values("step")[["step", "value"]].itertuples(index=False)
        for (step, sum_before), (next_step, sum_after) in pairwise(recorded):
            if next_step != step + 1 or not sum_after > sum_before:
                continue
            slope = _slope_at_step(results, str(run_id), int(step))
            errors.append(abs((sum_after - sum_before) / slope - 1))
    return np.array(errors)


def _slope_at_step(results: Results, run_id: str, step: int) -> float:
    """Return ||d f / d x|| at the example of the step after `step`, of the network saved there."""
    config = results.config(run_id)
    inputs = _training_inputs(results, run_id)
    epoch, position = divmod(step, len(inputs))
    example = training_order(config.seed, config.phases[-1].name, epoch, len(inputs))[position]
    network = results.network(run_id, step).double()
    return float(input_gradient_norms(network, inputs[example : example + 1]).item())


def _training_inputs(results: Results, run_id: str) -> torch.Tensor:
    """Return the training inputs `(N, ...)` of a run in float64."""
    config = results.config(run_id)
    dataset = data.load(config.data, config.precision)
    return data.inputs_of(dataset, [config], "train").rows()[0].double()


def input_gradient_norms(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return ||d f / d x||_2 `(n,)` of a network with one output at inputs `(n, *input_shape)`."""
    points = inputs.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(network(points).sum(), points)
    return gradients.flatten(1).norm(dim=1)


def probability_slopes(results: Results) -> pd.DataFrame:
    """Return the mean of ||d p / d x|| over the training points, p = sigmoid(f), at every checkpoint of a whole epoch.

    The source's network ends in the sigmoid, and its path counts the Lipschitz constants of p; ours ends in the logit
    f. By the identity, the mean of ||d p / d x|| is the mean of a step's ||b_{t+1} - b_t|| / (alpha |d loss / d p|).

    Returns:
        `run_id`, `epoch` and `value`.
    """
    ends = results.runs.set_index("run_id")["step"]
    steps = results.dynamics[["run_id", "step", "epoch"]].drop_duplicates()
    whole_epochs = steps[steps["epoch"] % 1 == 0]
    rows = []
    for run_id, step, epoch in whole_epochs.itertuples(index=False):
        checkpoint = None if step == ends[run_id] else int(step)
        network = results.network(run_id, checkpoint).double()
        batches = _training_inputs(results, run_id).split(EXAMPLES_PER_PASS)
        with torch.no_grad():
            p = torch.cat([network(batch) for batch in batches]).sigmoid().squeeze(1)
        slopes = torch.cat([input_gradient_norms(network, batch) for batch in batches])
        rows.append((run_id, epoch, float((p * (1 - p) * slopes).mean())))
    return pd.DataFrame(rows, columns=["run_id", "epoch", "value"]).sort_values(["run_id", "epoch"])


def identity_finding(results: Results, tolerance: float, where: str = "") -> Finding:
    """Decide whether the increments recorded in training are the local Lipschitz constants.

    Args:
        results: of one sweep.
        tolerance: largest relative error allowed.
        where: what network the claim is about, if there are several.
    """
    claim = IDENTITY.about(where) if where else IDENTITY
    errors = identity_errors(results)
    if len(errors) == 0:
        return claim.decide(None, "no recorded step")
    evidence = f"relative error at most {errors.max():.1g} in {len(errors)} steps"
    return claim.decide(bool(errors.max() <= tolerance), evidence)


def increase_finding(
    claim: StudyClaim,
    table: pd.DataFrame,
    statistic: str,
    axis: str,
    least_ratio: float,
    max_decreases: int | None = None,
) -> Finding:
    """Decide whether a statistic is larger at an axis's highest value than at its lowest, by at least some factor.

    The ratio of the two means is averaged over seeds; the lower end of its interval must be above 1.

    Args:
        claim: the claim.
        table: one row per run.
        statistic: column of the statistic.
        axis: column along which it should rise.
        least_ratio: smallest mean ratio.
        max_decreases: number of falls of the mean from one value of the axis to the next; any number if None.
    """
    means = table.groupby(axis)[statistic].mean()
    low = means.index[0]
    high = means.index[-1]

    def ratio(rows: pd.DataFrame) -> float:
        at_low = rows_with(rows, axis, low)[statistic].mean()
        at_high = rows_with(rows, axis, high)[statistic].mean()
        return float(at_high / at_low)

    estimate = mean_over_seeds(table, ratio)
    decreases = int((means.diff() < 0).sum())
    is_ordered = max_decreases is None or decreases <= max_decreases
    values = ", ".join(f"{value:.3g}" for value in means)
    places = ", ".join(f"{place:g}" for place in means.index)
    evidence = f"ratio {show_interval(estimate, '.3g')}; means at {places}: {values}"
    return claim.decide(estimate.value >= least_ratio and estimate.low > 1 and is_ordered, evidence)
