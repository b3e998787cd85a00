"""The README's section "Adding ...": a network, a data set and an edit from outside of the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benevolent.orchestrator.spec import yaml_text

ROOT = Path(__file__).parents[1]
SWEEP = {
    "name": "mine",
    "base": {
        "data": {"name": "bars", "train_size": 60, "validation_size": 20, "test_size": 40},
        "model": {"family": "tiny", "width": 8},
        "optimizer": {"lr": 0.5, "batch_size": 10},
        "stop": {"train_loss": 0.1, "max_epochs": 100},
    },
    "grid": {"init.edit": [None, "flip"]},
    "seeds": 2,
}


@pytest.fixture
def lab(tmp_path) -> Path:
    """A folder with the module of the README, word for word, and a sweep."""
    text = (ROOT / "README.md").read_text().split("## Adding ...")[1]
    code = re.search(r"\n((?:    .*\n|\n)+?)    BENEVOLENT_PLUGINS=", text)
    assert code
    module = "".join(line.removeprefix("    ") for line in code[1].splitlines(True)).lstrip()
    assert "read_bars" in module and module.startswith("# my_lab.py")
    (tmp_path / "my_lab.py").write_text(module)
    (tmp_path / "my-sweep.yaml").write_text(yaml_text.dumps(SWEEP))
    return tmp_path


def bth(lab: Path, *words: str, plugins: str = "my_lab") -> subprocess.CompletedProcess:
    environment = os.environ | {
        "BENEVOLENT_PLUGINS": plugins,
        "PYTHONPATH": str(ROOT / ".import"),
        "RAY_AUTH_MODE": "disabled",
    }
    command = [sys.executable, "-c", "from benevolent.orchestrator.cli.main import main; main()", *words]
    return subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True, check=False)


def test_what_a_module_adds_is_listed_and_planned(lab):
    listed = bth(lab, "list", "models")
    assert "tiny" in listed.stdout and "One hidden layer." in listed.stdout
    planned = bth(lab, "plan", "my-sweep.yaml")
    assert planned.returncode == 0 and "4 runs" in planned.stdout, planned.stderr


def test_without_the_module_its_names_are_unknown(lab):
    refused = bth(lab, "plan", "my-sweep.yaml", plugins="")
    assert refused.returncode == 2 and "unknown" in refused.stderr and refused.stderr.count("\n") == 1
    missing = bth(lab, "plan", "my-sweep.yaml", plugins="no_such_module")
    assert missing.returncode == 2 and "BENEVOLENT_PLUGINS: no_such_module cannot be imported" in missing.stderr


@pytest.mark.slow
def test_a_sweep_of_them_is_trained_and_measured_by_workers(lab):
    done = bth(lab, "run", "my-sweep.yaml", "--set", "record.measures=[path_norm]")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = pd.concat(pd.read_parquet(path) for path in lab.glob("results/mine/cohorts/*/runs/*.parquet"))
    assert len(parts) == 4 and set(parts.status) == {"converged"}
    (plan_file,) = lab.glob("results/mine/plan/runs-*.parquet")
    planned = pd.read_parquet(plan_file)
    assert set(planned["model.family"]) == {"tiny"} and set(planned["init.edit"].fillna("")) == {"", "flip"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("*, width=4", "argument 'width' needs an annotation, as in width: int"),
        ("*, width: 'Width' = 4", "name 'Width' is not defined"),
        ("width: int = 4", "argument 'width' needs a * before it, as every field of model: does"),
    ],
)
def test_a_mistake_in_a_builder_is_one_line(lab, arguments, line):
    module = lab / "my_lab.py"
    module.write_text(module.read_text().replace("*, width: int = 4", arguments))
    refused = bth(lab, "plan", "my-sweep.yaml")
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr == f"error: the builder of model.family = 'tiny': {line}\n"


def test_a_reader_and_its_declaration_have_to_agree(lab):
    module = lab / "my_lab.py"
    module.write_text(module.read_text().replace("train=(60, 60)", "train=(60, 50)"))
    refused = bth(lab, "data", "fetch", "bars")
    line = "what it reads is not what it declares (train: inputs of shape (120, 1, 4, 4), declared (110, 1, 4, 4))"
    assert refused.returncode == 2 and refused.stderr == f"error: data.name = 'bars': its reader: {line}\n"


def test_results_that_need_a_module_name_it(lab):
    make = (
        "from benevolent.orchestrator.results_folder import prepare_anew; "
        "from benevolent.orchestrator.spec.load_spec import load_spec; "
        "from benevolent.trainables.store.folder import Folder; "
        "spec = load_spec('my-sweep.yaml'); prepare_anew(Folder('results/mine'), spec)"
    )
    environment = os.environ | {"BENEVOLENT_PLUGINS": "my_lab", "PYTHONPATH": f"{ROOT / '.import'}:{lab}"}
    subprocess.run([sys.executable, "-c", make], cwd=lab, env=environment, check=True)
    hint = "; made with BENEVOLENT_PLUGINS=my_lab: set it for this command too"
    for words in (("measure", "results/mine"), ("report", "results/mine")):
        refused = bth(lab, *words, plugins="")
        assert refused.returncode == 2 and "unknown" in refused.stderr
        assert refused.stderr.count("\n") == 1 and hint in refused.stderr
    assert "to do" in bth(lab, "status", "results/mine", plugins="").stdout  # it reads the plan only
    (lab / "results/mine/provenance.json").write_text("[{}]")  # of an older version
    assert "name them in BENEVOLENT_PLUGINS" in bth(lab, "report", "results/mine", plugins="").stderr


@pytest.mark.parametrize(
    "first",
    [
        "my_lab",
        "benevolent.trainables.models",
        "benevolent.trainables.data",
        "benevolent.trainables.plugins",
        "benevolent.trainables.config.run",
        "benevolent.trainables.stack.network",
        "benevolent.analysis",
    ],
)
def test_a_plugin_is_registered_whichever_module_is_imported_first(lab, first):
    program = (
        f"import {first}\n"
        "from benevolent.trainables.config.run import RunConfig\n"
        "print(RunConfig.parse({'model': {'family': 'tiny', 'width': 8}, 'data': {'name': 'bars'}}).model)"
    )
    environment = os.environ | {"BENEVOLENT_PLUGINS": "my_lab", "PYTHONPATH": f"{ROOT / '.import'}:{lab}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "family='tiny'" in done.stdout, done.stderr
