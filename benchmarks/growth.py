"""How the cost of a sweep grows, from its plan to its verdicts: `python benchmarks/growth.py`.

One quantity is doubled again and again, and all else stays as it is: the runs of a sweep, its cohorts, the examples,
the width of a network, the checkpoints of a run. Each size is a sweep in a folder of its own; planning, training and
judging are processes of their own, as they are commands of their own. A line for each size, then the slope of every
column: the exponent b of size^b, by least squares over the logarithms of the sizes' larger half. Above 1 the cost grows
faster than the sweep. A print of the larger numbers of runs is kept in `results/growth.txt`.

    python benchmarks/growth.py                      # all
    python benchmarks/growth.py runs --largest 1920
    python benchmarks/growth.py cohorts --smallest 2048    # one size

`simulated_cluster.py --cohorts 32` prints how far the driver's loop falls behind with as many cohorts.
"""

import argparse
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kernels import processor
from rich.console import Console

from benevolent.analysis.results import load_results
from benevolent.orchestrator import sweep
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.reporting import report
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.store.folder import Folder

DATA = {"name": "disk", "train_size": 100, "validation_size": 50, "test_size": 100}
MODEL = {"family": "mlp", "width": 8, "depth": 2}
OPTIMIZER = {"lr": 0.05, "batch_size": 50}
GRID = {"init.scale": [0.5, 0.7, 1, 1.4], "optimizer.momentum": [0, 0.9], "optimizer.weight_decay": [0, 1e-3]}
CONFIGURATIONS = 16  # of `GRID`
SIZES_FOR_A_SLOPE = 4


class Growth(NamedTuple):
    """What is doubled, from the smallest size to the largest, and the sweep of a size."""

    smallest: int
    largest: int
    sweep_of: Callable[[int], dict[str, Any]]


class Stage(NamedTuple):
    """What a stage of a sweep took."""

    seconds: float
    peak_gb: float
    training_seconds: float = 0.0


def tiny_sweep(seeds: int = 10, epochs: int = 10, **base: dict[str, Any]) -> dict[str, Any]:
    """A sweep of 16 configurations of tiny networks; `base` adds to the sections of their configs."""
    sections = {"data": DATA, "model": MODEL, "optimizer": OPTIMIZER}
    for name, fields in base.items():
        sections[name] = sections[name] | fields
    stop = {"train_loss": None, "max_epochs": epochs}
    record = {"measures": ["parameter_norm"]}
    return {"name": "growth", "base": sections | {"stop": stop}, "grid": GRID, "seeds": seeds, "record": record}


def with_checkpoints(number: int) -> dict[str, Any]:
    """Give each run a number of checkpoints, at which its network is kept and measured."""
    spec = tiny_sweep(epochs=256)
    step = 256 // number
    spec["record"] |= {"epochs": list(range(step, 257, step)), "measure_at": "checkpoints"}
    return spec


