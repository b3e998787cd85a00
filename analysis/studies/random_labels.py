"""Fit random labels and inputs, and ask whether regularization is what makes the same networks generalize."""

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.network_outputs import data_title
from benevolent.analysis.studies.shared.random_labels_figures import (
    draw_fitting,
    draw_regularizers,
    draw_slow_down_and_stopping,
)
from benevolent.analysis.studies.shared.random_labels_fitting import AT_CHANCE, CHANCE, LEAST_FIT, fitting_findings
from benevolent.analysis.studies.shared.random_labels_regularizers import LEAST_KEPT, regularizer_findings
from benevolent.analysis.studies.shared.random_labels_runs import (
    ALEXNET,
    INCEPTION,
    NONE,
    RANDOM_LABELS,
    TRUE_LABELS,
    in_condition,
    mean_where,
    networks_of,
    training_losses,
)
from benevolent.analysis.studies.shared.random_labels_stopping import NO_GAIN
from benevolent.analysis.studies.shared.random_labels_table import accuracy_table
from benevolent.analysis.studies.shared.random_labels_time import CONSTANT, SMALL_FACTOR, time_findings
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Sweeps of networks without regularizers, in the order of figures, and of those with one.
BARE_SWEEPS = ("perceptrons", "convolutions")
REGULARIZED_SWEEPS = ("regularized-perceptrons", "regularized-convolutions")
#: Data set on which least squares are compared with a perceptron.
CIFAR = "cifar10"

RULE = f"""
Each claim is asked of every architecture; means and 95% intervals (Student) are over seeds, ratios and differences are
taken within a seed. Networks train until every training example is right, or to a limit.

Fitted: a mean train accuracy of at least {LEAST_FIT}, with random labels, and with shuffled pixels, random pixels and
Gaussian noise.

Small factor: the interval of the ratio of epochs to fit, random over true labels, is between 1 and {SMALL_FACTOR};
undecided if a network with true or random labels reached the limit without fitting. Sooner: the ratio of random pixels
over random labels, and of Gaussian noise, is below 1, and all networks with such inputs fit; if not, undecided where a
network with random labels reached the limit. Longer: the interval of Spearman's correlation of corruption and epochs is
above 0; undecided if a network reached the limit. Factor with size (ours): it grows if the interval of the factor at
most over that at fewest examples is above 1, and is constant if that is below {CONSTANT}; else, or if a network reached
the limit, undecided.

Chance: test accuracy after random labels is within {AT_CHANCE} of {CHANCE}. Steadily: from each level of corruption to
the next, test error rises, with an interval above 0. Shuffle (ours): test accuracy with shuffled pixels is lower than
with images, with an interval above 0, in every convolutional network and no perceptron.

Without regularization: the interval of test accuracy is above {CHANCE}, and its mean at least {LEAST_KEPT} of that with
the best regularizer, the one with the largest mean test accuracy on true labels. Weight decay: with its smallest amount
random labels are still fitted, by perceptrons and Inception, with which the paper succeeded. Ours: with the best
regularizer, too, by every architecture. Architecture: the gain in test accuracy of {INCEPTION}, or {ALEXNET} where that
is not trained, over the perceptron with one hidden layer, both without regularizers, less the gain of augmentation in
{ALEXNET}, has an interval above 0. Costs (ours): every regularizer with which random labels are not fitted lowers test
accuracy on true labels, with an interval below 0; undecided if there is none.

Stopping early: the interval of the gain of test accuracy, where the validation loss is smallest, is below {NO_GAIN}; if
that of an architecture is above, the claim does not hold, else undecided. Ours: with half of the labels random, the
interval is above 0.

Minimum norm: least squares on random features of a Gaussian kernel, with the norm of the solution as small as can be,
is right on every training example, with true and with random labels, and on test images more often than chance, by an
interval above {CHANCE}. Ours: on CIFAR-10 it is right at least {LEAST_KEPT} times as often, in the mean, as the
perceptron of the sweep of sizes that trained on as many images.
"""

