"""Claims about detectors of the XOR problem, for the study of Brutzkus and Globerson 2019."""

from benevolent.analysis.studies.shared.findings import Kind

FIGURE_1 = "figure 1: test error falls with the number of filters (usual distribution)"
LEMMA_1 = "lemma 3.1 and theorem 3.4: k = 50 explores, k = 2 does not"
LEMMA_2 = "lemma 3.2: filters cluster around the patterns"
THEOREM_3 = "theorem 3.3: large networks reach a global minimum with test error 0"

#: Why networks that fit may err alike.
OPEN = (
    "where no training example shows a pattern by itself, descent ends with outputs near 0 on inputs that do, and "
    "chance decides their sign in large networks, too"
)
#: Claims about errors of small networks and others: claim, what the paper says, explanation if it does not hold, kind.
ERROR_CLAIMS: dict[str, tuple[str, str, str, Kind]] = {
    "all": ("The larger networks generalize better on the hard test distribution", FIGURE_1, OPEN, "paper"),
    "fitted": (
        "Larger networks that fit every training example generalize better on the hard test distribution",
        f"{FIGURE_1}, also at zero train error",
        OPEN,
        "paper",
    ),
    "usual": (
        "Larger networks that fit every training example generalize better on the usual test distribution",
        f"{FIGURE_1}, also at zero train error",
        "a network that misses one pattern is nearly always right about inputs with many",
        "paper",
    ),
    "centers": (
        "Small networks that start from the cluster centers of a large one generalize better than drawn ones",
        "another task: on MNIST they come near to the large network",
        "the centers lack a pattern, or training leaves them",
        "ours",
    ),
    "fitted centers": (
        "Small networks from cluster centers generalize better also among those that fit every training example",
        "",
        "the centers make a small network fit; which patterns it finds is as in drawn ones that fit",
        "ours",
    ),
}
#: Claims about fractions of networks, likewise.
FRACTION_CLAIMS: dict[str, tuple[str, str, str, Kind]] = {
    "explored": (
        "Large networks explore all patterns at initialization, small ones do not",
        LEMMA_1,
        "some large networks lack a pattern",
        "check",
    ),
    "perfect": (
        "Large networks end more often in a global minimum that errs on no input",
        THEOREM_3,
        "small training sets do not say which patterns matter, whatever the size of the network",
        "paper",
    ),
    "fits": ("Large networks fit the training set more often", "", "both fit it always", "ours"),
}
