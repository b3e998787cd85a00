"""What a cohort in training leaves behind: rows of its tables, checkpoints, and every run as it ends."""

from typing import Any

import torch
from torch import Tensor

from benevolent.trainables.stack.network import Kernel
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import write_parameters
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.rows import Rows
from benevolent.trainables.training.running_stack import RunningStack, Tensors
from benevolent.trainables.training.timeline import PhaseTimeline


class Recorder:
    """The rows since the last part, and the files that are new.

    Args:
        files: of the cohort.
        manifest: of the cohort.

    Attributes:
        part: the number of the next part.
        new_files: files of parameters that nobody was told of.
        seconds: that each run has trained for.
        inherited: how the runs ended that others are made from without training.
    """

    def __init__(self, files: CohortFiles, manifest: Manifest) -> None:
        self.files, self.manifest, self.rows = files, manifest, Rows()
        self.part = 0
        self.new_files: list[str] = []
        self.seconds: dict[str, float] = dict.fromkeys(manifest.run_ids, 0.0)
        self.inherited: dict[str, str | None] = {}

    def begin_phase(self, phase: str, timeline: PhaseTimeline, kernel: Kernel) -> None:
        """What follows is of this phase, and networks are evaluated by this kernel."""
        self.phase, self.timeline, self.kernel = phase, timeline, kernel

    def place(self, step: int) -> dict[str, Any]:
        """Phase, step and epoch."""
        return {"phase": self.phase, "step": step, "epoch": self.timeline.epoch(step)}

    def record(self, active: RunningStack, index: Tensor, step: int, train: Tensors | None = None) -> None:
        """Rows of dynamics and outcomes for the runs in `index`, which are what they were after so many steps.

        `train`: the training outcomes of all runs, if they are known.
        """
        ids = [active.configs[i].run_id for i in index.tolist()]
        statistics = active.statistics(self.timeline.epoch_index(max(0, step - 1)))
        values = {name: value[index] for name, value in statistics.items()}
        self.rows.add_dynamics(ids, **self.place(step), values=values)
        for split in active.inputs:
            known = train if split == "train" else None
            outcomes = (
                active.evaluate(split, self.kernel, index)
                if known is None
                else {name: value[index] for name, value in known.items()}
            )
            self.rows.add_outcomes(ids, self.phase, step, split, outcomes)

    def checkpoint(self, active: RunningStack, step: int) -> None:
        """Keep the parameters of all runs."""
        name, count = paths.checkpoint(self.phase, step), len(active)
        about: dict[str, Any] = {"run_id": [config.run_id for config in active.configs]}
        about |= {key: [value] * count for key, value in self.place(step).items()}
        about["path_length_from_init"] = active.path_lengths.tolist()
        write_parameters(self.files.folder, name, active.stack.tensors, active.stack.masks, about)
        self.new_files.append(name)

    def finish(
        self,
        active: RunningStack,
        step: int,
        stopped: Tensor,
        diverged: Tensor,
        converged: Tensor,
        train: Tensors | None = None,
    ) -> None:
        """Write down the runs that have stopped, each as it ends, and take them off the stack.

        Args:
            active: all runs.
            step: of the phase, now.
            stopped: `(K,)`: which runs have.
            diverged: which of them have diverged.
            converged: which of them have met their targets.
            train: the training outcomes of all runs, where those that end here are not recorded yet.
        """
        back = stopped & ~diverged & active.nearest.found.cpu()
        steps = torch.full((len(active),), step)
        if back.any():
            index = back.nonzero().flatten()
            steps[index] = active.nearest.state["step"].cpu()[index]
            active.restore_nearest(index.to(active.device))
        for end in steps[back].unique().tolist():
            if not self.manifest.record.is_due(self.timeline.epoch(end), end):  # else it was recorded then
                self.record(active, (back & (steps == end)).nonzero().flatten(), end)
        if train is not None and (here := stopped & ~back).any():
            self.record(active, here.nonzero().flatten(), step, train)
        tensors, masks, lengths = active.stack.tensors, active.stack.masks, active.path_lengths.tolist()
        for i in stopped.nonzero().flatten().tolist():
            config, place = active.configs[i], self.place(int(steps[i]))
            status = Status.DIVERGED if diverged[i] else Status.CONVERGED if converged[i] else Status.LIMIT
            if not diverged[i]:  # what was not trained is what it was
                status = Status(self.inherited.get(config.run_id) or status)
            self._add_ends(active, i, place, self.timeline.epoch(step) if converged[i] else None)
            about = {"run_id": config.run_id, **place, "path_length_from_init": lengths[i], "status": status}
            own_tensors = {name: value[i] for name, value in tensors.items()}
            own_masks = {name: value[i] for name, value in masks.items()}
            self.rows.final.append((own_tensors, own_masks, about))
            self.rows.add_run(self.manifest, config, status, place, self.seconds[config.run_id])
        active.keep((~stopped).nonzero().flatten())

    def _add_ends(self, active: RunningStack, i: int, place: dict[str, Any], to_target: float | None) -> None:
        """What is known of a run only when it has stopped; `to_target`: the epochs that it took, if it got there."""
        ids, early = [active.configs[i].run_id], active.early
        values = {"epochs_to_target": torch.tensor([to_target], dtype=torch.float64)} if to_target is not None else {}
        if early.found[i]:
            epoch = self.timeline.epoch(int(early.state["step"][i]))
            values["early_stop_epoch"] = torch.tensor([epoch], dtype=torch.float64)
            values["early_stop_loss"] = early.state["score"][[i]]
            test = {f"early_stop_{name}": early.state[name][[i]] for name in ("loss", "error")}
            self.rows.add_outcomes(ids, place["phase"], place["step"], "test", test)
        self.rows.add_dynamics(ids, **place, values=values)

    def write(self) -> None:
        """Write one part of every table, and the last parameters of the runs that ended in it."""
        if self.rows.final:
            self.new_files.append(paths.final(self.part))
        self.rows.write(self.files, self.part)
        self.part += 1
