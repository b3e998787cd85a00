"""Seconds of CPU behind the prices of `orchestrator/estimates/prices.py`: `python benchmarks/prices.py`.

The quickstart's networks are trained, measured and reported on in this process, on one thread. Each price is solved
from as many times as there are unknowns: epochs and measures of two widths, and reports on two numbers of runs and of
predictors. The first price is that of the probe, by which other machines are compared with this one. The print of a run
is kept in `results/prices.txt`.
"""

import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from benevolent.analysis.measures.missing_measures import ExistingMeasures, missing_jobs
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.estimates import prices
from benevolent.orchestrator.estimates.detectable import predictors_of
from benevolent.orchestrator.estimates.machine_pace import probe_seconds
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.reporting import report
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.starting import start_training

WIDTHS = (32, 128)
#: Of networks whose epochs are timed: the time of a step is nearly all in small ones.
TRAINED_WIDTHS = (8, 128)
EPOCHS = 12
EVERY_EPOCH = f"record.epochs={[*range(EPOCHS)]}"
LONG = (
    "grid.prune.fraction=[0]",
    "resources.cohort_size=120",  # as on two cores: a step of fewer runs costs each of them more
    "record.epochs=[0]",  # else most of these few epochs are recorded
    "base.stop.train_loss=null",
    f"base.stop.max_epochs={EPOCHS}",
)
#: Runs that end soon, most of them at their target: reports then judge two sets of runs, as usual.
SHORT = ("base.stop.train_loss=1.5", "base.stop.max_epochs=8")
SEEDS = (1, 5)
FEW_MEASURES = "record.measures=[path_norm]"
MORE_OUTCOMES = "judging.outcomes=[test_loss, test_error, test_ece, loss_gap]"
IMPORTED_BY_ACTOR = "import benevolent.trainables.training.imported_ahead"


class Report(NamedTuple):
    """A report: runs, predictors, outcomes that are judged, and the seconds that it took."""

    runs: int
    predictors: int
    outcomes: int
    seconds: float


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def sweep(*changes: str) -> SweepSpec:
    """Return the quickstart with some changes."""
    return load_spec("quickstart", changes)


def epoch_seconds(width: int, *changes: str) -> tuple[Manifest, float]:
    """Return a cohort of networks of this width, and the median of the seconds of an epoch of each."""
    with tempfile.TemporaryDirectory() as place:
        (cohort,), _ = prepare_anew(Folder(place), sweep(f"grid.model.width=[{width}]", *LONG, *changes))
        training = start_training(Folder(place), cohort.cohort_id)
        seconds = [cpu_seconds(training.advance_epoch) for _ in range(EPOCHS)]
    return cohort, statistics.median(seconds) / len(cohort.runs)


def trained(spec: SweepSpec, results: Folder) -> list[Manifest]:
    """Train a sweep; return its cohorts."""
    cohorts, _ = prepare_anew(results, spec)
    for cohort in cohorts:
        assert start_training(results, cohort.cohort_id).advance(float("inf")).done
    return cohorts


def measuring_seconds(spec: SweepSpec, results: Folder, cohorts: Sequence[Manifest]) -> dict[int, float]:
    """Measure a sweep; return the seconds of one measure of one network, in the mean, for each width."""
    measures = len(select(spec.record.names))
    seconds = dict.fromkeys(WIDTHS, 0.0)
    networks = dict.fromkeys(WIDTHS, 0)
    for cohort in cohorts:
        width = width_of(cohort)
        for job in missing_jobs(ExistingMeasures(results), [cohort.cohort_id], spec.record.names, checkpoints=False):
            start = time.process_time()
            networks[width] += measure_file(results, job).networks
            seconds[width] += time.process_time() - start
    return {width: seconds[width] / networks[width] / measures for width in WIDTHS}


def width_of(cohort: Manifest) -> int:
    """Return the width of the networks of a cohort."""
    return int(cohort.runs[0].values["model"]["width"])


