"""Table 1 of the paper on random labels, with our accuracies beside the paper's."""

from collections.abc import Sequence
from typing import NamedTuple

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


class Published(NamedTuple):
    """Train and test accuracy in percent that the paper has for a network with a regularizer."""

    network: str
    regularizer: str
    train: str
    test: str


#: Of true labels (Zhang et al. 2017, table 1), as far as they could be checked.
PAPER_TRUE = (
    Published("MLP 1", NONE, "100.0", "50.51"),
    Published("MLP 3", NONE, "100.0", "52.39"),
    Published("AlexNet", NONE, "100.0", "76.07"),
    Published("Inception without BatchNorm", NONE, "100.0", "82.00"),
    Published("Inception", f"{AUGMENTATION}, {WEIGHT_DECAY}", "100.0", "89.05"),
    Published("Inception", AUGMENTATION, "100.0", "89.31"),
    Published("Inception", WEIGHT_DECAY, "100.0", "86.03"),
    Published("Inception", NONE, "100.0", "85.75"),
)
#: The same of random labels.
PAPER_RANDOM = (
    Published("MLP 1", NONE, "99.34", "10.61"),
    Published("MLP 3", NONE, "100.0", "10.48"),
    Published("AlexNet", NONE, "99.82", "9.86"),
    Published("Inception without BatchNorm", NONE, "100.0", "10.12"),
    Published("Inception", NONE, "100.0", "9.78"),
)


def accuracy_table(networks: pd.DataFrame) -> StudyTable:
    """Return the paper's table 1, with our accuracies beside the paper's."""
    parts = [_rows(networks, TRUE_LABELS, PAPER_TRUE), _rows(networks, RANDOM_LABELS, PAPER_RANDOM)]
    cells = pd.concat(parts, ignore_index=True)
    places = {network: place for place, network in enumerate(cells["network"].unique())}
    return StudyTable(
        "Accuracies in percent, after table 1 of the paper",
        "Means over seeds, with the standard error of the test accuracy. The paper's networks are larger and see all "
        "images of CIFAR-10, so that the patterns can be compared, not the numbers. A dash: no value of the paper that "
        "we could check.",
        cells.sort_values("network", key=lambda names: names.map(places), kind="stable"),
    )


def _rows(networks: pd.DataFrame, condition: str, published: Sequence[Published]) -> pd.DataFrame:
    """Return a row for each network and regularizer in one condition."""
    paper = {(row.network, row.regularizer): row for row in published}
    lines = []
    for (network, regularizer), runs in in_condition(networks, condition).groupby(
        ["network", "regularizer"], sort=False
    ):
        first = runs.iloc[0]
        unknown = Published(first["paper_network"], first["regularizer_kind"], "–", "–")
        known = paper.get((unknown.network, unknown.regularizer), unknown)
        train = 100 * runs["train"]
        test = 100 * runs["test"]
        line = {"network": network, "regularizer": regularizer, "labels": condition}
        line |= {"train": f"{train.mean():.2f}", "test": f"{test.mean():.2f} ± {test.sem():.2f}"}
        line |= {"train, paper": known.train, "test, paper": known.test}
        lines.append(line)
    return pd.DataFrame(lines)
