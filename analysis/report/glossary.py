"""Meanings of the columns of a verdict table, as the page explains them."""

from benevolent.analysis.judging.decisions import MEANINGS, SMALL_MEANING

COLUMNS = {
    "runs": "Number of runs that have the predictor. Where some lack it, the row says so, for example 52 of 233: its "
    "statistics are about those runs only.",
    "τ": "Kendall rank correlation (tau-b) between predictor and outcome over all runs, −1 to 1, with a 95% "
    "bootstrap interval over lineages. It is large for anything that merely follows a hyperparameter.",
    "Ψ": "Granulated Kendall correlation (Jiang et al. 2020): tau among runs that differ in one axis only, averaged "
    "over such groups, then over axes. It is large only for a predictor that follows every axis.",
    "partial": "Partial rank correlation of predictor and outcome, with the effects of the axes removed from both.",
    "CMI": "Conditional mutual information of two signs (which of two runs has the larger value), given pairs of axes, "
    "as a share of the outcome’s entropy; the smallest over pairs of axes. 0: no information, 1: full information.",
    "beyond": "Do runs that share every hyperparameter, and differ in their seed only, follow the predictor? ρ is "
    "the correlation of aligned ranks: both are taken relative to the mean and spread of their configuration, then "
    "ranked over all runs. Its q-value comes from permuting the replicates of each lineage (with shared seeds, from "
    "rotating them). For a function of the hyperparameters it is undefined.",
    "transfers": "Does the predictor help to predict configurations that were not seen? ΔR² is the gain in "
    "cross-validated R² of ranks over the hyperparameters alone, whole lineages held out; the baseline’s row shows its "
    "own R². Its q-value comes from flipping the signs of whole lineages.",
    "q": "P-value adjusted for the number of predictors (Benjamini and Hochberg), each claim in a family of its own.",
    "both": "The larger p-value of both claims, adjusted in a family of its own: it decides whether a predictor adds.",
    "decision": " ".join(f"{decision.capitalize()}: {meaning}." for decision, meaning in MEANINGS.items())
    + f" Small: {SMALL_MEANING}.",
    "ceiling": "The best that any predictor could reach on these runs. Hyperparameters: knowing the configuration "
    "perfectly, but not the seed. Test-set noise: knowing the outcome itself, measured again on another test set of "
    "the same size.",
}
