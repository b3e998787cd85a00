"""Send labels with the help of trained networks, by three codes, and compare their lengths."""

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.studies.shared.code_lengths import (
    Codes,
    best_dimension_code,
    model_names,
    parameter_codes,
    prequential_codes,
)
from benevolent.analysis.studies.shared.description_length_figures import draw_codes, draw_models
from benevolent.analysis.studies.shared.description_length_findings import (
    LARGEST_RANDOM_RATIO,
    LARGEST_RATIO,
    LEAST_KEPT,
    LEAST_RANDOM_RATIO,
    codes_of_true_labels,
    information_in_parameters,
    random_labels,
    rounded_codes,
)
from benevolent.analysis.studies.shared.description_length_models import EARLY, models_in_order, networks_catch_up
from benevolent.analysis.studies.shared.findings import StudyAnswer, Sweeps, in_order

RULE = f"""
Codes are measured in fractions of the uniform code, log2 10 bits for each label. The prequential code scales the logits
of each network on validation labels, which it sends uniformly and pays for: its fraction is that of training and
validation labels together. Fractions are means over seeds with Student's 95% interval, in differences seed by seed, at
the largest number of training labels.

Compresses: the prequential code of the convolutional network has an interval below {LARGEST_RATIO}. Two parts, a check,
since the bits of the parameters alone are more than those of the uniform code: with 32 bits for each parameter, the
two-part code of every model has an interval above 1. Intrinsic dimension: the two-part code of the coordinates in a
random subspace, of the dimension with the smallest mean, has an interval below 1, and that code minus the prequential
code of the same network has an interval above 0.

Random labels: the prequential code's interval lies between {LEAST_RANDOM_RATIO} and {LARGEST_RANDOM_RATIO}. Models: the
models have one order by their mean prequential bits and by their mean test error at the end.

Catch-up, on CIFAR-10: in bits per label, of a block sent by networks that learned the fewest labels, convolutional
network minus linear classifier has an interval above 0, and in the last block one below 0; without scaled logits, the
convolutional network's bits per label in the first block have an interval above log2 10; and those in the last block
have one below it, a claim of its own.

Ours. Information in the parameters, prequential bits of the training labels minus the log-loss of the last network on
them, as a fraction of the uniform code at the number of labels at which random ones are learned too: for random labels
the interval lies above {LEAST_KEPT}, and true minus random labels has an interval below 0. Rounded: for every model,
the two-part code with the best number of bits for each rounded parameter has an interval above 1.

Every seed: in each of them the model with the shortest prequential code is the one with the smallest test error. Early:
Spearman's correlation, over models, of the prequential bits of the first labels, at most {EARLY:.1%} of them, with the
test error at the end has an interval above 0.
"""


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    codes = _codes(results)
    findings = [
        *codes_of_true_labels(codes),
        random_labels(codes.labels),
        *models_in_order(codes.models),
        *networks_catch_up(codes.cifar10),
        information_in_parameters(codes.labels),
        rounded_codes(codes.parameters),
    ]
    codes_figure = render_figure(
        "codes",
        "Bits per label while networks learn, and the length of four codes",
        "Left, bits that a network needs for each new label of MNIST, against the number of labels it has learned, "
        "means over seeds with their range; dotted, the uniform code. Right, codes of all labels over the uniform "
        "code, on a logarithmic scale: left of the dotted line a code compresses.",
        draw_codes,
        codes,
    )
    models_figure = render_figure(
        "models",
        "Code length and test error, the information in the parameters, and networks that catch up",
        "Left, prequential code over the uniform code against the test error at the end, a point for each network. "
        "Middle, prequential bits minus the log-loss of the network that learned all of these labels, over the uniform "
        "code, for true and for random labels. Right, bits for each new label of CIFAR-10, with scaled logits and "
        "(hollow) without.",
        draw_models,
        codes,
    )
    parts = [
        codes.models.assign(labels_sent="true"),
        codes.cifar10.assign(labels_sent="true, CIFAR-10"),
        codes.labels.assign(labels_sent="true or random"),
    ]
    return StudyAnswer(in_order(findings), [codes_figure, models_figure], pd.concat(parts), _notes(codes))


def _codes(results: Sweeps) -> Codes:
    models = results["models"].runs
    named = models.assign(model=model_names(models))
    cifar10 = results["cifar10"].runs
    cifar10_named = cifar10.assign(model=model_names(cifar10))
    labels = results["labels"].runs
    by_corruption = labels.assign(model=labels["data.label_corruption"])
    return Codes(
        models=prequential_codes(results["models"], named),
        cifar10=prequential_codes(results["cifar10"], cifar10_named),
        labels=prequential_codes(results["labels"], by_corruption),
        parameters=parameter_codes(results["models"], named),
        dimensions=best_dimension_code(results["subspaces"]),
    )


def _notes(codes: Codes) -> list[str]:
    counts = codes.models.groupby("model")["validation_labels"].first()
    return [
        f"Prequential codes use {counts.iloc[0]:.0f} validation labels. Networks of different sizes of the training "
        "split start from the same weights, which sender and receiver draw from one seed.",
        "No code can compress uniformly random labels in the mean, whatever the network: that claim fails only by "
        "chance, or if labels leak, and its numbers show how little the prequential code loses. They are drawn anew "
        "for each size of the training split, so that networks learn other random labels than those that were sent; "
        "the length of the code is the same in the mean.",
        "Whether networks have to catch up is asked on CIFAR-10, as in the paper; figure 1 (left) shows the same for "
        "MNIST. The paper's variational codes are not tried.",
    ]
