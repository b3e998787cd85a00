"""Heights of paths between two networks."""

import pandas as pd

from benevolent.analysis.multi_run.mode_connectivity import barrier
from benevolent.analysis.multi_run.parameter_path import linear_path
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.network_outputs import examples
from benevolent.analysis.studies.shared.valley_pairs import WIDTH, train_losses


def heights(losses: pd.DataFrame, chance: float) -> pd.DataFrame:
    """Return how high each path rises, as a fraction of the loss of chance.

    Args:
        losses: from `losses_along_paths`.
        chance: loss of equal probabilities.

    Returns:
        One row per `width`, `pair` (also as `seed`) and `path`: `excess`, the highest loss minus the larger one of the
        ends; `barrier`, the greatest height over the chord of the ends; `worse`, the larger loss of the ends in nats.
    """
    rows = []
    for (width, pair, path), table in losses.groupby(["width", "pair", "path"]):
        values = table.set_index("t")["loss"].sort_index(kind="stable")
        worse = max(values.iloc[0], values.iloc[-1])
        rows.append(
            {
                "width": width,
                "pair": pair,
                "seed": pair,
                "path": path,
                "excess": (values.max() - worse) / chance,
                "barrier": barrier(values) / chance,
                "worse": worse,
            }
        )
    return pd.DataFrame(rows)


def heights_within_runs(results: Results, step: int, chance: float) -> pd.DataFrame:
    """Return the heights of the straight paths from a checkpoint of each run to its end; columns as of `heights`."""
    table = results.table().sort_values([WIDTH, "replicate"])
    train = examples(results, str(table["run_id"].iloc[0]), "train")
    rows = []
    for run_id, width, replicate in zip(table["run_id"], table[WIDTH], table["replicate"], strict=True):
        losses = train_losses(linear_path(results.network(run_id, step), results.network(run_id)), train)
        found = losses.rename("loss").rename_axis("t").reset_index()
        rows.append(found.assign(width=width, pair=replicate, path="run"))
    return heights(pd.concat(rows, ignore_index=True), chance)
