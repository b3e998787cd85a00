"""What is decided of wide networks: above which width, by the loss, and of which pairs."""

from types import SimpleNamespace

import pandas as pd
import pytest

from benevolent.analysis.studies.shared.valley_findings import valleys
from benevolent.analysis.studies.shared.valley_pairs import widths_without_partner

HEIGHTS = pd.DataFrame({"width": 20, "seed": [0, 1], "path": "curve", "excess": [0.0, 0.001]})


def decision(widths: list[int], losses: list[float]) -> str:
    runs = pd.DataFrame({"model.width": widths, "train_loss": losses, "train_error": 0.0})
    return valleys(HEIGHTS, runs, 10, 0.01)[1].decision


@pytest.mark.parametrize(
    ("widths", "losses", "expected"),
    [
        ([10, 11, 20], [0.5, 0.01, 0.009], "holds"),  # as many units as examples are not more
        ([10, 11, 20], [0.0, 0.02, 0.009], "does not hold"),  # though every example is right
        ([5, 10], [0.0, 0.0], "undecided"),
    ],
)
def test_no_bad_valley_is_asked_above_the_number_of_examples_and_by_the_loss(widths, losses, expected):
    assert decision(widths, losses) == expected


def test_widths_with_an_odd_network_are_named():
    table = pd.DataFrame({"model.width": [8, 4, 4, 4, 8, 2]})
    assert widths_without_partner(SimpleNamespace(table=lambda: table)) == [2, 4]  # type: ignore[arg-type]
