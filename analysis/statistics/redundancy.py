"""Redundancy: predictors that say the same, by their correlation within configurations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits

from benevolent.analysis.statistics.compared_runs import ACROSS, WITHIN, ComparedRuns, has_replicates
from benevolent.analysis.statistics.configurations import numeric_column, require_columns

SAME = 0.7  # least |correlation| of two predictors of a cluster: collinear, in the review of Dormann et al. 2013
NOTHING_LEFT = 1e-9  # a smaller sum of squares is rounding


class Cluster(NamedTuple):
    """Predictors that say the same.

    Attributes:
        representative: the one that stands for all.
        members: all predictors, the representative first, then by falling |correlation| with it.
        correlations: of each member with the representative.
        kind: runs among which correlations are taken: within or across configurations.
    """

    representative: str
    members: tuple[str, ...]
    correlations: tuple[float, ...]
    kind: str


@threadpool_limits.wrap(limits=1)
def redundancy(
    table: pd.DataFrame, predictors: Sequence[str], axes: Sequence[str], *, seed_column: str | None = "seed"
) -> list[Cluster]:
    """Cluster predictors that order the runs of a configuration alike; outcomes are not looked at.

    The distance of two predictors is 1 - |r|, where r is their rank correlation within configurations (across all runs
    if there are no replicates). Clusters are made by complete linkage and cut at a distance of 0.3, so that any two
    members of a cluster have |r| of at least 0.7, the usual bound of collinearity (Dormann et al. 2013, Ecography 36).
    Both are fixed. The representative is the member with the largest
    mean |r| with the others; of equal ones, the one that fewer runs lack, then the one named first.

    Args:
        table: one row per run. The correlation of two predictors is over the runs that have both.
        predictors: numeric columns. One that does not vary within configurations is left out.
        axes: columns that make a configuration.
        seed_column: column of the seed.

    Returns:
        The clusters, the largest first.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"width": [1] * 5, "a": [1, 2, 3, 4, 5], "b": [5, 4, 3, 2, 1], "c": [1, 3, 5, 4, 2]})
    >>> [cluster.members for cluster in redundancy(table, ["a", "b", "c"], ["width"])]
    [('a', 'b'), ('c',)]
    """
    require_columns(table, axes, "axis")
    within = has_replicates(table, axes)
    groups = list(axes) if within else []
    compared: dict[bytes, ComparedRuns] = {}
    names = []
    scores = []
    missing = []
    for predictor in predictors:
        values = numeric_column(table, predictor, "predictor")
        present = ~np.isnan(values)
        key = present.tobytes()
        if key not in compared and present.any():
            compared[key] = ComparedRuns(table[present], groups, seed_column, aligned=within)
        score = np.zeros(len(values))
        if present.any():
            runs_with = np.flatnonzero(present)[compared[key].runs.order]
            score[runs_with] = compared[key].scores(values[present])
        if score @ score > NOTHING_LEFT:
            names.append(predictor)
            scores.append(score)
            missing.append(~present)
    if not names:
        return []
    correlations = pairwise_correlations(np.array(scores), np.array(missing))
    lacking_runs = np.array(missing).sum(axis=1)
    clusters = []
    for members in _clusters(correlations):
        clusters.append(_cluster(members, names, correlations, lacking_runs, WITHIN if within else ACROSS))
    return sorted(clusters, key=lambda cluster: -len(cluster.members))


def pairwise_correlations(scores: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Correlate all pairs of predictors over the runs that have both.

    Args:
        scores: (p, n) centered scores, 0 where missing.
        missing: (p, n) True where a run lacks the predictor.

    Returns:
        (p, p) correlations; 0 where a pair has no run in common on which both vary.
    """
    present = (~missing).astype(float)
    products = scores @ scores.T
    squares = scores**2 @ present.T
    size = np.sqrt(squares * squares.T)
    return np.clip(np.where(size > NOTHING_LEFT, products / np.maximum(size, NOTHING_LEFT), 0.0), -1, 1)


def _clusters(correlations: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the members of each cluster."""
    if len(correlations) == 1:
        return [np.array([0])]
    distances = 1 - np.abs(correlations)
    np.fill_diagonal(distances, 0)
    condensed = squareform(distances, checks=False)
    labels = fcluster(linkage(condensed, method="complete"), 1 - SAME + NOTHING_LEFT, criterion="distance")
    return [np.flatnonzero(labels == label) for label in pd.unique(labels)]


def _cluster(
    members: np.ndarray, names: Sequence[str], correlations: np.ndarray, lacking_runs: np.ndarray, kind: str
) -> Cluster:
    """Choose the representative of a cluster and order the others."""
    strength = np.abs(correlations[np.ix_(members, members)]).sum(axis=1).round(9)
    best = members[np.lexsort((lacking_runs[members], -strength))[0]]
    with_best = correlations[best, members]
    order = np.lexsort((-np.abs(with_best).round(9), members != best))
    ordered = members[order]
    return Cluster(
        representative=names[best],
        members=tuple(names[member] for member in ordered),
        correlations=tuple(float(correlations[best, member]) for member in ordered),
        kind=kind,
    )
