"""Measures of a user's own, by import path."""

import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import nn
from typer.testing import CliRunner

from benevolent.analysis import load_results
from benevolent.analysis.judging.predictors import recorded_predictors
from benevolent.analysis.measures import MEASURES, measure_network
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.cli import list_commands, main
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder

MODULE = '''
from benevolent.analysis.measures import Measure
from benevolent.analysis.measures.requirements import INITIAL

def first_weight(network):
    """The first weight."""
    return network.weights[0].flatten()[0]

def path_norm(network):
    return network.weights[0].norm()

def leaky(network):
    return network.weights[0].norm()

known = Measure(first_weight, -1, "none", "nowhere", requires=(INITIAL,), version=3)
leaked = Measure(leaky, 1, "test", "nowhere")
test_leak = Measure(leaky, 1, "test", "nowhere")
number = 3
'''
SMALL = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    (tmp_path / "own_lab.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_own_functions_and_built_in_measures_share_a_table(lab):
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    names = ["own_lab:first_weight", "parameter_norm", "own_lab:known", "own_lab:test_leak"]
    table = measure_network(module, torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), measures=names)
    assert list(table.index) == ["first_weight", "parameter_norm", "known", "test_leak"]
    assert table.loc["first_weight", "value"] == module[0].weight[0, 0].double().item()
    assert table.loc["known", "status"] == "not applicable: needs the initial parameters"
    assert table.loc["test_leak", "status"] == "not applicable: needs the test split"
    assert not {"first_weight", "known"} & set(MEASURES)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_lab:f", "ModuleNotFoundError: No module named 'no_lab'; expected package.module:function"),
        ("own_lab:f", "AttributeError"),
        ("own_lab:", "AttributeError"),
        ("own_lab:number", "number is neither a function nor a Measure"),
        ("own_lab:path_norm", "has the name of a built-in measure"),
        ("own_lab:leaked", "its name must contain `test`"),
    ],
)
def test_bad_import_paths_are_refused_in_one_line(lab, path, message):
    with pytest.raises(BadInput) as caught:
        select([path])
    assert message in str(caught.value) and path in str(caught.value) and "\n" not in str(caught.value)


def test_two_measures_with_the_same_name_are_refused(lab, tmp_path):
    (tmp_path / "other_lab.py").write_text(MODULE)
    assert len(select(["own_lab:known", "own_lab:known"])) == 1
    with pytest.raises(BadInput, match="have the same name, 'known'"):
        select(["own_lab:known", "other_lab:known"])


def test_a_file_of_parameters_is_measured_once_and_the_version_counts(lab, cohort, tmp_path, monkeypatch):
    stop = {"train_loss": None, "max_epochs": 1}
    made = cohort("c", [SMALL | {"seed": seed, "stop": stop} for seed in range(2)]).train()
    final = made.files.parameter_files()[-1]
    job = ExistingMeasures(Folder(tmp_path)).missing("c", final, ["own_lab:known", "path_norm"])
    assert job and job.measures == ("own_lab:known", "path_norm")
    assert measure_file(Folder(tmp_path), job).networks == 2
    rows = load_results(tmp_path).measures.query("name == 'known'")
    assert rows["version"].tolist() == [3, 3] and rows["status"].tolist() == ["ok", "ok"]
    assert ExistingMeasures(Folder(tmp_path)).missing("c", final, ["own_lab:known"]) is None


def test_a_report_does_not_import_own_measures():
    values = {"name": "s", "grid": {"init.scale": [1, 2]}, "record": {"measures": ["default", "nowhere:mine"]}}
    spec = SweepSpec.parse(values)
    table = pd.DataFrame({"mine": [1.0], "path_norm": [2.0], "other": [3.0], "normalized_test_loss": [1.0]})
    assert recorded_predictors(table, spec.record.own_measures) == ["mine", "path_norm"]
    assert spec.record.own_measures == ["nowhere:mine"]


def test_a_sweep_whose_measure_does_not_import_is_refused_before_anything_starts(tmp_path):
    values = {"name": "s", "grid": {"init.scale": [1, 2]}, "record": {"measures": ["nowhere:mine"]}}
    (tmp_path / "s.yaml").write_text(yaml_text.dumps(values))
    done = CliRunner().invoke(main.app, ["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")])
    assert done.exit_code and not (tmp_path / "out").exists()
    assert "nowhere:mine" in str(done.exception)


def test_the_list_of_measures_shows_direction_requirements_and_source(monkeypatch):
    monkeypatch.setattr(list_commands, "console", Console(highlight=False, emoji=False, width=100))
    found = CliRunner().invoke(main.app, ["list", "measures"])
    lines = found.output.splitlines()
    assert not found.exit_code and max(map(len, (line.rstrip() for line in lines))) <= 100
    starts = {line.split()[0]: place for place, line in enumerate(lines) if line[:1].strip()}
    assert {*MEASURES} < {*starts}
    place = starts["internal_covariate_cosine"]
    about = " ".join(" ".join(lines[place : place + 7]).split())
    assert about.startswith("internal_covariate_cosine smaller The mean over layers")
    assert "requires: train data, layers, gradients; in the default set: no" in about
    assert "costly" in about and "Santurkar et al. 2018" in about
