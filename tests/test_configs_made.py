"""How many `RunConfig`s a sweep makes in all of its processes."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benevolent.analysis.results import load_results
from benevolent.orchestrator.spec import yaml_text

ROOT = Path(__file__).parents[1]
#: A plugin, which every process that reads configurations imports.
COUNTING = """
import os
from benevolent.trainables.config.base import Section

original = Section.__init__

def counted(self, **values):
    original(self, **values)
    if type(self).__name__ == "RunConfig":
        with open(os.environ["COUNTED"], "a") as file:
            file.write(f"{os.getpid()} {self.run_id}\\n")

Section.__init__ = counted
"""


def test_driver_and_workers_together_make_one_config_for_every_run(tmp_path):
    """Counts every `RunConfig`, validated or copied, in all processes of a real `bth run`, by process and run.

    The driver makes a few, for the rules of compatibility; the trials make one for each run; the actors that measure
    make none. Parents of pruned runs are read section by section, and so are runs that are measured.
    """
    (tmp_path / "counting.py").write_text(COUNTING)
    base = {"data": {"train_size": 40}, "model": {"width": 4}, "stop": {"train_loss": None, "max_epochs": 1}}
    grid = {"init.scale": [1, 2], "prune.fraction": [0, 0.5]}
    record = {"measures": ["parameter_norm"]}
    spec = {"name": "t", "base": base, "grid": grid, "seeds": 4, "record": record}
    (tmp_path / "t.yaml").write_text(yaml_text.dumps(spec))
    env = os.environ | {"COUNTED": str(tmp_path / "counted"), "BENEVOLENT_PLUGINS": "counting"}
    env |= {"PYTHONPATH": f"{tmp_path}:{ROOT / '.import'}", "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", "from benevolent.orchestrator.cli.main import main; main()", "run", "t.yaml"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, timeout=300)
    made = [line.split() for line in (tmp_path / "counted").read_text().splitlines()]
    driver = made[0][0]
    runs = set(load_results(tmp_path / "results/t").measures["run_id"])
    assert len(runs) == 16
    assert Counter(run_id for process, run_id in made if process != driver) == dict.fromkeys(runs, 1)
    assert sum(process == driver for process, _ in made) < 10
