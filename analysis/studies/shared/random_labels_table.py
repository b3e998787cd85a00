"""Table 1 of the paper on random labels, with our accuracies beside the paper's."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import StudyTable
from benevolent.analysis.studies.shared.random_labels_runs import (
    AUGMENTATION,
    NONE,
    RANDOM_LABELS,
    TRUE_LABELS,
    WEIGHT_DECAY,
    in_condition,
)

#: Train and test accuracy in percent, of true labels, by network and regularizer (Zhang et al. 2017, table 1).
PAPER_TRUE: Mapping[tuple[str, str], tuple[str, str]] = {
    ("MLP 1", WEIGHT_DECAY): ("99.80", "50.39"),
    ("MLP 1", NONE): ("100.0", "50.51"),
    ("MLP 3", WEIGHT_DECAY): ("100.0", "53.35"),
    ("MLP 3", NONE): ("100.0", "52.39"),
    ("AlexNet", f"{AUGMENTATION}, {WEIGHT_DECAY}"): ("99.90", "81.22"),
    ("AlexNet", AUGMENTATION): ("99.82", "79.66"),
    ("AlexNet", WEIGHT_DECAY): ("100.0", "77.36"),
    ("AlexNet", NONE): ("100.0", "76.07"),
    ("Inception without BatchNorm", WEIGHT_DECAY): ("100.0", "83.00"),
    ("Inception without BatchNorm", NONE): ("100.0", "82.00"),
    ("Inception", f"{AUGMENTATION}, {WEIGHT_DECAY}"): ("100.0", "89.05"),
    ("Inception", AUGMENTATION): ("100.0", "89.31"),
    ("Inception", WEIGHT_DECAY): ("100.0", "86.03"),
    ("Inception", NONE): ("100.0", "85.75"),
}
#: The same of random labels (tables 1 and 4; table 4 has no test accuracies).
PAPER_RANDOM: Mapping[tuple[str, str], tuple[str, str]] = {
    ("MLP 1", WEIGHT_DECAY): ("99.21", "–"),
    ("MLP 1", NONE): ("99.34", "10.61"),
    ("MLP 3", WEIGHT_DECAY): ("100.0", "–"),
    ("MLP 3", NONE): ("100.0", "10.48"),
    ("AlexNet", WEIGHT_DECAY): ("did not converge", "–"),
    ("AlexNet", NONE): ("99.82", "9.86"),
    ("Inception without BatchNorm", NONE): ("100.0", "10.12"),
    ("Inception", AUGMENTATION): ("99.93", "–"),
    ("Inception", WEIGHT_DECAY): ("100.0", "–"),
    ("Inception", NONE): ("100.0", "9.78"),
}


def accuracy_table(networks: pd.DataFrame) -> StudyTable:
    """Return the paper's table 1, with our accuracies beside the paper's."""
    lines = []
    for condition, paper in ((TRUE_LABELS, PAPER_TRUE), (RANDOM_LABELS, PAPER_RANDOM)):
        rows = in_condition(networks, condition)
        for (network, regularizer), runs in rows.groupby(["network", "regularizer"], sort=False):
            key = (runs["paper_network"].iloc[0], runs["regularizer_kind"].iloc[0])
            paper_train, paper_test = paper.get(key, ("–", "–"))
            lines.append(
                {
                    "network": network,
                    "regularizer": regularizer,
                    "labels": condition,
                    "train": f"{100 * runs['train'].mean():.2f}",
                    "test": f"{100 * runs['test'].mean():.2f} ± {100 * _standard_error(runs['test']):.2f}",
                    "train, paper": paper_train,
                    "test, paper": paper_test,
                }
            )
    cells = pd.DataFrame(lines)
    order = cells["network"].map({network: place for place, network in enumerate(cells["network"].unique())})
    return StudyTable(
        "Accuracies in percent, after table 1 of the paper",
        "Means over seeds, with the standard error of the test accuracy. The paper's networks are larger and see all "
        "images of CIFAR-10, so that the patterns can be compared, not the numbers. Its values with a regularizer and "
        "random labels are those of its table 4; it does not name the amount of weight decay.",
        cells.iloc[np.argsort(order, kind="stable")],
    )


def _standard_error(values: "pd.Series[float]") -> float:
    return float(values.sem()) if len(values) > 1 else float("nan")
