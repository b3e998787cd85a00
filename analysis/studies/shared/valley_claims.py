"""Claims about paths between networks that were trained apart, for the study of Nguyen 2019."""

from benevolent.analysis.studies.shared.findings import StudyClaim

ONE_VALLEY = StudyClaim(
    "Networks with twice as many units as examples lie in one valley",
    "every sublevel set is connected, from 2 n units on",
)
NO_BAD_VALLEY = StudyClaim(
    "Networks with more units than examples meet no bad valley",
    "no bad local valleys, with more than n units",
)
BARRIER = StudyClaim(
    "A barrier separates networks that were trained apart",
    "other papers, Frankle et al. 2020 and Entezari et al. 2022: there is one",
    kind="ours",
)
MATCHING_LOWERS = StudyClaim(
    "Matching the units lowers the barrier between networks that were trained apart",
    "another paper, Ainsworth et al. 2023: it does",
    kind="ours",
)
WIDER_IS_LOWER = StudyClaim(
    "The wider matched networks are, the lower the barrier between them",
    "other papers, Ainsworth et al. 2023 and Entezari et al. 2022: lower if wider",
    explanation="networks that cannot learn their examples have no barrier either",
    kind="ours",
)
NO_BARRIER = StudyClaim(
    "Wide matched networks have no barrier",
    "another paper, Ainsworth et al. 2023: none for a perceptron on MNIST",
    explanation="wide enough may be wider than this",
    kind="ours",
)
CURVE_JOINS = StudyClaim(
    "A fitted curve joins networks that were trained apart without a barrier",
    "another paper, Garipov et al. 2018: curves without a barrier",
    kind="ours",
)
FAR_FEWER_UNITS = StudyClaim("Networks with far fewer units than examples lie in one valley, too", kind="ours")
NARROWEST_APART = StudyClaim(
    "The narrowest networks do not lie in one valley",
    explanation="a curve with one bend may be found where networks were found that are not the best",
    kind="ours",
)
WITHIN_RUN = StudyClaim("No barrier separates a network from its own first epoch", kind="ours")
MORE_THAN_NORMS = StudyClaim(
    "Matching does more than undo the shrinking of averaged weights",
    explanation="the average of two networks has smaller weights, and that alone makes its loss higher",
    kind="ours",
)
PROOF = StudyClaim("The path of the proof never exceeds the worse network's loss", kind="check")
PERMUTED = StudyClaim("A network with its units in another order computes the same function", kind="check")
