"""Claims about codes of labels, with the parts of the rule that decide them (Blier and Ollivier 2018)."""

import pandas as pd

from benevolent.analysis.multi_run.parameter_codes import WHOLE
from benevolent.analysis.studies.shared.code_lengths import (
    Codes,
    bits_per_label,
    last_blocks,
    seed_difference,
    seed_mean,
)
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval

#: Largest fraction of the uniform code that compresses well.
LARGEST_RATIO = 0.5
#: Smallest fraction of it that random labels take, and the largest one: above it a code has failed, and shows nothing.
LEAST_RANDOM_RATIO = 0.98
LARGEST_RANDOM_RATIO = 1.1
#: Smallest fraction of the uniform code of random labels that is in the parameters.
LEAST_KEPT = 0.9

CONVOLUTIONAL = "LeNet"
TRUE = 0.0
RANDOM = 1.0


def codes_of_true_labels(codes: Codes) -> list[Finding]:
    """Decide which codes compress the labels, and which of two is shorter."""
    last = last_blocks(codes.models)
    convolutional = seed_mean(last[last["model"] == CONVOLUTIONAL], "ratio")
    dimension = codes.dimensions
    network = dimension["model"].iloc[0]
    in_subspace = seed_mean(dimension, "ratio")
    lead = seed_difference(dimension, last[last["model"] == network], "ratio")
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
            kind="check",
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


def _two_part_ratios(parameters: pd.DataFrame) -> dict[str, SeedMean]:
    """Return the two-part code with 32 bits over the uniform code, by model."""
    whole = parameters[parameters["precision"] == WHOLE]
    return {str(model): seed_mean(rows, "ratio") for model, rows in whole.groupby("model")}


def rounded_codes(parameters: pd.DataFrame) -> Finding:
    """Decide whether two-part codes fail to compress at the best precision, too."""
    ratios = []
    shown = []
    for model, rows in parameters.groupby("model"):
        means = rows.groupby("precision")["ratio"].mean()
        best = rows[rows["precision"] == means.idxmin()]
        ratio = seed_mean(best, "ratio")
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
    ratio = seed_mean(last[last["model"] == RANDOM], "ratio")
    true = seed_mean(last[last["model"] == TRUE], "ratio")
    unscaled = bits_per_label(labels[labels["model"] == RANDOM], "raw_bits")["per_label"].mean()
    evidence = (
        f"{show_interval(ratio, '.3f')} of the uniform code, as many true labels {true.value:.3f}; without scaled "
        f"logits {unscaled:.1f} bits for each label"
    )
    return Finding(
        "Random labels cannot be compressed",
        decide(ratio.low >= LEAST_RANDOM_RATIO and ratio.high <= LARGEST_RANDOM_RATIO),
        evidence,
        "not shorter than the uniform code",
        explanation="the code of so few labels varies by chance",
    )


def information_in_parameters(labels: pd.DataFrame) -> Finding:
    """Decide whether random labels are in the parameters, and true ones are not."""
    last = last_blocks(labels)
    true = last[last["model"] == TRUE]
    random = last[last["model"] == RANDOM]
    of_random = seed_mean(random, "kept_ratio")
    of_true = seed_mean(true, "kept_ratio")
    difference = seed_difference(true, random, "kept_ratio")
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
        kind="ours",
    )
