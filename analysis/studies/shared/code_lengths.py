"""Lengths of the codes of labels, seed by seed, for the study of Blier and Ollivier 2018."""

from typing import NamedTuple

import pandas as pd

from benevolent.analysis.multi_run.description_length import prequential_blocks
from benevolent.analysis.multi_run.parameter_codes import WHOLE, two_part_code
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_of
from benevolent.analysis.studies.shared.tables import rows_with

#: Bits for each parameter that are tried.
PRECISIONS = (WHOLE, 16, 8, 6, 5, 4, 3, 2, 1)


class Codes(NamedTuple):
    """The codes of the study.

    Attributes:
        models: from `prequential_codes`, by model, on MNIST.
        cifar10: the same on CIFAR-10.
        labels: the same by the fraction of random labels.
        parameters: from `parameter_codes`.
        dimensions: from `best_dimension_code`.
    """

    models: pd.DataFrame
    cifar10: pd.DataFrame
    labels: pd.DataFrame
    parameters: pd.DataFrame
    dimensions: pd.DataFrame


def model_names(runs: pd.DataFrame) -> "pd.Series[str]":
    """Return what each run's network is called.

    >>> table = pd.DataFrame({"model.family": ["mlp", "linear"], "model.width": [16, None], "model.depth": [2, None]})
    >>> model_names(table).tolist()
    ['1 × 16 units', 'linear']
    >>> model_names(table[["model.family"]].assign(**{"model.family": "lenet5"})).tolist()
    ['LeNet', 'LeNet']
    """
    names = []
    fields = runs.reindex(columns=["model.family", "model.width", "model.depth"])  # absent where no network has them
    for family, width, depth in fields.itertuples(index=False):
        if family == "mlp":
            names.append(f"{depth - 1:.0f} × {width:.0f} units")
        else:
            names.append({"lenet5": "LeNet"}.get(family, family))
    return pd.Series(names, index=runs.index)


def prequential_codes(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the blocks of the prequential codes, with what each code has cost until then.

    Args:
        results: that hold the runs.
        runs: rows of `results.runs` with a column `model`, which tells codes apart.

    Returns:
        A row per model, seed and network: the columns of `prequential_blocks`, and of the labels that the network has
        learned: `sent_bits`, the prequential code until then; `ratio`, that code and the validation labels over the
        uniform code of both; `kept_ratio`, information in the parameters over the uniform code. `validation_labels` is
        their number, `test_error` the network's own.
    """
    sizes = ["model", "replicate", "data.train_size"]
    own = runs[[*sizes, "test_error", "data.validation_size"]]
    own.columns = pd.Index(["model", "seed", "learned", "test_error", "validation_labels"])
    blocks = prequential_blocks(results, ["model"], runs=runs).merge(own, on=["model", "seed", "learned"])
    parts = [_with_totals(code) for _, code in blocks.groupby(["model", "seed"])]
    return pd.concat(parts, ignore_index=True)


def _with_totals(code: pd.DataFrame) -> pd.DataFrame:
    """Return the blocks of one code, in order, with the columns that `prequential_codes` adds."""
    first = code.iloc[0]
    bits_per_label = first["uniform_bits"] / first["labels"]
    sent_before = code["bits"].cumsum().shift(fill_value=0.0)
    sent_bits = first["learned"] * bits_per_label + sent_before
    uniform_bits = code["learned"] * bits_per_label
    validation_bits = code["validation_labels"] * bits_per_label
    ratio = (sent_bits + validation_bits) / (uniform_bits + validation_bits)
    kept_ratio = (sent_bits - code["kept_bits"]) / uniform_bits
    return code.assign(sent_bits=sent_bits, ratio=ratio, kept_ratio=kept_ratio)


def parameter_codes(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the two-part codes of the networks that learned the most labels, by `model`, seed and precision."""
    largest = rows_with(runs, "data.train_size", runs["data.train_size"].max())
    codes = two_part_code(results, largest, PRECISIONS)
    return codes.merge(largest[["run_id", "model"]], on="run_id")


def best_dimension_code(results: Results) -> pd.DataFrame:
    """Return the two-part codes of networks in subspaces, of the dimension whose mean over seeds is smallest.

    The column `model` names the network whose subspaces they are.
    """
    runs = results.runs
    named = runs[["run_id"]].assign(model=model_names(runs))
    codes = two_part_code(results, runs).merge(named, on="run_id")
    means = codes.groupby("numbers")["bits"].mean()
    return rows_with(codes, "numbers", means.idxmin())


def last_blocks(codes: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each code's last network, which has learned all labels."""
    return rows_with(codes, "learned", codes["learned"].max())


def bits_per_label(codes: pd.DataFrame, column: str = "bits") -> pd.DataFrame:
    """Return the rows of networks that send labels, with a column `per_label`: bits for each of them."""
    sending = codes[codes["labels"] > 0]
    return sending.assign(per_label=sending[column] / sending["labels"])


def seed_difference(rows: pd.DataFrame, others: pd.DataFrame, column: str) -> SeedMean:
    """Return the mean over seeds of a column of one group of networks minus that of another."""
    own = rows.groupby("seed")[column].mean()
    differences = own - others.groupby("seed")[column].mean()
    return mean_of(differences.tolist())
