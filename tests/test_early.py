"""Early prediction: predictors are read when it is said, runs that had stopped are left out, and nothing is made up."""

import itertools

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis import load_results
from benevolent.analysis import statistics as st
from benevolent.analysis.figures import NothingToDraw, early_prediction_figure
from benevolent.analysis.judging.early_prediction import early_prediction, rare_points_text, strongest_early
from benevolent.analysis.judging.histories import extrapolated_losses, run_histories
from benevolent.trainables.errors import BadInput

EPOCHS = (0, 1, 2, 4, 8)


@pytest.fixture
def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    """36 runs; `sign` follows the outcome from epoch 4 on, and a third of the runs stop at epoch 4."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(list(itertools.product(range(4), range(3), range(3))), columns=["a", "b", "seed"])
    table["run_id"] = [f"r{at}" for at in table.index]
    table["test_loss"] = table["a"] + random.normal(size=len(table))
    table["epoch"] = np.where(table["b"] == 0, 4, 8)
    rows = []
    for run in table.itertuples():
        for epoch in (epoch for epoch in EPOCHS if epoch <= run.epoch):
            value = run.test_loss + 0.01 * random.normal() if epoch >= 4 else random.normal()
            rows.append((run.run_id, epoch, "sign", value))
    return table, pd.DataFrame(rows, columns=["run_id", "epoch", "name", "value"])


def test_what_is_read_after_so_many_epochs_and_who_had_stopped(made):
    table, history = made
    early = early_prediction(history, table, "test_loss", ["a", "b"], ["sign"], resamples=50).set_index("progress")
    assert early.index.tolist() == [1, 2, 4] and early["stopped"].tolist() == [0, 0, 12]
    assert early["runs"].tolist() == [36, 36, 24] and (early["low"] <= early["high"]).all()
    going = table[table["epoch"] > 4].merge(history[history["epoch"] == 4], on="run_id")
    assert early.loc[4, "kendall_tau"] == pytest.approx(st.kendall_tau(going["value"], going["test_loss"]))
    assert early.loc[4, "kendall_tau"] > 0.9
    assert abs(early.loc[1, "kendall_tau"]) < 0.4
    within = st.within_configuration(going, "value", "test_loss", ["a", "b"], permutations=0)
    assert early.loc[4, "within"] == pytest.approx(within.correlation)
    assert early_prediction(history, table.assign(test_loss=np.nan), "test_loss", ["a", "b"], ["sign"]).empty


def test_by_fraction_every_run_is_read_at_a_share_of_its_own_length(made):
    table, history = made
    early = early_prediction(history, table, "test_loss", ["a", "b"], ["sign"], view="fraction", points=[0.25, 0.5, 1])
    assert early["runs"].tolist() == [36, 36, 36] and early["stopped"].tolist() == [0, 0, 0]
    last = history.sort_values("epoch").drop_duplicates("run_id", keep="last").merge(table, on="run_id")
    assert early["kendall_tau"].iloc[-1] == pytest.approx(st.kendall_tau(last["value"], last["test_loss"]))
    half = history[history["epoch"] == history["run_id"].map(table.set_index("run_id")["epoch"]) / 2]
    half = half.merge(table, on="run_id")
    assert early["kendall_tau"].iloc[1] == pytest.approx(st.kendall_tau(half["value"], half["test_loss"]))


def test_a_predictor_that_few_runs_have_is_left_out_and_not_chosen(made):
    table, history = made
    rare = history[history["run_id"].isin(table["run_id"][:8])]  # in 8 of 36 runs it is the outcome itself
    rare = rare.assign(name="rare", value=rare["run_id"].map(table.set_index("run_id")["test_loss"]))
    once = history[history["epoch"] == 2].assign(name="once")  # in all runs, but at one point of three
    once = once.assign(value=once["run_id"].map(table.set_index("run_id")["test_loss"]))
    early = early_prediction(pd.concat([history, rare, once]), table, "test_loss", ["a", "b"], ["sign", "rare", "once"])
    points = early[early["predictor"] == "rare"]
    assert points[["kendall_tau", "low", "high", "within"]].isna().all(axis=None)
    assert points["runs"].tolist() == [8, 8, 5] and points["training"].tolist() == [36, 36, 24]
    assert early.set_index("predictor").loc["once", "kendall_tau"] == pytest.approx(1)
    assert strongest_early(early, ["sign", "rare", "once"], 3) == ["sign", "once"]
    assert rare_points_text(early).startswith("3 of 7 points are left out, at which less than 50% of the runs")
    assert (early["resamples"] == 300).all()
    assert rare_points_text(early[early["predictor"] == "sign"]) == ""
    counts = early_prediction_figure(early, ["sign"], "test_loss").axes[-1].collections[0].get_paths()[0].vertices
    assert counts[:, 1].max() == 36


def test_a_power_law_is_continued_exactly_and_not_from_nothing():
    epochs = [0, 1, 2, 4]
    losses = pd.DataFrame({"run_id": "r", "epoch": epochs, "name": "train_loss", "value": [9, 3, 3 / 2**0.5, 1.5]})
    found = extrapolated_losses(losses, pd.Series({"r": 64}))
    assert found["epoch"].tolist() == [2, 4] and found["value"].to_numpy() == pytest.approx([3 / 8, 3 / 8])
    assert set(found["name"]) == {"train_loss_extrapolated"}
    assert extrapolated_losses(losses.assign(value=0.0), pd.Series({"r": 64})).empty


def test_nothing_to_find_is_not_found_and_bad_input_is_refused(made):
    table, history = made
    noise = history.assign(value=np.random.default_rng(1).normal(size=len(history)))
    early = early_prediction(noise, table, "test_loss", ["a", "b"], ["sign"], resamples=100)
    assert ((early["low"] < 0) & (early["high"] > 0)).all()
    with pytest.raises(BadInput, match="view 'step' is not one of epoch, fraction"):
        early_prediction(history, table, "test_loss", ["a"], ["sign"], view="step")
    with pytest.raises(BadInput, match="target 'loss' is not a column"):
        early_prediction(history, table, "loss", ["a"], ["sign"])


def test_the_figure_needs_two_points_and_draws_baselines_and_the_runs_left(made):
    table, history = made
    both = pd.concat([history, history.assign(name="validation_loss")])
    views = [early_prediction(both, table, "test_loss", ["a"], ["sign", "validation_loss"], view=view, resamples=20)
             for view in ("epoch", "fraction")]  # fmt: skip
    early = pd.concat(views)
    assert strongest_early(early, ["sign", "absent"], 3) == ["sign"]
    figure = early_prediction_figure(early, ["sign"], "test_loss")
    assert len(figure.axes) == 6 and [plot.get_xlabel() for plot in figure.axes[-2:]][0] == "epoch"
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"sign", "validation loss"}
    with pytest.raises(NothingToDraw):
        early_prediction_figure(early[early["progress"] == 1], ["sign"], "test_loss")
    with pytest.raises(NothingToDraw):
        early_prediction_figure(pd.DataFrame(), [], "test_loss")


def test_histories_of_a_real_cohort_hold_the_last_phase(cohort, tmp_path):
    small = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}
    stop = {"train_loss": None, "max_epochs": 4}
    pretrain = {"epochs": 2, "label_corruption": 0.5}
    cohort("c", [small | {"seed": seed, "stop": stop, "pretrain": pretrain} for seed in range(2)]).train()
    results = load_results(tmp_path)
    history = run_histories(results)
    assert sorted(history["epoch"].unique()) == [0, 1, 2, 4]
    losses = results.outcomes[(results.outcomes["phase"] == "train") & (results.outcomes["split"] == "validation")]
    losses = losses[losses["name"] == "loss"].sort_values(["run_id", "step"])["value"]
    known = history[history["name"] == "validation_loss"].sort_values(["run_id", "epoch"])["value"]
    assert known.tolist() == losses.tolist() and "path_length" in set(history["name"])
