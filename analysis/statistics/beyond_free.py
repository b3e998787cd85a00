"""Both claims about a predictor again, beyond what is known for free: losses, and the steps taken.

Runs stop anywhere below their target loss, some earlier than others, and that alone may tie a statistic of the training
path to the outcome.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import is_numeric_column
from benevolent.analysis.statistics.complete_cases import CompleteCases, StatisticsSettings
from benevolent.analysis.statistics.configurations import drop_missing, numeric_column
from benevolent.analysis.statistics.free_columns import COLUMNS, FreeColumns

#: Columns of a table of runs that cost nothing: the losses that training ends with, and how long it took.
FREE_COLUMNS = ("train_loss", "validation_loss", "step")


def beyond_free(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    free: Sequence[str] = FREE_COLUMNS,
    seed_column: str | None = "seed",
    resamples: int = 1000,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Estimate both claims about predictors with the free columns taken out.

    Beyond: the partial correlation (Yule 1907) of aligned ranks within configurations, the scores of the free columns
    regressed out of those of predictor and target. Transfers: the gain in cross-validated R2 of the target's ranks
    when the predictor joins a model of the axes *and* the free columns, with slopes from the other lineages, as in
    `cross_validated_gain`. Intervals resample whole lineages. They describe: nothing is decided by them.

    Args:
        table: one row per run; runs without target, predictor, or a free column that others have are left out.
        predictors: numeric columns. One that is itself free is judged given the others.
        target: the outcome.
        axes: columns that make a configuration.
        free: columns that are free, as far as the table has them.
        seed_column: column of the seed.
        resamples: of whole lineages; 0 for no intervals.
        confidence: coverage of the intervals.
        random_seed: of the resamples.

    Returns:
        One row per predictor (the index), with `COLUMNS`; NaN where nothing of predictor or target is left.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"width": [1] * 6, "train_loss": [1, 2, 3, 4, 5, 6], "path": [2, 1, 4, 3, 6, 5]})
    >>> table["loss"] = table["train_loss"] + table["path"]
    >>> round(float(beyond_free(table, ["path"], "loss", ["width"])["within_beyond_free"].iloc[0]), 6)
    1.0
    """
    settings = StatisticsSettings(target, tuple(axes), seed_column, confidence, resamples, random_seed)
    names = known_free(table, target, axes, free)
    cases: dict[bytes, FreeColumns] = {}
    rows = []
    for predictor in predictors:
        has_both = table.index.isin(drop_missing(table, predictor, target, axes).index)
        present = has_both & table[names].notna().all(axis=1).to_numpy()
        if not present.any():
            rows.append(dict.fromkeys(COLUMNS, np.nan))
            continue
        kept = table[present]
        key = present.tobytes()
        if key not in cases:
            columns = {name: numeric_column(kept, name, "column") for name in names}
            cases[key] = FreeColumns(CompleteCases(kept, settings), columns)
        values = numeric_column(kept, predictor, "predictor")
        rows += cases[key].estimates([predictor], values[:, None])
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.Index(predictors, name="predictor"))


def known_free(table: pd.DataFrame, target: str, axes: Sequence[str], free: Sequence[str] = FREE_COLUMNS) -> list[str]:
    """Return the free columns that a table has numbers of, and that are neither the target nor an axis.

    >>> known_free(pd.DataFrame({"step": [30, 10], "train_loss": [None, None]}), "test_loss", ["width"])
    ['step']
    """
    candidates = [name for name in free if name in table and name not in (target, *axes)]
    return [name for name in candidates if is_numeric_column(table[name]) and table[name].notna().any()]
