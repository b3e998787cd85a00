"""Selection: the outcome that is lost if networks are chosen by a predictor."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.pool_choice import Pool, divided_pools
from benevolent.analysis.statistics.resampling import percentile_interval

#: What most people choose networks by.
REFERENCE = "validation_loss"
FRACTION = 0.1  # of the networks, if not only the best one is chosen
BEST_ONE = "best one"
BEST_TENTH = "best 10%"
SAME_RUNS = "the same runs"
OTHER_DATA = "the other data sets"


class Selection(NamedTuple):
    """One row of the table of `selection_loss`.

    Attributes:
        data: the data set that networks are chosen on; empty if the table is not divided.
        direction_from: runs that the direction is taken from.
        predictor: column that networks are chosen by.
        choice: "best one" or "best 10%".
        direction: 1 if small values are chosen, -1 if large ones, 0 if all runs are tied (a random choice).
        networks: number of networks chosen.
        runs: number of networks chosen among.
        lineages: number of lineages that were resampled.
        chosen: mean outcome of the chosen networks.
        lost_to_best: `chosen` minus the mean outcome of the best choice of as many networks.
        best_low: lower end of its interval.
        best_high: upper end of its interval.
        lost_to_reference: `chosen` minus that of a choice by the reference predictor, its smallest values.
        reference_low: lower end of its interval.
        reference_high: upper end of its interval.
        lost_to_random: `chosen` minus the mean outcome of all networks; below 0: better than at random.
        random_low: lower end of its interval.
        random_high: upper end of its interval.
        recovered: `-lost_to_random / (lost_to_best - lost_to_random)`: 0 at random, 1 at best.
    """

    data: str
    direction_from: str
    predictor: str
    choice: str
    direction: int
    networks: int
    runs: int
    lineages: int
    chosen: float
    lost_to_best: float
    best_low: float
    best_high: float
    lost_to_reference: float
    reference_low: float
    reference_high: float
    lost_to_random: float
    random_low: float
    random_high: float
    recovered: float


def selection_loss(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    reference: str = REFERENCE,
    data_column: str | None = None,
    resamples: int = 500,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Estimate the outcome that is lost if networks are chosen by a predictor.

    The best one, or the best tenth, of all runs is chosen by the predictor, and its mean outcome compared with that of
    the best possible choice of as many networks, of a choice by the reference, and of a random choice. Tied networks
    are chosen among at random: their mean outcome counts. The best possible choice is made by the outcome as measured,
    so that `lost_to_best` contains some luck of the test set.

    A predictor says nothing on whether small or large values are better. The direction is the sign of Spearman's
    correlation with the outcome over the runs that networks are chosen among ("the same runs"): one bit that is taken
    from the outcome, so that a predictor without any relation does slightly better than a random choice. In a table of
    several data sets, networks are chosen in each of them, and also with the direction from the others alone, by the
    mean of their correlations ("the other data sets").

    Intervals are percentiles over resamples of whole lineages, direction included. Those of the best one are rough: a
    minimum has no smooth distribution.

    Args:
        table: one row per run; runs without a finite target are left out.
        predictors: numeric columns; runs without the predictor, or without the reference, are not chosen among.
        target: the outcome; smaller is better.
        axes: columns that make a configuration, and a lineage in a table without the column `lineage`.
        reference: predictor whose small values are better; it may be absent.
        data_column: column of the data set.
        resamples: number of resamples; 0 for no intervals.
        confidence: coverage.
        random_seed: equal seeds give equal intervals.

    Returns:
        The fields of `Selection`, one row per data set, source of the direction, predictor and choice.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"norm": [3, 1, 2, 4], "loss": [0.4, 0.1, 0.2, 0.3], "width": [1, 2, 3, 4]})
    >>> table["distance"] = [1, 3, 2, 4]
    >>> rows = selection_loss(table, ["norm", "distance"], "loss", ["width"])
    >>> rows[rows["choice"] == "best one"][["predictor", "direction", "chosen", "lost_to_best"]].round(2)
      predictor  direction  chosen  lost_to_best
    0      norm          1     0.1           0.0
    2  distance         -1     0.3           0.2
    """
    require_columns(table, axes, "axis")
    table = table[np.isfinite(numeric_column(table, target, "target"))]
    rows: list[Selection] = []
    for predictor in predictors:
        columns = [predictor, reference] if reference in table else [predictor]
        complete = table[~table[columns].isna().any(axis=1)]
        pools = divided_pools(complete, predictor, target, axes, data_column, resamples, random_seed)
        for name, pool in pools.items():
            runs = complete if data_column is None else complete[complete[data_column].map(str) == name]
            rivals = _rivals(pool, runs, reference)
            for source, signs in _directions(name, pools):
                known = {"data": name, "direction_from": source, "predictor": predictor}
                rows += _rows(pool, known, signs, rivals, confidence)
    return pd.DataFrame(rows, columns=list(Selection._fields))


class _Rivals(NamedTuple):
    """Choices that a choice by the predictor is compared with, by the fraction of networks chosen.

    Attributes:
        best: mean outcome of the best choice, in the table and its resamples.
        reference: of the choice by the reference; missing if the table has none.
    """

    best: Mapping[float, np.ndarray]
    reference: Mapping[float, np.ndarray]


CHOICES = {BEST_ONE: 0.0, BEST_TENTH: FRACTION}


def _rivals(pool: Pool, runs: pd.DataFrame, reference: str) -> _Rivals:
    missing = np.full(len(pool.counts), np.nan)
    best = {}
    by_reference = {}
    for fraction in CHOICES.values():
        best[fraction] = pool.chosen(pool.outcome, fraction)
        by_reference[fraction] = missing
        if reference in runs:
            by_reference[fraction] = pool.chosen(numeric_column(runs, reference, "reference"), fraction)
    return _Rivals(best, by_reference)


def _directions(name: str, pools: Mapping[str, Pool]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the sources of a direction, each with the direction in the table and in its resamples."""
    yield SAME_RUNS, np.sign(pools[name].correlations())
    others = [pool.correlations() for other, pool in pools.items() if other != name]
    if not others:
        return
    own_length = len(pools[name].counts)
    padded = [np.resize(correlations, own_length) for correlations in others]
    yield OTHER_DATA, np.sign(np.mean(padded, axis=0))


def _rows(
    pool: Pool, known: Mapping[str, str], signs: np.ndarray, rivals: _Rivals, confidence: float
) -> Iterator[Selection]:
    """Yield the rows of one predictor: of the best network, and of the best tenth."""
    random = pool.mean()
    fields: dict[str, Any] = dict(known)
    for choice, fraction in CHOICES.items():
        chosen = pool.chosen_by_sign(fraction, signs)
        losses = {
            "lost_to_best": chosen - rivals.best[fraction],
            "lost_to_reference": chosen - rivals.reference[fraction],
            "lost_to_random": chosen - random,
        }
        for name, values in losses.items():
            ends = name.removeprefix("lost_to_")
            low, high = percentile_interval(values[1:], values[0], confidence)
            fields |= {name: float(values[0]), f"{ends}_low": low, f"{ends}_high": high}
        possible = fields["lost_to_best"] - fields["lost_to_random"]
        yield Selection(
            choice=choice,
            direction=int(signs[0]),
            networks=max(1, round(fraction * len(pool.outcome))),
            runs=len(pool.outcome),
            lineages=pool.counts.shape[1],
            chosen=float(chosen[0]),
            recovered=-fields["lost_to_random"] / possible if possible > 0 else np.nan,
            **fields,
        )
