"""The module of docs/extending.md: a network, a data set and an edit from outside of the package."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fresh_process
import pandas as pd
import pytest
from doc_blocks import blocks_of

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
    "grid": {"init.edit": [None, "flip"], "prune.fraction": [0, 0.5]},
    "seeds": 4,
    "record": {"epochs": [0], "measures": ["path_norm"]},
}


#: A plugin that counts every `RunConfig` that is validated or copied, by process and run.
COUNTING = """
import os
from benevolent.trainables.config.base import Section

original = Section.__init__

def counted(self, **values):
    original(self, **values)
    if type(self).__name__ == "RunConfig":
        assert os.path.exists("my-sweep.yaml")  # in workers, too, files are found by relative paths
        with open(os.environ["COUNTED"], "a") as file:
            file.write(f"{os.getpid()} {self.run_id}\\n")

Section.__init__ = counted
"""


def write_lab(folder: Path) -> Path:
    """Write the module of the page, word for word, and a sweep."""
    (module,) = [block.text for block in blocks_of(ROOT / "docs/extending.md") if block.title == "my_lab.py"]
    assert "read_bars" in module and module.startswith("# my_lab.py")
    (folder / "my_lab.py").write_text(module)
    (folder / "my-sweep.yaml").write_text(yaml_text.dumps(SWEEP))
    return folder


@pytest.fixture
def lab(tmp_path) -> Path:
    return write_lab(tmp_path)


def bth(lab: Path, *words: str, plugins: str = "my_lab") -> fresh_process.Finished:
    return fresh_process.bth(*words, cwd=lab, BENEVOLENT_PLUGINS=plugins)


def test_what_a_module_adds_is_listed_and_planned(lab):
    listed = bth(lab, "list", "models")
    assert "tiny" in listed.stdout and "One hidden layer." in listed.stdout
    planned = bth(lab, "plan", "my-sweep.yaml")
    assert planned.returncode == 0 and "16 runs" in planned.stdout, planned.stderr


def test_without_the_module_its_names_are_unknown(lab):
    refused = bth(lab, "plan", "my-sweep.yaml", plugins="")
    assert refused.returncode == 2 and "unknown" in refused.stderr and refused.stderr.count("\n") == 1
    missing = bth(lab, "plan", "my-sweep.yaml", plugins="no_such_module")
    assert missing.returncode == 2 and "BENEVOLENT_PLUGINS: no_such_module cannot be imported" in missing.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The lab after `bth run`, with the configurations that its processes made in the file `counted`."""
    lab = write_lab(tmp_path_factory.mktemp("lab"))
    (lab / "counting.py").write_text(COUNTING)
    environment = os.environ | {
        "BENEVOLENT_PLUGINS": "my_lab,counting",
        "COUNTED": str(lab / "counted"),
        "PYTHONPATH": str(ROOT / ".import"),
        "RAY_AUTH_MODE": "disabled",
    }
    command = [sys.executable, "-c", fresh_process.BTH, "run", "my-sweep.yaml"]
    done = subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return lab


@pytest.mark.slow
def test_a_sweep_of_them_is_trained_and_measured_by_workers(trained):
    parts = pd.concat(pd.read_parquet(path) for path in trained.glob("results/mine/cohorts/*/runs/*.parquet"))
    assert len(parts) == 16 and set(parts.status) == {"converged"}
    measures = pd.concat(pd.read_parquet(path) for path in trained.glob("results/mine/measures/*.parquet"))
    assert set(measures.run_id) == set(parts.run_id)
    (plan_file,) = trained.glob("results/mine/plan/runs-*.parquet")
    planned = pd.read_parquet(plan_file)
    assert set(planned["model.family"]) == {"tiny"} and set(planned["init.edit"].fillna("")) == {"", "flip"}


@pytest.mark.slow
def test_driver_and_workers_together_make_one_config_for_every_run(trained):
    """Counts every `RunConfig`, validated or copied, in all processes of a real `bth run`, by process and run.

    The driver makes a few, for the rules of compatibility, and one for each cohort, for the time that it takes; the
    trials make one for each run; the actors that measure make none. Parents of pruned runs are read section by section,
    and so are runs that are measured.
    """
    made = [line.split() for line in (trained / "counted").read_text().splitlines()]
    driver = made[0][0]
    (plan_file,) = trained.glob("results/mine/plan/runs-*.parquet")
    plan = pd.read_parquet(plan_file)
    run_ids = set(plan.run_id)
    assert len(run_ids) == 16
    assert Counter(run_id for process, run_id in made if process != driver) == dict.fromkeys(run_ids, 1)
    assert sum(process == driver for process, _ in made) < 10 + plan.cohort_id.nunique()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("*, width=4", "argument 'width' needs an annotation, as in width: int"),
        ("*, width: 'Width' = 4", "argument 'width': name 'Width' is not defined"),
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
    module.write_text(module.read_text().replace("train=(60, 60)", "train=(60, 70)"))
    line = "what it reads is not what it declares (train: examples of each class (60, 60), declared (60, 70))"
    for words in (("data", "fetch", "bars"), ("plan", "my-sweep.yaml")):
        refused = bth(lab, *words)
        assert refused.returncode == 2 and refused.stderr == f"error: data.name = 'bars': its reader: {line}\n"


def test_results_that_need_a_module_name_it(lab):
    make = (
        "from benevolent.orchestrator.sweep import prepare_anew; "
        "from benevolent.orchestrator.spec.load_spec import load_spec; "
        "from benevolent.trainables.store.folder import Folder; "
        "spec = load_spec('my-sweep.yaml'); prepare_anew(Folder('results/mine'), spec)"
    )
    made = fresh_process.python(make, cwd=lab, BENEVOLENT_PLUGINS="my_lab")
    assert made.returncode == 0, made.stderr
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
    done = fresh_process.python(program, cwd=lab, BENEVOLENT_PLUGINS="my_lab")
    assert done.returncode == 0 and "family='tiny'" in done.stdout, done.stderr
