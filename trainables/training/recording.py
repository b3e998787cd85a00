"""Records of a cohort in training: rows of its tables, checkpoints, and the end of every run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack.kernel_names import Kernel
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import write_parameters
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.rows import Rows
from benevolent.trainables.training.running_stack import RunningStack, Tensors
from benevolent.trainables.training.timeline import PhaseTimeline


@dataclass(frozen=True)
class Ends:
    """Runs that stop at one check, each `(K,)` of booleans.

    Attributes:
        stopped: the runs that stop.
        diverged: True for runs among them that have diverged.
        converged: True for runs among them that have met their targets.
    """

    stopped: Tensor
    diverged: Tensor
    converged: Tensor

    def status(self, row: int) -> Status:
        """Return the status of one of the runs that stop."""
        if self.diverged[row]:
            return Status.DIVERGED
        return Status.CONVERGED if self.converged[row] else Status.LIMIT


class Recorder:
    """The rows since the last part, and the files that are new.

    Args:
        files: of the cohort.
        manifest: of the cohort.

    Attributes:
        part: number of the next part.
        seconds: training time of each run so far, by its id.
        inherited: statuses, by run id, of runs that end without training: those of the runs that they were made from.
    """

    def __init__(self, files: CohortFiles, manifest: Manifest) -> None:
        self.files = files
        self.manifest = manifest
        self.part = 0
        self.seconds = dict.fromkeys(manifest.run_ids, 0.0)
        self.inherited: Mapping[str, Status] = {}
        self._new_files: list[str] = []  # that no `Progress` has named yet
        self.rows = Rows()

    def inherit(self, statuses: Mapping[str, Status]) -> None:
        """Set the statuses, by run id, of runs that end without training."""
        self.inherited = statuses

    def resume(self, part: int, seconds: Mapping[str, float]) -> None:
        """Go on with the part of this number, and name all files of parameters that are there as new.

        Args:
            part: the first that is not written yet.
            seconds: training time of each run before it, by its id.
        """
        self.part = part
        self.seconds |= seconds
        self._new_files = self.files.parameter_files()

    def begin_phase(self, phase: str, timeline: PhaseTimeline, kernel: Kernel) -> None:
        """Set the phase of all rows that follow, and the kernel that networks are evaluated by."""
        self.phase = phase
        self.timeline = timeline
        self.kernel = kernel

    def add_seconds(self, run_ids: Sequence[str], seconds: float) -> None:
        """Add the time of one piece of training to each of some runs."""
        for run_id in run_ids:
            self.seconds[run_id] += seconds

    def take_new_files(self) -> list[str]:
        """Return the files of parameters that were written since the last call."""
        new_files = self._new_files
        self._new_files = []
        return new_files

    def position(self, step: int) -> dict[str, Any]:
        """Return the columns `phase`, `step` and `epoch` of a step of the present phase."""
        return {"phase": self.phase, "step": step, "epoch": self.timeline.epoch(step)}

    def record(self, running: RunningStack, index: Tensor, step: int, train: Tensors | None = None) -> None:
        """Add rows of dynamics and outcomes for some runs.

        Args:
            running: all runs.
            index: the runs to record.
            step: at which they are what they are now.
            train: the training outcomes of all runs, if they are known.
        """
        ids = [running.configs[i].run_id for i in index.tolist()]
        last_epoch = self.timeline.epoch_index(max(0, step - 1))
        statistics = running.statistics(last_epoch)
        values = {name: value[index] for name, value in statistics.items()}
        self.rows.add_dynamics(ids, **self.position(step), values=values)
        for split in running.inputs:
            if split == "train" and train is not None:
                outcomes = {name: value[index] for name, value in train.items()}
            else:
                outcomes = running.evaluate(split, self.kernel, index)
            self.rows.add_outcomes(ids, self.phase, step, split, outcomes)

    def checkpoint(self, running: RunningStack, step: int) -> None:
        """Write the parameters of all runs."""
        count = len(running)
        metadata: dict[str, Any] = {"run_id": [config.run_id for config in running.configs]}
        metadata |= {key: [value] * count for key, value in self.position(step).items()}
        metadata["path_length_from_init"] = running.path_lengths.tolist()
        path = paths.checkpoint(self.phase, step, self.files.attempt.name)
        write_parameters(self.files.folder, path, running.stack.tensors, running.stack.masks, metadata)
        self._new_files.append(path)

    def finish(self, running: RunningStack, step: int, ends: Ends, train: Tensors | None = None) -> None:
        """Record the runs that stop, each as it ends, and take them off the stack.

        A run with `stop.snapshot_loss` ends with the parameters of the step whose loss was nearest to that.

        Args:
            running: all runs.
            step: of the phase, now.
            ends: the runs that stop, and their ends.
            train: the training outcomes of all runs, where those that end here are not recorded yet.
        """
        restored = ends.stopped & ~ends.diverged & running.nearest.has_check.cpu()
        steps = torch.full((len(running),), step)
        if restored.any():
            index = restored.nonzero().flatten()
            steps[index] = running.nearest.state["step"].cpu()[index]
            running.restore_nearest(index.to(running.device))
        for end in steps[restored].unique().tolist():
            if not self.manifest.record.is_due(self.timeline.epoch(end), end):  # else it was recorded then
                self.record(running, (restored & (steps == end)).nonzero().flatten(), end)
        ends_here = ends.stopped & ~restored
        if train is not None and ends_here.any():
            self.record(running, ends_here.nonzero().flatten(), step, train)
        self._add_final(running, steps, step, ends)
        running.keep((~ends.stopped).nonzero().flatten())

    def _add_final(self, running: RunningStack, steps: Tensor, step: int, ends: Ends) -> None:
        """Add the last parameters of the runs that stop, and their rows of `runs`; `steps` `(K,)` are their last."""
        self._add_early_stops(running, steps, ends.stopped)
        index = ends.stopped.nonzero().flatten()
        tensors = _rows_on_cpu(running.stack.tensors, index)
        masks = _rows_on_cpu(running.stack.masks, index)
        place_of_best = {name: value for name, value in running.early.state.items() if name in ("score", "step")}
        early = _rows_on_cpu({"has_check": running.early.has_check, **place_of_best}, index)
        path_lengths = running.path_lengths.tolist()
        for place, row in enumerate(index.tolist()):
            config = running.configs[row]
            position = self.position(int(steps[row]))
            status = self._status(config, ends.status(row))
            own_early = {name: value[place] for name, value in early.items()}
            to_target = self.timeline.epoch(step) if ends.converged[row] else None
            self._add_end_statistics(config.run_id, own_early, position, to_target)
            about = {"run_id": config.run_id, **position}
            about |= {"path_length_from_init": path_lengths[row], "status": status, "stopped": step}
            own_tensors = {name: value[place] for name, value in tensors.items()}
            own_masks = {name: value[place] for name, value in masks.items()}
            self.rows.add_final(own_tensors, own_masks, about)
            self.rows.add_run(self.manifest, config, status, position, self.seconds[config.run_id])

    def _add_early_stops(self, running: RunningStack, steps: Tensor, stopped: Tensor) -> None:
        """Add the test outcomes at the lowest validation loss of the runs that stop; `steps` `(K,)` are their last."""
        index = (stopped.to(running.device) & running.early.has_check).nonzero().flatten()
        if not len(index):
            return
        outcomes = running.early_stop_outcomes(index, self.kernel)
        for place, row in enumerate(index.tolist()):
            test = {f"early_stop_{name}": value[[place]] for name, value in outcomes.items()}
            self.rows.add_outcomes([running.configs[row].run_id], self.phase, int(steps[row]), "test", test)

    def _status(self, config: RunConfig, status: Status) -> Status:
        if status == Status.DIVERGED:
            return status
        return self.inherited.get(config.run_id, status)

    def _add_end_statistics(
        self, run_id: str, early: Mapping[str, Tensor], position: dict[str, Any], to_target: float | None
    ) -> None:
        """Add what is known of a run only when it has stopped.

        Args:
            run_id: of the run.
            early: whether the run `has_check` for early stopping, and if so the `score` and `step` of the best one.
            position: the last step.
            to_target: epochs until its target, if it met that.
        """
        values = {}
        if to_target is not None:
            values["epochs_to_target"] = torch.tensor([to_target], dtype=torch.float64)
        if early["has_check"]:
            epoch = self.timeline.epoch(int(early["step"]))
            values["early_stop_epoch"] = torch.tensor([epoch], dtype=torch.float64)
            values["early_stop_loss"] = early["score"].unsqueeze(0)
        self.rows.add_dynamics([run_id], **position, values=values)

    def write(self) -> None:
        """Write one part of every table, and the last parameters of the runs that ended in it."""
        if self.rows.final:
            self._new_files.append(paths.final(self.part, self.files.attempt.name))
        self.rows.write(self.files, self.part)
        self.part += 1


def _rows_on_cpu(tensors: Mapping[str, Tensor], index: Tensor) -> dict[str, Tensor]:
    """Return some rows of each tensor `(K, ...)`, copied from the device at once."""
    return {name: value[index.to(value.device)].cpu() for name, value in tensors.items()}
