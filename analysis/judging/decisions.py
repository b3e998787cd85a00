"""Decisions that a verdict can come to, and the marks that tell them apart without color."""

# Two claims are tested. Both hold (ADDS), one does (ADDS_BEYOND, ADDS_IN_TRANSFER), both effects are shown to be small
# (NEGLIGIBLE), or nothing is shown. A function of the hyperparameters needs no test. UNDECIDED says what is lacking.
ADDS = "adds"
ADDS_BEYOND = "adds beyond"
ADDS_IN_TRANSFER = "adds in transfer"
NEGLIGIBLE = "negligible"
FUNCTION_OF_AXES = "function of the axes"
NOT_SHOWN = "not shown"
UNDECIDED = "undecided"
# No decision: nothing was tested, as for outcomes that are described beside those that are judged.
DESCRIBED = "described"

#: Decisions in reading order, with their marks.
MARKS = {
    ADDS: "●",
    ADDS_BEYOND: "◐",
    ADDS_IN_TRANSFER: "◑",
    NOT_SHOWN: "·",
    NEGLIGIBLE: "×",
    UNDECIDED: "○",
    FUNCTION_OF_AXES: "◌",
    DESCRIBED: " ",
}

#: Decisions that claim something.
CLAIMING = (ADDS, ADDS_BEYOND, ADDS_IN_TRANSFER)

#: Each decision in a few words, for a legend.
MEANINGS = {
    ADDS: "orders runs that share every hyperparameter, and helps to predict configurations not seen",
    ADDS_BEYOND: "orders runs that share every hyperparameter",
    ADDS_IN_TRANSFER: "helps to predict configurations not seen",
    NOT_SHOWN: "neither is shown, which is no evidence against it",
    NEGLIGIBLE: "both effects are shown to be small",
    FUNCTION_OF_AXES: "equal in all runs of each configuration",
    UNDECIDED: "the runs do not allow a test, or too few permutations were drawn",
    DESCRIBED: "nothing was tested: only the outcomes that judging.outcomes names get decisions",
}
SMALL_MEANING = "the effect is shown, and shown to lie inside the bounds of negligible"
