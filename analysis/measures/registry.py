"""Registry of all measures.

A new one is a function of a `MeasuredNetwork` in a module of this folder, one line here, and, if its paper is new, a
constant in `sources.py`, which is imported here. The modules of the functions are imported when one is first called.
"""

from typing import Any, Literal

from benevolent.analysis.measures.deferred import DeferredFunction
from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.requirements import (
    CLASSES,
    CURVATURE,
    FEATURES,
    FIRST_LAYER,
    GRADIENTS,
    HOMOGENEOUS,
    INITIAL,
    LAYER_INPUTS,
    LAYERS,
    MATRICES,
    OPERATOR_NORMS,
    PATHS,
    PIECEWISE_LINEAR,
    REAL_INPUTS,
    RELU,
    SLOPES,
    TRUE_LABELS,
    WEIGHTS,
    Requirement,
)
from benevolent.analysis.measures.sources import (
    ANDRIUSHCHENKO,
    ARPIT,
    BARTLETT,
    DZIUGAITE,
    FORET,
    FRANKLE,
    GHORBANI,
    GOODFELLOW,
    HANIN,
    JIANG,
    KESKAR,
    KESKAR_EIGENVALUE,
    KWON,
    LIANG,
    LIAO,
    LOUKAS,
    MARTIN,
    NAGARAJAN,
    NAKKIRAN,
    NATEKAR,
    NEYSHABUR,
    NOVAK,
    PATH_NORMS,
    RUDELSON,
    SANTURKAR,
)
from benevolent.analysis.measures.undefined import (
    INSENSITIVE_INPUT,
    INSENSITIVE_LOSS,
    NO_CLEAN_LABEL,
    NO_COMPLEXITY,
    NO_CONVOLUTION_NORM,
    NO_CORRUPTED_LABEL,
    NO_EIGENVALUE,
    NO_GRADIENT,
    NO_NEW_PATTERN,
    NO_SIGMA,
    NO_SPREAD,
    NO_TAIL,
    NOT_COVERED,
    ONE_CLASS,
    OVERFLOWING_SLOPES,
    UNMOVED_LAYER,
    UNMOVED_NETWORK,
    UNMOVED_OR_NO_NORM,
    ZERO_GRADIENT,
    ZERO_MARGIN,
    ZERO_MARGIN_OR_NO_NORM,
    ZERO_OUTPUT,
    ZERO_PRODUCT,
    ZERO_PRODUCT_OR_MARGIN,
    ZERO_PRODUCT_OR_NO_NORM,
)

#: Reasons to leave a measure out of the default set; others name the measure that it resembles.
COSTLY = "costly"
VECTOR = "a vector"
KNOWS_TRUE_LABELS = "it knows which labels are wrong"

#: Requirements that several measures share: norms of linear maps, outputs over the product of norms, slopes of the
#: outputs at the inputs, distances of the inputs from a decision boundary.
MAPS = (WEIGHTS, OPERATOR_NORMS)
SCALED = (CLASSES, WEIGHTS, HOMOGENEOUS)
INPUT_SLOPES = (REAL_INPUTS, SLOPES)
BOUNDARY = (REAL_INPUTS, CLASSES, SLOPES)

#: All measures by name, in the order in which they are computed.
MEASURES: dict[str, Measure] = {}


def _add(
    function: str,
    direction: Literal[1, -1],
    split: Literal["none", "train", "validation", "test"],
    source: str,
    requires: tuple[Requirement, ...] = (),
    undefined: str = Measure.undefined,
    **options: Any,
) -> None:
    """Register a measure.

    Args:
        function: `module.function`; see `Measure`, as for all arguments.
        direction: +1 if larger means more complex, -1 if smaller does.
        split: the data it reads.
        source: the paper, a constant of `sources`.
        requires: conditions of `requirements`, without which it is not applicable.
        undefined: the reason where its value is not finite, a constant of `undefined`.
        options: further fields of `Measure`, such as `opt_in` and `version`.
    """
    cost = options.pop("cost", _cost(requires, options))
    measure = Measure(DeferredFunction(function), direction, split, source, requires, undefined, cost=cost, **options)
    MEASURES[measure.name] = measure