#: Claims of the findings.
MINIMUM_NORM = StudyClaim(
    "The minimum-norm solution fits every example, and generalizes without any regularization",
    "far better than chance on MNIST and on CIFAR-10",
    explanation="the kernel is too narrow or too wide",
)
AS_GOOD_AS_PERCEPTRONS = StudyClaim(
    "The minimum-norm solution generalizes about as well as a perceptron trained by SGD",
    "on CIFAR-10 a little better than perceptrons, which reach 50.5 and 52.4%",
    explanation="networks learn features, and the width of the kernel was not tuned",
    kind="ours",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    bare = pd.concat([networks_of(results[name]) for name in BARE_SWEEPS], ignore_index=True)
    regularized = pd.concat([networks_of(results[name]) for name in REGULARIZED_SWEEPS], ignore_index=True)
    sizes = networks_of(results["sizes"])
    solved = networks_of(results["least-squares"])
    solved["data"] = results["least-squares"].table()["data.name"]
    networks = pd.concat([bare, regularized], ignore_index=True)
    losses = training_losses(results[BARE_SWEEPS[-1]])
    findings = [
        *fitting_findings(bare),
        *time_findings(bare, sizes),
        *regularizer_findings(networks),
        _minimum_norm(solved),
        _as_good_as_perceptrons(solved, sizes),
    ]
    fitting_figure = render_figure(
        "fitting",
        "Fitting random labels and random inputs",
        "As figure 1 of the paper. Left, the training loss at recorded epochs, one seed; middle, epochs until every "
        "training example is right, relative to true labels; right, test error, with chance as a line. Means over "
        "seeds, bars are the range of the seeds.",
        draw_fitting,
        bare,
        losses,
    )
    regularizers_figure = render_figure(
        "regularizers",
        "Regularizers, generalization and random labels",
        "Each mark is a network, ticks are means over seeds; without regularizers in black circles, with one in "
        "squares. To the right of the dotted line random labels count as fitted.",
        draw_regularizers,
        rows_with(networks, "inputs", "images"),
    )
    factor_figure = render_figure(
        "factor",
        "What the slow-down depends on, and what stopping early gains",
        "Left, epochs to fit random labels over those to fit true ones, with 95% intervals over seeds; right, test "
        "accuracy where the validation loss was smallest, less that at the end, with the range of the seeds.",
        draw_slow_down_and_stopping,
        bare,
        sizes,
    )
    parts = {"networks": networks, "sizes": sizes, "least-squares": solved}
    numbers = pd.concat([table.assign(part=name) for name, table in parts.items()], ignore_index=True)
    return StudyAnswer(
        findings,
        [fitting_figure, regularizers_figure, factor_figure],
        numbers,
        _notes(networks),
        [accuracy_table(networks)],
    )


def _minimum_norm(solved: pd.DataFrame) -> Finding:
    all_fit = bool((solved["train"] == 1).all())
    rows = in_condition(solved, TRUE_LABELS)
    texts = []
    better_than_chance = True
    for name, runs in rows.groupby("data", sort=False):
        error = mean_over_seeds(runs, lambda chosen: 1 - chosen["test"].mean(), (0, 1))
        better_than_chance = better_than_chance and error.high < 1 - CHANCE
        texts.append(f"{data_title(str(name))} {show_interval(error, '.3f')}")
    random_error = 1 - in_condition(solved, RANDOM_LABELS)["test"].mean()
    evidence = (
        f"lowest train accuracy {solved['train'].min():.3f}; test error {', '.join(texts)}, random labels "
        f"{random_error:.3f}"
    )
    return MINIMUM_NORM.decide(all_fit and better_than_chance, evidence)


def _as_good_as_perceptrons(solved: pd.DataFrame, sizes: pd.DataFrame) -> Finding:
    on_cifar = in_condition(solved[solved["data"].str.endswith(CIFAR)], TRUE_LABELS)
    examples = on_cifar["examples"].iloc[0]
    perceptrons = in_condition(rows_with(sizes, "examples", examples), TRUE_LABELS)
    solver = str(on_cifar["network"].iloc[0])
    perceptron = str(sizes["network"].iloc[0])

    def part(rows: pd.DataFrame) -> float:
        return mean_where(rows, "network", solver, "test") / mean_where(rows, "network", perceptron, "test")

    ratio: SeedMean = mean_over_seeds(pd.concat([perceptrons, on_cifar]), part)
    holds = ratio.value >= LEAST_KEPT if ratio.seeds else None
    evidence = f"test accuracy over that of {perceptron}, {examples} images: {show_interval(ratio, '.2f')}"
    return AS_GOOD_AS_PERCEPTRONS.decide(holds, evidence)


def _notes(networks: pd.DataFrame) -> list[str]:
    bare = rows_with(networks, "regularizer", NONE)
    missed = int((bare["train"] < 1).sum())
    return [
        f"{missed} of {len(bare)} networks without regularizers reached the limit before every training example was "
        "right; their time to fit is the limit.",
        "With shuffled pixels the test images are shuffled alike; with random pixels and Gaussian noise they are "
        "images, about which such networks know nothing.",
    ]