def solved(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    """Return the prices of the columns that give these seconds."""
    return [float(price) for price in np.linalg.solve(np.array(rows), np.array(seconds))]


def print_prices(names: Sequence[str], found: Sequence[float]) -> None:
    """Print prices beside those that are in use."""
    for name, price in zip(names, found, strict=True):
        in_use = getattr(prices, name)
        print(f"{name:<32}{price:10.2g}{in_use:10.2g}{price / in_use:8.2f}", flush=True)


def training() -> None:
    """Print the prices of training."""
    rows = []
    seconds = []
    for width in TRAINED_WIDTHS:
        cohort, of_epoch = epoch_seconds(width)
        run = cohort.configs[0]
        rows.append([run.steps_per_epoch, network_cost(run).epoch_flops()])
        seconds.append(of_epoch)
    per_step, per_flop = solved(rows, seconds)
    print_prices(["SECONDS_PER_STEP", "SECONDS_PER_FLOP"], [per_step, per_flop])
    recorded, of_recorded = epoch_seconds(TRAINED_WIDTHS[0], EVERY_EPOCH)
    run = recorded.configs[0]
    held_out = run.data.validation_size + run.data.test_size
    record = of_recorded - seconds[0] - per_flop * network_cost(run).flops * held_out
    print_prices(["SECONDS_PER_RECORD"], [record])


def measuring_and_reports() -> None:
    """Print the prices of measuring and of reports."""
    reports = []
    for seeds in SEEDS:
        spec = sweep(f"seeds={seeds}", *SHORT)
        few = sweep(f"seeds={seeds}", FEW_MEASURES, *SHORT)
        with tempfile.TemporaryDirectory() as place:
            results = Folder(place)
            cohorts = trained(spec, results)
            runs = sum(len(cohort.runs) for cohort in cohorts)
            measuring_seconds(few, results, cohorts)  # and what is imported for the first time
            if seeds > 1:
                reports.append(timed_report(few, results, runs))
            of_width = measuring_seconds(spec, results, cohorts)
            reports.append(timed_report(spec, results, runs))
            many = timed_report(sweep(f"seeds={seeds}", MORE_OUTCOMES, *SHORT), results, runs)
    rows = []
    for width in WIDTHS:
        run = next(cohort.configs[0] for cohort in cohorts if width_of(cohort) == width)
        rows.append([1, prices.epoch_seconds(run)])
    names = ["SECONDS_PER_MEASURE", "EPOCHS_PER_MEASURE"]
    print_prices(names, solved(rows, [of_width[width] for width in WIDTHS]))
    rows = [[1, about.predictors, about.predictors * about.runs] for about in reports]
    names = ["SECONDS_PER_REPORT", "SECONDS_PER_PREDICTOR", "SECONDS_PER_PREDICTOR_AND_RUN"]
    found = solved(rows, [about.seconds for about in reports])
    print_prices(names, found)
    one = reports[-1]
    further = (many.seconds - one.seconds) / (many.outcomes - one.outcomes) / (one.seconds - found[0])
    print_prices(["SHARE_PER_OUTCOME"], [further])
    for about in [*reports, many]:
        in_use = prices.report_seconds(about.runs, about.predictors, about.outcomes)
        counts = f"{about.runs} runs, {about.predictors} predictors, {about.outcomes} outcomes"
        print(f"  {counts}: {about.seconds:.1f} s, in use {in_use:.1f} s")


def timed_report(spec: SweepSpec, results: Folder, runs: int) -> Report:
    """Return a report on a sweep, and what it took."""
    seconds = cpu_seconds(lambda: report(results, spec, anew=True))
    return Report(runs, len(predictors_of(spec.record)), len(spec.judging.outcomes), seconds)


def start_of_actor() -> None:
    """Print the price of the imports of a process that measures."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTED_BY_ACTOR], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print_prices(["SECONDS_PER_ACTOR"], [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime])


def main() -> None:
    """Print every price."""
    torch.set_num_threads(1)
    print(f"seconds of CPU; Python {platform.python_version()} on {platform.machine()}")
    print(f"{'':<32}{'found':>10}{'in use':>10}{'ratio':>8}", flush=True)
    print_prices(["SECONDS_PER_PROBE"], [probe_seconds()])
    start_of_actor()
    training()
    measuring_and_reports()


if __name__ == "__main__":
    main()