def in_single_cohorts(runs: int) -> dict[str, Any]:
    """Train each run in a cohort, that is a trial of Ray Tune, of its own."""
    return tiny_sweep(seeds=runs // CONFIGURATIONS) | {"resources": {"cohort_size": 1}}


GROWTHS = {
    "runs": Growth(240, 30_720, lambda runs: tiny_sweep(seeds=runs // CONFIGURATIONS)),
    "cohorts": Growth(128, 2048, in_single_cohorts),
    "examples": Growth(500, 64_000, lambda size: tiny_sweep(data={"train_size": size}, optimizer={"batch_size": 500})),
    "width": Growth(16, 1024, lambda width: tiny_sweep(seeds=2, model={"width": width, "depth": 3})),
    "checkpoints": Growth(4, 256, with_checkpoints),
}


def plan_stage(spec: SweepSpec, out: str) -> Stage:
    """Plan and estimate a sweep."""
    start = time.perf_counter()
    estimate_sweep(expand(spec))
    return Stage(time.perf_counter() - start, peak_gb())


def train_stage(spec: SweepSpec, out: str) -> Stage:
    """Train a sweep and measure its networks; `training_seconds` is what the cohorts' own loops say."""
    start = time.perf_counter()
    summary = sweep.train_sweep(spec, out, Console(file=io.StringIO()))
    assert not summary.failures, summary.failures
    seconds = time.perf_counter() - start
    peak = peak_gb()
    return Stage(seconds, peak, float(load_results(out).runs["seconds"].sum()))


def judge_stage(spec: SweepSpec, out: str) -> Stage:
    """Read the tables, judge every predictor and write the page."""
    start = time.perf_counter()
    report(Folder(out), spec)
    return Stage(time.perf_counter() - start, peak_gb())


STAGES = {"plan": plan_stage, "train": train_stage, "judge": judge_stage}


def peak_gb() -> float:
    """Most memory that this process has had so far, imports included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def stage_of_its_own(stage: str, growth: str, size: int, out: Path) -> Stage:
    """Run one stage in a new process."""
    command = [sys.executable, __file__, "--stage", stage, "--size", str(size), "--out", str(out), growth]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Stage(*json.loads(printed.splitlines()[-1]))


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def costs_of(growth: str, size: int) -> dict[str, float]:
    """What a sweep of one size took, by column."""
    out = Path(tempfile.mkdtemp(prefix="growth-")) / "results"
    stages = {stage: stage_of_its_own(stage, growth, size, out) for stage in STAGES}
    columns = {}
    for name, stage in stages.items():
        columns[f"{name} s"] = stage.seconds
        columns[f"{name} GB"] = stage.peak_gb
    columns["loop s"] = stages["train"].training_seconds
    columns["MB"] = folder_bytes(out) / 1e6
    shutil.rmtree(out.parent)
    return columns


def sizes_of(growth: Growth, smallest: int | None, largest: int | None) -> Iterator[int]:
    """Yield the sizes, each twice the one before."""
    size = smallest or growth.smallest
    while size <= min(growth.largest, largest or growth.largest):
        yield size
        size *= 2


def slope(sizes: list[int], costs: list[float]) -> float:
    """Exponent b of cost = a * size^b over the larger half of the sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(costs[half:]), 1)[0])


def print_growth(name: str, smallest: int | None, largest: int | None) -> None:
    """Print the costs of every size, and their slopes."""
    sizes = list(sizes_of(GROWTHS[name], smallest, largest))
    table: list[dict[str, float]] = []
    for size in sizes:
        table.append(costs_of(name, size))
        if size == sizes[0]:
            print(f"{name:>12s}" + "".join(f"{column:>10s}" for column in table[0]))
        print(f"{size:12,d}" + "".join(f"{cost:10.2f}" for cost in table[-1].values()), flush=True)
    if len(sizes) >= SIZES_FOR_A_SLOPE:
        slopes = [slope(sizes, [row[column] for row in table]) for column in table[0]]
        print(f"{'slope':>12s}" + "".join(f"{value:10.2f}" for value in slopes))
        if name == "runs":
            print_overhead(sizes, table)
    print(flush=True)


def print_overhead(sizes: list[int], table: list[dict[str, float]]) -> None:
    """Print the milliseconds that each further run adds to a stage, from the middle size to the largest one."""
    middle = len(sizes) // 2
    more_runs = sizes[-1] - sizes[middle]
    for column in ("plan s", "train s", "loop s", "judge s"):
        more_seconds = table[-1][column] - table[middle][column]
        print(f"  each further run: {1000 * more_seconds / more_runs:.2f} ms ({column.removesuffix(' s')})")


def main() -> None:
    """Print all growths, or those that are named; with `--stage`, be the process of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("growth", nargs="*", choices=[*GROWTHS, []], default=[])
    parser.add_argument("--smallest", type=int, help="begin with this size")
    parser.add_argument("--largest", type=int, help="stop at this size")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        spec = SweepSpec.parse(GROWTHS[arguments.growth[0]].sweep_of(arguments.size))
        print(json.dumps(STAGES[arguments.stage](spec, arguments.out)))
        return
    print(processor(), flush=True)
    for name in arguments.growth or GROWTHS:
        print_growth(name, arguments.smallest, arguments.largest)


if __name__ == "__main__":
    main()
