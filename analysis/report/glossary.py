"""Meanings of the columns of a verdict table and of the outcomes, as the page explains them."""

OUTCOMES = {
    "test_loss": "Mean loss on the test split, the loss that was minimized (cross-entropy in nats).",
    "test_error": "Misclassified fraction of the test split (regression: mean absolute error).",
    "gap": "Test error minus train error, both against the labels trained on in the last phase.",
    "loss_gap": "Test loss minus train loss, both against the labels trained on in the last phase.",
}

COLUMNS = {
    "runs": "Number of runs that have the predictor. Where some lack it, the row says so, for example 52 of 233: its "
    "statistics are about those runs only.",
    "τ": "Kendall rank correlation (tau-b) between predictor and outcome over all runs, −1 to 1, with a 95% "
    "bootstrap interval over configurations. It is large for anything that merely follows a hyperparameter.",
    "Ψ": "Granulated Kendall correlation (Jiang et al. 2020): tau among runs that differ in one axis only, averaged "
    "over such groups, then over axes. It is large only for a predictor that follows every axis.",
    "partial": "Partial rank correlation of predictor and outcome, with the effects of the axes removed from both.",
    "CMI": "Conditional mutual information of two signs (which of two runs has the larger value), given pairs of axes, "
    "as a share of the outcome’s entropy; the smallest over pairs of axes. 0: no information, 1: full information.",
    "ΔR²": "Gain in cross-validated R² of ranks when the predictor joins the hyperparameters (main effects, "
    "pairwise interactions); whole configurations are held out. The baseline’s row shows its own R².",
    "ρ": "Rank correlation within configurations: among runs that differ only in their seed. For a function of the "
    "hyperparameters it is undefined.",
    "q": "Permutation p-value of the column to its left, adjusted for the number of predictors (Benjamini and "
    "Hochberg). For ΔR², whole configurations are permuted; for ρ, seeds are rotated in the same way in all of them.",
    "both": "The q-value that decides: adjusted from the larger of the two p-values.",
    "decision": "Adds: both tests are significant. Not shown: they are not, which is no proof that it adds nothing. "
    "Adds nothing: the hyperparameters determine the predictor. "
    "Undecided, not separable: these data cannot tell; the verdict in words says why.",
    "ceiling": "The best that any predictor could reach on these runs. Hyperparameters: knowing the configuration "
    "perfectly, but not the seed. Test-set noise: knowing the outcome itself, measured again on another test set of "
    "the same size.",
}
