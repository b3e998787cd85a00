"""The page on speed shows what is computed from the kept prints, and the computation reads them rightly."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def million_runs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("million_runs", ROOT / "benchmarks" / "million_runs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_kept_prints_give(million_runs):
    page = (ROOT / "docs" / "speed.md").read_text()
    shown = re.search(r"^```text\n(1,000,000 runs .*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    computed = million_runs.lines(million_runs.measured_constants())
    assert shown.splitlines() == computed, "write what `python benchmarks/million_runs.py` prints into docs/speed.md"


def test_constants_are_of_each_further_run(million_runs, tmp_path, monkeypatch):
    heading = "        runs    plan s   plan GB   train s  train GB   judge s  judge GB    loop s        MB\n"
    rows = ["1 9 9 9 9 9 9 9 9"] + ["1,000 0 1 10 1.0 5 2.0 4 3.0", "2,000 0 1 14 1.5 8 2.2 6 7.0"]
    (tmp_path / "growth.txt").write_text("A note.\n" + heading + "\n".join(rows) + "\n       slope      1\n")
    (tmp_path / "simulated_cluster.txt").write_text("utilization 75.0% after warm-up; 712 s in all\n")
    plan = "{} seeds: 1,000,000 runs in 7 cohorts, {} s (1 s of CPU), peak {} MB (623 MB after imports)\n"
    (tmp_path / "planning.txt").write_text(plan.format(1, 3.5, 700) + plan.format(2, 2, 900))
    monkeypatch.setattr(million_runs, "RESULTS", tmp_path)
    found = million_runs.measured_constants()
    expected = {"utilization": 0.75, "planning_seconds": 3.5, "planning_gb": 0.9, "overhead_seconds": 0.002}
    expected |= {"driver_bytes": 5e5, "report_bytes": 2e5, "report_seconds": 0.003, "disk_bytes": 4000.0}
    assert found._asdict() == pytest.approx(expected)
    assert "training       22.2 h and $2,222, at 10 runs per GPU and minute" in million_runs.lines(found)
