"""All measures. A measure is added by writing a function of a `MeasuredNetwork` and one line in `MEASURES`."""

from benevolent.analysis.measures import (
    activation_regions,
    capacity,
    curvature,
    distances,
    flatness,
    lanczos,
    landscape,
    linear,
    lipschitz,
    margins,
    memorization,
    norms,
    pac_bayes,
    path_norm,
    representation,
    sensitivity,
    spectra,
)
from benevolent.analysis.measures.measure import Measure, Needs

# Paper and year; a number of a section or theorem only where the text itself was at hand.
_DZIUGAITE = "Dziugaite et al. 2020, In search of robust measures of generalization"
_LIAO = "Liao et al. 2018, Generalization puzzles in deep networks"
_LIANG = "Liang et al. 2019, Fisher-Rao metric, geometry, and complexity of neural networks"
_BARTLETT = "Bartlett et al. 2017, Spectrally-normalized margin bounds for neural networks"
_LOUKAS = "Loukas et al. 2021, What training reveals about neural network complexity"
_PATHS = (
    "Neyshabur et al. 2015, Norm-based capacity control in neural networks; with pooling: Gonon et al. 2024, "
    "A path-norm toolkit for modern networks"
)
_KESKAR = "Keskar et al. 2017, On large-batch training for deep learning"
_FRANKLE = "Frankle and Carbin 2019, The lottery ticket hypothesis"
_NEYSHABUR = "Neyshabur et al. 2015, Norm-based capacity control in neural networks"
_RUDELSON = "Rudelson and Vershynin 2007, Sampling from large matrices"
_JIANG = "Jiang et al. 2019, Predicting the generalization gap in deep networks with margin distributions"
_NOVAK = "Novak et al. 2018, Sensitivity and generalization in neural networks; there of the class probabilities"
_FORET = "Foret et al. 2021, Sharpness-aware minimization for efficiently improving generalization"
_KWON = "Kwon et al. 2021, ASAM: Adaptive sharpness-aware minimization for scale-invariant learning"
_ANDRIUSHCHENKO = "Andriushchenko et al. 2023, A modern look at the relationship between sharpness and generalization"
_GOODFELLOW = (
    "Goodfellow et al. 2015, Qualitatively characterizing neural network optimization problems; there the loss itself"
)
_GHORBANI = "Ghorbani et al. 2019, An investigation into neural net optimization via Hessian eigenvalue density"
_HANIN = "Hanin and Rolnick 2019, Deep ReLU networks have surprisingly few activation patterns"
_ARPIT = "Arpit et al. 2017, A closer look at memorization in deep networks"
_SANTURKAR = "Santurkar et al. 2018, How does batch normalization help optimization?"
_NATEKAR = "Natekar and Sharma 2020, Representation based complexity measures for predicting generalization"
_MARTIN = "Martin et al. 2021, Predicting trends in the quality of state-of-the-art neural networks"
_NAKKIRAN = "Nakkiran et al. 2019, SGD on neural networks learns functions of increasing complexity"
_TRUTH = "it knows which labels are wrong"
_NAGARAJAN = "Nagarajan and Kolter 2019, Generalization in deep networks: the role of distance from initialization"
_NO_GRADIENT, _FLAT = "the gradient of a layer vanishes", "an input does not move the logits"
_NO_SPREAD = "the inputs of a layer are all the same, or do not move the logits"
_ONE_CLASS = "fewer than two classes, or two of one mean"
_NO_TAIL = "no layer has two different singular values"
_NO_SIGMA = "no noise of sigma <= 2 costs a tenth of the training accuracy"
_AT_ONE_DEPTH = "at one depth ranks as"
_COSTLY, _LIKE_MAX = "costly", "much like lipschitz_max"
_UNCOVERED = "no point far from the data has a pattern that the training inputs' patterns span"
_UNSEEN = "no point has a pattern that no training input has"
_ZERO = "the product of norms is zero: a layer has only zero weights"
_UNMOVED = "the product of norms is zero: a layer is as it was initialized"
_ZERO_OR_UNMOVED = "the product of norms is zero, or all layers are as they were initialized"
_NO_OUTPUT = "the output of the first training input is 0"
_NO_MARGIN = "the 10th percentile of the margins is 0"
_OR_MARGIN = "the product of norms is zero, or the 10th percentile of the margins or the sum of ratios is"
_SLOPES = (
    f"slopes overflow; or, of more than {sensitivity.EXACT_CLASSES} classes, Lanczos residual above "
    f"{lanczos.TOLERANCE:g} after {lanczos.BUDGET} products"
)
_UNFOUND = f"of a convolution: Lanczos residual above {norms.TOLERANCE:g} after {norms.BUDGET} products"
_ZERO_MAP, _UNMOVED_MAP, _MARGIN_MAP, _COMPLEXITY = (
    f"{reason}; or {_UNFOUND}" for reason in (_ZERO, _UNMOVED, _OR_MARGIN, _ZERO_OR_UNMOVED)
)
_MAPS: tuple[Needs, ...] = ("weights", "operator norms")
_INITIAL: tuple[Needs, ...] = ("initial",)
_TRUE: tuple[Needs, ...] = ("classes", "true labels")
_SCALED: tuple[Needs, ...] = ("classes", "weights", "homogeneous")

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(norms.parameter_count, 1, "none", _DZIUGAITE),
        Measure(norms.effective_parameters, 1, "none", _FRANKLE),
        Measure(norms.parameter_norm, 1, "none", _DZIUGAITE),
        Measure(norms.frobenius_distance, 1, "none", _DZIUGAITE, ("initial",), version=2),
        Measure(norms.log_frobenius_product, 1, "none", _LIAO, ("weights",), _ZERO),
        Measure(norms.frobenius_sum, 1, "none", _DZIUGAITE, ("weights",)),
        Measure(norms.log_spectral_product, 1, "none", _BARTLETT, _MAPS, _ZERO_MAP, version=3),
        Measure(norms.spectral_sum, 1, "none", _DZIUGAITE, _MAPS, _UNFOUND, version=3),
        Measure(path_norm.path_norm, 1, "none", _PATHS, ("paths",), version=2),
        Measure(margins.margin_p10, -1, "train", _DZIUGAITE, ("classes",)),
        Measure(margins.margin_p10_frobenius, -1, "train", _LIAO, ("classes", "weights", "homogeneous"), _ZERO),
        Measure(margins.margin_p10_spectral, -1, "train", _BARTLETT, ("classes", *_MAPS), _ZERO_MAP, version=3),
        Measure(margins.normalized_train_loss, 1, "train", _LIAO, ("classes", "weights", "homogeneous"), _ZERO),
        Measure(margins.normalized_test_loss, 1, "test", _LIAO, ("classes", "weights", "homogeneous"), _ZERO),
        Measure(sensitivity.lipschitz_mean, 1, "train", _LOUKAS, (), _SLOPES, version=2),
        Measure(sensitivity.lipschitz_max, 1, "train", _LOUKAS, (), _SLOPES, version=2),
        Measure(sensitivity.fisher_rao_norm, 1, "train", _LIANG),
        Measure(
            curvature.sharpness,
            1,
            "train",
            f"{_KESKAR}; the eigenvalue itself",
            (),
            "Lanczos: residual above 0.1% after 100 products, or the loss is not finite",
            version=2,
        ),
        Measure(
            curvature.curvature_along_path,
            1,
            "train",
            _GOODFELLOW,
            ("initial",),
            "all is as it was initialized",
            version=2,
        ),
        Measure(norms.l1_norm, 1, "none", _NEYSHABUR),
        Measure(norms.log_l1_product, 1, "none", _LIAO, ("weights",), _ZERO),
        Measure(distances.frobenius_distance_sum, 1, "none", _DZIUGAITE, ("initial", "weights"), version=2),
        Measure(
            distances.log_frobenius_distance_product, 1, "none", _DZIUGAITE, ("initial", "weights"), _UNMOVED, version=2
        ),
        Measure(distances.spectral_distance_sum, 1, "none", _DZIUGAITE, ("initial", *_MAPS), _UNFOUND, version=2),
        Measure(
            distances.log_spectral_distance_product, 1, "none", _DZIUGAITE, ("initial", *_MAPS), _UNMOVED_MAP, version=2
        ),
        Measure(
            distances.log_spectral_complexity,
            1,
            "none",
            _BARTLETT,
            ("initial", *_MAPS),
            _COMPLEXITY,
            version=2,
        ),
        Measure(capacity.log_kernel_product, 1, "none", _DZIUGAITE, ("weights",), _ZERO),
        Measure(capacity.frobenius_over_spectral, 1, "none", _DZIUGAITE, ("weights",), _ZERO),
        Measure(
            capacity.stable_rank_mean,
            1,
            "none",
            _RUDELSON,
            ("weights",),
            _ZERO,
            opt_in=f"{_AT_ONE_DEPTH} frobenius_over_spectral",
        ),
        Measure(capacity.stable_rank_max, 1, "none", _RUDELSON, ("weights",), _ZERO),
        Measure(capacity.distance_over_spectral, 1, "none", _DZIUGAITE, ("initial", "weights"), _ZERO, version=2),
        Measure(
            capacity.log_sum_of_spectral,
            1,
            "none",
            _DZIUGAITE,
            _MAPS,
            _ZERO_MAP,
            opt_in=f"{_AT_ONE_DEPTH} log_spectral_product",
            version=2,
        ),
        Measure(
            capacity.log_sum_of_frobenius,
            1,
            "none",
            _DZIUGAITE,
            ("weights",),
            _ZERO,
            opt_in=f"{_AT_ONE_DEPTH} log_frobenius_product",
        ),
        Measure(
            capacity.inverse_margin,
            1,
            "train",
            _DZIUGAITE,
            ("classes",),
            _NO_MARGIN,
            opt_in="ranks as margin_p10 where that is positive",
        ),
        Measure(capacity.log_spectral_over_margin, 1, "train", _DZIUGAITE, ("classes", *_MAPS), _MARGIN_MAP, version=2),
        Measure(capacity.log_frobenius_over_margin, 1, "train", _DZIUGAITE, ("classes", "weights"), _OR_MARGIN),
        Measure(
            capacity.log_sum_of_spectral_over_margin,
            1,
            "train",
            _DZIUGAITE,
            ("classes", *_MAPS),
            _MARGIN_MAP,
            opt_in=f"{_AT_ONE_DEPTH} log_spectral_over_margin",
            version=2,
        ),
        Measure(
            capacity.log_sum_of_frobenius_over_margin,
            1,
            "train",
            _DZIUGAITE,
            ("classes", "weights"),
            _OR_MARGIN,
            opt_in=f"{_AT_ONE_DEPTH} log_frobenius_over_margin",
        ),
        Measure(capacity.log_spectral_origin, 1, "train", _DZIUGAITE, ("classes", "weights"), _OR_MARGIN),
        Measure(
            capacity.log_spectral_init, 1, "train", _DZIUGAITE, ("classes", "initial", "weights"), _OR_MARGIN, version=2
        ),
        Measure(capacity.path_norm_over_margin, 1, "train", _DZIUGAITE, ("classes", "paths"), _NO_MARGIN),
        Measure(margins.margin_min, -1, "train", _JIANG, ("classes",)),
        Measure(margins.margin_p25, -1, "train", _JIANG, ("classes",)),
        Measure(margins.margin_median, -1, "train", _JIANG, ("classes",)),
        Measure(margins.margin_p75, -1, "train", _JIANG, ("classes",)),
        Measure(margins.margin_p90, -1, "train", _JIANG, ("classes",)),
        Measure(margins.margin_mean, -1, "train", _JIANG, ("classes",)),
        Measure(margins.normalized_train_loss_l1, 1, "train", _LIAO, ("classes", "weights", "homogeneous"), _ZERO),
        Measure(margins.normalized_train_loss_l4, 1, "train", _LIAO, _SCALED, _ZERO, "one of many norms"),
        Measure(margins.normalized_train_loss_max, 1, "train", _LIAO, _SCALED, _ZERO, "one of many norms"),
        Measure(margins.normalized_train_loss_by_output, 1, "train", _LIAO, ("classes",), _NO_OUTPUT),
        Measure(margins.normalized_test_loss_by_output, 1, "test", _LIAO, ("classes",), _NO_OUTPUT),
        Measure(sensitivity.lipschitz_median, 1, "train", _LOUKAS, (), _SLOPES, version=2),
        Measure(sensitivity.lipschitz_p90, 1, "train", _LOUKAS, (), _SLOPES, version=2),
        Measure(sensitivity.jacobian_frobenius_mean, 1, "train", _NOVAK, version=2),
        Measure(sensitivity.lipschitz_mean_test, 1, "test", _LOUKAS, (), _SLOPES, _COSTLY, version=2),
        Measure(sensitivity.lipschitz_max_test, 1, "test", _LOUKAS, (), _SLOPES, _COSTLY, version=2),
        Measure(sensitivity.lipschitz_p90_test, 1, "test", _LOUKAS, (), _SLOPES, _COSTLY, version=2),
        Measure(flatness.sam_sharpness, 1, "train", _FORET, opt_in="much like sharpness", version=2),
        Measure(flatness.asam_sharpness, 1, "train", _KWON),
        Measure(flatness.worst_case_sharpness, 1, "train", _KESKAR, opt_in=_COSTLY, version=2),
        Measure(flatness.adaptive_worst_case_sharpness, 1, "train", _ANDRIUSHCHENKO, opt_in=_COSTLY),
        Measure(curvature.hessian_trace, 1, "train", _GHORBANI, opt_in=_COSTLY, version=2),
        Measure(curvature.hessian_quantiles, 1, "train", _GHORBANI, opt_in=_COSTLY, version=2),
        *(
            Measure(function, 1, "train", _DZIUGAITE, ("classes", *needs), _NO_SIGMA, _COSTLY, version=2)
            for function, needs in (
                (pac_bayes.pac_bayes_init, _INITIAL),
                (pac_bayes.pac_bayes_origin, ()),
                (pac_bayes.pac_bayes_flatness, ()),
                (pac_bayes.pac_bayes_magnitude_init, _INITIAL),
                (pac_bayes.pac_bayes_magnitude_origin, _INITIAL),
                (pac_bayes.pac_bayes_magnitude_flatness, ()),
            )
        ),
        Measure(lipschitz.bias_gradient_mean, 1, "train", _LOUKAS, ("first layer",), opt_in=_COSTLY, version=2),
        Measure(lipschitz.lipschitz_mean_lower, 1, "train", _LOUKAS, ("first layer",), opt_in=_COSTLY, version=2),
        Measure(lipschitz.lipschitz_mean_upper, 1, "train", _LOUKAS, ("first layer",), opt_in=_COSTLY, version=2),
        Measure(lipschitz.lipschitz_max_mixtures, 1, "train", _LOUKAS, (), _SLOPES, _LIKE_MAX, version=2),
        Measure(lipschitz.lipschitz_max_noise, 1, "train", _LOUKAS, (), _SLOPES, _LIKE_MAX, version=2),
        Measure(activation_regions.activation_regions, 1, "train", _HANIN, ("ReLU",), opt_in=_COSTLY),
        Measure(activation_regions.region_crossings, 1, "train", _NOVAK, ("ReLU",), opt_in=_COSTLY),
        Measure(
            activation_regions.far_lipschitz_bound, 1, "train", _LOUKAS, ("piecewise linear",), _UNCOVERED, _COSTLY
        ),
        Measure(activation_regions.far_coverage, -1, "train", _LOUKAS, ("piecewise linear",), _UNSEEN, _COSTLY),
        Measure(memorization.clean_train_accuracy, -1, "train", _ARPIT, _TRUE, "all labels are corrupted", _TRUTH),
        Measure(memorization.corrupted_train_accuracy, 1, "train", _ARPIT, _TRUE, "no label is corrupted", _TRUTH),
        Measure(memorization.loss_sensitivity_mean, 1, "train", _ARPIT, opt_in="much like margin_p10"),
        Measure(
            memorization.loss_sensitivity_gini,
            -1,
            "train",
            _ARPIT,
            (),
            "no input moves the loss",
            opt_in="much like margin_p25",
        ),
        Measure(memorization.critical_sample_ratio, 1, "validation", _ARPIT, ("classes",), opt_in=_COSTLY),
        Measure(memorization.critical_sample_ratio_train, 1, "train", _ARPIT, ("classes",), opt_in=_COSTLY),
        Measure(landscape.loss_range_along_gradient, 1, "train", _SANTURKAR, opt_in=_COSTLY, version=2),
        Measure(landscape.gradient_predictiveness, 1, "train", _SANTURKAR, opt_in=_COSTLY, version=2),
        Measure(
            landscape.effective_smoothness, 1, "train", _SANTURKAR, (), "the gradient vanishes", _COSTLY, version=2
        ),
        Measure(landscape.internal_covariate_shift, 1, "train", _SANTURKAR, ("layers",), opt_in=_COSTLY, version=2),
        Measure(
            landscape.internal_covariate_cosine, -1, "train", _SANTURKAR, ("layers",), _NO_GRADIENT, _COSTLY, version=2
        ),
        Measure(path_norm.path_norm_l1, 1, "none", _PATHS, ("paths",), opt_in="much like log_frobenius_product"),
        Measure(
            margins.margin_p10_complexity,
            -1,
            "train",
            _BARTLETT,
            ("classes", "initial", *_MAPS),
            _COMPLEXITY,
            opt_in="much like margin_p10_spectral",
        ),
        Measure(margins.layer_margins, -1, "train", _JIANG, ("classes", "layer inputs"), _NO_SPREAD, "a vector"),
        Measure(distances.layer_distances, 1, "none", _NAGARAJAN, ("initial", "weights"), opt_in="a vector"),
        Measure(margins.margin_quantiles, -1, "train", _LIAO, _SCALED, _ZERO, "a vector"),
        Measure(margins.top_output_quantiles, -1, "train", _LIAO, _SCALED, _ZERO, "a vector"),
        Measure(margins.input_margin_p10, -1, "train", _JIANG, ("classes",), _FLAT, opt_in="much like margin_p10"),
        Measure(margins.input_margin_median, -1, "train", _JIANG, ("classes",), _FLAT),
        Measure(representation.davies_bouldin, 1, "train", _NATEKAR, ("classes", "features"), _ONE_CLASS, version=2),
        Measure(representation.mixup_accuracy, -1, "train", _NATEKAR, ("classes",)),
        Measure(spectra.power_law_alpha, 1, "none", _MARTIN, ("weights",), _NO_TAIL),
        Measure(
            spectra.weighted_alpha,
            1,
            "none",
            _MARTIN,
            ("weights",),
            _NO_TAIL,
            opt_in="much like power_law_alpha",
        ),
        Measure(linear.linear_information, -1, "validation", _NAKKIRAN, ("classes",), opt_in=_COSTLY),
        Measure(linear.nonlinear_information, 1, "validation", _NAKKIRAN, ("classes",), opt_in=_COSTLY),
        Measure(
            distances.squared_spectral_distance_sum,
            1,
            "none",
            _DZIUGAITE,
            ("initial", *_MAPS),
            _UNFOUND,
            "much like spectral_distance_sum",
            version=2,
        ),
    )
}
