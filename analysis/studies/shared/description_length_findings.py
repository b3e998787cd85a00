"""Claims about codes of labels, with the parts of the rule that decide them (Blier and Ollivier 2018)."""

import pandas as pd

from benevolent.analysis.multi_run.parameter_codes import WHOLE
from benevolent.analysis.studies.shared.code_lengths import Codes, bits_per_label, last_blocks, seed_difference
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.seed_means import seed_mean, show_interval, show_intervals
from benevolent.analysis.studies.shared.tables import rows_with

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

#: Claims of the findings.
COMPRESSES = StudyClaim(
    "The prequential code of a network is far shorter than the uniform code",
    "0.021 of it, with 60,000 labels of MNIST; 0.27 on CIFAR-10",
    explanation="few labels are left once the network has learned enough of them",
)
TWO_PARTS = StudyClaim(
    "The two-part code with 32 bits for each parameter does not compress",
    "more than 428 Mbit against 166 kbit, on CIFAR-10",
    kind="check",
)
IN_SUBSPACE = StudyClaim(
    "The code by the intrinsic dimension compresses",
    "more than 9.28 of 199 kbit, on MNIST",
    explanation="each dimension costs 32 bits, as much as ten labels sent uniformly",
)
SHORTER = StudyClaim(
    "The prequential code is shorter than that by the intrinsic dimension",
    "4.10 against more than 9.28 kbit, on MNIST",
)
ROUNDED_CODES = StudyClaim(
    "Two-part codes of rounded parameters do not compress either",
    explanation="a model with fewer parameters than there are bits in the labels has room for them",
    kind="ours",
)
RANDOM_LABELS = StudyClaim(
    "Random labels cannot be compressed",
    "not shorter than the uniform code",
    explanation="the code of so few labels varies by chance",
)
INFORMATION_IN_PARAMETERS = StudyClaim(
    "Parameters hold all of the random labels, and far less of true ones",
    "prequential code minus final log-loss",
    explanation="the networks do not fit the random labels",
    kind="ours",
)


def codes_of_true_labels(codes: Codes) -> list[Finding]:
    """Decide which codes compress the labels, and which of two is shorter."""
    last = last_blocks(codes.models)
    return [
        _compresses(last),
        _two_parts(codes.parameters),
        _in_subspace(codes.dimensions),
        _shorter(codes.dimensions, last),
    ]


def _compresses(last: pd.DataFrame) -> Finding:
    ratio = seed_mean(rows_with(last, "model", CONVOLUTIONAL), "ratio")
    labels = last["learned"].iloc[0]
    evidence = f"{CONVOLUTIONAL}: {show_interval(ratio, '.3f')} of it, {labels} labels"
    return COMPRESSES.decide(ratio.high < LARGEST_RATIO, evidence)


def _two_parts(parameters: pd.DataFrame) -> Finding:
    whole = rows_with(parameters, "precision", WHOLE)
    ratios = {model: seed_mean(rows, "ratio") for model, rows in whole.groupby("model")}
    shown = ", ".join(f"{model} {ratio.value:.0f} times" for model, ratio in ratios.items())
    return TWO_PARTS.decide(all(ratio.low > 1 for ratio in ratios.values()), f"{shown} the uniform code")


def _in_subspace(dimensions: pd.DataFrame) -> Finding:
    ratio = seed_mean(dimensions, "ratio")
    count = dimensions["numbers"].iloc[0]
    evidence = f"{show_interval(ratio, '.3f')} of the uniform code, with {count} dimensions"
    return IN_SUBSPACE.decide(ratio.high < 1, evidence)


def _shorter(dimensions: pd.DataFrame, last: pd.DataFrame) -> Finding:
    network = dimensions["model"].iloc[0]
    lead = seed_difference(dimensions, rows_with(last, "model", network), "ratio")
    evidence = f"{network}: shorter by {show_interval(lead, '.3f')} of the uniform code"
    return SHORTER.decide(lead.low > 0, evidence)


def rounded_codes(parameters: pd.DataFrame) -> Finding:
    """Decide whether two-part codes fail to compress at the best precision, too."""
    ratios = []
    shown = []
    for model, rows in parameters.groupby("model"):
        means = rows.groupby("precision")["ratio"].mean()
        best = rows_with(rows, "precision", means.idxmin())
        ratio = seed_mean(best, "ratio")
        ratios.append(ratio)
        shown.append(f"{model} {show_interval(ratio, '.2f')} with {means.idxmin()}")
    holds = all(ratio.low > 1 for ratio in ratios)
    return ROUNDED_CODES.decide(holds, f"over the uniform code, by the number of bits: {'; '.join(shown)}")


def random_labels(labels: pd.DataFrame) -> Finding:
    """Decide whether random labels take all bits of the uniform code."""
    last = last_blocks(labels)
    ratio = seed_mean(rows_with(last, "model", RANDOM), "ratio")
    true = seed_mean(rows_with(last, "model", TRUE), "ratio")
    unscaled = bits_per_label(rows_with(labels, "model", RANDOM), "raw_bits")
    bits = f"{unscaled['per_label'].mean():.1f} bits for each label"
    shown = f"{show_interval(ratio, '.3f')} of the uniform code, as many true labels {true.value:.3f}"
    holds = ratio.low >= LEAST_RANDOM_RATIO and ratio.high <= LARGEST_RANDOM_RATIO
    return RANDOM_LABELS.decide(holds, f"{shown}; without scaled logits {bits}")


def information_in_parameters(labels: pd.DataFrame) -> Finding:
    """Decide whether random labels are in the parameters, and true ones are not."""
    last = last_blocks(labels)
    true = rows_with(last, "model", TRUE)
    random = rows_with(last, "model", RANDOM)
    kept = {"random": seed_mean(random, "kept_ratio"), "true": seed_mean(true, "kept_ratio")}
    difference = seed_difference(true, random, "kept_ratio")
    shown = f"{show_intervals(kept, '.3f')}, difference {show_interval(difference, '+.3f')}"
    holds = kept["random"].low > LEAST_KEPT and difference.high < 0
    evidence = f"over the uniform code of {last['learned'].iloc[0]} labels: {shown}"
    return INFORMATION_IN_PARAMETERS.decide(holds, evidence)
