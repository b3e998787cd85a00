"""Transport: a predictor, or a fit of all of them, is chosen on one table and tested on another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.judging import checks
from benevolent.analysis.judging.common_runs import refuse_common_rows, refuse_common_runs
from benevolent.analysis.judging.predictors import default_predictors
from benevolent.analysis.judging.scopes import Scope, scopes_of
from benevolent.analysis.judging.transport_result import Transport
from benevolent.analysis.statistics.associations import associations
from benevolent.analysis.statistics.bootstrap import compare
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.grouped_ridge import FOLDS, held_out_predictions, ridge_coefficients
from benevolent.analysis.statistics.lineages import lineage_codes
from benevolent.analysis.statistics.transfer import MINIMUM_LINEAGES
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator

#: Name of the fit of all predictors among them.
FIT = "fit of all predictors"
RIVAL = "validation_loss"
SEEDS = "seed"
STATUSES = "status"
#: Columns that are used where a table has them, if no other is named.
DEFAULT_COLUMNS = {"rival": RIVAL, "seed_column": SEEDS, "status_column": STATUSES}


@threadpool_limits.wrap(limits=1)  # products of small matrices: more threads only wait for each other
@checked_arguments
def transport(
    first: pd.DataFrame,
    second: pd.DataFrame,
    target: str = "test_loss",
    axes: Sequence[str] = (),
    predictors: Sequence[str] | None = None,
    *,
    rival: str = RIVAL,
    scope: Scope = "converged",
    seed_column: str = SEEDS,
    status_column: str = STATUSES,
    level: float = 0.05,
    confidence: float = 0.95,
    resamples: int = 500,
    random_seed: int = 0,
) -> Transport:
    """Choose a predictor on one table of runs and test it on another, such as the same grid on another data set.

    The predictor with the largest |rank correlation with the target within configurations| (over all runs, if the
    first table has no replicates) on the first table is chosen, with its direction. On the second table it is tested
    alone: p is one-sided, and as nothing was chosen there, it needs no correction for the number of predictors. The
    other rows of the table only describe. A fit goes the same way: a ridge regression of the target's ranks on the
    ranks of all predictors, fitted on the first table (where its association is that of held-out lineages).

    Args:
        first: one row per run, to choose on.
        second: one row per run, to test on; the tables share no run.
        target: the outcome.
        axes: columns that make a configuration; each table uses those on which its runs differ.
        predictors: columns to choose among; by default those that `judge` would judge in both tables.
        rival: predictor to compare with on the second table.
        scope: runs to use, as in `judge`.
        seed_column: column of the seed.
        status_column: column of the status.
        level: of the p-value.
        confidence: coverage of intervals.
        resamples: of whole lineages of the second table, for the interval of the difference to the rival.
        random_seed: of folds and resamples.

    Raises:
        BadInput: a column is absent or not numeric, no predictor is in both tables, they share runs, or a number is not
            allowed.

    >>> random = np.random.default_rng(0)
    >>> first = pd.DataFrame({"width": np.repeat([4, 8, 16], 20), "seed": range(60), "norm": random.normal(size=60)})
    >>> first["noise"] = random.normal(size=60)
    >>> first["test_loss"] = first["norm"] + first["width"]
    >>> second = first.assign(norm=random.normal(size=60), seed=range(60, 120))
    >>> second["test_loss"] = second["norm"] - second["width"]
    >>> found = transport(first, second, "test_loss", ["width"])
    >>> found.chosen, found.confirmed
    ('norm', True)
    """
    axes = tuple(axes)
    checks.check_fractions(level=level, confidence=confidence)
    checks.check_counts(resamples=resamples)
    checks.check_random_seed(random_seed)
    _check_columns(first, second, axes, rival=rival, seed_column=seed_column, status_column=status_column)
    refuse_common_runs(first, second)
    first_runs = next(scopes_of(first.reset_index(drop=True), target, scope, status_column, {})).runs
    second_runs = next(scopes_of(second.reset_index(drop=True), target, scope, status_column, {})).runs
    first_axes = _varied(first_runs, axes)
    second_axes = _varied(second_runs, axes)
    names = _shared_predictors(first_runs, second_runs, target, axes, predictors, seed_column)
    refuse_common_rows(first_runs, second_runs, target, axes, names, seed_column)
    on_first = associations(first_runs, names, target, first_axes, seed_column=seed_column)
    if on_first["association"].isna().all():
        raise BadInput(f"no predictor varies together with {target!r} on the first table: nothing can be chosen")
    first_runs, second_runs = _with_fit(first_runs, second_runs, names, target, first_axes, random_seed)
    tested = list(names)
    if FIT in first_runs:
        tested.append(FIT)
        of_fit = associations(first_runs, [FIT], target, first_axes, seed_column=seed_column)
        on_first = pd.concat([on_first, of_fit])
    on_second = associations(second_runs, tested, target, second_axes, seed_column=seed_column, confidence=confidence)
    chosen = str(on_first.loc[list(names), "association"].abs().idxmax())
    comparison = None
    if rival in second_runs and rival != chosen:
        needed = second_runs[[chosen, rival, target]].assign(
            lineage=lineage_codes(second_runs, second_axes, seed_column)
        )
        comparison = compare(needed, chosen, rival, target, ["lineage"], resamples=resamples, random_seed=random_seed)
    return Transport(
        target=target,
        chosen=chosen,
        table=_joined(on_first, on_second),
        kind=str(on_first["kind"].iloc[0]),
        rival=rival,
        comparison=comparison,
        level=level,
    )


def _check_columns(first: pd.DataFrame, second: pd.DataFrame, axes: Sequence[str], **named: str) -> None:
    """Refuse axes that neither table has, and other columns that were named and that a table lacks."""
    if not axes:
        raise BadInput("axes is empty: name the columns that make a configuration")
    require_columns(pd.DataFrame(columns=[*first.columns, *second.columns]), axes, "axis")
    for role, name in named.items():
        if name != DEFAULT_COLUMNS[role]:  # these may be absent
            for table in (first, second):
                require_columns(table, [name], role)


def _varied(table: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    return [axis for axis in axes if axis in table and table[axis].nunique(dropna=False) > 1]


def _shared_predictors(
    first: pd.DataFrame,
    second: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    predictors: Sequence[str] | None,
    seed_column: str,
) -> list[str]:
    """Return the predictors to choose among."""
    if predictors is not None:
        for table in (first, second):
            for name in predictors:
                numeric_column(table, name, "predictor")
        return list(predictors)
    in_second = {name for name in default_predictors(second, target, axes, seed_column) if not is_test_derived(name)}
    shared = [name for name in default_predictors(first, target, axes, seed_column) if name in in_second]
    if not shared:
        raise BadInput("no predictor is in both tables")
    return shared


def _with_fit(
    first: pd.DataFrame,
    second: pd.DataFrame,
    names: Sequence[str],
    target: str,
    axes: Sequence[str],
    random_seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the fit of all predictors to both tables, if the first has enough lineages."""
    lineage = lineage_codes(first, axes)
    lineages = int(lineage.max(initial=-1)) + 1
    if lineages < MINIMUM_LINEAGES or second.empty:
        return first, second
    fold = generator(random_seed, "folds/transport").permutation(lineages)[lineage] % FOLDS
    outcome = _relative_ranks(numeric_column(first, target, "target"))
    columns = np.column_stack([_relative_ranks(numeric_column(first, name, "predictor")) for name in names])
    others = np.column_stack([_relative_ranks(numeric_column(second, name, "predictor")) for name in names])
    coefficients = ridge_coefficients(columns, outcome, fold)
    predicted = coefficients[0] + others @ coefficients[1:]
    held_out = held_out_predictions(columns, outcome, fold)
    return first.assign(**{FIT: held_out}), second.assign(**{FIT: predicted})


def _relative_ranks(values: np.ndarray) -> np.ndarray:
    """(n,) midranks scaled to a mean of 0 and a variance of 1, as if uniform; 0 where missing."""
    ranks = rankdata(values, nan_policy="omit")
    number = np.count_nonzero(~np.isnan(values))
    scaled = np.sqrt(12) * ((ranks - 0.5) / max(number, 1) - 0.5)
    return np.where(np.isnan(values), 0.0, scaled)


def _joined(on_first: pd.DataFrame, on_second: pd.DataFrame) -> pd.DataFrame:
    """Return both associations of each predictor, with the one-sided p-value on the second table."""
    same = np.sign(on_first["association"]) == np.sign(on_second["association"])
    p = on_second["p"] / 2
    table = pd.DataFrame(
        {
            "first": on_first["association"],
            "second": on_second["association"],
            "low": on_second["low"],
            "high": on_second["high"],
            "p": p.where(same, 1 - p),
            "runs": on_second["runs"],
            "same_sign": same,
        }
    )
    return table.loc[table["first"].abs().sort_values(ascending=False).index]
