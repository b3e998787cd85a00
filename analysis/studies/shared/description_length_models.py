"""Claims about the codes of several models: their order, and networks that catch up (Blier and Ollivier 2018)."""

import math

import pandas as pd

from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.code_lengths import bits_per_label, last_blocks, seed_difference, seed_mean
from benevolent.analysis.studies.shared.description_length_findings import CONVOLUTIONAL
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval

#: Largest fraction of the labels that are the first ones, whose bits may already order models.
EARLY = 1 / 8

SIMPLEST = "linear"


def models_in_order(models: pd.DataFrame) -> list[Finding]:
    """Decide whether code lengths order models by their test error."""
    last = last_blocks(models)
    means = last.groupby("model")[["ratio", "test_error"]].mean().sort_values("ratio")
    shown = ", ".join(f"{model} {row['ratio']:.3f} ({row['test_error']:.3f})" for model, row in means.iterrows())
    same_choice = 0
    for _, rows in last.groupby("seed"):
        shortest = rows.loc[rows["ratio"].idxmin(), "model"]
        same_choice += int(shortest == rows.loc[rows["test_error"].idxmin(), "model"])
    seeds = last["seed"].nunique()
    sizes = models["learned"].unique()
    early_labels = sizes[sizes <= EARLY * sizes.max()].max()
    early = models[models["learned"] == early_labels][["model", "seed", "sent_bits"]]
    with_end = early.merge(last[["model", "seed", "test_error"]], on=["model", "seed"])
    correlation = mean_over_seeds(with_end, lambda rows: spearman(rows["sent_bits"], rows["test_error"]), (-1, 1))
    return [
        Finding(
            "Models with shorter codes generalize better",
            decide(bool(means["test_error"].is_monotonic_increasing)),
            f"code over the uniform code (test error): {shown}",
            "the models with the best accuracy have the shortest prequential codes",
            explanation="a code pays for early mistakes, which the test error at the end does not show",
        ),
        Finding(
            "In every seed the shortest code chooses the model with the smallest test error",
            decide(same_choice == seeds),
            f"in {same_choice} of {seeds} seeds",
            explanation="the best models differ by less than the noise of either number",
            kind="ours",
        ),
        Finding(
            "The code of the first labels orders the models already",
            decide(correlation.low > 0),
            f"the first {early_labels}: Spearman {show_interval(correlation)} with the test error at the end, over "
            f"{len(means)} models",
            explanation="models that do best in the end have not caught up by then",
            kind="ours",
        ),
    ]


def networks_catch_up(models: pd.DataFrame) -> list[Finding]:
    """Decide whether networks predict worse than simpler codes at first, and better in the end, on CIFAR-10."""
    scaled = bits_per_label(models)
    differences = []
    for learned in (scaled["learned"].min(), scaled["learned"].max()):
        block = scaled[scaled["learned"] == learned]
        network = block[block["model"] == CONVOLUTIONAL]
        differences.append(seed_difference(network, block[block["model"] == SIMPLEST], "per_label"))
    unscaled = bits_per_label(models[models["model"] == CONVOLUTIONAL], "raw_bits")
    first = seed_mean(unscaled[unscaled["learned"] == unscaled["learned"].min()], "per_label")
    last = seed_mean(unscaled[unscaled["learned"] == unscaled["learned"].max()], "per_label")
    uniform = math.log2(10)
    unscaled_bits = f"CIFAR-10, {CONVOLUTIONAL} without scaled logits, bits for each label"
    return [
        Finding(
            "With few labels a simple model predicts better, and the network catches up",
            decide(differences[0].low > 0 and differences[1].high < 0),
            f"CIFAR-10, {CONVOLUTIONAL} minus {SIMPLEST}, bits for each label: first block "
            f"{show_interval(differences[0])}, "
            f"last block {show_interval(differences[1])}",
            "the catch-up phenomenon",
            explanation="with scaled logits neither predicts much from so few labels",
        ),
        Finding(
            "With few labels a network predicts worse than the uniform code",
            decide(first.low > uniform),
            f"{unscaled_bits}: first block {show_interval(first, '.2f')}, uniform {uniform:.2f}",
            "the catch-up phenomenon",
        ),
        Finding(
            "With more labels a network predicts better than the uniform code",
            decide(last.high < uniform),
            f"{unscaled_bits}: last block {show_interval(last, '.2f')}, uniform {uniform:.2f}",
            "about 5,000 examples are needed first",
            explanation="a network that fits its labels is too sure of new ones, and needs still more labels",
        ),
    ]
