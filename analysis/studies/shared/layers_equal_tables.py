"""Tables of the study `layers-equal`: what networks lose when one of their layers is reset or moved."""

from collections.abc import Sequence

import pandas as pd

from benevolent.analysis.multi_run.layer_moves import layer_moves, reset_errors
from benevolent.analysis.multi_run.layer_robustness import reset_drops
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, seed_mean

#: Axes of the sweep of sizes.
SIZE = ("model.width", "model.depth")
#: Names of `reset.to` for the start and for newly drawn weights.
START = "init"
RANDOM = "random"
FAMILIES = {"perceptron": "perceptron", "vgg": "VGG", "resnet": "residual network"}
#: Epochs that layers are set back to, where no runs do it.
STATES = (1, 4)


def drops_of_layers(results: Results, axes: Sequence[str] = ()) -> pd.DataFrame:
    """Return what each run with layers reset lost, with `layer`, the number of its layer, 0 where several are reset.

    A sweep without runs that reset layers has its networks' layers reset here.
    """
    table = results.table(parents=True)
    if (table["reset.layers"] == "").all():
        drops = pd.concat([_drops_of_run(results, run_id) for run_id in table["run_id"]], ignore_index=True)
    else:
        drops = reset_drops(table, axes)
    is_single = ~drops["reset.layers"].str.contains(",")
    drops["layer"] = drops["reset.layers"].where(is_single, "0").astype(int)
    return drops


def _drops_of_run(results: Results, run_id: str) -> pd.DataFrame:
    return reset_errors(results, run_id, [START, *STATES, RANDOM])


def moves_of_layers(results: Results) -> pd.DataFrame:
    """Return the tables of `layer_moves` of all networks without layers reset, with the drops in accuracy."""
    runs = results.runs
    trained = runs.loc[runs["reset.layers"] == "", "run_id"]
    moves = pd.concat([layer_moves(results, run_id) for run_id in trained], ignore_index=True)
    for name in ("reset", "random", "fitted_reset"):
        moves[f"{name}_drop"] = moves[f"{name}_error"] - moves["error"]
    return moves


def at(drops: pd.DataFrame, state: str | int, layers: Sequence[int] = ()) -> pd.DataFrame:
    """Return the rows of layers, by default of any single one, set back to a state: a value of `reset.to`."""
    chosen = drops["layer"].isin(layers) if layers else drops["layer"] > 0
    return drops[chosen & (drops["reset.to"] == str(state))]


def earliest_epoch(drops: pd.DataFrame, epochs: int) -> int | None:
    """Return the first epoch that layers are set back to, if it is in the first tenth of training.

    >>> drops = pd.DataFrame({"reset.to": ["init", "8", "2"]})
    >>> earliest_epoch(drops, 20), earliest_epoch(drops, 10)
    (2, None)
    """
    epoch = epochs_of(drops)[0]
    return epoch if 10 * epoch <= epochs else None


def epochs_of(drops: pd.DataFrame) -> list[int]:
    """Return the epochs that layers are set back to, in order."""
    return sorted(int(state) for state in set(drops["reset.to"]) if state.isdigit())


def blocks_of(depth: int) -> tuple[list[int], list[int]]:
    """Return the layers of a residual network that begin a residual block, and the others of blocks, from 1.

    >>> blocks_of(8)
    ([2, 4, 6], [3, 5, 7])
    """
    firsts = list(range(2, depth, 2))
    return firsts, [layer + 1 for layer in firsts]


def stage_starts(depth: int) -> list[int]:
    """Return the layers of a residual network that begin it or one of its three stages, from 1.

    >>> stage_starts(14)
    [1, 2, 6, 10]
    """
    layers_per_stage = (depth - 2) // 3
    return [1, *(2 + stage * layers_per_stage for stage in range(3))]


def mean_drop(rows: pd.DataFrame) -> SeedMean:
    """Return the mean drop of the layers in a table."""
    return seed_mean(rows, "drop")


def difference_to_others(rows: pd.DataFrame, layers: Sequence[int], column: str) -> SeedMean:
    """Return the mean of a column over some layers less that over all others."""

    def difference(networks: pd.DataFrame) -> float:
        chosen = networks["layer"].isin(layers)
        return float(networks.loc[chosen, column].mean() - networks.loc[~chosen, column].mean())

    return mean_over_seeds(rows, difference)


def drops_by_layer(rows: pd.DataFrame, column: str) -> str:
    """Return the mean of a column for each layer, as text."""
    means = rows.groupby("layer")[column].mean()
    return "by layer " + ", ".join(f"{mean:.2f}" for mean in means)


def fall_along(sizes: pd.DataFrame, axis: str, over_layers: str) -> SeedMean:
    """Return by how much a statistic over layers falls from the smallest value of an axis to the largest."""
    rows = at(sizes, START)

    def fall(networks: pd.DataFrame) -> float:
        by_network = networks.groupby(list(SIZE))["drop"].agg(over_layers)
        means = by_network.groupby(axis).mean().sort_index()
        return float(means.iloc[0] - means.iloc[-1])

    return mean_over_seeds(rows, fall)
