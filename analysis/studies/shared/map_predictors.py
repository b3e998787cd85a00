"""Predictors of the map of measures: their families, their directions, and controls that hold no theory."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.multi_run.sweep_effects import CONFIGURATION
from benevolent.trainables.rng import generator
from benevolent.trainables.store.statuses import UNFINISHED, Status

NORMS = "norms"
DISTANCES = "distances from the start"
MARGINS = "margins"
FLATNESS = "flatness"
PATH = "path of training"
BIAS = "path of the first bias"
OPTIMIZATION = "speed and noise of training"
CONTROLS = "controls"

#: Predictors of each family, in the order of the map.
FAMILIES: dict[str, tuple[str, ...]] = {
    NORMS: (
        "parameter_norm",
        "l1_norm",
        "frobenius_sum",
        "spectral_sum",
        "log_frobenius_product",
        "log_spectral_product",
        "log_l1_product",
        "path_norm",
        "log_spectral_complexity",
        "frobenius_over_spectral",
        "stable_rank_max",
        "log_frobenius_over_margin",
        "log_spectral_over_margin",
        "path_norm_over_margin",
    ),
    DISTANCES: (
        "frobenius_distance",
        "frobenius_distance_sum",
        "log_frobenius_distance_product",
        "spectral_distance_sum",
        "log_spectral_distance_product",
        "distance_over_spectral",
    ),
    MARGINS: (
        "margin_p10",
        "margin_median",
        "margin_p10_frobenius",
        "margin_p10_spectral",
        "normalized_train_loss",
    ),
    FLATNESS: ("asam_sharpness", "fisher_rao_norm", "power_law_alpha"),
    PATH: (
        "path_length",
        "path_length_from_init",
        "distance_from_init",
        "relative_distance_from_init",
        "largest_change_from_init",
        "distance_from_start",
        "straightness",
    ),
    BIAS: (
        "bias_path_length",
        "bias_distance_from_init",
        "bias_distance_from_start",
        "bias_straightness",
        "bias_increment_sum",
        "bias_increment_mean",
        "bias_increment_max",
        "bias_increment_cv",
        "bias_variance",
        "bias_autocorrelation",
    ),
    OPTIMIZATION: (
        "loss_area",
        "epochs_to_low_loss",
        "epochs_to_target",
        "early_stop_epoch",
        "late_loss",
        "late_loss_variance",
        "gradient_noise_scale",
        "gradient_norm",
    ),
    CONTROLS: (
        "train_loss",
        "validation_loss",
        "validation_error",
        "parameter_count",
        "epochs_trained",
        "random_per_run",
        "random_per_configuration",
        "gap_of_other_seeds",
    ),
}
#: Everything that a theory or a paper proposes, without controls.
PROPOSED = tuple(itertools.chain.from_iterable(names for family, names in FAMILIES.items() if family != CONTROLS))
#: All predictors of the map.
ON_THE_MAP = tuple(itertools.chain.from_iterable(FAMILIES.values()))
#: What anybody knows of a network without a theory.
FREE = ("train_loss", "parameter_count", "epochs_trained")
#: Norm-based measures, in the sense of Jiang et al.
NORM_BASED = FAMILIES[NORMS] + FAMILIES[DISTANCES]
#: Measures of the optimization that Jiang et al. name: its speed, and the noise of gradients.
OPTIMIZATION_BASED = ("epochs_to_low_loss", "gradient_noise_scale")
SHARPNESS = "asam_sharpness"
SPECTRAL_PRODUCT = "log_spectral_product"

#: Number of random predictors of each kind that are tested; one of each is on the map.
RANDOM_PREDICTORS = 100
PER_RUN = "random_per_run"
PER_CONFIGURATION = "random_per_configuration"
OTHER_SEEDS = "gap_of_other_seeds"


def family_of(predictor: str) -> str:
    """Return the family of a predictor.

    >>> family_of("path_norm"), family_of("train_loss")
    ('norms', 'controls')
    """
    return next(family for family, names in FAMILIES.items() if predictor in names)


def direction(predictor: str) -> int:
    """Return 1 if a larger value means a more complex network, -1 if a smaller one does; 1 where no measure says.

    >>> direction("path_norm"), direction("margin_p10"), direction("path_length")
    (1, -1, 1)
    """
    measure = MEASURES.get(predictor)
    return 1 if measure is None else measure.direction


def has_direction(predictor: str) -> bool:
    """Return whether a measure says which of its values mean a more complex network.

    >>> has_direction("margin_p10"), has_direction("path_length")
    (True, False)
    """
    return predictor in MEASURES


def random_names(kind: str) -> list[str]:
    """Return the names of all random predictors of a kind; the first is that of the map."""
    return [kind, *(f"{kind}_{number}" for number in range(2, RANDOM_PREDICTORS + 1))]


def judged_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of a sweep that ended and did not diverge."""
    if table.empty:
        return table
    left_out = [*UNFINISHED, Status.DIVERGED]
    return table[~table["status"].isin(left_out)].reset_index(drop=True)


def with_controls(table: pd.DataFrame, place: str, target: str = "gap") -> pd.DataFrame:
    """Add the controls to the runs of a sweep.

    Args:
        table: one row per run.
        place: name of the sweep, from which the random numbers follow.
        target: outcome whose mean over a configuration's other runs is a control: what all hyperparameters say.
    """
    random = generator(0, f"studies/map/{place}")
    codes, configurations = pd.factorize(table[CONFIGURATION])
    per_run = random.normal(size=(len(table), RANDOM_PREDICTORS))
    per_configuration = random.normal(size=(len(configurations), RANDOM_PREDICTORS))[codes]
    columns = [
        table.assign(epochs_trained=table["epoch"]),
        pd.DataFrame(per_run, columns=random_names(PER_RUN)),
        pd.DataFrame(per_configuration, columns=random_names(PER_CONFIGURATION)),
    ]
    joined = pd.concat(columns, axis=1)
    groups = joined.groupby(CONFIGURATION)[target]
    others = groups.transform("count") - 1
    rest = groups.transform("sum") - joined[target]
    joined[OTHER_SEEDS] = np.where(others > 0, rest / others.clip(lower=1), np.nan)
    return joined


def recorded(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the predictors that have values in a table."""
    return [name for name in names if name in table and table[name].notna().any()]
