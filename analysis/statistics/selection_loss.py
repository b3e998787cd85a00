"""Selection: the outcome that is lost if networks are chosen by a predictor."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.pool_choice import Pool, divided_pools
from benevolent.analysis.statistics.resampling import percentile_interval
from benevolent.analysis.statistics.selection import Selection

#: What most people choose networks by.
REFERENCE = "validation_loss"
FRACTION = 0.1  # of the networks, if not only the best one is chosen
BEST_ONE = "best one"
BEST_TENTH = "best 10%"
SAME_RUNS = "the same runs"
OTHER_DATA = "the other data sets"


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
    columns = {name: numeric_column(table, name, "predictor") for name in predictors}
    given = numeric_column(table, reference, "reference") if reference in table else None
    together: dict[bytes, list[str]] = {}
    for name, values in columns.items():
        present = ~np.isnan(values) if given is None else ~(np.isnan(values) | np.isnan(given))
        if present.any():
            together.setdefault(present.tobytes(), []).append(name)
    found: dict[str, list[Selection]] = {}
    for key, names in together.items():
        present = np.frombuffer(key, dtype=bool)
        pools = divided_pools(table[present], target, axes, data_column, resamples, random_seed)
        contests = {}
        for data, (places, pool) in pools.items():
            contests[data] = _Contest(pool, places, None if given is None else given[present][places])
        for name in names:
            found[name] = list(_rows(name, columns[name][present], contests, confidence))
    rows: list[Selection] = []
    for name in predictors:
        rows += found.get(name, [])
    return pd.DataFrame(rows, columns=list(Selection._fields))


CHOICES = {BEST_ONE: 0.0, BEST_TENTH: FRACTION}


class _Contest:
    """The networks of a data set, and the choices that a choice by a predictor is compared with.

    Attributes:
        pool: the networks.
        places: their positions in the table.
        best: mean outcome of the best choice by its fraction of the networks, in the table and its resamples.
        by_reference: of the choice by the reference; missing if the table has none.
    """

    def __init__(self, pool: Pool, places: np.ndarray, reference: np.ndarray | None):
        self.pool = pool
        self.places = places
        missing = np.full(len(pool.counts), np.nan)
        self.best: dict[float, np.ndarray] = {}
        self.by_reference: dict[float, np.ndarray] = {}
        for fraction in CHOICES.values():
            self.best[fraction] = pool.chosen(pool.outcome, fraction)
            self.by_reference[fraction] = missing if reference is None else pool.chosen(reference, fraction)


def _rows(
    predictor: str, values: np.ndarray, contests: Mapping[str, _Contest], confidence: float
) -> Iterator[Selection]:
    """Yield the rows of one predictor, given its values for all networks."""
    correlations = {}
    for data, contest in contests.items():
        correlations[data] = contest.pool.correlations(values[contest.places])
    for data, contest in contests.items():
        for source, signs in _directions(data, correlations):
            known = {"data": data, "direction_from": source, "predictor": predictor}
            yield from _choices(contest, values[contest.places], known, signs, confidence)


def _directions(data: str, correlations: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the sources of a direction, each with the direction in the table and in its resamples."""
    yield SAME_RUNS, np.sign(correlations[data])
    others = [values for other, values in correlations.items() if other != data]
    if not others:
        return
    padded = [np.resize(values, len(correlations[data])) for values in others]
    yield OTHER_DATA, np.sign(np.mean(padded, axis=0))


def _choices(
    contest: _Contest, values: np.ndarray, known: Mapping[str, str], signs: np.ndarray, confidence: float
) -> Iterator[Selection]:
    """Yield a row for the best network, and one for the best tenth."""
    pool = contest.pool
    for choice, fraction in CHOICES.items():
        chosen = pool.chosen_by_sign(values, fraction, signs)
        losses = {
            "lost_to_best": chosen - contest.best[fraction],
            "lost_to_reference": chosen - contest.by_reference[fraction],
            "lost_to_random": chosen - pool.mean,
        }
        fields: dict[str, Any] = {**known, "choice": choice}
        fields["direction"] = int(signs[0])
        fields["networks"] = max(1, round(fraction * len(pool.outcome)))
        fields["runs"] = len(pool.outcome)
        fields["lineages"] = pool.counts.shape[1]
        fields["chosen"] = float(chosen[0])
        for name, lost in losses.items():
            ends = name.removeprefix("lost_to_")
            low, high = percentile_interval(lost[1:], lost[0], confidence)
            fields |= {name: float(lost[0]), f"{ends}_low": low, f"{ends}_high": high}
        possible = fields["lost_to_best"] - fields["lost_to_random"]
        fields["recovered"] = np.nan
        if possible > 0:
            fields["recovered"] = -fields["lost_to_random"] / possible
        yield Selection(**fields)
