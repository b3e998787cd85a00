"""The 24 measures of Dziugaite et al. 2020, "In search of robust measures of generalization", under their names.

With their adjustment for the number m of training examples: sqrt(value / m), and (value - log m) / 2 for logarithms.
Two things differ from the authors' code: biases are parameters here as weights are, and the spectral norm of a
convolution, outside of ratios, is the norm of its linear map, which they call `fft`.
"""

import shlex

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import FOLDERS
from benevolent.analysis.formatting import quantity
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.trainables.errors import BadInput

#: Their name -> the measure of `MEASURES` that it is computed from, and how: unchanged, squared, or doubled.
ROBUST_MEASURES: dict[str, tuple[str, str]] = {
    "params": ("parameter_count", "unchanged"),
    "inverse_margin": ("inverse_margin", "unchanged"),
    "log_spec_init_main": ("log_spectral_init", "unchanged"),
    "log_spec_orig_main": ("log_spectral_origin", "unchanged"),
    "log_prod_of_spec_over_margin": ("log_spectral_over_margin", "unchanged"),
    "log_prod_of_spec": ("log_spectral_product", "doubled"),
    "fro_over_spec": ("frobenius_over_spectral", "unchanged"),
    "log_prod_of_fro_over_margin": ("log_frobenius_over_margin", "unchanged"),
    "log_prod_of_fro": ("log_frobenius_product", "doubled"),
    "log_sum_of_spec_over_margin": ("log_sum_of_spectral_over_margin", "unchanged"),
    "log_sum_of_spec": ("log_sum_of_spectral", "unchanged"),
    "log_sum_of_fro_over_margin": ("log_sum_of_frobenius_over_margin", "unchanged"),
    "log_sum_of_fro": ("log_sum_of_frobenius", "unchanged"),
    "fro_dist": ("frobenius_distance", "squared"),
    "dist_spec_init": ("squared_spectral_distance_sum", "unchanged"),
    "param_norm": ("parameter_norm", "squared"),
    "path_norm_over_margin": ("path_norm_over_margin", "unchanged"),
    "path_norm": ("path_norm", "squared"),
    "pacbayes_init": ("pac_bayes_init", "unchanged"),
    "pacbayes_orig": ("pac_bayes_origin", "unchanged"),
    "pacbayes_flatness": ("pac_bayes_flatness", "unchanged"),
    "pacbayes_mag_init": ("pac_bayes_magnitude_init", "unchanged"),
    "pacbayes_mag_orig": ("pac_bayes_magnitude_origin", "unchanged"),
    "pacbayes_mag_flatness": ("pac_bayes_magnitude_flatness", "unchanged"),
}


def robust_measures(table: pd.DataFrame, train_size: str = "data.train_size") -> pd.DataFrame:
    """Return the 24 measures of each run, adjusted for the number of training examples.

    Args:
        table: one row per run, with the measures that `ROBUST_MEASURES` names: `results.table()` of a sweep with
            `record: {measures: all}`.
        train_size: the column with the number m of training examples, of which runs with `data.subset` see a part.

    Returns:
        A column for each name, the rows of the table. NaN where the value has no root: PAC-Bayes bounds of
        magnitude-aware noise may be negative.

    Raises:
        BadInput: measures are absent, with the command that computes them; or a column is not numeric.

    >>> runs = pd.DataFrame({"data.train_size": [100.0], **{name: [4.0] for name, _ in ROBUST_MEASURES.values()}})
    >>> robust_measures(runs)[["params", "path_norm", "log_prod_of_fro"]].round(3).iloc[0].tolist()
    [0.2, 0.4, 1.697]
    """
    _check_measured(table)
    size = numeric_column(table, train_size, "column")
    if "data.subset" in table:
        size = (size * numeric_column(table, "data.subset", "column")).round()
    adjusted = {}
    for name, (measure, how) in ROBUST_MEASURES.items():
        value = _changed(numeric_column(table, measure, "measure"), how)
        if name.startswith("log_"):
            adjusted[name] = (value - np.log(size)) / 2
        else:
            adjusted[name] = np.sqrt(np.where(value < 0, np.nan, value / size))
    return pd.DataFrame(adjusted, index=table.index)


def _check_measured(table: pd.DataFrame) -> None:
    """Refuse a table without some of the measures, and say how to get them."""
    needed = dict.fromkeys(measure for measure, _ in ROBUST_MEASURES.values())
    absent = [measure for measure in needed if measure not in table]
    if absent:
        folders = map(shlex.quote, table.attrs.get(FOLDERS, ["RESULTS"]))
        command = f"bth measure {' '.join(folders)} --measures {','.join(absent)}"
        counted = f"{len(absent)} of {quantity(len(needed), 'measure')}"
        raise BadInput(
            f"robust_measures: {counted} are not in the table; `{command}` computes them, then load it again"
        )


def _changed(value: pd.Series, how: str) -> pd.Series:
    if how == "squared":
        return value * value
    return value * 2.0 if how == "doubled" else value
