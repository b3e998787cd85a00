"""Runs in a project of Weights & Biases."""

import os
from pathlib import Path
from typing import Any

from benevolent.analysis.results import Results
from benevolent.analysis.trackers.exported_run import ExportCount, ExportedRun, exported_runs, imported


def log_to_wandb(results: Results, project: str, out: str | Path | None = None, offline: bool = False) -> ExportCount:
    """Log the runs that have ended to a project of Weights & Biases, with their history.

    A run has the id of ours, so that a second export continues the same run and does not add another one.

    Args:
        results: to log.
        project: name of the project.
        out: folder for the files of wandb; its subfolder `wandb`. By default the working directory.
        offline: only write files, which `wandb sync` uploads.

    Raises:
        BadInput: wandb is not installed.
    """
    wandb = imported("wandb", "wandb")
    folder = Path(out or ".")
    folder.mkdir(parents=True, exist_ok=True)
    mode = "offline" if offline else os.environ.get("WANDB_MODE", "online")
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    written = 0
    for run in exported_runs(results):
        begun = wandb.init(
            project=project,
            id=run.run_id,
            name=run.name,
            group=run.tags.get("configuration"),
            config={**run.config, "benevolent": run.tags},
            mode=mode,
            resume=None if mode == "offline" else "allow",
            dir=str(folder),
            settings=settings,
        )
        _log(begun, run)
        begun.finish()
        written += 1
    return ExportCount(written, 0)


def _log(begun: Any, run: ExportedRun) -> None:
    """Log a row for each step that was recorded; the curves are drawn against the epoch."""
    begun.define_metric("epoch")
    begun.define_metric("*", step_metric="epoch")
    for number, (step, rows) in enumerate(run.history.groupby("step", sort=True)):
        values = dict(zip(rows["name"], rows["value"], strict=True))
        begun.log({**values, "epoch": rows["epoch"].max(), "training_step": int(step)}, step=number)
    begun.summary.update(run.summary)
