"""Claims about networks with and without BatchNorm, for the study of Santurkar et al. 2018."""

from benevolent.analysis.studies.shared.findings import StudyClaim

UNSTABLE_INPUTS = StudyClaim(
    "With noisy BatchNorm layers see less stable inputs than without BatchNorm",
    "figure 2, right",
    kind="check",
)
LANDSCAPE_CLAIMS = {
    "loss_range": StudyClaim("With BatchNorm the loss varies less along the gradient", "figure 4a"),
    "gradient_change": StudyClaim("With BatchNorm the gradient is more predictive", "figure 4b"),
    "smoothness": StudyClaim("With BatchNorm the loss is effectively smoother", "figure 4c"),
}
FASTER = StudyClaim("Networks with BatchNorm train faster", "figure 1a")
LARGER_RATES = StudyClaim("With BatchNorm, networks reach a lower test error at large learning rates, too", "figure 1b")
NEARLY_AS_WELL = StudyClaim("Noisy BatchNorm does nearly as well as BatchNorm, and better than none", "figure 2")
COVARIATE_SHIFT = StudyClaim(
    "BatchNorm does not reduce internal covariate shift in the {}",
    "figure 3",
    explanation="at this learning rate the steps of a network without BatchNorm change its loss more",
)
