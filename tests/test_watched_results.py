"""`watch(..., save_to=...)`: runs of anybody's loop in a results folder, read and judged as those of a sweep."""

import concurrent.futures
import re

import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from benevolent import judge, load_results, measure_network, watch
from benevolent.orchestrator.cli.main import app
from benevolent.trainables.errors import BadInput

EXAMPLES = torch.eye(3)
LABELS = torch.tensor([0, 1, 0])


def train(folder, lr=0.1, width=4, seed=0, steps=4, finish=True, measures=None, **options):
    """Train a network by hand, and save it."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    config = {"lr": lr, "width": width}
    with watch(module, optimizer, 1, save_to=folder, config=config, seed=seed, **options) as path:
        for _ in range(steps):
            loss = nn.functional.cross_entropy(module(EXAMPLES), LABELS)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            path.step(loss)
    if not finish:
        return path
    if measures:
        measures = measure_network(module, EXAMPLES, LABELS, init=path.initial, measures=measures)
    scale = torch.rand(()).item()
    path.finish(test_loss=loss * (1 + scale), test_error=scale / 2, train_loss=loss, train_error=0.0, measures=measures)
    return path


def test_saved_runs_are_read_as_those_of_a_sweep(tmp_path):
    folder = tmp_path / "own"
    first = train(folder, seed=0, measures=["parameter_norm", "distance_over_spectral"])
    train(folder, seed=1)
    results = load_results(folder)
    table = results.table()
    assert table[["lr", "width", "seed", "replicate", "status"]].values.tolist() == [
        [0.1, 4, 0, 0, "converged"],
        [0.1, 4, 1, 1, "converged"],
    ]
    assert table["configuration"].nunique() == table["lineage"].nunique() == 1
    run = table[table["seed"] == 0].iloc[0]
    last = first.table.iloc[-1].drop(["step", "epoch"]).dropna().astype(float)
    assert run[last.index].astype(float).equals(last)
    assert run["gap"] == run["test_error"] and run["loss_gap"] > 0
    assert run["parameter_norm"] > 0 and run["distance_over_spectral"] > 0
    assert results.configurations()["replicates"].tolist() == [2]
    at_two = results.table(at=2)
    assert at_two.set_index("seed")["path_length"][0] == first.table.set_index("epoch")["path_length"][2]
    with pytest.raises(BadInput, match="it was trained in a loop of its user"):
        results.network(run["run_id"])


def test_saved_runs_are_judged_and_reported(tmp_path):
    folder = tmp_path / "own"
    for lr in (0.05, 0.1, 0.2):
        for seed in range(4):
            train(folder, lr=lr, seed=seed, steps=2)
    verdicts = judge(load_results(folder).table(), "test_loss", ["lr"], permutations=0)
    assert verdicts["path_length"].runs == 12 and "width" in verdicts.left_out
    printed = CliRunner().invoke(app, ["report", str(folder)])
    assert printed.exit_code == 0, printed.output
    assert "12 runs of 3 configurations" in printed.output and "path_length" in printed.output
    assert (folder / "report" / "index.html").exists()
    again = CliRunner().invoke(app, ["status", str(folder)])
    assert again.exit_code == 0 and "converged" in again.output and "12" in again.output


def test_plots_know_the_axes_of_saved_runs(tmp_path):
    for lr in (0.05, 0.1, 0.2):
        train(tmp_path / "own", lr=lr)
    results = load_results(tmp_path / "own")
    assert results.differing_fields() == ["lr"]
    results.plot.scatter("path_length", "test_loss", color="lr").save(tmp_path / "scatter.svg")
    results.plot.curves().save(tmp_path / "curves.svg")
    drawn = pd.read_csv(tmp_path / "curves.csv")
    assert drawn.groupby("panel")["number"].nunique().tolist() == [3, 3]  # a line for each rate, in both panels


def test_a_run_is_there_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "own"
    train(folder, seed=0)
    train(folder, seed=1, finish=False)
    assert load_results(folder).runs["seed"].tolist() == [0]
    manifest = next(folder.glob("cohorts/*/manifest.json"))
    manifest.unlink()  # it is written last, so this is what a process leaves that is killed while it writes
    assert load_results(folder).runs.empty
    train(folder, seed=0)
    assert load_results(folder).runs["seed"].tolist() == [0]


def test_a_run_is_saved_once_unless_it_is_replaced(tmp_path):
    folder = tmp_path / "own"
    train(folder)
    with pytest.raises(BadInput, match="holds a run of this config with seed 0 already; give another seed or folder"):
        train(folder)
    train(folder, steps=2, replace=True)
    assert load_results(folder).runs["step"].tolist() == [2]
    train(folder, lr=1.0)
    train(folder, lr=1, seed=1)  # the same number, so the same configuration
    assert load_results(folder).runs.groupby("configuration").size().tolist() in ([1, 2], [2, 1])


def test_two_processes_that_finish_one_run_leave_one(tmp_path):
    """Both begin before either has finished; equal results are one run, other results are refused."""
    folder = tmp_path / "own"
    same, other = train(folder, finish=False), train(folder, finish=False, steps=3)
    train(folder)
    loss = load_results(folder).runs.iloc[0]
    outcomes = {name: loss[name] for name in ("test_loss", "test_error", "train_loss", "train_error")}
    same.finish(**outcomes)
    with pytest.raises(BadInput, match="has got other results of this config with seed 0 meanwhile"):
        other.finish(**outcomes)
    assert len(list(folder.glob("cohorts/*/manifest.json"))) == 1


def test_runs_saved_at_one_time_are_all_there(tmp_path):
    paths = [train(tmp_path / "own", seed=seed, finish=False) for seed in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda path: path.finish(test_loss=1.0), paths))
    runs = load_results(tmp_path / "own").runs
    assert sorted(runs["seed"]) == [0, 1, 2, 3, 4, 5] and runs["test_loss"].tolist() == [1.0] * 6


def test_a_run_with_a_loss_that_is_not_finite_has_diverged(tmp_path):
    train(tmp_path / "own", lr=1e30, steps=6)
    train(tmp_path / "own", seed=1, finish=False).finish(converged=False)
    assert load_results(tmp_path / "own").runs.set_index("seed")["status"].to_dict() == {0: "diverged", 1: "limit"}


def test_values_of_several_types_are_text(tmp_path):
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for seed, width in enumerate((4, "auto", 2.5)):
        config = {"width": width, "norm": seed > 0, "decay": torch.tensor(0.5)}
        with watch(module, optimizer, 1, save_to=tmp_path, config=config, seed=seed) as path:
            path.finish()
    runs = load_results(tmp_path).runs.sort_values("seed")
    assert runs["width"].tolist() == ["4", "auto", "2.5"]
    assert runs["norm"].tolist() == [False, True, True] and runs["decay"].tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"config": {"betas": (0.9, 0.99)}},
            "config: 'betas' is of type tuple; expected a number, text, true or false",
        ),
        ({"config": {"lr": float("nan")}}, "config: 'lr' is nan; expected a finite number"),
        ({"config": {"file": "\udcff"}}, "config: 'file': '\\udcff' is no text that can be written in UTF-8"),
        ({"config": {"\udcff": 1}}, "config: '\\udcff': 1 is no text that can be written in UTF-8"),
        ({"config": {"path_length": 1}}, "config: 'path_length' is the name of a column of the results"),
        ({"config": {"test_loss": 1}}, "config: 'test_loss' is the name of a column of the results"),
        ({"config": {"seed": 1}}, "config: 'seed' is given apart"),
        ({"seed": None}, "seed: missing"),
        ({"seed": 0.5}, "seed: 0.5; expected an integer"),
        ({"save_to": None}, "config, seed and replace describe a run that is saved"),
    ],
)
def test_bad_descriptions_are_refused_before_training(options, line, tmp_path):
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(BadInput, match=re.escape(line)):
        watch(module, optimizer, 1, **{"save_to": tmp_path / "own", "config": {"lr": 0.1}, "seed": 0, **options})
    assert not (tmp_path / "own").exists()


def test_other_folders_are_refused_before_training(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.yaml").write_text("name: a\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, line in [("sweep", "holds a sweep"), ("other", "holds files but no results"), ("file", "is a file")]:
        with pytest.raises(BadInput, match=line):
            train(tmp_path / name)
    train(tmp_path / "own")
    refused = CliRunner().invoke(app, ["run", "quickstart", "--out", str(tmp_path / "own")])
    assert isinstance(refused.exception, BadInput) and "holds files but no sweep" in str(refused.exception)


def test_bad_outcomes_are_refused_and_can_be_given_again(tmp_path):
    path = train(tmp_path, finish=False)
    for outcome, line in [
        ({"accuracy": 0.5}, "accuracy: no outcome"),
        ({"test_accuracy": 0.5}, "give test_error, 1 - accuracy"),
        ({"test_loss": torch.ones(2)}, "test_loss: Tensor; expected a number"),
        ({"test_error": 8.0}, "test_error: 8; expected a number from 0 to 1, a fraction and not a percentage"),
        ({"train_error": -0.1}, "train_error: -0.1; expected a number from 0 to 1"),
        ({"test_brier": 2.5}, "test_brier: 2.5; expected a number from 0 to 2"),
        ({"test_nll": -1}, "test_nll: -1; expected a number >= 0"),
        ({"test_loss": "0.5"}, "test_loss: '0.5'; expected a number or a Tensor"),
        ({"converged": "yes"}, "converged: 'yes'; expected True or False"),
        ({"measures": pd.DataFrame()}, "measures: expected a table as `measure_network` returns it"),
    ]:
        with pytest.raises(BadInput, match=line):
            path.finish(**outcome)
    path.finish(test_loss=0.5)
    assert load_results(tmp_path).runs["test_loss"].tolist() == [0.5]


def test_a_run_that_was_not_watched_is_not_saved(tmp_path):
    module = nn.Linear(3, 2)
    path = watch(module, torch.optim.SGD(module.parameters(), lr=0.1), 1, save_to=tmp_path, config={}, seed=0)
    with pytest.raises(BadInput, match="finish: nothing was watched"):
        path.finish(test_loss=0.5)


def test_an_error_of_real_targets_may_be_any_size(tmp_path):
    module = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, optimizer, 1, save_to=tmp_path, seed=0) as path:
        loss = module(EXAMPLES).square().mean()
        loss.backward()
        optimizer.step()
        path.step(loss)
    path.finish(test_error=8.0, test_loss=-3.0)
    assert load_results(tmp_path).runs["test_error"].tolist() == [8.0]
