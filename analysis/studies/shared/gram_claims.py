"""Claims about wide two-layer networks, for the study of Du et al. 2019."""

from benevolent.analysis.studies.shared.findings import StudyClaim

#: Possible explanation if a claim about width does not hold.
WIDER = "larger widths change no more than chance"
CLOSER = StudyClaim(
    "The wider the network, the closer every weight vector stays to its initialization",
    "figure 1c: smaller distance",
    WIDER,
)
GRAM_MATRIX_STAYS = StudyClaim(
    "The Gram matrix starts near its expectation and keeps its smallest eigenvalue while training",
    "lemmas 3.1 and 3.2: at least 3/4 λ₀, then λ₀ / 2",
    explanation="the width is too small for that",
)
FALLS_AS_ROOT = StudyClaim(
    "The largest distance falls with the square root of the width",
    "lemma 3.3: bounded by a multiple of m^(−1/2)",
    explanation="the proof gives a bound, and the largest of many distances may fall otherwise",
    kind="ours",
)
IS_LINEAR = StudyClaim(
    "The wider the network, the nearer its loss stays to that of a linear model with its Gram matrix",
    explanation="losses near zero are decided by rounding",
    kind="ours",
)
INPUTS_ARE_NOT_PARALLEL = StudyClaim(
    "The expected Gram matrix is positive definite",
    "theorem 3.1: if no two inputs are parallel",
    kind="check",
)
RATE = StudyClaim(
    "Gradient descent reaches zero train loss at a linear rate",
    "theorem 4.1: (1 − η λ₀ / 2) a step",
    explanation="the Gram matrix leaves the neighborhood in which the proof works",
)
RATE_AT_EXAMPLES = StudyClaim(
    "As many units as examples are enough for the rate", explanation=RATE.explanation, kind="ours"
)
BOUND = StudyClaim(
    "No weight vector moves further than the proof allows",
    "corollary 4.1: 4 √n ‖y − u(0)‖ / (√m λ₀)",
    explanation="the loss falls too slowly for that",
)
BOUND_AT_EXAMPLES = StudyClaim(
    "As many units as examples are enough for the bound on the distance", explanation=BOUND.explanation, kind="ours"
)
FASTER = StudyClaim("The wider the network, the faster the loss falls", "figure 1a: faster", WIDER)
FEWER_CHANGES = StudyClaim("The wider the network, the fewer activations change", "figure 1b: fewer changes", WIDER)
LARGER_EIGENVALUE = StudyClaim(
    "The wider the network, the larger the smallest eigenvalue of its Gram matrix at the end",
    "section 6: believed to be the reason for the better rate",
    WIDER,
    kind="ours",
)
