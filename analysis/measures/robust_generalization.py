"""The 24 measures of Dziugaite et al. 2020, "In search of robust measures of generalization", under their names.

With their adjustment for the number m of training examples: sqrt(value / m), and (value - log m) / 2 of what is a
logarithm. Two things differ from the authors' code: biases are parameters here as weights are, and where a spectral
norm of a convolution is asked for without a ratio it is the norm of its map, which they call `fft`.
"""

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column

#: Their name -> the measure of `MEASURES` that it is made of, and how: as it is, its square, or its double.
ROBUST_MEASURES: dict[str, tuple[str, str]] = {
    "params": ("parameter_count", "as it is"),
    "inverse_margin": ("inverse_margin", "as it is"),
    "log_spec_init_main": ("log_spectral_init", "as it is"),
    "log_spec_orig_main": ("log_spectral_origin", "as it is"),
    "log_prod_of_spec_over_margin": ("log_spectral_over_margin", "as it is"),
    "log_prod_of_spec": ("log_spectral_product", "double"),
    "fro_over_spec": ("frobenius_over_spectral", "as it is"),
    "log_prod_of_fro_over_margin": ("log_frobenius_over_margin", "as it is"),
    "log_prod_of_fro": ("log_frobenius_product", "double"),
    "log_sum_of_spec_over_margin": ("log_sum_of_spectral_over_margin", "as it is"),
    "log_sum_of_spec": ("log_sum_of_spectral", "as it is"),
    "log_sum_of_fro_over_margin": ("log_sum_of_frobenius_over_margin", "as it is"),
    "log_sum_of_fro": ("log_sum_of_frobenius", "as it is"),
    "fro_dist": ("frobenius_distance", "square"),
    "dist_spec_init": ("squared_spectral_distance_sum", "as it is"),
    "param_norm": ("parameter_norm", "square"),
    "path_norm_over_margin": ("path_norm_over_margin", "as it is"),
    "path_norm": ("path_norm", "square"),
    "pacbayes_init": ("pac_bayes_init", "as it is"),
    "pacbayes_orig": ("pac_bayes_origin", "as it is"),
    "pacbayes_flatness": ("pac_bayes_flatness", "as it is"),
    "pacbayes_mag_init": ("pac_bayes_magnitude_init", "as it is"),
    "pacbayes_mag_orig": ("pac_bayes_magnitude_origin", "as it is"),
    "pacbayes_mag_flatness": ("pac_bayes_magnitude_flatness", "as it is"),
}


def robust_measures(table: pd.DataFrame, train_size: str = "data.train_size") -> pd.DataFrame:
    """The 24 measures of each run, adjusted for the number of training examples.

    Args:
        table: one row per run, with the measures that `ROBUST_MEASURES` names: `results.table()` of a sweep with
            `record: {measures: all}`.
        train_size: the column with the number m of training examples.

    Returns:
        A column for each name, the rows of the table. NaN where the value has no root: PAC-Bayes bounds of
        magnitude-aware noise may be negative.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> runs = pd.DataFrame({"data.train_size": [100.0], **{name: [4.0] for name, _ in ROBUST_MEASURES.values()}})
    >>> robust_measures(runs)[["params", "path_norm", "log_prod_of_fro"]].round(3).iloc[0].tolist()
    [0.2, 0.4, 1.697]
    """
    size = numeric_column(table, train_size, "column")
    made = {}
    for name, (measure, how) in ROBUST_MEASURES.items():
        value = numeric_column(table, measure, "measure")
        value = value * {"as it is": 1.0, "double": 2.0, "square": value}[how]
        root = np.sqrt(np.where(value < 0, np.nan, value / size))
        made[name] = (value - np.log(size)) / 2 if name.startswith("log_") else root
    return pd.DataFrame(made, index=table.index)
