"""The statistics that judge a predictor: plain numbers or DataFrames out; no plotting, no files.

One row of a table is one run; a configuration is one combination of axis values, whose runs differ in their seed.
"""

from benevolent.analysis.detectable_effect import (
    detectable_effect,
    detectable_gain,
    lineages_for_negligible,
    replicates_for,
    replicates_for_negligible,
)
from benevolent.analysis.statistics.associations import associations
from benevolent.analysis.statistics.beyond_free import beyond_free
from benevolent.analysis.statistics.bootstrap import Comparison, Estimate, bootstrap, bootstrap_mean, compare
from benevolent.analysis.statistics.conditional_mutual_information import conditional_mutual_information
from benevolent.analysis.statistics.correlation import kendall_tau, pearson, spearman
from benevolent.analysis.statistics.fragility import fragility
from benevolent.analysis.statistics.granulated_kendall import granulated_interval, granulated_kendall
from benevolent.analysis.statistics.joint_prediction import JointPrediction, joint_prediction
from benevolent.analysis.statistics.linear_fit import LinearFit, linear_fit
from benevolent.analysis.statistics.measurement_noise import MeasurementNoise, measurement_noise
from benevolent.analysis.statistics.minimax_fit import MinimaxFit, minimax_fit
from benevolent.analysis.statistics.noise_ceiling import Ceiling, measurement_ceiling, seed_ceiling
from benevolent.analysis.statistics.partial_correlation import partial_rank_correlation
from benevolent.analysis.statistics.redundancy import Cluster, redundancy
from benevolent.analysis.statistics.resampling import false_discovery
from benevolent.analysis.statistics.robust_sign_error import robust_sign_error
from benevolent.analysis.statistics.selection_loss import selection_loss
from benevolent.analysis.statistics.transfer import Gain, cross_validated_gain
from benevolent.analysis.statistics.within_configuration import Association, within_configuration

__all__ = [
    "MeasurementNoise",
    "Association",
    "Ceiling",
    "Comparison",
    "Estimate",
    "Gain",
    "LinearFit",
    "MinimaxFit",
    "Cluster",
    "JointPrediction",
    "associations",
    "beyond_free",
    "bootstrap",
    "bootstrap_mean",
    "compare",
    "conditional_mutual_information",
    "cross_validated_gain",
    "detectable_effect",
    "detectable_gain",
    "false_discovery",
    "fragility",
    "granulated_interval",
    "joint_prediction",
    "granulated_kendall",
    "kendall_tau",
    "lineages_for_negligible",
    "linear_fit",
    "measurement_ceiling",
    "measurement_noise",
    "minimax_fit",
    "partial_rank_correlation",
    "pearson",
    "replicates_for",
    "replicates_for_negligible",
    "redundancy",
    "robust_sign_error",
    "selection_loss",
    "seed_ceiling",
    "spearman",
    "within_configuration",
]
