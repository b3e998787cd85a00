"""The benchmark of GPUs runs on a CPU, by every path at tiny size."""

import sys
from pathlib import Path

import pytest

from benevolent.trainables.stack import recorded_step

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(recorded_step, "BACKEND", recorded_step.BACKEND)  # which the tiny mode replaces
    import gpu

    yield gpu
    for name in ("gpu", "gpu_jax"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_every_path_runs_at_tiny_size(gpu, capsys, tmp_path):
    before = {path.name for path in (BENCHMARKS / "results").iterdir()}
    assert gpu.main(["--cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "no GPU was measured" in lines[0]
    for program in ("eager", "recorded", "compiled"):
        rows = [line.split() for line in lines if line.startswith(program)]
        assert len(rows) == 2 and all(len(row) == 10 and float(row[3]) > 0 for row in rows)
    assert sum(line.startswith("jax") for line in lines) == 2  # measured, or why not
    assert any("values per second" in line for line in lines)
    assert {path.name for path in (BENCHMARKS / "results").iterdir()} == before


def test_rows_without_time_are_left_out_with_a_line(gpu, capsys):
    gpu.main(["--cpu", "--seconds", "0"])
    out = capsys.readouterr().out
    assert "eager          2 left out: " in out and "jax            2 left out: " in out
