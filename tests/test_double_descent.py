"""Double descent: curves made up by hand, and the kernel machine that random features approach."""

import pandas as pd
import pytest
import torch
from plain import gaussian

from benevolent.analysis.multi_run.double_descent import descents, mean_risks, peaks_at
from benevolent.analysis.multi_run.kernel_machine import fit_kernel_machine
from benevolent.analysis.studies.shared.descent_curves import Curve, forest_threshold, reuse_up_to
from benevolent.trainables.models.modules import RandomFeatures


def models(*curves: list[float]) -> pd.DataFrame:
    rows = []
    for seed, curve in enumerate(curves):
        rows += [{"seed": seed, "size": 2**place, "risk": risk} for place, risk in enumerate(curve)]
    return pd.DataFrame(rows)


def test_sizes_are_chosen_for_all_seeds_together():
    table = models([5.0, 1.0, 4.0, 9.0, 2.0, 0.5], [5.0, 2.0, 1.9, 8.0, 2.0, 1.0])
    found = descents(table, "size", "risk", 8)
    assert found["below"].tolist() == [1.0, 2.0]  # 2 * 1 is less than 4 * 1.9
    assert found["peak"].tolist() == [9.0, 8.0]
    assert found["end"].tolist() == [0.5, 1.0]
    assert (found["rise"] - found["gain"]).tolist() == pytest.approx((found["fall"] - 2 * found["gain"]).tolist())
    assert mean_risks(table, "size", "risk")[2] == pytest.approx(2**0.5)
    assert peaks_at(table, "size", "risk", 8) and peaks_at(table, "size", "risk", 16)
    assert not peaks_at(table, "size", "risk", 32)


def test_without_sizes_on_both_sides_there_is_no_descent():
    for threshold in (1, 4):
        with pytest.raises(ValueError, match="reach from below"):
            descents(models([3.0, 2.0, 1.0]), "size", "risk", threshold)


def test_random_features_approach_the_kernel_machine():
    inputs = gaussian(30, 4)
    targets = gaussian(30, 2)
    machine = fit_kernel_machine(inputs, targets, 0.7)
    torch.testing.assert_close(machine(inputs), targets, rtol=0, atol=1e-6)
    layer = RandomFeatures(4, 40_000, 0.7).double()
    with torch.no_grad():
        layer.weight.copy_(0.7 * gaussian(40_000, 4))
        features = layer(inputs)
        coefficients = torch.linalg.lstsq(features, targets, driver="gelsd").solution
        new = gaussian(10, 4) / 2
        outputs = layer(new) @ coefficients
    assert (outputs - machine(new)).abs().max() < 0.1 * machine(new).abs().max()
    assert coefficients.norm().item() * 40_000**0.5 == pytest.approx(machine.norm, rel=0.05)


def test_weight_reuse_ends_where_it_is_asked_to():
    sizes = [100, 200, 300, 400]
    reused = pd.DataFrame({"size": sizes, "seed": 0, "test_loss": [1.0, 2.0, 3.0, 4.0]})
    fresh = Curve("fresh", pd.DataFrame({"size": [*sizes, 800], "seed": 0, "test_loss": [0.5] * 5}), 300)
    table = reuse_up_to(220, reused, fresh).table
    assert dict(zip(table["size"], table["test_loss"], strict=True)) == {100: 1, 200: 2, 300: 0.5, 400: 0.5, 800: 0.5}


def test_the_threshold_of_forests_is_the_smallest_tree_that_fits_in_every_seed():
    one_tree = [(5, 0.5, 0.4), (10, 0.1, 0.0), (20, 0.0, 0.0), (40, 0.0, 0.0)]
    rows = []
    for leaves, *errors in one_tree:
        rows += [{"model.trees": 1, "model.leaves": leaves, "train_error": error} for error in errors]
    rows.append({"model.trees": 2, "model.leaves": 10, "train_error": 0.0})
    assert forest_threshold(pd.DataFrame(rows)) == 20
    assert forest_threshold(pd.DataFrame(rows[:2])) == 5
