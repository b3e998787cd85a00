"""Runs as event files of TensorBoard: a folder for each run, with its history, configuration and final numbers."""

import logging
import math
import shutil
import uuid
from pathlib import Path
from typing import Any

from benevolent.analysis.results import Results
from benevolent.analysis.trackers.exported_run import ExportCount, ExportedRun, exported_runs, imported
from benevolent.trainables.errors import BadInput
from benevolent.trainables.quiet_logs import quiet_log

#: Types of values that TensorBoard's table of hyperparameters shows.
SHOWN = (bool, int, float, str)


def write_event_files(results: Results, out: str | Path, replace: bool = False) -> ExportCount:
    """Write the runs that have ended, each into the folder of its id; `tensorboard --logdir OUT` shows them.

    A folder is there whole or not at all.

    Args:
        results: to write.
        out: a folder on this machine.
        replace: write runs again that are there already.

    Raises:
        BadInput: tensorboardX is not installed, or `out` is not on this machine.
    """
    if "://" in str(out):
        raise BadInput(f"--out {out}: TensorBoard's files can be written to a folder on this machine only")
    package = imported("tensorboardX", "tensorboard")
    written = 0
    present = 0
    for run in exported_runs(results):
        folder = Path(out) / run.run_id
        if folder.exists() and not replace:
            present += 1
            continue
        unfinished = Path(out) / f".{run.run_id}-{uuid.uuid4().hex}"
        # It warns of every number that is not finite, and does not say which one it is.
        with quiet_log("tensorboardX", logging.ERROR):
            _write(package.SummaryWriter(logdir=str(unfinished)), run)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
        written += 1
    return ExportCount(written, present)


def _write(events: Any, run: ExportedRun) -> None:
    from tensorboardX.summary import hparams

    for name, step, value in run.history[["name", "step", "value"]].itertuples(index=False):
        events.add_scalar(name, value, step)
    config = {name: value if isinstance(value, SHOWN) else str(value) for name, value in run.config.items()}
    final = {f"final/{name}": value for name, value in run.summary.items() if math.isfinite(value)}
    for name, value in final.items():
        events.add_scalar(name, value)
    # `add_hparams` would write a second file, with the name of the first if it is the same second
    for summary in hparams(config, final):
        events.file_writer.add_summary(summary)
    events.add_text("run", ", ".join(f"{name}: {value}" for name, value in run.tags.items()))
    events.close()