def _cost(requires: tuple[Requirement, ...], options: dict[str, Any]) -> int:
    """Return the rank of a measure's cost (see `Measure.cost`) as its other fields tell it."""
    if options.get("opt_in") == COSTLY:
        return 3
    return 1 if OPERATOR_NORMS in requires else 0


_add("norms.parameter_count", 1, "none", DZIUGAITE)
_add("norms.effective_parameters", 1, "none", FRANKLE, version=2)
_add("norms.parameter_norm", 1, "none", DZIUGAITE)
_add("norms.frobenius_distance", 1, "none", DZIUGAITE, (INITIAL,), version=3)
_add("norms.log_frobenius_product", 1, "none", LIAO, (WEIGHTS,), ZERO_PRODUCT, version=2)
_add("norms.frobenius_sum", 1, "none", DZIUGAITE, (WEIGHTS,), version=2)
_add("norms.log_spectral_product", 1, "none", BARTLETT, MAPS, ZERO_PRODUCT_OR_NO_NORM, version=4)
_add("norms.spectral_sum", 1, "none", DZIUGAITE, MAPS, NO_CONVOLUTION_NORM, version=4)

_add("path_norm.path_norm", 1, "none", PATH_NORMS, (PATHS,), version=4)

_add("margins.margin_p10", -1, "train", DZIUGAITE, (CLASSES,))
_add("margins.margin_p10_frobenius", -1, "train", LIAO, SCALED, ZERO_PRODUCT, version=2)
_add("margins.margin_p10_spectral", -1, "train", BARTLETT, (CLASSES, *MAPS), ZERO_PRODUCT_OR_NO_NORM, version=4)
_add("margins.normalized_train_loss", 1, "train", LIAO, SCALED, ZERO_PRODUCT, version=2)
_add("margins.normalized_test_loss", 1, "test", LIAO, SCALED, ZERO_PRODUCT, version=2)

_add("sensitivity.lipschitz_mean", 1, "train", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, cost=2, version=2)
_add("sensitivity.lipschitz_max", 1, "train", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, cost=2, version=2)
_add("sensitivity.fisher_rao_norm", 1, "train", LIANG, (CURVATURE,))

_add(
    "curvature.sharpness",
    1,
    "train",
    KESKAR_EIGENVALUE,
    (CURVATURE,),
    NO_EIGENVALUE,
    cost=2,
    version=4,
    stochastic=True,
)
_add("curvature.curvature_along_path", 1, "train", GOODFELLOW, (INITIAL, CURVATURE), UNMOVED_NETWORK, version=3)

_add("norms.l1_norm", 1, "none", NEYSHABUR)
_add("norms.log_l1_product", 1, "none", LIAO, (WEIGHTS,), ZERO_PRODUCT, version=2)

_add("distances.frobenius_distance_sum", 1, "none", DZIUGAITE, (INITIAL, WEIGHTS), version=4)
_add("distances.log_frobenius_distance_product", 1, "none", DZIUGAITE, (INITIAL, WEIGHTS), UNMOVED_LAYER, version=4)
_add("distances.spectral_distance_sum", 1, "none", DZIUGAITE, (INITIAL, *MAPS), NO_CONVOLUTION_NORM, version=4)
_add("distances.log_spectral_distance_product", 1, "none", DZIUGAITE, (INITIAL, *MAPS), UNMOVED_OR_NO_NORM, version=4)
_add("distances.log_spectral_complexity", 1, "none", BARTLETT, (INITIAL, *MAPS), NO_COMPLEXITY, version=4)

