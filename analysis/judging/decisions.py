"""Decisions that a verdict can come to, and the marks that tell them apart without color."""

# The claim "the predictor adds to the axes" holds (ADDS), fails (ADDS_NOTHING) or is undecided (the other three). It
# fails only for a predictor that the axes determine, which needs no test: a gain that is not significant does not
# refute the claim, and no interval here is used to exclude a useful gain.
ADDS = "adds"
ADDS_NOTHING = "adds nothing"
NOT_SHOWN = "not shown"
UNDECIDED = "undecided"
NOT_SEPARABLE = "not separable from the axes"

#: Decisions in reading order, with their marks.
MARKS = {ADDS: "●", NOT_SHOWN: "·", ADDS_NOTHING: "×", NOT_SEPARABLE: "◌", UNDECIDED: "○"}
