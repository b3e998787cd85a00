"""How one cohort is trained, from its manifest to its tables.

    for phase in pretrain?, train (or prune1):
        until every run has met its stop rule:
            train to the next stop                  Stack.train_epoch; the end of the epoch, or a step looked at before
            evaluate the training loss              who has converged, diverged, reached the limit?
            where it is recorded, and at a run's end  rows of dynamics and outcomes; checkpoints
            runs that stopped leave the stack       their final parameters, a row in `runs`

Tables are written in numbered parts at the ends of epochs, and after each part the whole state, so that a cohort killed
anywhere goes on from its last part.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.compatibility import check
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import network
from benevolent.trainables.stack.kernel_choice import KernelChoice, Pinned, choose_kernel
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.example_order import training_order
from benevolent.trainables.training.initial_state import InitialStates
from benevolent.trainables.training.progress import Progress
from benevolent.trainables.training.recording import Recorder
from benevolent.trainables.training.running_stack import RunningStack
from benevolent.trainables.training.teacher_labels import TeacherLabels
from benevolent.trainables.training.timeline import PhaseTimeline


class CohortTraining:
    """One cohort in training: `advance` it until it is done.

    Args:
        results: the results folder; the cohort's manifest is in it.
        cohort_id: which cohort.
        device: a torch device.
        save_every_seconds: how often a part and the state are written.
        pinned: kernel and stack size, where they are not to be chosen here.
    """

    def __init__(
        self,
        results: Folder,
        cohort_id: str,
        device: str = "cpu",
        save_every_seconds: float = 20,
        pinned: Pinned | None = None,
    ) -> None:
        self.results, self.files = results, CohortFiles(results, cohort_id)
        self.folder, self.device, self.save_every_seconds = self.files.folder, device, save_every_seconds
        self.manifest, self.pinned = Manifest.read(results, cohort_id), pinned
        self.config = self.manifest.configs[0]  # what all runs of the cohort share is read from the first
        self.data = data.load(self.config.data, self.config.precision, device)
        self.network = network.for_run(self.config, self.data)
        self.network.arithmetic = self.config.optimizer.arithmetic
        # Said for every cohort: torch's own default lets convolutions round, and a worker's next cohort may differ.
        tf32 = self.config.optimizer.arithmetic == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        self.recorder = Recorder(self.files, self.manifest)
        self.phase_index = self.step = 0
        self.loss = torch.zeros(0)
        self.teach = TeacherLabels(results, self.manifest).labels
        self.active = self._active([], StackState.empty(self.network, self.device))
        if self.manifest.finished(results):
            self.folder.delete(paths.STATE)
        elif self.folder.exists(paths.STATE):
            self._resume()
        else:
            self._begin()
        self.saved = time.monotonic()

    def advance(self, seconds: float = 1.0) -> Progress:
        """Train whole epochs for about so many seconds, one at least, or to the end."""
        end = time.monotonic() + seconds
        while len(self.active):
            self._train_epoch()
            if not len(self.active) or time.monotonic() - self.saved > self.save_every_seconds:
                self._save()
            if time.monotonic() > end:
                break
        done = not len(self.active)
        runs = len(self.manifest.configs)
        loss = float(self.loss.nanmean()) if len(self.loss) else float("nan")
        new, self.recorder.new_files = self.recorder.new_files, []
        return Progress(self.phase_name, int(self.epoch), runs, runs - len(self.active), loss, done, new)

    # ---- the phases of training

    @property
    def phase_name(self) -> str:
        """The name of the present phase."""
        return self.config.phases[self.phase_index].name

    @property
    def _phases(self) -> list[Phase]:
        """The present phase of every run that is still in the stack."""
        return [config.phases[self.phase_index] for config in self.active.configs]

    @property
    def timeline(self) -> PhaseTimeline:
        """The steps of the present phase, the same for all runs of a cohort."""
        max_steps = self.config.phases[self.phase_index].max_steps
        return PhaseTimeline(-(-len(self.data.train) // self._batch_size), max_steps)

    @property
    def epoch(self) -> int | float:
        """How many epochs the present phase has behind it; an integer where one has ended."""
        return self.timeline.epoch(self.step)

    @property
    def _batch_size(self) -> int:
        return self.config.optimizer.examples_per_step(len(self.data.train))

    def _begin(self) -> None:
        configs = list(self.manifest.configs)
        for config in configs:
            check(config, self.manifest.record)
        origins, dtype = InitialStates(self.results, self.manifest, self.network), getattr(torch, self.config.precision)
        starts = [origins.start(config) for config in configs]
        state = origins.stack_state(configs, starts).map(lambda rows: rows.to(self.device, dtype))
        self.active = self._active(configs, state)
        paths = torch.tensor([start.path_length for start in starts], dtype=torch.float64)
        self.active.dynamics.state["path"] += paths.to(self.device)
        if not any(phase.max_epochs for phase in self._phases):
            statuses = (start.status for start in starts)
            self.recorder.inherited = dict(zip(self.manifest.run_ids, statuses, strict=True))
        self._start_phase()
        self._save()

    def _active(self, configs: list[RunConfig], state: StackState) -> RunningStack:
        return RunningStack(self.network, self.data, configs, state, self.teach)

    def _start_phase(self) -> None:
        self.step = 0
        self.active.stack.start_phase()
        self.active.dynamics.next_phase()
        self.active.forget_checks()
        self.active.load_splits([*self.data.splits], self._phases, 0)
        plan = self.folder.read_json(paths.STACKS) if self.folder.exists(paths.STACKS) else None
        self.plan = KernelChoice(**plan) if plan else self._choose_kernel()
        self.recorder.begin_phase(self.phase_name, self.timeline, self.plan.kernel)
        self._check(torch.zeros(len(self.active), dtype=torch.bool))

    def _choose_kernel(self) -> KernelChoice:
        steps = self.timeline.steps_per_epoch * max(phase.max_epochs for phase in self._phases)
        examples = (self.active.inputs["train"], self.active.labels["train"], self._batch_size)
        plan = choose_kernel(self.active.stack, *examples, self.pinned, steps)
        self.folder.write_json(paths.STACKS, {"kernel": plan.kernel, "size": plan.size})
        return plan

    def _train_epoch(self) -> None:
        """Train from stop to stop, where a loss is looked at or something recorded, to the end of the epoch."""
        epoch, begin, end = self.timeline.epoch_index(self.step), self.step, self.timeline.end(self.step)
        if epoch and self.config.data.fresh:
            self.active.load_splits(["train"], self._phases, epoch)
        seeds = [config.seed for config in self.active.configs]
        draws = StackGenerator(seeds, f"layers/{self.phase_name}", epoch, self.active.device)
        self.active.begin_epoch(self._order(epoch, end - begin), draws)
        for stop in self._stops(begin, end):
            start = time.perf_counter()
            steps = slice(self.step - begin, stop - begin)
            self.loss = self.active.train(steps, self._batch_size, epoch, self.plan.size, self.plan.kernel)
            self.step = stop
            spent = (time.perf_counter() - start) / len(self.active)
            for config in self.active.configs:
                self.recorder.seconds[config.run_id] += spent
            self._check(~self.loss.isfinite())
            if not len(self.active):
                return

    def _stops(self, begin: int, end: int) -> list[int]:
        """The steps up to `end`, which is one, after which something is to be done."""
        every = self.config.stop.check_every_steps or end
        checks = range(begin - begin % every + every, end, every)
        return sorted({*checks, *(step for step in self.manifest.record.steps if begin < step < end), end})

    def _order(self, epoch: int, steps: int) -> Tensor:
        """Each run's permutation `(K, n)` of the training examples in an epoch, as far as its steps go."""
        seeds = {config.seed for config in self.active.configs}
        drawn = {seed: training_order(seed, self.phase_name, epoch, len(self.data.train)) for seed in seeds}
        order = np.stack([drawn[config.seed] for config in self.active.configs])
        return torch.from_numpy(order[:, : steps * self._batch_size]).to(self.device)

    # ---- stop rules and records

    def _check(self, diverged: Tensor) -> None:
        """Apply the stop rules, record what is due, let runs leave that have stopped, and start the next phase.

        `diverged` `(K,)`: which runs are known to have.
        """
        phases, record, epoch, step = self._phases, self.manifest.record, self.epoch, self.step
        out_of_steps = step == self.timeline.max_steps
        limit = torch.tensor([epoch >= phase.max_epochs or out_of_steps for phase in phases])
        last = self.phase_index == len(self.config.phases) - 1
        has_target = torch.tensor([phase.has_target for phase in phases])
        # A run is looked at where its own rule says, also if its loss is evaluated for the records or for another run.
        own = limit | self.config.stop.is_due(epoch, step)
        nearest = torch.tensor([phase.snapshot_loss or torch.nan for phase in phases], dtype=torch.float64)
        checked = own & (limit | has_target | nearest.isfinite())
        due = record.is_due(epoch, step) or (not last and bool(limit.all()))
        if record.early_stop and last and own.any():
            losses = self.active.evaluate("validation", self.plan.kernel)["loss"].cpu()
            self.active.record_early_stop(losses.where(own & ~diverged, torch.nan), step, self.plan.kernel)
        if not (step == 0 or due or checked.any() or diverged.any()):
            return
        train = self.active.evaluate("train", self.plan.kernel)
        self.loss = train["loss"].cpu()
        diverged = diverged | (checked & ~self.loss.isfinite())
        if step:
            self.active.record_nearest((self.loss - nearest).abs().where(checked, torch.nan), step)
        reached = torch.stack([phase.reached(train)[row] for row, phase in enumerate(phases)]).cpu()
        converged = checked & reached & (step > 0) & ~diverged
        stopped = diverged | (last & (converged | limit))
        if due:
            self.recorder.record(self.active, torch.arange(len(phases)), step, train)
        if step == 0 or (due and record.keeps_checkpoints):
            self.recorder.checkpoint(self.active, step)
        if stopped.any():
            self.recorder.finish(self.active, step, stopped, diverged, converged, None if due else train)
        if not last and len(self.active) and bool(limit.all()):
            self.phase_index += 1
            self._start_phase()

    # ---- the state

    def _save(self) -> None:
        """Write a part of every table, then the state that follows it (none when all runs are done)."""
        self.recorder.write()
        if len(self.active):
            state: dict[str, Any] = {
                "run_ids": [config.run_id for config in self.active.configs],
                "seconds": self.recorder.seconds,
            }
            state |= {"phase_index": self.phase_index, "step": self.step, "part": self.recorder.part}
            self.folder.write_tensors(paths.STATE, self.active.saved(), state)
        else:
            self.folder.delete(paths.STATE)
        self.saved = time.monotonic()

    def _resume(self) -> None:
        tensors, state = self.folder.read_tensors(paths.STATE)
        self.phase_index, self.step = state["phase_index"], state["step"]
        self.recorder.part, self.recorder.seconds = state["part"], state["seconds"]
        self.files.delete_parts_from(state["part"])  # half a save: its rows will come again, perhaps cut otherwise
        configs = dict(zip(self.manifest.run_ids, self.manifest.configs, strict=True))
        self.active = self._active(
            [configs[run_id] for run_id in state["run_ids"]], StackState.empty(self.network, self.device)
        )
        self.active.load(tensors)
        self.active.load_splits([*self.data.splits], self._phases, self.timeline.epoch_index(self.step))
        self.plan = KernelChoice(**self.folder.read_json(paths.STACKS))
        self.recorder.begin_phase(self.phase_name, self.timeline, self.plan.kernel)
        self.recorder.new_files = self.files.parameter_files()