_add("capacity.log_kernel_product", 1, "none", DZIUGAITE, (MATRICES,), ZERO_PRODUCT, version=2)
_add("capacity.frobenius_over_spectral", 1, "none", DZIUGAITE, (MATRICES,), ZERO_PRODUCT, version=2)
_add(
    "capacity.stable_rank_mean",
    1,
    "none",
    RUDELSON,
    (MATRICES,),
    ZERO_PRODUCT,
    opt_in="ranks networks of equal depth like frobenius_over_spectral",
    version=2,
)
_add("capacity.stable_rank_max", 1, "none", RUDELSON, (MATRICES,), ZERO_PRODUCT, version=2)
_add("capacity.distance_over_spectral", 1, "none", DZIUGAITE, (INITIAL, MATRICES), ZERO_PRODUCT, version=4)
_add(
    "capacity.log_sum_of_spectral",
    1,
    "none",
    DZIUGAITE,
    MAPS,
    ZERO_PRODUCT_OR_NO_NORM,
    opt_in="ranks networks of equal depth like log_spectral_product",
    version=3,
)
_add(
    "capacity.log_sum_of_frobenius",
    1,
    "none",
    DZIUGAITE,
    (WEIGHTS,),
    ZERO_PRODUCT,
    opt_in="ranks networks of equal depth like log_frobenius_product",
    version=2,
)
_add(
    "capacity.inverse_margin",
    1,
    "train",
    DZIUGAITE,
    (CLASSES,),
    ZERO_MARGIN,
    opt_in="ranks as margin_p10 where that is positive",
)
_add("capacity.log_spectral_over_margin", 1, "train", DZIUGAITE, (CLASSES, *MAPS), ZERO_MARGIN_OR_NO_NORM, version=3)
_add("capacity.log_frobenius_over_margin", 1, "train", DZIUGAITE, (CLASSES, WEIGHTS), ZERO_PRODUCT_OR_MARGIN, version=2)
_add(
    "capacity.log_sum_of_spectral_over_margin",
    1,
    "train",
    DZIUGAITE,
    (CLASSES, *MAPS),
    ZERO_MARGIN_OR_NO_NORM,
    opt_in="ranks networks of equal depth like log_spectral_over_margin",
    version=3,
)
_add(
    "capacity.log_sum_of_frobenius_over_margin",
    1,
    "train",
    DZIUGAITE,
    (CLASSES, WEIGHTS),
    ZERO_PRODUCT_OR_MARGIN,
    opt_in="ranks networks of equal depth like log_frobenius_over_margin",
    version=2,
)
_add("capacity.log_spectral_origin", 1, "train", DZIUGAITE, (CLASSES, MATRICES), ZERO_PRODUCT_OR_MARGIN, version=2)
_add(
    "capacity.log_spectral_init", 1, "train", DZIUGAITE, (CLASSES, INITIAL, MATRICES), ZERO_PRODUCT_OR_MARGIN, version=4
)
_add("capacity.path_norm_over_margin", 1, "train", DZIUGAITE, (CLASSES, PATHS), ZERO_MARGIN, version=3)

_add("margins.margin_min", -1, "train", JIANG, (CLASSES,))
_add("margins.margin_p25", -1, "train", JIANG, (CLASSES,))
_add("margins.margin_median", -1, "train", JIANG, (CLASSES,))
_add("margins.margin_p75", -1, "train", JIANG, (CLASSES,))
_add("margins.margin_p90", -1, "train", JIANG, (CLASSES,))
_add("margins.margin_mean", -1, "train", JIANG, (CLASSES,))
_add("margins.normalized_train_loss_l1", 1, "train", LIAO, SCALED, ZERO_PRODUCT, version=2)
_add("margins.normalized_train_loss_l4", 1, "train", LIAO, SCALED, ZERO_PRODUCT, opt_in="one of many norms", version=2)
_add("margins.normalized_train_loss_max", 1, "train", LIAO, SCALED, ZERO_PRODUCT, opt_in="one of many norms", version=2)
_add("margins.normalized_train_loss_by_output", 1, "train", LIAO, (CLASSES,), ZERO_OUTPUT)
_add("margins.normalized_test_loss_by_output", 1, "test", LIAO, (CLASSES,), ZERO_OUTPUT)

_add("sensitivity.lipschitz_median", 1, "train", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, cost=2, version=2)
_add("sensitivity.lipschitz_p90", 1, "train", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, cost=2, version=2)
_add("sensitivity.jacobian_frobenius_mean", 1, "train", NOVAK, INPUT_SLOPES, cost=2, version=3, stochastic=True)
_add("sensitivity.lipschitz_mean_test", 1, "test", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, opt_in=COSTLY, version=2)
_add("sensitivity.lipschitz_max_test", 1, "test", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, opt_in=COSTLY, version=2)
_add("sensitivity.lipschitz_p90_test", 1, "test", LOUKAS, INPUT_SLOPES, OVERFLOWING_SLOPES, opt_in=COSTLY, version=2)

