"""Claims about the codes of several models: their order, and networks that catch up (Blier and Ollivier 2018)."""

import math

import pandas as pd

from benevolent.analysis.studies.shared.code_lengths import bits_per_label, last_blocks, seed_difference
from benevolent.analysis.studies.shared.description_length_findings import CONVOLUTIONAL
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.seed_means import SeedMean, rank_correlation, seed_mean, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Largest fraction of the labels that are the first ones, whose bits may already order models.
EARLY = 1 / 8

SIMPLEST = "linear"

#: Claims of the findings.
ONE_ORDER = StudyClaim(
    "Models with shorter codes generalize better",
    "the models with the best accuracy have the shortest prequential codes",
    explanation="a code pays for early mistakes, which the test error at the end does not show",
)
EVERY_SEED = StudyClaim(
    "In every seed the shortest code chooses the model with the smallest test error",
    explanation="the best models differ by less than the noise of either number",
    kind="ours",
)
FIRST_LABELS = StudyClaim(
    "The code of the first labels orders the models already",
    explanation="models that do best in the end have not caught up by then",
    kind="ours",
)
CATCHES_UP = StudyClaim(
    "With few labels a simple model predicts better, and the network catches up",
    "the catch-up phenomenon",
    explanation="with scaled logits neither predicts much from so few labels",
)
WORSE_AT_FIRST = StudyClaim("With few labels a network predicts worse than the uniform code", "the catch-up phenomenon")
BETTER_LATER = StudyClaim(
    "With more labels a network predicts better than the uniform code",
    "about 5,000 examples are needed first",
    explanation="a network that fits its labels is too sure of new ones, and needs still more labels",
)


def models_in_order(models: pd.DataFrame) -> list[Finding]:
    """Decide whether code lengths order models by their test error."""
    last = last_blocks(models)
    return [_one_order(last), _every_seed(last), _first_labels(models, last)]


def _one_order(last: pd.DataFrame) -> Finding:
    means = last.groupby("model")[["ratio", "test_error"]].mean().sort_values("ratio")
    shown = ", ".join(f"{model} {row['ratio']:.3f} ({row['test_error']:.3f})" for model, row in means.iterrows())
    is_in_order = bool(means["test_error"].is_monotonic_increasing)
    return ONE_ORDER.decide(is_in_order, f"code over the uniform code (test error): {shown}")


def _every_seed(last: pd.DataFrame) -> Finding:
    same_choice = 0
    for _, rows in last.groupby("seed"):
        shortest = rows.loc[rows["ratio"].idxmin(), "model"]
        best = rows.loc[rows["test_error"].idxmin(), "model"]
        same_choice += int(shortest == best)
    seeds = last["seed"].nunique()
    return EVERY_SEED.decide(same_choice == seeds, f"in {same_choice} of {seeds} seeds")


def _first_labels(models: pd.DataFrame, last: pd.DataFrame) -> Finding:
    sizes = models["learned"].unique()
    labels = sizes[sizes <= EARLY * sizes.max()].max()
    early = rows_with(models, "learned", labels)[["model", "seed", "sent_bits"]]
    with_end = early.merge(last[["model", "seed", "test_error"]], on=["model", "seed"])
    correlation = rank_correlation(with_end, "sent_bits", "test_error")
    shown = f"Spearman {show_interval(correlation)} with the test error at the end"
    evidence = f"the first {labels}: {shown}, over {last['model'].nunique()} models"
    return FIRST_LABELS.decide(correlation.low > 0, evidence)


def networks_catch_up(models: pd.DataFrame) -> list[Finding]:
    """Decide whether networks predict worse than simpler codes at first, and better in the end, on CIFAR-10."""
    unscaled = bits_per_label(rows_with(models, "model", CONVOLUTIONAL), "raw_bits")
    first = seed_mean(_first_block(unscaled), "per_label")
    last = seed_mean(last_blocks(unscaled), "per_label")
    uniform = math.log2(10)
    bits = f"CIFAR-10, {CONVOLUTIONAL} without scaled logits, bits for each label"
    at_first = f"{bits}: first block {show_interval(first, '.2f')}, uniform {uniform:.2f}"
    later = f"{bits}: last block {show_interval(last, '.2f')}, uniform {uniform:.2f}"
    return [
        _catches_up(bits_per_label(models)),
        WORSE_AT_FIRST.decide(first.low > uniform, at_first),
        BETTER_LATER.decide(last.high < uniform, later),
    ]


def _first_block(sending: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of networks that have learned the fewest labels."""
    return rows_with(sending, "learned", sending["learned"].min())


def _catches_up(scaled: pd.DataFrame) -> Finding:
    at_first = _behind_simplest(_first_block(scaled))
    later = _behind_simplest(last_blocks(scaled))
    blocks = f"first block {show_interval(at_first)}, last block {show_interval(later)}"
    evidence = f"CIFAR-10, {CONVOLUTIONAL} minus {SIMPLEST}, bits for each label: {blocks}"
    return CATCHES_UP.decide(at_first.low > 0 and later.high < 0, evidence)


def _behind_simplest(block: pd.DataFrame) -> SeedMean:
    """Return the bits for each label of the convolutional network minus those of the simplest model."""
    network = rows_with(block, "model", CONVOLUTIONAL)
    return seed_difference(network, rows_with(block, "model", SIMPLEST), "per_label")
