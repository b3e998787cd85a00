"""Double descent: the risk of models of growing size falls, rises to a peak, and falls again (Belkin et al. 2018).

The peak is at the interpolation threshold, the size from which on a model fits every training example.
"""

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.nearest import nearest_in_ratio
from benevolent.trainables.arguments import checked_arguments


@checked_arguments
def mean_risks(table: pd.DataFrame, size: str, risk: str) -> pd.Series:
    """Return the geometric mean over seeds of a risk, by size in ascending order.

    A peak may be orders of magnitude higher in one seed than in another, and the arithmetic mean would show that seed
    only.

    Args:
        table: one row per model.
        size: column of its size.
        risk: column of its risk, above 0.

    >>> models = pd.DataFrame({"size": [1, 2, 1, 2], "loss": [1.0, 10.0, 4.0, 1000.0]})
    >>> mean_risks(models, "size", "loss").round(6).tolist()
    [2.0, 100.0]
    """
    logs = pd.Series(np.log(table[risk].to_numpy(dtype=float)), index=table.index)
    return np.exp(logs.groupby(table[size]).mean()).rename(risk)


@checked_arguments
def descents(table: pd.DataFrame, size: str, risk: str, threshold: float) -> pd.DataFrame:
    """Return where the risk of every seed falls, rises and falls again.

    Sizes are chosen for all seeds together: the one nearest to the threshold, the largest one, and of those below the
    threshold the one whose mean risk is lowest (the sweet spot of the classical curve).

    Args:
        table: one row per model, with a column `seed`.
        size: column of the model's size.
        risk: column of its risk, above 0.
        threshold: size at which models begin to interpolate.

    Returns:
        one row per seed: `seed`, the risks `below`, `peak` and `end` at these three sizes, and the logarithms of their
        ratios: `rise` of peak to below, `fall` of peak to end, `gain` of below to end.

    Raises:
        ValueError: no size is below the threshold, or none above it.

    >>> models = pd.DataFrame({"seed": 0, "size": [1, 2, 4, 8], "loss": [3.0, 2.0, 8.0, 1.0]})
    >>> descents(models, "size", "loss", 4)[["below", "peak", "end"]].values.tolist()
    [[2.0, 8.0, 1.0]]
    """
    risks = mean_risks(table, size, risk)
    peak = nearest_in_ratio(risks.index, threshold)
    smaller = risks[risks.index < peak]
    largest = risks.index[-1]
    if smaller.empty or largest == peak:
        raise ValueError(f"sizes of models must reach from below {threshold:g} to above it")
    places = {"below": smaller.idxmin(), "peak": peak, "end": largest}
    by_seed = table.pivot(index="seed", columns=size, values=risk)
    rows = pd.DataFrame({name: by_seed[place] for name, place in places.items()})
    logs = np.log(rows)
    rows["rise"] = logs["peak"] - logs["below"]
    rows["fall"] = logs["peak"] - logs["end"]
    rows["gain"] = logs["below"] - logs["end"]
    return rows.reset_index()


@checked_arguments
def peaks_at(table: pd.DataFrame, size: str, risk: str, threshold: float) -> bool:
    """Return whether the mean risk is largest at the size nearest to the threshold, or at a neighbor of that size.

    Sizes below the sweet spot, at which models are too small to learn, are left out; a risk that falls from the sweet
    spot on has no peak.

    Args:
        table: one row per model.
        size: column of its size.
        risk: column of its risk, above 0.
        threshold: size at which models begin to interpolate.

    >>> models = pd.DataFrame({"size": [1, 2, 4, 8, 16], "loss": [9.0, 2.0, 8.0, 1.0, 0.5]})
    >>> peaks_at(models, "size", "loss", 4), peaks_at(models, "size", "loss", 16)
    (True, False)
    """
    risks = mean_risks(table, size, risk)
    sizes = list(risks.index)
    expected = sizes.index(nearest_in_ratio(risks.index, threshold))
    sweet_spot = int(np.argmin(risks.to_numpy()[: max(expected, 1)]))
    found = sweet_spot + int(np.argmax(risks.to_numpy()[sweet_spot:]))
    return found > sweet_spot and abs(found - expected) <= 1
