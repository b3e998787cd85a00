"""Train and measure a sweep in this process, in the order in which Ray would."""

import importlib
import os
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from rich.console import Console

from benevolent.analysis.measures.missing_measures import ExistingMeasures, missing_jobs
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.planned_runs import first_replicates
from benevolent.orchestrator import reporting, sweep
from benevolent.orchestrator.results_folder import read_from
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import TrainingSummary, prepare_anew
from benevolent.orchestrator.training import ray_session
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.starting import start_training


def train_sweep(
    spec: SweepSpec, out: str, console: Console | None = None, address: str | None = None
) -> TrainingSummary:
    """Train what is missing and measure it, as `orchestrator.sweep.train_sweep` does with Ray."""
    results = Folder(out)
    todo, done = prepare_anew(results, spec)
    return train_and_measure(results, spec.record, spec.resources, todo, done)


def train_and_measure(
    results: Folder,
    record: RecordConfig,
    resources: ResourcesConfig,
    todo: Sequence[Manifest],
    done: Sequence[str],
    *others: Any,
    **more: Any,
) -> TrainingSummary:
    """Train and measure, as `orchestrator.train_and_measure.train_and_measure` does with Ray and a display."""
    for cohort in todo:
        assert start_training(results, cohort.cohort_id, save_every_seconds=1e9).advance(1e9).done
    cohorts = [*done, *(cohort.cohort_id for cohort in todo)]
    jobs = missing_jobs(ExistingMeasures(results), cohorts, record.names, record.measure_at == "checkpoints")
    for job in jobs:
        measure_file(results, job, trust=True)
    return TrainingSummary(sum(len(cohort.runs) for cohort in todo), len(jobs), [])


def replace_ray(patch: pytest.MonkeyPatch) -> None:
    """Let commands train and measure in their own process: a start of Ray costs more than a small sweep."""
    torch.set_num_threads(1)  # as in workers: the tests beside this one need the other cores
    patch.setattr(os, "fsync", lambda descriptor: None)  # as in `conftest.py`
    patch.setattr(sweep, "train_and_measure", train_and_measure)
    patch.setattr(sweep, "measure_folders", measure_folders)
    patch.setattr(ray_session, "ray_starts_meanwhile", nullcontext)


def shorten_reports(patch: pytest.MonkeyPatch) -> None:
    """Let reports judge with few permutations and draw nothing, where a test only needs that there is one."""
    patch.setattr(reporting, "judge", partial(reporting.judge, permutations=20, resamples=20))
    leave_out_figures(patch)


def leave_out_figures(patch: pytest.MonkeyPatch) -> None:
    """Let reports draw nothing: figures take most of their time."""
    module = importlib.import_module("benevolent.analysis.report.render")  # the package has a function of that name
    patch.setattr(module, "gallery", lambda *_: [])


def measure_folders(
    folders: Sequence[Folder],
    measures: Sequence[str],
    checkpoints: bool,
    resources: ResourcesConfig,
    console: Console,
    address: str | None = None,
    trust: bool = False,
    most_replicates: int | None = None,
) -> TrainingSummary:
    """Measure what is missing, as `orchestrator.measure_folders.measure_folders` does with Ray."""
    measured = 0
    for results in folders:
        run_ids = None if most_replicates is None else first_replicates(results, most_replicates)
        jobs = missing_jobs(ExistingMeasures(results), read_from(results), measures, checkpoints, run_ids)
        for job in jobs:
            measure_file(results, job, trust)
        measured += len(jobs)
    return TrainingSummary(0, measured, [])
