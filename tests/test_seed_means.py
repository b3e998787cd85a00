"""Means and slopes over seeds, on simulated networks whose effect is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from benevolent.analysis.studies.shared.seed_means import slope_within


def simulated_detectors(rng: np.random.Generator, effect: float) -> pd.DataFrame:
    """Networks of 60 seeds: larger ones explore more often and err less, and a seed's networks err alike."""
    rows = []
    for seed in range(60):
        of_seed = rng.normal(scale=0.05)
        for filters, explores in ((4, 0.1), (10, 0.8), (50, 1.0)):
            unexplored = float(rng.random() > explores)
            for train_size in (12, 24, 48):
                error = 0.3 - 0.03 * np.log(filters) - 0.001 * train_size + effect * unexplored + of_seed
                row = {"seed": seed, "filters": filters, "train_size": train_size, "unexplored": unexplored}
                rows.append({**row, "error": error + rng.normal(scale=0.03)})
    return pd.DataFrame(rows)


def test_the_slope_within_groups_finds_a_known_effect():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        table = simulated_detectors(rng, effect=0.04).sample(frac=0.8, random_state=rng)
        found.append(slope_within(table, "unexplored", "error", ["filters", "train_size"]))
    assert np.mean([slope.value for slope in found]) == pytest.approx(0.04, abs=0.004)
    covered = np.mean([slope.low < 0.04 < slope.high for slope in found])
    assert 0.88 <= covered <= 1


def test_in_one_group_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"seed": range(400), "size": 1, "x": rng.normal(size=400)})
    table["y"] = 3 * table["x"] + rng.normal(size=400)
    found = slope_within(table, "x", "y", ["size"])
    line = linregress(table["x"], table["y"])
    assert found.value == pytest.approx(line.slope)
    assert (found.high - found.low) / 2 == pytest.approx(1.966 * line.stderr, rel=0.1)


def test_without_a_group_in_which_it_varies_there_is_no_slope():
    table = pd.DataFrame({"seed": [0, 1, 2], "size": [1, 2, 2], "x": [0, 1, 1], "y": [1.0, 2.0, 3.0]})
    found = slope_within(table, "x", "y", ["size"])
    assert found.seeds == 0 and np.isnan(found.value) and found.low == -np.inf
