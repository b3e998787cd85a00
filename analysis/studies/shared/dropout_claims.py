"""Claims about networks trained with Dropout, for the study of Loukas et al. 2021."""

from benevolent.analysis.studies.shared.findings import StudyClaim

MORE_COVERAGE = StudyClaim(
    "With Dropout, the training points bound the function at more points far from them",
    "abstract: steady training with Dropout implies a training- and data-dependent bound",
)
NOT_ONLY_DRAWS = StudyClaim(
    "Training with Dropout covers more points than dropping units only afterwards does",
    explanation="dropping units covers more patterns whether or not the network was trained so",
    kind="ours",
)
BOUNDS_HOLD = StudyClaim(
    "The slopes at the training points bound the slope wherever their patterns span the pattern",
    kind="check",
)
BOUND_FOLLOWS_GAP = StudyClaim(
    "Networks with a smaller bound far from the data have a smaller generalization gap",
    explanation="the bound sums the slopes of points that are far from each other, and is looser the more of them "
    "a pattern needs",
    kind="ours",
)
BOUND_WITHIN_FREQUENCIES = StudyClaim(
    "Among networks of one frequency, a smaller bound means a smaller generalization gap",
    explanation="the frequency determines both the bound and the gap",
    kind="ours",
)
STEADIER = StudyClaim(
    "With Dropout, the bias is trained more steadily",
    explanation="dropping other units in every step moves the bias too, and keeps the loss from vanishing",
    kind="ours",
)
