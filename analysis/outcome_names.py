"""Outcomes: columns of a results table that are measured on test data, and that predictors are judged against."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benevolent.analysis.measures.corrupted_tests import CORRUPTED_TESTS
from benevolent.analysis.measures.registry import MEASURES

if TYPE_CHECKING:
    import pandas as pd

#: Outcomes that training records, or that follow from what it records: meaning and source.
RECORDED_OUTCOMES: dict[str, tuple[str, str]] = {
    "test_loss": ("Mean loss on the test split, the loss that was minimized (cross-entropy in nats).", ""),
    "test_error": ("Misclassified fraction of the test split (regression: mean absolute error).", ""),
    "gap": ("Test error minus train error, both against the labels trained on in the last phase.", "Jiang et al. 2020"),
    "loss_gap": ("Test loss minus train loss, both against the labels trained on in the last phase.", ""),
    "test_ece": (
        "Expected calibration error on the test split: mean difference of accuracy and confidence over 15 bins of "
        "equal width. Only for losses that give probabilities: cross_entropy and logistic.",
        "Guo et al. 2017",
    ),
    "test_brier": (
        "Brier score on the test split: mean squared distance of the probabilities from the one-hot label, summed over "
        "the classes (0 to 2). Only for losses that give probabilities.",
        "Brier 1950",
    ),
    "test_nll": (
        "Mean negative log-likelihood of the test labels (nats). It equals test_loss for losses that give "
        "probabilities, and is missing for others.",
        "",
    ),
    "test_population_error": (
        "Exact probability of a mistake on the distribution of the data: of linear networks on sparse_linear.",
        "Nakkiran et al. 2019",
    ),
    "test_early_stop_loss": (
        "Test loss at the lowest validation loss, with record.early_stop.",
        "Frankle and Carbin 2019",
    ),
    "test_early_stop_error": (
        "Test error at the lowest validation loss, with record.early_stop.",
        "Frankle and Carbin 2019",
    ),
}


def outcomes() -> dict[str, tuple[str, str]]:
    """Return all outcomes by name, with meaning and source: those recorded, and the measures that are losses or errors.

    >>> "test_loss" in outcomes(), "test_error_noise_3" in outcomes(), "path_norm" in outcomes()
    (True, True, False)
    """
    measured = {}
    for name, measure in (MEASURES | CORRUPTED_TESTS).items():
        if "test_loss" in name or "test_error" in name:
            measured[name] = (f"{measure.description}.", measure.source)
    return RECORDED_OUTCOMES | measured


def known_outcomes(table: "pd.DataFrame", first: Sequence[str] = ()) -> list[str]:
    """Return the outcomes that have values in a table, without those whose values repeat another one's.

    Args:
        table: one row per run.
        first: outcomes to name first, in this order, repeated or not.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"test_loss": [0.5, 0.25], "test_nll": [0.5, 0.25], "gap": [0.0, 0.125], "depth": [1, 2]})
    >>> known_outcomes(table, ["gap"])
    ['gap', 'test_loss']
    """
    known: list[str] = []
    for name in dict.fromkeys([*first, *outcomes()]):
        if name not in table or not table[name].notna().any():
            continue
        is_repeated = any(table[name].equals(table[other]) for other in known)
        if name in first or not is_repeated:
            known.append(name)
    return known
