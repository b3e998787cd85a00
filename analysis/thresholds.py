"""Numbers that tests and intervals share with the rule of a verdict; fixed before any data."""

#: With fewer independent units, no interval is estimated by resampling them.
MINIMUM_UNITS = 8
#: Confidence of intervals that show an effect to be small: two one-sided tests at 5% each.
EQUIVALENCE_CONFIDENCE = 0.9
#: Totals of permutations after which decisions are examined. The last one narrows the interval of a p-value to 0.6 to
#: 1.5 times the p-value at 0.00125, the strictest bound of 40 predictors, and to 0.9 to 1.1 times at 0.03, in a few
#: seconds per undecided predictor.
PERMUTATION_STAGES = tuple(1000 * 2**i for i in range(7))
