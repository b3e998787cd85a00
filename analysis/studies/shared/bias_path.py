"""What the first layer's bias does while networks train one example at a time, for the studies of Loukas et al. 2021.

With the weights of the first layer frozen at the identity, ||b_t+1 - b_t|| / (alpha eps_t) is the local Lipschitz
constant ||d f / d x|| at the example of step t, with eps_t = |d loss / d f| and learning rate alpha.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, log_if_wide
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Finding, between, decided, encoding, over_seeds
from benevolent.trainables import data
from benevolent.trainables.training.example_order import training_order

#: The source's statistics of the bias, as its plots name them.
STATISTICS = {
    "bias_increment_mean": "path per step, ‖Δb‖ / αε",
    "bias_increment_sum": "total path, Σ‖Δb‖ / αε",
    "bias_variance": "variance, ‖b − mean b‖² / α²",
    "bias_distance_from_init": "distance from start, ‖b − b₀‖",
}
#: What is drawn against epochs, as in the source's figures.
CURVES = {"train_loss": "train loss", "test_loss": "test loss", "lipschitz_mean": "Lipschitz constant", **STATISTICS}
#: Of a path that is not recorded but computed from checkpoints, see `probability_slopes`.
TITLES = {**CURVES, "probability_path": "total path of the probability"}
#: Examples at once.
ROWS = 500


def progress(results: Results, *columns: str) -> pd.DataFrame:
    """All that was recorded while runs trained: `run_id`, `epoch`, `name`, `value`; losses are named `<split>_loss`.

    Args:
        results: of one sweep.
        columns: of its table of runs, to stand beside them.
    """
    key = ["run_id", "phase", "step"]
    epochs = results.dynamics[[*key, "epoch"]].drop_duplicates(key)
    losses = results.outcomes[results.outcomes["name"] == "loss"]
    losses = losses.assign(name=losses["split"] + "_loss")
    rows = pd.concat([one[[*key, "name", "value"]] for one in (results.dynamics, losses, results.measures)])
    rows = rows.merge(epochs, on=key)[["run_id", "epoch", "name", "value"]]
    return rows.merge(results.runs[["run_id", *columns]], on="run_id")


def identity_errors(results: Results) -> np.ndarray:
    """By how much recorded increments of the bias miss the local Lipschitz constant, relative to it.

    Where two steps that follow each other were recorded, what the sum of increments grew by between them belongs to one
    example; ||d f / d x|| there is computed from the network kept before the step, by automatic differentiation. Steps
    without an increment (whose loss derivative vanishes) are left out.
    """
    errors = []
    sums = results.dynamics[results.dynamics["name"] == "bias_increment_sum"]
    for run_id, rows in sums.groupby("run_id"):
        config = results.config(str(run_id))
        dataset = data.load(config.data, config.precision)
        inputs = data.inputs_of(dataset, [config], "train").rows()[0]
        recorded = rows.sort_values("step")[["step", "value"]].itertuples(index=False)
        for (step, before), (after, total) in pairwise(recorded):
            if after != step + 1 or not total > before:
                continue
            epoch, place = divmod(int(step), len(inputs))
            example = training_order(config.seed, config.phases[-1].name, epoch, len(inputs))[place]
            slope = lipschitz(results.network(str(run_id), int(step)).double(), inputs[example : example + 1].double())
            errors.append(abs((total - before) / slope.item() - 1))
    return np.array(errors)


def lipschitz(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """||d f / d x||_2 `(n,)` of a network of one output at inputs `(n, *input_shape)`."""
    points = inputs.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(network(points).sum(), points)
    return gradients.flatten(1).norm(dim=1)


def probability_slopes(results: Results) -> pd.DataFrame:
    """The mean of ||d p / d x|| over the training points, p = sigmoid(f), at every checkpoint of a whole epoch.

    The source's network ends in the sigmoid and its path counts what p's Lipschitz constant is; ours ends in the logit
    f. By the identity, the mean of ||d p / d x|| is what a step's ||b_t+1 - b_t|| / (alpha |d loss / d p|) is on
    average.

    Returns:
        `run_id`, `epoch` and `value`.
    """
    rows, ends = [], results.runs.set_index("run_id")["step"]
    steps = results.dynamics[["run_id", "step", "epoch"]].drop_duplicates()
    for run_id, step, epoch in steps[steps["epoch"] % 1 == 0].itertuples(index=False):
        config = results.config(run_id)
        network = results.network(run_id, None if step == ends[run_id] else int(step)).double()
        dataset = data.load(config.data, config.precision)
        inputs = data.inputs_of(dataset, [config], "train").rows()[0].double()
        with torch.no_grad():
            p = torch.cat([network(part) for part in inputs.split(ROWS)]).sigmoid().squeeze(1)
        slopes = torch.cat([lipschitz(network, part) for part in inputs.split(ROWS)])
        rows.append((run_id, epoch, float((p * (1 - p) * slopes).mean())))
    return pd.DataFrame(rows, columns=["run_id", "epoch", "value"]).sort_values(["run_id", "epoch"])


def identity_finding(results: Results, close: float) -> Finding:
    """Whether the increments recorded while training are the local Lipschitz constants."""
    errors = identity_errors(results)
    return Finding(
        "what a step moves the bias by, over α ε, is the local Lipschitz constant at its example",
        decided(bool(errors.max() <= close) if len(errors) else None),
        f"relative error at most {errors.max():.1g} in {len(errors)} steps" if len(errors) else "no step was recorded",
        "equal, by the chain rule",
        check=True,
    )


def rises(
    table: pd.DataFrame, name: str, axis: str, least: float, falls: int | None = None, paper: str = "", guess: str = ""
) -> Finding:
    """Whether a statistic at the axis's highest value is so many times that at its lowest, in the mean over seeds.

    Args:
        table: one row per run.
        name: the statistic's column.
        axis: the column that it should rise along.
        least: how many times.
        falls: how often, at most, the mean may be lower at a value than at the value before; by default as it may.
        paper: what the source says.
        guess: why, should it not hold.
    """
    means = table.groupby(axis)[name].mean()
    low, high = means.index[0], means.index[-1]

    def ratio(rows: pd.DataFrame) -> float:
        ends = [rows.loc[rows[axis] == value, name].mean() for value in (low, high)]
        return float(ends[1] / ends[0])

    estimate = over_seeds(table, ratio)
    fell = int((means.diff() < 0).sum())
    values = ", ".join(f"{value:.3g}" for value in means)
    order = "" if falls is None else f", and in order but for {falls}" if falls else ", and in order"
    return Finding(
        f"{TITLES[name]}: at {axis.split('.')[-1].replace('_', ' ')} {high:g} "
        + (f"at least {least:g} times that" if least > 1 else "larger than")
        + f" at {low:g}"
        + order,
        decided(estimate.value >= least and estimate.low > 1 and (falls is None or fell <= falls)),
        f"ratio {between(estimate, '.3g')}; means {values}",
        paper,
        guess=guess,
    )


def curves(rows: pd.DataFrame, axis: str, names: Sequence[str] = tuple(CURVES)) -> Figure:
    """Medians over seeds against epochs, with the range of the seeds, one line per value of the axis.

    Args:
        rows: as from `progress`, with the axis as a column.
        axis: what gives the colors.
        names: what to draw, in `CURVES`.
    """
    looks = encoding(axis, rows[axis])
    across = 4
    down = -(-len(names) // across)
    figure = Figure(figsize=(WIDTH_INCHES, 0.4 + 1.9 * down), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for panel, name in zip(panels, names, strict=False):
        shown = rows[(rows["name"] == name) & (rows["epoch"] >= 1) & (rows["epoch"] % 1 == 0)]
        for value, color in zip(looks.values, looks.colors, strict=True):
            if (shown[axis] != value).all():
                continue
            spread = shown[shown[axis] == value].groupby("epoch")["value"].quantile([0, 0.5, 1]).unstack()
            panel.fill_between(spread.index, spread[0.0], spread[1.0], color=color, alpha=0.15, linewidth=0)
            panel.plot(spread.index, spread[0.5], color=color, linewidth=1.3)
        panel.set(xscale="log", xlabel="epoch")
        panel.set_title(CURVES[name], loc="left")
        log_if_wide(panel, "y", shown["value"].to_numpy())
    for panel in panels[len(names) :]:
        panel.remove()
    looks.legend(figure, lines=True)
    return figure


def against_lipschitz(table: pd.DataFrame, axis: str, fitted: float = np.inf) -> Figure:
    """Each statistic at the end against the Lipschitz constant, a point per network; hollow where it is not fitted."""
    looks = encoding(axis, table[axis])
    figure = Figure(figsize=(WIDTH_INCHES, 2.4), layout="constrained")
    names = list(STATISTICS)[1:]
    for panel, name in zip(figure.subplots(1, len(names)), names, strict=True):
        for color, marker, chosen in looks.groups(table[axis]):
            for filled in (True, False):
                rows = table[chosen & ((table["train_loss"] <= fitted) == filled)]
                face = color if filled else "none"
                x, y = rows["lipschitz_mean"], rows[name]
                panel.scatter(x, y, s=18, marker=marker, facecolors=face, edgecolors=color, linewidths=0.8)
        panel.set(xlabel="mean Lipschitz constant", ylabel=STATISTICS[name])
        log_if_wide(panel, "x", table["lipschitz_mean"].to_numpy())
        log_if_wide(panel, "y", table[name].to_numpy())
    looks.legend(figure)
    return figure
