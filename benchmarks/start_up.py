"""Seconds from `bth run` to the first training step, to the first measures, to the report, and to its end.

    python benchmarks/start_up.py [--repeats 3] [--sweep quickstart --set seeds=5]

Without `--sweep`, four tiny networks are trained, so that nearly all of the time is start-up. Times are those of the
files that a run leaves, from the start of the command. Baselines are a Python that imports torch, and one that starts
Ray, each on its own.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TINY = """
name: tiny
base:
  data: {name: digits, train_size: 200}
  model: {family: mlp, depth: 2, width: 16}
  optimizer: {lr: 0.05, batch_size: 32}
  stop: {max_epochs: 2}
grid:
  init.scale: [0.5, 1]
seeds: 2
"""
BTH = "from benevolent.orchestrator.cli.entry import main; main()"
BASELINES = {
    "python -c 'import torch'": "import torch",
    "ray.init()": "import ray; ray.init('local', include_dashboard=False, log_to_driver=False, logging_level='ERROR')",
}
#: The file that is written just before the first step, and those that mark later stages.
STAGES = {
    "the plan is written": "plan/runs-*.parquet",
    "first training step": "cohorts/*/stacks.json",
    "first measures": "measures/*.parquet",
    "the verdicts": "report/verdicts.json",
    "the page": "report/index.html",
}


def seconds_of(program: str, words: Sequence[str] = ()) -> float:
    """Return how long a Python program takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True)
    return time.perf_counter() - start


def stages_of(words: Sequence[str], folder: Path) -> dict[str, float]:
    """Run a sweep into a new folder; return the seconds until each stage."""
    out = folder / "results"
    start = time.time()
    total = seconds_of(BTH, ["run", *words, "--out", str(out)])
    stages = {}
    for stage, pattern in STAGES.items():
        stages[stage] = min(file.stat().st_mtime for file in out.glob(pattern)) - start
    return stages | {"the end of the command": total}


def main() -> None:
    """Print the median of each time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sweep", help="a sweep, as `bth run` takes it")
    parser.add_argument("--set", action="append", default=[], help="a change of it")
    options = parser.parse_args()

    print(f"seconds, median of {options.repeats}; Python {platform.python_version()} on {platform.machine()}")
    for name, program in BASELINES.items():
        print(f"{name:<28}{statistics.median(seconds_of(program) for _ in range(options.repeats)):6.1f}", flush=True)
    times = []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix="benevolent-") as place:
            tiny = Path(place, "tiny.yaml")
            tiny.write_text(TINY)
            changes = [word for change in options.set for word in ("--set", change)]
            times.append(stages_of([options.sweep or str(tiny), *changes], Path(place)))
    print(f"bth run {options.sweep or 'of four tiny networks'}, until")
    for stage in times[0]:
        print(f"  {stage:<26}{statistics.median(time[stage] for time in times):6.1f}")


if __name__ == "__main__":
    main()
