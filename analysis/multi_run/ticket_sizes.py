"""Fraction of a network that pruning leaves."""

import math

import pandas as pd

from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack import built_network


@checked_arguments
def tickets_table(results: Results) -> pd.DataFrame:
    """Return one row per run of a sweep over `prune`, dense networks and earlier rounds included.

    The column `weights_left` has the fraction of all weights that is left, see `weights_left`.
    """
    table = results.table(parents=True)
    fractions = [weights_left(results.config(run_id)) for run_id in table["run_id"]]
    return table.assign(weights_left=fractions)


def weights_left(config: RunConfig) -> float:
    """Return the fraction of all weights (not biases) that is left after a run's pruning, layer by layer.

    >>> round(weights_left(RunConfig.parse({"prune": {"fraction": 0.2, "rounds": 2}})), 3)
    0.64
    """
    if not config.prune.prunes:
        return 1.0
    built = built_network.for_run(config, data.describe(config.data))
    shapes = [shape for shape in built.shapes.values() if len(shape) >= 2]
    sizes = [math.prod(shape) for shape in shapes]
    fractions = []
    for i, shape in enumerate(shapes):
        is_output = i == len(shapes) - 1 and len(shapes) > 1
        fractions.append(config.prune.pruned_fraction(len(shape), output=is_output))
    if config.prune.method == "magnitude":  # all layers are pruned together
        pruned = round(fractions[0] * sum(sizes))
    else:
        pruned = 0
        for fraction, size in zip(fractions, sizes, strict=True):
            pruned += round(fraction * size)
    return 1 - pruned / sum(sizes)
