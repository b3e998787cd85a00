"""Effects of all predictors in all sweeps, for the map of measures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.sweep_effects import sweep_effects
from benevolent.analysis.statistics.permuted_configurations import configuration_p_values
from benevolent.analysis.statistics.pool_choice import Pool
from benevolent.analysis.studies.shared.findings import Sweeps
from benevolent.analysis.studies.shared.map_predictors import (
    ON_THE_MAP,
    PER_CONFIGURATION,
    PER_RUN,
    direction,
    has_direction,
    judged_runs,
    random_names,
    recorded,
    with_controls,
)
from benevolent.analysis.studies.shared.tables import Tables

#: Outcomes; the claims are about the first, as in the source.
TARGETS = ("gap", "test_error", "test_loss")
TARGET = TARGETS[0]
#: Part of the networks that is chosen by a predictor.
CHOSEN = 0.1
#: Columns of effects whose sign is that of the predictor.
SIGNED = ("tau", "tau_low", "tau_high", "within", "within_low", "within_high")


def sweep_tables(results: Sweeps) -> dict[str, pd.DataFrame]:
    """Return the runs of each sweep with all predictors, by `study/sweep`; without sweeps whose gap does not vary."""
    tables = {}
    for place, result in results.items():
        table = judged_runs(result.table())
        if table.empty or TARGET not in table:
            continue
        table = with_controls(table, place)
        if table[TARGET].nunique() > 1:
            tables[place] = table
    return tables


def all_effects(tables: Tables, papers: Mapping[str, str]) -> pd.DataFrame:
    """Return the effects of every predictor on every outcome in every sweep, in the direction of the predictor.

    Args:
        tables: runs of the sweeps, by `study/sweep`.
        papers: what to call the paper of each study; a study that is not in it is a paper of its own.

    Returns:
        The columns of `sweep_effects` with `study`, `paper`, `sweep` and `target`, and for the first outcome those of
        `configuration_p_values`, of measures with a direction and random predictors. Above 0: networks that the
        predictor calls more complex have the larger outcome.
    """
    noise = [*random_names(PER_RUN)[1:], *random_names(PER_CONFIGURATION)[1:]]
    parts = []
    for place, table in tables.items():
        study, _, sweep = place.partition("/")
        for target in TARGETS:
            asked = [*ON_THE_MAP, *noise] if target == TARGET else ON_THE_MAP
            effects = sweep_effects(table, recorded(table, asked), target)
            if target == TARGET:
                effects = _with_p_values(effects, table)
            paper = papers.get(study, study)
            parts.append(effects.assign(study=study, paper=paper, sweep=sweep, target=target))
    effects = pd.concat(parts, ignore_index=True)
    return _directed(effects)


def _with_p_values(effects: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the p-values of a permutation of configurations, for predictors whose sign means something."""
    known = effects.loc[effects["tau"].notna(), "predictor"]
    random = random_names(PER_CONFIGURATION)
    tested = [name for name in known if has_direction(name) or name in random]
    finite = table[np.isfinite(table[TARGET].astype(float))]
    p_values = configuration_p_values(finite, tested, TARGET)
    return effects.merge(p_values, how="left", left_on="predictor", right_index=True)


def _directed(effects: pd.DataFrame) -> pd.DataFrame:
    """Turn effects into the direction of each predictor."""
    signs = effects["predictor"].map(direction)
    turned = effects.copy()
    for name in SIGNED:
        turned[name] = signs * effects[name]
    reversed_rows = signs < 0
    for name in ("tau", "within"):
        ends = [f"{name}_low", f"{name}_high"]
        turned.loc[reversed_rows, ends] = turned.loc[reversed_rows, ends[::-1]].to_numpy()
    tails = ["p_below", "p_above"]
    turned.loc[reversed_rows, tails] = turned.loc[reversed_rows, tails[::-1]].to_numpy()
    return turned


def recovered_by_choice(tables: Tables, predictor: str, sign: int, places: Sequence[str]) -> float:
    """Return how much better than random networks those are that a predictor chooses, as a part of what is possible.

    In each sweep, a tenth of the networks (one at least) is chosen by the smallest values of the predictor times
    `sign`, and their mean test error compared with that of all networks (0) and of the best choice (1).

    Args:
        tables: runs of the sweeps.
        predictor: column to choose by.
        sign: 1 to choose small values, -1 to choose large ones.
        places: the sweeps; their mean is returned. NaN if none has the predictor.
    """
    parts = [_recovered(tables[place], predictor, sign) for place in places]
    known = [part for part in parts if np.isfinite(part)]
    return float(np.mean(known)) if known else float("nan")


def _recovered(table: pd.DataFrame, predictor: str, sign: int) -> float:
    if predictor not in table:
        return np.nan
    runs = table[np.isfinite(table["test_error"]) & table[predictor].notna()]
    if len(runs) < 2 or runs[predictor].nunique() < 2:
        return np.nan
    outcome = runs["test_error"].to_numpy(dtype=float)
    pool = Pool(outcome, np.zeros(len(runs), dtype=int), np.ones((1, 1)))
    mean = float(pool.mean[0])
    best = float(pool.chosen(outcome, CHOSEN)[0])
    chosen = float(pool.chosen(sign * runs[predictor].to_numpy(dtype=float), CHOSEN)[0])
    return (mean - chosen) / (mean - best) if mean > best else np.nan
