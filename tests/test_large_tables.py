"""Tables of many configurations: what is computed in another way, or not at all, and gives the same numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis import statistics as st
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.statistics import resampled_kendall
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.design_matrix import main_effects
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.partial_correlation import rank_design
from benevolent.analysis.statistics.resampled_kendall import kendall_interval
from benevolent.analysis.statistics.resampling import bootstrap_counts
from benevolent.trainables.errors import BadInput


def test_the_interval_of_many_lineages_is_that_from_all_pairs(monkeypatch):
    draw = np.random.default_rng(0)
    runs = GroupedRuns.from_table(pd.DataFrame({"lr": np.repeat(np.arange(300), 3)}), ["lr"])
    lineages = Lineages.from_runs(runs)
    x = np.repeat(draw.normal(size=300), 3) + draw.normal(size=900).round(1)
    y = x + draw.normal(size=900)
    counts = bootstrap_counts(300, 500, draw)
    exact = kendall_interval(runs, lineages, x, y, counts)
    monkeypatch.setattr(resampled_kendall, "PAIRED_LINEAGES", 100)
    assert kendall_interval(runs, lineages, x, y, counts) == pytest.approx(exact, abs=0.004)
    assert exact[1] - exact[0] > 0.04


def test_a_sampled_axis_has_few_columns_even_where_it_is_missing():
    values = np.where(np.arange(500) % 5 == 0, np.nan, np.random.default_rng(0).normal(size=500))
    levels = pd.DataFrame({"decay": values})
    (columns,) = main_effects(levels)
    assert columns.shape == (500, 4) and (columns[::5] == [0, 0, 0, 1]).all()
    assert np.ptp(columns[:, 0]) == 2 and rank_design(levels).shape == (500, 3)
    few = pd.DataFrame({"decay": np.tile([np.nan, 0.1, 0.2], 4)})
    assert main_effects(few)[0].shape == (12, 2)


def test_there_is_no_mutual_information_given_axes_with_a_value_for_every_run():
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.random((2100, 4)), columns=["lr", "decay", "p", "test_loss"])
    verdict = judge(table, "test_loss", ["lr", "decay"], ["p"], permutations=0, resamples=0)["p"]
    assert math.isnan(verdict.cmi) and not math.isnan(verdict.kendall_tau)


def test_large_groups_have_the_granulated_tau_of_all_pairs():
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"lr": np.tile(np.arange(300), 3), "width": np.repeat([1, 2, 3], 300)})
    table["p"], table["g"] = draw.integers(9, size=(2, 900))
    table.loc[table["width"] == 1, "p"] = 1  # orders nothing: 0
    expected = []
    for _, group in table.groupby("width"):
        signs = [np.sign(np.subtract.outer(group[name].to_numpy(), group[name].to_numpy())) for name in ("p", "g")]
        untied = np.sqrt(np.abs(signs).sum(axis=(1, 2)).prod())
        expected.append((signs[0] * signs[1]).sum() / max(untied, 1))
    assert st.granulated_kendall(table, "p", "g", ["lr", "width"])["lr"] == pytest.approx(np.mean(expected))
    assert expected[0] == 0


def test_names_of_runs_are_no_axis():
    table = pd.DataFrame(
        {"host": [f"run {place}" for place in range(1500)], "p": range(1500), "test_loss": range(1500)}
    )
    with pytest.raises(BadInput, match="axis 'host' has 1,500 different texts; at most 1,000 make an axis"):
        judge(table, "test_loss", ["host"])
