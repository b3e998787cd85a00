"""Reasons why a value does not exist, as statuses give them after `undefined: `."""

from benevolent.analysis.measures.limits import (
    EXACT_CLASSES,
    LANCZOS_BUDGET,
    LANCZOS_TOLERANCE,
    NORM_BUDGET,
)

# Norms.
ZERO_PRODUCT = "the product of norms is zero: a layer has only zero weights"
UNMOVED_LAYER = "the product of norms is zero: a layer is as it was initialized"
ZERO_PRODUCT_OR_MARGIN = "the product of norms is zero, or the 10th percentile of the margins or the sum of ratios is"
NO_CONVOLUTION_NORM = f"the norm of a convolution is not certain after {NORM_BUDGET} products"
ZERO_PRODUCT_OR_NO_NORM = f"{ZERO_PRODUCT}; or {NO_CONVOLUTION_NORM}"
UNMOVED_OR_NO_NORM = f"{UNMOVED_LAYER}; or {NO_CONVOLUTION_NORM}"
ZERO_MARGIN_OR_NO_NORM = f"{ZERO_PRODUCT_OR_MARGIN}; or {NO_CONVOLUTION_NORM}"
NO_COMPLEXITY = f"the product of norms is zero, or all layers are as they were initialized; or {NO_CONVOLUTION_NORM}"
NO_TAIL = "no layer has two different singular values"
# Margins and outputs.
ZERO_MARGIN = "the 10th percentile of the margins is 0"
ZERO_OUTPUT = "the output of the first training input is 0"
INSENSITIVE_INPUT = "an input does not move the logits, but for rounding"
NO_SPREAD = "the inputs of a layer are all the same, or do not move the logits, but for rounding"
ONE_CLASS = "fewer than two classes, or two of one mean, but for rounding"
# Slopes and activation patterns.
OVERFLOWING_SLOPES = (
    f"slopes overflow; or, of more than {EXACT_CLASSES} classes, Lanczos residual above {LANCZOS_TOLERANCE:g} after "
    f"{LANCZOS_BUDGET} products"
)
INSENSITIVE_LOSS = "no input moves the loss, but for rounding"
NOT_COVERED = "no point far from the data has a pattern that the training inputs' patterns span"
NO_NEW_PATTERN = "no point has a pattern that no training input has"
# The training loss around the parameters.
NO_EIGENVALUE = (
    f"Lanczos: residual above {LANCZOS_TOLERANCE:.1%} after {LANCZOS_BUDGET} products, or the loss is not finite"
)
NO_SIGMA = "no noise of sigma <= 2 costs a tenth of the training accuracy"
UNMOVED_NETWORK = "all parameters are as they were initialized"
ZERO_GRADIENT = "the gradient vanishes"
NO_GRADIENT = "the gradient of a layer vanishes"
# Corrupted labels.
NO_CLEAN_LABEL = "all labels are corrupted"
NO_CORRUPTED_LABEL = "no label is corrupted"
