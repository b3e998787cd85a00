"""Claims about detectors of the XOR problem, for the study of Brutzkus and Globerson 2019."""

from benevolent.analysis.studies.shared.findings import StudyClaim

FALLS_WITH_SIZE = "test error falls with the number of filters (usual distribution)"
LEMMA_1 = "lemma 3.1 and theorem 3.4: k = 50 explores, k = 2 does not"
LEMMA_2 = "lemma 3.2: filters cluster around the patterns"
THEOREM_3 = "theorem 3.3: large networks reach a global minimum"

#: Why networks that fit may err alike.
OPEN = (
    "where no training example shows a pattern by itself, descent ends with outputs near 0 on inputs that do, and "
    "chance decides their sign in large networks, too"
)
ALL = StudyClaim("The larger networks generalize better on the hard test distribution", FALLS_WITH_SIZE, OPEN)
FITTED = StudyClaim(
    "Larger networks that fit every training example generalize better on the hard test distribution",
    f"{FALLS_WITH_SIZE}, also at zero train error",
    OPEN,
)
USUAL = StudyClaim(
    "Larger networks that fit every training example generalize better on the usual test distribution",
    f"{FALLS_WITH_SIZE}, also at zero train error",
    "a network that misses one pattern is nearly always right about inputs with many",
)
CENTERS = StudyClaim(
    "Small networks that start from the cluster centers of a large one generalize better than drawn ones",
    "another task: they come near to the large network",
    "the centers lack a pattern, or training leaves them",
    "ours",
)
FITTED_CENTERS = StudyClaim(
    "Small networks from cluster centers generalize better also among those that fit every training example",
    explanation="the centers make a small network fit; which patterns it finds is as in drawn ones that fit",
    kind="ours",
)
EXPLORED = StudyClaim(
    "Large networks explore all patterns at initialization, small ones do not",
    LEMMA_1,
    "some large networks lack a pattern",
    "check",
)
PERFECT = StudyClaim(
    "Large networks end more often in a global minimum that errs on no input",
    THEOREM_3,
    "small training sets do not say which patterns matter, whatever the size of the network",
)
FITS = StudyClaim("Large networks fit the training set more often", explanation="both fit it always", kind="ours")