_add("flatness.sam_sharpness", 1, "train", FORET, (GRADIENTS,), opt_in="much like sharpness", version=3)
_add("flatness.asam_sharpness", 1, "train", KWON, (GRADIENTS,), version=2)
_add("flatness.worst_case_sharpness", 1, "train", KESKAR, (GRADIENTS,), opt_in=COSTLY, version=3)
_add("flatness.adaptive_worst_case_sharpness", 1, "train", ANDRIUSHCHENKO, (GRADIENTS,), opt_in=COSTLY, version=2)

_add("curvature.hessian_trace", 1, "train", GHORBANI, (CURVATURE,), opt_in=COSTLY, version=3, stochastic=True)
_add("curvature.hessian_quantiles", 1, "train", GHORBANI, (CURVATURE,), opt_in=COSTLY, version=3, stochastic=True)

for _bound, _requires in {
    "pac_bayes.pac_bayes_init": (CLASSES, INITIAL),
    "pac_bayes.pac_bayes_origin": (CLASSES,),
    "pac_bayes.pac_bayes_flatness": (CLASSES,),
    "pac_bayes.pac_bayes_magnitude_init": (CLASSES, INITIAL),
    "pac_bayes.pac_bayes_magnitude_origin": (CLASSES, INITIAL),
    "pac_bayes.pac_bayes_magnitude_flatness": (CLASSES,),
}.items():
    _add(_bound, 1, "train", DZIUGAITE, _requires, NO_SIGMA, opt_in=COSTLY, version=3, stochastic=True)

_add("lipschitz.bias_gradient_mean", 1, "train", LOUKAS, (FIRST_LAYER, SLOPES, GRADIENTS), opt_in=COSTLY, version=3)
_add("lipschitz.lipschitz_mean_lower", 1, "train", LOUKAS, (FIRST_LAYER, SLOPES, GRADIENTS), opt_in=COSTLY, version=3)
_add("lipschitz.lipschitz_mean_upper", 1, "train", LOUKAS, (FIRST_LAYER, SLOPES, GRADIENTS), opt_in=COSTLY, version=3)
_add(
    "lipschitz.lipschitz_max_mixtures",
    1,
    "train",
    LOUKAS,
    INPUT_SLOPES,
    OVERFLOWING_SLOPES,
    opt_in="much like lipschitz_max",
    cost=3,
    version=2,
    stochastic=True,
)
_add(
    "lipschitz.lipschitz_max_noise",
    1,
    "train",
    LOUKAS,
    INPUT_SLOPES,
    OVERFLOWING_SLOPES,
    opt_in="much like lipschitz_max",
    cost=3,
    version=3,
    stochastic=True,
)

_add("activation_regions.activation_regions", 1, "train", HANIN, (RELU,), opt_in=COSTLY, mapped=False, version=2)
_add(
    "activation_regions.region_crossings",
    1,
    "train",
    NOVAK,
    (REAL_INPUTS, RELU),
    opt_in=COSTLY,
    stochastic=True,
    version=2,
)
_add(
    "activation_regions.far_lipschitz_bound",
    1,
    "train",
    LOUKAS,
    (REAL_INPUTS, PIECEWISE_LINEAR, SLOPES),
    NOT_COVERED,
    opt_in=COSTLY,
    mapped=False,
    stochastic=True,
    version=2,
)
_add(
    "activation_regions.far_coverage",
    -1,
    "train",
    LOUKAS,
    (REAL_INPUTS, PIECEWISE_LINEAR, SLOPES),
    NO_NEW_PATTERN,
    opt_in=COSTLY,
    mapped=False,
    stochastic=True,
    version=2,
)

