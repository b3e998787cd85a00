"""Networks of the study of random labels, under the names that the paper gives to them, and the paper's numbers."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.seed_means import (
    UNLIMITED,
    Limits,
    SeedMean,
    mean_over_seeds,
    minus_signs,
    seed_mean,
)
from benevolent.analysis.studies.shared.tables import epochs_of, rows_with

TRUE_LABELS = "true labels"
RANDOM_LABELS = "random labels"
#: Names of what `data.pixels` does, in the paper.
INPUTS = {"permuted": "shuffled pixels", "shuffled": "random pixels", "gaussian": "Gaussian"}
SHUFFLED_PIXELS = INPUTS["permuted"]
#: Inputs without anything that examples share.
NOISE_INPUTS = (INPUTS["shuffled"], INPUTS["gaussian"])
CONDITIONS = (TRUE_LABELS, RANDOM_LABELS, *INPUTS.values())

INCEPTION, ALEXNET = "Inception", "AlexNet"
#: Beginnings of the names of perceptrons, and of the one with a single hidden layer.
PERCEPTRON, SMALLEST_PERCEPTRON = "MLP ", "MLP 1x"

NONE = "none"
WEIGHT_DECAY = "weight decay"
DROPOUT = "dropout"
AUGMENTATION = "augmentation"


def networks_of(results: Results) -> pd.DataFrame:
    """Return one row per network that was trained on images.

    Returns:
        columns `network` (its architecture), `paper_network` (the one of the paper that it is like), `condition` (of
        `CONDITIONS`; partial corruption counts as neither true nor random), `corruption`, `inputs`, `regularizer`,
        `regularizer_kind`, `examples`, `seed`, `epochs`, and the accuracies `train`, `test` and `early` (on the test
        split, where the validation loss was smallest; NaN if that was not recorded).
    """
    runs = results.table()
    table = runs[["run_id", "seed"]].copy()
    table["network"] = [_architecture(row) for row in runs.to_dict("records")]
    table["paper_network"] = table["network"].str.replace(r"x\d+$", "", regex=True)
    table["corruption"] = runs["data.label_corruption"]
    table["inputs"] = runs["data.pixels"].map(INPUTS).fillna("images")
    table["condition"] = [_condition(*pair) for pair in zip(table["corruption"], table["inputs"], strict=True)]
    table["regularizer"] = [_regularizer(row, amounts=True) for row in runs.to_dict("records")]
    table["regularizer_kind"] = [_regularizer(row, amounts=False) for row in runs.to_dict("records")]
    table["examples"] = runs["data.train_size"]
    table["epochs"] = runs["epoch"].astype(float)
    table["train"] = 1 - runs["train_error"]
    table["test"] = 1 - runs["test_error"]
    table["early"] = 1 - runs["test_early_stop_error"] if "test_early_stop_error" in runs else np.nan
    return table


def training_losses(results: Results) -> pd.DataFrame:
    """Return the training loss at recorded epochs: columns `run_id`, `epoch` and `value`."""
    outcomes = results.outcomes
    losses = outcomes[(outcomes["split"] == "train") & (outcomes["name"] == "loss")]
    return losses[["run_id", "value"]].assign(epoch=epochs_of(results, losses))


def _architecture(run: Mapping[str, object]) -> str:
    family = run["model.family"]
    if family == "mlp":
        hidden = int(run["model.depth"]) - 1  # type: ignore[call-overload]
        return f"MLP {hidden}x{int(run['model.width'])}"  # type: ignore[call-overload]
    if family == "zhang_inception":
        return INCEPTION if run["model.batch_norm"] == "plain" else f"{INCEPTION} without BatchNorm"
    return {"zhang_alexnet": ALEXNET, "random_features": "random features"}.get(str(family), str(family))


def _condition(corruption: float, inputs: str) -> str:
    if inputs != "images":
        return inputs
    return {0.0: TRUE_LABELS, 1.0: RANDOM_LABELS}.get(corruption, f"{corruption:.0%} of labels random")


def _regularizer(run: Mapping[str, object], amounts: bool) -> str:
    parts = []
    if run.get("data.augment", "none") != "none":
        parts.append(AUGMENTATION)
    for field, name in (("model.dropout", DROPOUT), ("optimizer.weight_decay", WEIGHT_DECAY)):
        value = float(run.get(field) or 0)  # type: ignore[arg-type]
        if value > 0:
            parts.append(f"{name} {value:g}" if amounts else name)
    return ", ".join(parts) or NONE


def by_network(
    table: pd.DataFrame,
    statistic: str | Callable[[pd.DataFrame], float],
    bounds: Limits = UNLIMITED,
) -> dict[str, SeedMean]:
    """Return the mean over seeds of a statistic of each architecture's networks, in the order of the table.

    Args:
        table: one row per network, from `networks_of`.
        statistic: function of the rows of one seed, or a column whose mean it is.
        bounds: smallest and largest value that the statistic can have.

    >>> table = pd.DataFrame({"network": ["b", "b", "a", "a"], "seed": [0, 1, 0, 1], "test": [1.0, 3.0, 5.0, 5.0]})
    >>> {name: mean.value for name, mean in by_network(table, "test").items()}
    {'b': 2.0, 'a': 5.0}
    """
    means = {}
    for network, rows in table.groupby("network", sort=False):
        if isinstance(statistic, str):
            means[str(network)] = seed_mean(rows, statistic, bounds)
        else:
            means[str(network)] = mean_over_seeds(rows, statistic, bounds)
    return means


def show_each(means: Mapping[str, SeedMean], number_format: str = ".3f") -> str:
    """Return the mean and the interval of each architecture as text.

    >>> show_each({"MLP": SeedMean(0.5, 0.25, 0.75, 4)}, ".2f")
    'MLP 0.50 [0.25, 0.75]'
    """
    texts = []
    for network, mean in means.items():
        value, low, high = (minus_signs(format(number, number_format)) for number in mean[:3])
        texts.append(f"{network} {value} [{low}, {high}]")
    return ", ".join(texts)


def all_fitted(networks: pd.DataFrame) -> bool:
    """Return whether every network has every training example right, so that its time to fit is known.

    >>> all_fitted(pd.DataFrame({"train": [1.0, 0.998]}))
    False
    """
    return bool((networks["train"] == 1).all())


def in_condition(table: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Return the rows of one of `CONDITIONS`."""
    return rows_with(table, "condition", condition)


def mean_where(rows: pd.DataFrame, column: str, value: object, wanted: str) -> float:
    """Return the mean of the column `wanted` over the rows in which `column` has a value; NaN without such rows."""
    return float(rows.loc[rows[column] == value, wanted].mean())


def images_only(networks: pd.DataFrame) -> pd.DataFrame:
    """Return the networks trained on images, with any part of the labels random."""
    return rows_with(networks, "inputs", "images")
