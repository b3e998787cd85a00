"""Measurement noise of measures that draw random numbers: their draws, and the ceiling that these set to a verdict."""

import numpy as np
import pandas as pd
import pytest
from test_measures import large_box, make_task, stacked  # noqa: F401  (a fixture of all tests)

from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.predictors import default_predictors, recorded_predictors
from benevolent.analysis.measures import evaluate
from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.measures.rng import drawing
from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import load_results
from benevolent.analysis.statistics.measurement_noise import measurement_noise
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput

#: They draw where a network is large or has many classes, converge on small ones, or count few examples.
EQUAL_ON_SMALL_NETWORKS = {
    *("jacobian_frobenius_mean", "hessian_trace", "hessian_quantiles", "sharpness"),
    *("mixup_accuracy", "critical_sample_ratio", "critical_sample_ratio_train"),
}


def noisy(configurations: int, runs: int, noise: float) -> pd.DataFrame:
    """Configurations of so many runs, whose true value has the variance 1 within them, and draws with noise."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"lr": np.repeat(np.arange(configurations), runs), "width": 1})
    truth = rng.normal(size=len(table))
    for column in ("trace", "trace#2", "trace#3"):
        table[column] = 100.0 * table["lr"] + truth + noise * rng.normal(size=len(table))
    return table.assign(test_loss=truth)


@pytest.mark.parametrize(("noise", "share"), [(0.0, 1.0), (0.5, 0.8), (1.0, 0.5), (20.0, 0.0)])
def test_the_reliability_is_the_share_of_the_variance_that_is_no_noise(noise, share):
    found = measurement_noise(noisy(20, 200, noise), "trace", ["lr"])
    of_ranks = 6 / np.pi * np.arcsin(share / 2)  # rank correlation of normal values whose correlation is `share`
    assert found.draws == 3 and found.reliability == pytest.approx(of_ranks, abs=0.03)
    assert found.ceiling == pytest.approx(max(0, found.reliability) ** 0.5)


@pytest.mark.parametrize(("runs", "slack"), [(200, 1.03), (5, 1.12)])
def test_a_noisy_draw_correlates_with_the_truth_as_strongly_as_the_ceiling_allows(runs, slack):
    verdicts = judge(noisy(4000 // runs, runs, 1.0), "test_loss", ["lr"], ["trace"], permutations=0, resamples=0)
    verdict = verdicts["trace"]
    assert 0.5 < verdict.within <= verdict.within_ceiling * 1.03 and verdict.within_ceiling <= slack * verdict.within
    assert f"ceiling: measurement noise, {verdict.within_ceiling:.2f}" in verdict.sentence
    assert "ceiling: measurement noise" in verdicts.to_html()


def test_a_predictor_that_was_measured_once_has_no_ceiling():
    table = noisy(8, 5, 1.0)[["lr", "width", "trace", "test_loss"]]
    found = measurement_noise(table, "trace", ["lr"])
    assert found.draws == 1 and np.isnan(found.reliability) and np.isnan(found.ceiling)
    verdicts = judge(table, "test_loss", ["lr"], ["trace"], permutations=0, resamples=0)
    assert "ceiling: measurement noise" not in verdicts.to_html() + verdicts["trace"].sentence


def test_further_draws_are_no_predictors():
    table = noisy(4, 5, 1.0).rename(columns=lambda name: name.replace("trace", "sharpness"))
    assert recorded_predictors(table) == ["sharpness"]
    assert default_predictors(table, "test_loss", ["lr", "width"]) == ["sharpness"]


def test_measures_that_are_marked_change_with_the_draw():
    tasks = [make_task("mlp", seed) for seed in range(2)]
    marked = {name for name, measure in MEASURES.items() if measure.stochastic}
    names = sorted(marked - EQUAL_ON_SMALL_NETWORKS)
    table = measure_stack(*stacked(tasks), [*names, "#2"])
    values = table.dropna(subset="value").groupby("name")["value"].apply(list)
    for name in names:
        assert values[name] != pytest.approx(values[f"{name}#2"], rel=1e-6), name


def test_measures_that_are_not_marked_do_not_change_with_the_draw(monkeypatch):
    task = make_task("mlp")
    names = [name for name, measure in MEASURES.items() if not measure.stochastic]
    tables = []
    for draw in (1, 2):
        monkeypatch.setattr(evaluate, "drawing", lambda _, draw=draw: drawing(draw))
        table = measure_stack(*stacked([task]), names, true_labels=task.truth)
        tables.append(table.set_index(["name", "index"])["value"])
    pd.testing.assert_series_equal(*tables, rtol=1e-6)


def test_further_draws_are_selected_by_number():
    assert [measure.name for measure in select(["path_norm", "mixup_accuracy", "#2", "#3"])] == [
        "path_norm",
        "mixup_accuracy",
        "mixup_accuracy#2",
        "mixup_accuracy#3",
    ]
    assert select(["mixup_accuracy#2"])[0].draw == 2
    assert RecordConfig(measures=["sharpness"], draws=3).names == ["sharpness", "#2", "#3"]
    for name, line in (("path_norm#2", "draws no random numbers"), ("sharpness#1", "2, 3"), ("sharpness#x", "2, 3")):
        with pytest.raises(BadInput, match=line):
            select([name])


def test_draws_of_a_trained_sweep_are_columns_of_its_table(cohort):
    config = {"model": {"family": "mlp", "width": 8, "depth": 2}, "stop": {"train_loss": None, "max_epochs": 1}}
    small = {"train_size": 60, "validation_size": 0, "test_size": 20}
    trained = cohort("c", [config | {"data": small, "seed": seed} for seed in range(2)]).train()
    record = RecordConfig(measures=["mixup_accuracy", "parameter_norm"], draws=2)
    (file,) = [file for file in trained.files.parameter_files() if "final" in file]
    job = ExistingMeasures(trained.results).missing("c", file, record.names)
    assert job is not None and job.measures == ("mixup_accuracy", "parameter_norm", "mixup_accuracy#2")
    measure_file(trained.results, job)
    assert ExistingMeasures(trained.results).missing("c", file, record.names) is None
    table = load_results(trained.results).table()
    assert {"mixup_accuracy", "mixup_accuracy#2", "parameter_norm"} <= {*table} and "parameter_norm#2" not in table
    assert table[["mixup_accuracy", "mixup_accuracy#2"]].notna().all(axis=None)
