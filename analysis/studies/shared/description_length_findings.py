"""Claims about codes of labels, with the parts of the rule that decide them (Blier and Ollivier 2018)."""

import math

import pandas as pd

from benevolent.analysis.multi_run.parameter_codes import WHOLE
from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.code_lengths import Codes, bits_per_label, last_blocks
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval

#: Largest fraction of the uniform code that compresses well.
LARGEST_RATIO = 0.5
#: Smallest fraction of it that random labels take.
LEAST_RANDOM_RATIO = 0.98
#: Smallest fraction of the uniform code of random labels that is in the parameters.
LEAST_KEPT = 0.9
#: Largest fraction of the labels that are the first ones, whose bits may already order models.
EARLY = 1 / 8

CONVOLUTIONAL = "LeNet"
SIMPLEST = "linear"
TRUE = 0.0
RANDOM = 1.0


def _mean(rows: pd.DataFrame, column: str) -> SeedMean:
    """Return the mean over seeds of a column."""
    return mean_over_seeds(rows, lambda of_seed: float(of_seed[column].mean()))


def _difference(rows: pd.DataFrame, others: pd.DataFrame, column: str) -> SeedMean:
    """Return the mean over seeds of a column of one group minus that of another."""
    own = rows.groupby("seed")[column].mean()
    differences = (own - others.groupby("seed")[column].mean()).rename("difference").reset_index()
    return _mean(differences, "difference")


def codes_of_true_labels(codes: Codes) -> list[Finding]:
    """Decide which codes compress the labels, and which of two is shorter."""
    last = last_blocks(codes.models)
    convolutional = _mean(last[last["model"] == CONVOLUTIONAL], "ratio")
    network = _network_of_subspaces(codes)
    dimension = codes.dimensions
    in_subspace = _mean(dimension, "ratio")
    lead = _difference(dimension, last[last["model"] == network], "ratio")
    labels = last["learned"].iloc[0]
    longest = _two_part_ratios(codes.parameters)
    shown = ", ".join(f"{model} {ratio.value:.0f} times" for model, ratio in longest.items())
    return [
        Finding(
            "The prequential code of a network is far shorter than the uniform code",
            decide(convolutional.high < LARGEST_RATIO),
            f"{CONVOLUTIONAL}: {show_interval(convolutional, '.3f')} of it, {labels} labels",
            "0.021 of it, with 60,000 labels of MNIST; 0.27 on CIFAR-10",
            explanation="few labels are left once the network has learned enough of them",
        ),
        Finding(
            "The two-part code with 32 bits for each parameter does not compress",
            decide(all(ratio.low > 1 for ratio in longest.values())),
            f"{shown} the uniform code",
            "more than 428 Mbit against 166 kbit, on CIFAR-10",
        ),
        Finding(
            "The code by the intrinsic dimension compresses",
            decide(in_subspace.high < 1),
            f"{show_interval(in_subspace, '.3f')} of the uniform code, with {dimension['numbers'].iloc[0]} dimensions",
            "more than 9.28 of 199 kbit, on MNIST",
            explanation="each dimension costs 32 bits, as much as ten labels sent uniformly",
        ),
        Finding(
            "The prequential code is shorter than that by the intrinsic dimension",
            decide(lead.low > 0),
            f"{network}: shorter by {show_interval(lead, '.3f')} of the uniform code",
            "4.10 against more than 9.28 kbit, on MNIST",
        ),
    ]


def _network_of_subspaces(codes: Codes) -> str:
    """Return the model with the most parameters, which is the one that is trained in subspaces."""
    sizes = codes.parameters.groupby("model")["numbers"].first()
    return str(sizes.idxmax())


def _two_part_ratios(parameters: pd.DataFrame) -> dict[str, SeedMean]:
    """Return the two-part code with 32 bits over the uniform code, by model."""
    whole = parameters[parameters["precision"] == WHOLE]
    return {str(model): _mean(rows, "ratio") for model, rows in whole.groupby("model")}


def rounded_codes(parameters: pd.DataFrame) -> Finding:
    """Decide whether two-part codes fail to compress at the best precision, too."""
    ratios = []
    shown = []
    for model, rows in parameters.groupby("model"):
        means = rows.groupby("precision")["ratio"].mean()
        best = rows[rows["precision"] == means.idxmin()]
        ratio = _mean(best, "ratio")
        ratios.append(ratio)
        shown.append(f"{model} {show_interval(ratio, '.2f')} with {means.idxmin()}")
    return Finding(
        "Two-part codes of rounded parameters do not compress either",
        decide(all(ratio.low > 1 for ratio in ratios)),
        f"over the uniform code, by the number of bits: {'; '.join(shown)}",
        explanation="a model with fewer parameters than there are bits in the labels has room for them",
        kind="ours",
    )


def random_labels(labels: pd.DataFrame) -> Finding:
    """Decide whether random labels take all bits of the uniform code."""
    last = last_blocks(labels)
    ratio = _mean(last[last["model"] == RANDOM], "ratio")
    true = _mean(last[last["model"] == TRUE], "ratio")
    unscaled = bits_per_label(labels[labels["model"] == RANDOM], "raw_bits")["per_label"].mean()
    evidence = (
        f"{show_interval(ratio, '.3f')} of the uniform code, as many true labels {true.value:.3f}; without scaled "
        f"logits {unscaled:.1f} bits for each label"
    )
    return Finding(
        "Random labels cannot be compressed",
        decide(ratio.low >= LEAST_RANDOM_RATIO),
        evidence,
        "not shorter than the uniform code",
        explanation="the code of so few labels varies by chance",
    )


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
        differences.append(_difference(network, block[block["model"] == SIMPLEST], "per_label"))
    unscaled = bits_per_label(models[models["model"] == CONVOLUTIONAL], "raw_bits")
    first = _mean(unscaled[unscaled["learned"] == unscaled["learned"].min()], "per_label")
    last = _mean(unscaled[unscaled["learned"] == unscaled["learned"].max()], "per_label")
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


def information_in_parameters(labels: pd.DataFrame) -> Finding:
    """Decide whether random labels are in the parameters, and true ones are not."""
    last = last_blocks(labels)
    true = last[last["model"] == TRUE]
    random = last[last["model"] == RANDOM]
    of_random = _mean(random, "kept_ratio")
    of_true = _mean(true, "kept_ratio")
    difference = _difference(true, random, "kept_ratio")
    evidence = (
        f"over the uniform code of {last['learned'].iloc[0]} labels: random {show_interval(of_random, '.3f')}, true "
        f"{show_interval(of_true, '.3f')}, difference {show_interval(difference, '+.3f')}"
    )
    return Finding(
        "Parameters hold all of the random labels, and far less of true ones",
        decide(of_random.low > LEAST_KEPT and difference.high < 0),
        evidence,
        "prequential code minus final log-loss",
        explanation="the networks do not fit the random labels",
    )
