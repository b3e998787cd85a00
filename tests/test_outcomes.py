"""Outcomes: which of them are judged, which are only described, and what a sweep may ask for."""

import itertools
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.judging.decisions import DESCRIBED
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.predictors import recorded_predictors
from benevolent.analysis.outcome_names import known_outcomes, outcomes
from benevolent.analysis.report import Report, render
from benevolent.analysis.report.summary import summarize
from benevolent.orchestrator import reporting
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.spec.names import check_names
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput

GRID = {"init.scale": [0.5, 1, 1.5, 2], "optimizer.lr": [0.01, 0.1]}


def sweep(**sections) -> SweepSpec:
    return SweepSpec.parse({"name": "s", "grid": GRID, "seeds": 5} | sections)


def check(**sections) -> None:
    spec = sweep(**sections)
    check_names(spec.record, spec.judging)


@pytest.fixture
def table(monkeypatch) -> pd.DataFrame:
    """Eight configurations of five runs whose path length goes with every outcome."""
    monkeypatch.setattr(reporting, "judge", partial(judge, permutations=20, resamples=20))
    rng = np.random.default_rng(0)
    runs = pd.DataFrame(itertools.product(*GRID.values(), range(5)), columns=[*GRID, "seed"])
    runs["path_length"] = rng.normal(size=len(runs))
    for name in ("test_loss", "test_error", "test_ece", "gap"):
        runs[name] = runs["path_length"] + 0.1 * rng.normal(size=len(runs))
    runs["test_error_blur_3"] = rng.random(len(runs))
    runs["test_nll"] = runs["test_loss"]
    runs["test_brier"] = np.nan
    return runs.assign(status="converged", run_id=[f"r{number}" for number in runs.index])


def test_the_outcomes_that_are_asked_for_get_decisions_and_the_others_none(table):
    spec = sweep(judging={"outcomes": ["test_error", "test_loss"]})
    verdicts = reporting.judge_outcomes(table, spec)
    decided = [one.target for one in verdicts if not one.descriptive]
    described = [one.target for one in verdicts if one.descriptive]
    assert decided == ["test_error", "test_loss"] and verdicts[0].target == "test_error"
    assert described == ["gap", "test_ece", "test_error_blur_3"]  # nll repeats the loss, and there is no Brier score
    for one in verdicts:
        (verdict,) = one
        assert np.isfinite([verdict.kendall_tau, verdict.kendall_low, verdict.within, verdict.gain_low]).all()
        p_values = [verdict.beyond_p, verdict.transfers_p, verdict.adds_p, verdict.adds_q]
        if one.descriptive:
            assert verdict.decision == DESCRIBED and np.isnan([verdict.permutations, *p_values]).all()
        else:
            assert verdict.decision != DESCRIBED and np.isfinite(p_values).any()


def test_the_loss_is_judged_by_default_and_the_page_marks_what_is_only_described(table):
    verdicts = reporting.judge_outcomes(table, sweep())
    assert [one.target for one in verdicts if not one.descriptive] == ["test_loss"]
    report = Report("s", "", "name: s", list(GRID), table, pd.DataFrame(), pd.DataFrame(), verdicts)
    page = render(report)["index.html"].decode()
    assert page.count("described, not tested</summary>") == len(verdicts) - 1
    assert "Expected calibration error on the test split" in page and "Brier score on the test split" in page
    assert "nothing was tested" in summarize(verdicts[-1]).headline


def test_an_outcome_that_no_run_has_is_named_and_the_others_are_described(table):
    spec = sweep(judging={"outcomes": ["test_brier"]})
    verdicts = reporting.judge_outcomes(table, spec)
    assert verdicts and all(one.descriptive for one in verdicts)
    assert reporting.unanswered(table, spec) == ["No verdicts on test_brier: no run has it."]


def test_outcomes_are_no_predictors():
    names = list(outcomes())
    assert all(is_test_derived(name) for name in names)
    assert not recorded_predictors(pd.DataFrame({name: [1.0, 2.0] for name in names}))


def test_outcomes_with_equal_values_are_named_once():
    runs = pd.DataFrame({"test_nll": [1.0, 2.0], "test_loss": [1.0, 2.0], "test_error": [np.nan, np.nan]})
    assert known_outcomes(runs) == ["test_loss"] and known_outcomes(runs, ["test_nll"]) == ["test_nll"]


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"judging": {"outcomes": ["test_eror"]}}, "judging.outcomes: 'test_eror' is not an outcome"),
        ({"judging": {"outcomes": ["path_length"]}}, "judging.outcomes: 'path_length' is not an outcome"),
        ({"judging": {"outcomes": ["test_error_blur_3"]}}, "'test_error_blur_3' is not measured; allowed with"),
        ({"judging": {"outcomes": ["test_early_stop_loss"]}}, "allowed with record.early_stop: true"),
    ],
)
def test_names_that_a_sweep_does_not_give_are_refused(sections, line):
    with pytest.raises(BadInput, match=line):
        check(**sections)


def test_names_that_a_sweep_gives_are_accepted():
    check(judging={"outcomes": list(outcomes())}, record={"measures": ["all", "test_corruptions"], "early_stop": True})


@pytest.mark.parametrize("outcomes_", [[], ["test_loss", "test_loss"]])
def test_outcomes_to_judge_are_one_or_more_and_differ(outcomes_):
    with pytest.raises(BadInput, match="expected one or more different outcomes"):
        sweep(judging={"outcomes": outcomes_})


def test_the_command_line_refuses_an_unknown_outcome_in_one_line(tmp_path, monkeypatch, capsys):
    spec = tmp_path / "sweep.yaml"
    spec.write_text("name: s\njudging: {outcomes: [test_eror]}\n")
    monkeypatch.setattr(sys, "argv", ["bth", "plan", str(spec)])
    with pytest.raises(SystemExit, match="2"):
        main.main()
    assert "judging.outcomes: 'test_eror' is not an outcome; did you mean 'test_error'" in capsys.readouterr().err
