"""Claims about models of growing size, for the study of Belkin et al. 2018."""

from benevolent.analysis.studies.shared.findings import StudyClaim

REUSE_ENDS = "the peak is where weight reuse ends, and networks start anew"
#: Why a curve may have no peak at the threshold.
NO_PEAK = {
    "reuse": "training finds smooth solutions on the way to the threshold, too",
    "early": REUSE_ENDS,
    "on": "the risk falls where networks start anew; those that reuse one that fits hardly change it",
    "fresh": "training finds smooth solutions on the way to the threshold, too",
    "noisy": "noisy labels take more parameters to fit, so that the peak is beyond the threshold",
    "forests": "a tree votes for the majority class of a leaf, which smaller leaves of clean labels hardly change",
    "features": "the features are too few, or too alike, to fit every example at N = n",
}
KERNEL_MACHINE = StudyClaim(
    "Random features: with more of them the risk falls towards that of the kernel machine, the lowest of all",
    "figure 2: falls to the kernel machine's",
    explanation="the risk of finitely many features is below that of their limit",
)
FITS_EXACTLY = StudyClaim(
    "Random features: from N = n on they fit every training example",
    "figure 2: train risk 0 from N = n on",
    kind="check",
)
PEAK = StudyClaim("the {} peaks at the interpolation threshold")
SECOND_DESCENT = StudyClaim(
    "the largest model has a lower {} than any below the threshold",
    explanation="the largest model here is not large enough",
)
NORM_FALLS = StudyClaim(
    "Random features: the norm of the coefficients peaks at the threshold and falls beyond it, as the risk",
    "figure 2: peak at N = n, then falls",
    "the norm falls on the whole, but not from each size to the next",
)
KERNEL_NORM_FALLS = StudyClaim(
    "Random features: the norm of the function, which N alone does not change, peaks and falls, too",
    explanation=NORM_FALLS.explanation,
    kind="ours",
)
REUSE_RAISES = StudyClaim(
    "Networks: weight reuse makes the peak higher", explanation="the peak is as high without it", kind="ours"
)
NOISE_RAISES = StudyClaim(
    "Networks: noisy labels make the peak higher", explanation="the peak is as high without it", kind="ours"
)
