"""The statistics that judge a predictor: plain numbers or DataFrames out; no plotting, no files.

One row of a table is one run; a configuration is one combination of axis values, its runs are its seeds.
"""

from analysis.statistics.axes_baseline import Gain, cross_validated_gain, tree_gain
from analysis.statistics.bootstrap import Comparison, Estimate, bootstrap, compare, pearson, spearman
from analysis.statistics.ceiling import Ceiling, measurement_ceiling, seed_ceiling
from analysis.statistics.environments import robust_sign_error
from analysis.statistics.fits import LinearFit, linear_fit
from analysis.statistics.granulated import granulated_interval, granulated_kendall
from analysis.statistics.information import conditional_mutual_information
from analysis.statistics.minimax import MinimaxFit, minimax_fit
from analysis.statistics.rank import kendall_tau, partial_rank_correlation
from analysis.statistics.resampling import false_discovery
from analysis.statistics.within import Association, within_configuration

__all__ = [
    "Association",
    "Ceiling",
    "Comparison",
    "Estimate",
    "Gain",
    "LinearFit",
    "MinimaxFit",
    "bootstrap",
    "compare",
    "conditional_mutual_information",
    "cross_validated_gain",
    "false_discovery",
    "granulated_interval",
    "granulated_kendall",
    "kendall_tau",
    "linear_fit",
    "measurement_ceiling",
    "minimax_fit",
    "partial_rank_correlation",
    "pearson",
    "robust_sign_error",
    "seed_ceiling",
    "spearman",
    "tree_gain",
    "within_configuration",
]
