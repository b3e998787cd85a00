"""Claims about sizes and small networks of the study of Li et al. 2018, on tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.studies.shared.intrinsic_dimension_controls import narrow_networks
from benevolent.analysis.studies.shared.intrinsic_dimension_findings import other_sizes


def _narrow(own):
    table = {"seed": range(5), "model.family": "mlp", "parameter_count": 200.0, "own": own, "inside": 0.8}
    return pd.DataFrame(table)


@pytest.mark.parametrize(
    ("own", "decision", "left_out"),
    [
        ([0.5, 0.6, 0.5, 0.6, 0.5], "holds", 0),
        ([0.5, 0.6, 0.5, 0.11, 0.11], "holds", 2),
        ([0.9, 0.9, 0.9, 0.11, 0.11], "does not hold", 2),
        ([0.5, 0.6, 0.11, 0.11, 0.11], "undecided", 3),
    ],
)
def test_narrow_networks_that_guess_one_class_are_left_out(own, decision, left_out):
    finding = narrow_networks(_narrow(own))
    assert finding.decision == decision
    assert f"{left_out} of 5 networks guess" in finding.evidence


def test_subspaces_beyond_the_dimensions_tried_decide_nothing():
    assert narrow_networks(_narrow([0.5] * 5).assign(inside=np.nan)).decision == "undecided"


def _sizes(large, up_to=600.0, parameters=20000.0):
    small = {"parameters": 1000.0, "dimension": 300.0, "above": 200.0, "up_to": 400.0}
    big = {"parameters": parameters, "dimension": large, "above": 600.0, "up_to": up_to}
    rows = []
    for seed in range(2):
        rows += [small | {"seed": seed}, big | {"seed": seed}]
    return pd.DataFrame(rows)


def test_sizes_without_an_intrinsic_dimension_give_a_bound_of_the_factor():
    finding = other_sizes(_sizes(np.nan, np.inf))
    assert finding.decision == "undecided" and "do not contain" in finding.reason
    assert "factor at least 2.00" in finding.evidence and "at least 600" in finding.evidence


def test_sizes_that_hardly_differ_decide_nothing_for_a_reason_of_their_own():
    assert other_sizes(_sizes(450.0)).decision == "holds"
    finding = other_sizes(_sizes(450.0, parameters=3000.0))
    assert finding.decision == "undecided" and "D differs" in finding.reason