_add(
    "memorization.clean_train_accuracy",
    -1,
    "train",
    ARPIT,
    (CLASSES, TRUE_LABELS),
    NO_CLEAN_LABEL,
    opt_in=KNOWS_TRUE_LABELS,
)
_add(
    "memorization.corrupted_train_accuracy",
    1,
    "train",
    ARPIT,
    (CLASSES, TRUE_LABELS),
    NO_CORRUPTED_LABEL,
    opt_in=KNOWS_TRUE_LABELS,
)
_add("memorization.loss_sensitivity_mean", 1, "train", ARPIT, INPUT_SLOPES, opt_in="much like margin_p10")
_add(
    "memorization.loss_sensitivity_gini",
    -1,
    "train",
    ARPIT,
    INPUT_SLOPES,
    INSENSITIVE_LOSS,
    opt_in="much like margin_p25",
    version=2,
)
_add("memorization.critical_sample_ratio", 1, "validation", ARPIT, BOUNDARY, opt_in=COSTLY, stochastic=True)
_add("memorization.critical_sample_ratio_train", 1, "train", ARPIT, BOUNDARY, opt_in=COSTLY, stochastic=True)

_add("landscape.loss_range_along_gradient", 1, "train", SANTURKAR, (GRADIENTS,), opt_in=COSTLY, version=3)
_add("landscape.gradient_predictiveness", 1, "train", SANTURKAR, (GRADIENTS,), opt_in=COSTLY, version=3)
_add("landscape.effective_smoothness", 1, "train", SANTURKAR, (GRADIENTS,), ZERO_GRADIENT, opt_in=COSTLY, version=3)
_add("landscape.internal_covariate_shift", 1, "train", SANTURKAR, (LAYERS, GRADIENTS), opt_in=COSTLY, version=3)
_add(
    "landscape.internal_covariate_cosine",
    -1,
    "train",
    SANTURKAR,
    (LAYERS, GRADIENTS),
    NO_GRADIENT,
    opt_in=COSTLY,
    version=3,
)

_add("path_norm.path_norm_l1", 1, "none", PATH_NORMS, (PATHS,), opt_in="much like log_frobenius_product", version=3)

_add(
    "margins.margin_p10_complexity",
    -1,
    "train",
    BARTLETT,
    (CLASSES, INITIAL, *MAPS),
    NO_COMPLEXITY,
    opt_in="much like margin_p10_spectral",
    version=3,
)
_add(
    "layer_margins.layer_margins",
    -1,
    "train",
    JIANG,
    (CLASSES, LAYER_INPUTS, SLOPES),
    NO_SPREAD,
    opt_in=VECTOR,
    version=3,
)

_add("distances.layer_distances", 1, "none", NAGARAJAN, (INITIAL, WEIGHTS), opt_in=VECTOR, version=3)

_add("margins.margin_quantiles", -1, "train", LIAO, SCALED, ZERO_PRODUCT, opt_in=VECTOR, version=2)
_add("margins.top_output_quantiles", -1, "train", LIAO, SCALED, ZERO_PRODUCT, opt_in=VECTOR, version=2)
_add(
    "margins.input_margin_p10",
    -1,
    "train",
    JIANG,
    BOUNDARY,
    INSENSITIVE_INPUT,
    opt_in="much like margin_p10",
    version=2,
)
_add("margins.input_margin_median", -1, "train", JIANG, BOUNDARY, INSENSITIVE_INPUT, version=2)

_add("representation.davies_bouldin", 1, "train", NATEKAR, (CLASSES, FEATURES), ONE_CLASS, version=4)
_add("representation.mixup_accuracy", -1, "train", NATEKAR, (REAL_INPUTS, CLASSES), stochastic=True)

_add("spectra.power_law_alpha", 1, "none", MARTIN, (MATRICES,), NO_TAIL, version=2)
_add("spectra.weighted_alpha", 1, "none", MARTIN, (MATRICES,), NO_TAIL, opt_in="much like power_law_alpha", version=2)

_add("linear.linear_information", -1, "validation", NAKKIRAN, (REAL_INPUTS, CLASSES), opt_in=COSTLY)
_add("linear.nonlinear_information", 1, "validation", NAKKIRAN, (REAL_INPUTS, CLASSES), opt_in=COSTLY)

_add(
    "distances.squared_spectral_distance_sum",
    1,
    "none",
    DZIUGAITE,
    (INITIAL, *MAPS),
    NO_CONVOLUTION_NORM,
    opt_in="much like spectral_distance_sum",
    version=4,
)
