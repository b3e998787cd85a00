"""How busy are the workers of a large cluster? `python benchmarks/simulated_cluster.py [--workers 64 --actors 100]`.

The driver, Ray Tune, the order of the cohorts and the queue of measures are those of `bth run`. What is simulated is
the work: a cohort sleeps for a minute and reports once a second, an actor that measures sleeps for a second, and none
of them imports torch, so that a small machine holds their processes. The print says which part of the workers' time was
slept in cohorts, from the moment at which every worker has started one to the moment at which none is left to start,
and how far the driver's loop fell behind. The print of a run is kept in `results/simulated_cluster.txt`.
"""

import argparse
import os
import time
from typing import Any, NamedTuple

import numpy as np
import ray
from kernels import processor
from ray import tune

from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob
from benevolent.orchestrator.measuring import measure_pool
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training import ray_tune
from benevolent.orchestrator.training.placement import Placement
from benevolent.orchestrator.training.ray_session import SETTINGS, ray_cluster
from benevolent.trainables.store.folder import Folder

SECONDS_OF_A_MEASURE = 1.0
FILES_OF_A_COHORT = 10
#: Processes that Ray starts at once: more starve one another on a small machine.
STARTING_AT_ONCE = 4
SECONDS_TO_START = 900


class SimulatedCohort(NamedTuple):
    """What the scheduler reads of a manifest."""

    cohort_id: str
    waits_for: tuple[str, ...] = ()


class SleptFile(NamedTuple):
    """What the pool reads of a measured file; a `MeasuredFile` would import torch where an actor makes it."""

    networks: int = 1
    errors: int = 0


class SleepingMeasureActor:
    """Measures a file by sleeping."""

    def __init__(self, gpus: float, trust: bool, data_references: Any) -> None:
        pass

    def measure(self, results: str, job: Any) -> SleptFile:
        """Sleep as long as a file takes."""
        time.sleep(SECONDS_OF_A_MEASURE)
        return SleptFile()


class MeasureJobOfACohort(NamedTuple):
    """What the pool reads of a job."""

    cohort_id: str
    parameter_file: str
    measures: tuple[str, ...] = ("sleep",)

    @property
    def output(self) -> str:
        """Name of the work."""
        return f"{self.cohort_id}/{self.parameter_file}"


class WholeFiles(ExistingMeasures):
    """Of a folder without files; no job is split."""

    def split(self, job: MeasureJob, together: int, most: int) -> list[MeasureJob]:
        """Return the job."""
        return [job]


def sleeping_trainable(seconds: int) -> type[tune.Trainable]:
    """Return a trainable whose cohorts sleep for some seconds; it is sent to workers by value."""

    class SleepingCohort(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.began = 0.0
            self.steps = 0

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            self.began = self.began or time.time()
            time.sleep(1)
            self.steps += 1
            done = self.steps == seconds
            files = [str(number) for number in range(FILES_OF_A_COHORT)] if done else []
            return {"began": self.began, "now": time.time(), "done": done, "files": files, "saved": self.steps}

    return SleepingCohort


class Reports:
    """Collects when cohorts slept, and how late their reports arrived."""

    def __init__(self, pool: measure_pool.MeasurePool) -> None:
        self.pool = pool
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.delays: list[float] = []
        self.turns = 0

    def on_progress(self, cohort_id: str, result: dict[str, Any]) -> None:
        """Take in a report."""
        self.began[cohort_id] = result["began"]
        self.ended[cohort_id] = result["now"]
        self.delays.append(time.time() - result["now"])
        for file in result["files"]:
            self.pool.submit(WholeFiles(Folder(".")), MeasureJobOfACohort(cohort_id, file))

    def on_tick(self, training: bool) -> None:
        """Let the pool work."""
        self.turns += 1
        self.pool.poll()

    def utilization(self, workers: int) -> float:
        """Part of the workers' time that was slept, after warm-up and before the last cohorts."""
        starts = np.sort(list(self.began.values()))
        first, last = starts[workers - 1], starts[-1]
        slept = 0.0
        for cohort_id, began in self.began.items():
            slept += max(0.0, min(self.ended[cohort_id], last) - max(began, first))
        return slept / (workers * (last - first))


def main() -> None:
    """Simulate a cluster and print how busy it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--actors", type=int, default=100)
    parser.add_argument("--cohorts", type=int, default=10, help="of each worker")
    parser.add_argument("--seconds", type=int, default=60, help="of each cohort")
    arguments = parser.parse_args()
    workers = arguments.workers
    ray_tune.CohortTrainable = sleeping_trainable(arguments.seconds)  # type: ignore[misc, assignment]
    measure_pool.MeasureActor = SleepingMeasureActor  # type: ignore[misc, assignment]
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    settings = {
        "worker_maximum_startup_concurrency": STARTING_AT_ONCE,
        "worker_register_timeout_seconds": SECONDS_TO_START,
    }
    ray.init(
        "local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=256 * 2**20,
        _system_config=settings,
    )
    cohorts = [SimulatedCohort(f"{number:04d}") for number in range(workers * arguments.cohorts)]
    with ray_cluster(None):
        pool = measure_pool.MeasurePool(Placement(workers, (None,) * arguments.actors))
        reports = Reports(pool)
        start = time.monotonic()
        failed = ray_tune.train_cohorts(
            Folder("."), cohorts, set(), ResourcesConfig(), 60.0, reports.on_progress, reports.on_tick, print
        )
        trained = time.monotonic() - start
        while pool.busy:
            pool.poll(0.2)
        measured = time.monotonic() - start
    assert not failed and not pool.errors and pool.done == FILES_OF_A_COHORT * len(cohorts)
    delays = np.array(reports.delays)
    print(f"{workers} workers, {len(cohorts)} cohorts of {arguments.seconds} s, {arguments.actors} actors that measure")
    print(f"utilization {reports.utilization(workers):.1%} after warm-up; {trained:.0f} s in all, start included")
    halves = np.array_split(delays, 2)
    late = [f"{np.median(half):.2f} s (95%: {np.quantile(half, 0.95):.2f} s)" for half in halves]
    print(f"{len(delays):,} reports reached the driver after {late[0]} in the first half, {late[1]} in the second")
    print(f"{pool.done:,} files measured, the last {measured - trained:.0f} s after the last cohort")
    print(processor())


if __name__ == "__main__":
    main()
