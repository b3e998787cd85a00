"""Training of one cohort, from its manifest to its tables.

    for phase in pretrain?, train (or prune1):
        until every run has met its stop rule:
            train to the next stop                  Segment.train: to the end of the epoch, or to a step checked before
            evaluate the training loss              which runs have converged, diverged, reached their limit?
            where it is due, and at a run's end     rows of dynamics and outcomes; checkpoints
            runs that stopped leave the stack       their final parameters, a row in `runs`

Tables are written in numbered parts, and after each part the whole state, so that a cohort killed anywhere goes
on from its last part. Parts are cut by the clock; what is in the tables is the same however they are cut.
"""

import math
import time
from typing import Any

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.compatibility import check
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.kernel_choice import Pinned, choose_kernel
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.arithmetic import arithmetic
from benevolent.trainables.training.example_order import training_orders
from benevolent.trainables.training.initial_state import InitialStates
from benevolent.trainables.training.progress import Progress
from benevolent.trainables.training.recording import Ends, Recorder
from benevolent.trainables.training.running_stack import RunningStack
from benevolent.trainables.training.saved_state import SavedState, set_aside
from benevolent.trainables.training.stop_rules import StopCheck, reached_targets
from benevolent.trainables.training.teacher_labels import TeacherLabels
from benevolent.trainables.training.timeline import PhaseTimeline


class CohortTraining:
    """One cohort in training: `start` it, then `advance` it until it is done.

    Args:
        results: the results folder; the cohort's manifest is in it.
        cohort_id: id of the cohort.
        device: a torch device.
        save_every_seconds: time between two writes of a part and the state.
        pinned: kernel and stack size, where they are not to be chosen here.
    """

    def __init__(
        self,
        results: Folder,
        cohort_id: str,
        device: str,
        save_every_seconds: float,
        pinned: Pinned | None = None,
    ) -> None:
        self.results = results
        self.files = CohortFiles(results, cohort_id)
        self.device = device
        self.save_every_seconds = save_every_seconds
        self.pinned = pinned
        self.manifest = Manifest.read(results, cohort_id)
        self.config = self.manifest.configs[0]  # what all runs of the cohort share is read from the first
        self._phases_of_run = {config.run_id: config.phases for config in self.manifest.configs}
        self.data = data.load(self.config.data, self.config.precision, device)
        self.network = built_network.for_run(self.config, self.data)
        self.teach = TeacherLabels(results, self.manifest).labels
        self.recorder = Recorder(self.files, self.manifest)
        self.running = self._running_stack([], StackState.empty(self.network, device))
        self.choice: KernelChoice  # made, or read, when a phase starts
        self.phase_index = 0
        self.step = 0
        self.loss = torch.zeros(0)  # of the runs when it was evaluated last
        self.seconds_per_step: float | None = None
        self.warnings: list[str] = []
        self.saved = time.monotonic()
        self.started = False

    def start(self) -> None:
        """Begin an attempt, anew or from the saved state; do nothing if all runs are done.

        A state that cannot be read is set aside with a warning, and the cohort begins anew.
        """
        with arithmetic(self.config.optimizer.arithmetic):
            if self.manifest.finished(self.results):
                self.files.delete_states()
            else:
                self._begin_attempt(self._saved_state())
        self.saved = time.monotonic()
        self.started = True

    def advance(self, seconds: float = 1.0) -> Progress:
        """Train for about so many seconds, one step at least, or to the end."""
        end = time.monotonic() + seconds
        with arithmetic(self.config.optimizer.arithmetic):
            while len(self.running):
                self._train_piece(end)
                now = time.monotonic()
                if not len(self.running) or now > self.saved + self.save_every_seconds:
                    self._save()
                if now > end:
                    break
        return self._progress()

    def advance_epoch(self) -> Progress:
        """Train to the end of the present epoch, without saving."""
        with arithmetic(self.config.optimizer.arithmetic):
            while len(self.running):
                self._train_piece(deadline=float("inf"))
                if self.running.batches is None:
                    break
        return self._progress()

    def _progress(self) -> Progress:
        if not self.started:
            raise RuntimeError("the cohort has not been started: call start() before advance()")
        runs = len(self.manifest.configs)
        train_loss = float(self.loss.nanmean()) if len(self.loss) else float("nan")
        warnings = self.warnings
        self.warnings = []
        return Progress(
            phase=self.phase.name,
            epoch=self.epoch,
            runs=runs,
            runs_done=runs - len(self.running),
            train_loss=train_loss,
            done=not len(self.running),
            parameter_files=self.recorder.take_new_files(),
            warnings=warnings,
            saved=self.recorder.part,
        )

    # ---- where training is

    @property
    def phase(self) -> Phase:
        """The present phase of the first run; runs of a cohort differ in its targets and limits of epochs."""
        return self._phases_of_run[self.config.run_id][self.phase_index]

    @property
    def timeline(self) -> PhaseTimeline:
        """The steps of the present phase, the same for all runs of a cohort."""
        return PhaseTimeline(self.config.steps_per_epoch, self.phase.max_steps)

    @property
    def epoch(self) -> int | float:
        """Epochs of the present phase so far; an integer at the end of one."""
        return self.timeline.epoch(self.step)

    @property
    def _phases(self) -> list[Phase]:
        """The present phase of every run that still trains."""
        return [self._phases_of_run[config.run_id][self.phase_index] for config in self.running.configs]

    @property
    def _batch_size(self) -> int:
        return self.config.optimizer.examples_per_step(self.config.data.seen_size)

    @property
    def _in_last_phase(self) -> bool:
        return self.phase_index == len(self.config.phases) - 1

    # ---- beginning

    def _running_stack(self, configs: list[RunConfig], state: StackState) -> RunningStack:
        return RunningStack(self.network, self.data, configs, state, self.teach)

    def _begin(self) -> None:
        configs = list(self.manifest.configs)
        for config in configs:
            check(config, self.manifest.record)
        runs = list(self.manifest.stored_runs.values())  # whose parents are not whole configurations either
        initial_states = InitialStates(self.results, self.manifest, self.network)
        starts = [initial_states.start(run) for run in runs]
        dtype = getattr(torch, self.config.precision)
        state = initial_states.stack_state(runs, starts).map(lambda rows: rows.to(self.device, dtype))
        self.running = self._running_stack(configs, state)
        path_lengths = torch.tensor([start.path_length for start in starts], dtype=torch.float64)
        self.running.dynamics.start_at(path_lengths)
        if not any(phase.max_epochs for phase in self._phases):  # a run that does not train ends as its parent did
            ends = {config.run_id: start.status for config, start in zip(configs, starts, strict=True)}
            inherited = {run_id: status for run_id, status in ends.items() if status is not None}
            self.recorder.inherit(inherited)
        self._start_phase()
        if math.isfinite(self.save_every_seconds):
            self._save()

    def _start_phase(self) -> None:
        self.step = 0
        self.running.stack.start_phase()
        self.running.dynamics.next_phase()
        self.running.begin_phase()
        self.running.load_splits([*self.data.splits], self._phases, 0)
        self.choice = self._stored_choice() or self._choose_kernel()
        self.recorder.begin_phase(self.phase.name, self.timeline, self.choice.kernel)
        self._apply_stop_rules(torch.zeros(len(self.running), dtype=torch.bool))

    def _stored_choice(self) -> KernelChoice | None:
        if not self.files.folder.exists(paths.STACKS):
            return None
        return KernelChoice(**self.files.folder.read_json(paths.STACKS))

    def _choose_kernel(self) -> KernelChoice:
        steps = self.timeline.steps_per_epoch * max(phase.max_epochs for phase in self._phases)
        inputs = self.running.inputs["train"]
        labels = self.running.labels["train"]
        choice = choose_kernel(self.running.stack, inputs, labels, self._batch_size, self.pinned, steps)
        stored: dict[str, Any] = {"kernel": choice.kernel, "size": choice.size}
        if choice.program != "eager":
            stored["program"] = choice.program
        if choice.vmap_refused:
            stored["vmap_refused"] = choice.vmap_refused
            line = f"cohort {self.manifest.cohort_id}: its networks train one after another, which is slow"
            self.warnings.append(f"{line}: vmap refuses them ({choice.vmap_refused})")
        if not self.files.folder.create_json(paths.STACKS, stored):  # another attempt has chosen meanwhile
            return self._stored_choice() or choice
        return choice

    # ---- training

    def _train_piece(self, deadline: float) -> None:
        """Train to the next stop, or until it is time to save or to return."""
        if self.running.batches is None:
            self._open_epoch()
        begin = self.timeline.epoch_index(self.step) * self.timeline.steps_per_epoch
        segment = self.running.segment
        if segment is None:
            last = self._next_stop(begin) - begin
            segment = self.running.begin_segment(self.step - begin, last, self.choice)
        first = segment.step
        start = time.perf_counter()
        segment.train(self._steps_until(deadline))
        spent = time.perf_counter() - start
        self.seconds_per_step = spent / (segment.step - first)
        self.step = begin + segment.step
        run_ids = [config.run_id for config in self.running.configs]
        self.recorder.add_seconds(run_ids, spent / len(run_ids))
        if not segment.done:
            return
        self.loss = self.running.end_segment()
        if isinstance(self.epoch, int):
            self.running.close_epoch()
        self._apply_stop_rules(~self.loss.isfinite())

    def _open_epoch(self) -> None:
        """Get ready for the epoch that the next step belongs to."""
        epoch = self.timeline.epoch_index(self.step)
        if epoch and self.config.data.fresh:
            self.running.load_splits(["train"], self._phases, epoch)
        seeds = [config.seed for config in self.running.configs]
        generator = StackGenerator(seeds, f"layers/{self.phase.name}", epoch, self.running.device)
        self.running.open_epoch(self._order(epoch), self._batch_size, epoch, generator)

    def _order(self, epoch: int) -> Tensor:
        """Return each run's permutation `(K, n)` of the examples that it sees in an epoch, as far as its steps go."""
        seeds = [config.seed for config in self.running.configs]
        order = training_orders(seeds, self.phase.name, epoch, self.config.data.seen_size, self.device)
        steps = self.timeline.step(epoch + 1) - self.timeline.step(epoch)
        return order[:, : steps * self._batch_size]

    def _next_stop(self, begin: int) -> int:
        """Return the next step after which something is checked or recorded; the epoch began at step `begin`."""
        stops = [self.timeline.end(self.step)]
        stops += [step for step in self.manifest.record.steps if step > self.step]
        if every := self.config.stop.check_every_steps:
            stops.append(self.step - self.step % every + every)
        return min(stops)

    def _steps_until(self, deadline: float) -> int:
        """Return how many steps can be made until it is time to save or to return; one at least."""
        if self.seconds_per_step is None:
            return 1
        seconds = min(deadline, self.saved + self.save_every_seconds) - time.monotonic()
        return max(1, int(min(seconds / max(self.seconds_per_step, 1e-9), 1e9)))

    # ---- stop rules and records

    def _apply_stop_rules(self, diverged: Tensor) -> None:
        """Apply the stop rules, record what is due, let runs leave that have stopped, and start the next phase.

        Args:
            diverged: `(K,)`, which runs are known to have diverged.
        """
        phases = self._phases
        record = self.manifest.record
        step = self.step
        last_phase = self._in_last_phase
        stop_check = StopCheck.of(phases, self.config.stop, self.epoch, step, step == self.timeline.max_steps)
        due = record.is_due(self.epoch, step) or (not last_phase and stop_check.all_at_limit)
        if record.early_stop and last_phase and stop_check.scheduled.any():
            self._check_early_stop(stop_check.scheduled & ~diverged)
        if not (step == 0 or due or stop_check.needs_loss.any() or diverged.any()):
            return
        train = self.running.evaluate("train", self.choice.kernel)
        self.loss = train["loss"].cpu()
        diverged = diverged | (stop_check.needs_loss & ~self.loss.isfinite())
        if step:
            self.running.record_nearest(stop_check.snapshot_distances(self.loss), step)
        converged = stop_check.needs_loss & reached_targets(phases, train) & (step > 0) & ~diverged
        stopped = diverged | (last_phase & (converged | stop_check.at_limit))
        if due:
            self.recorder.record(self.running, torch.arange(len(phases)), step, train)
        if step == 0 or (due and record.keeps_checkpoints):
            self.recorder.checkpoint(self.running, step)
        if stopped.any():
            self.recorder.finish(self.running, step, Ends(stopped, diverged, converged), None if due else train)
        if not last_phase and len(self.running) and stop_check.all_at_limit:
            self.phase_index += 1
            self._start_phase()

    def _check_early_stop(self, runs: Tensor) -> None:
        """Evaluate the validation loss of the runs `(K,)` for `early_stop_loss`."""
        losses = self.running.evaluate("validation", self.choice.kernel)["loss"].cpu()
        self.running.record_early_stop(losses.where(runs, torch.nan), self.step)

    # ---- the state

    def _save(self) -> None:
        """Write a part of every table, then the state that follows it (none when all runs are done).

        Raises:
            Superseded: another attempt has begun, so that nobody would read them.
        """
        self.files.check_latest()
        self.recorder.write()
        if len(self.running):
            self._state().write(self.files)
        else:
            self.files.delete_states()
        self.saved = time.monotonic()

    def _state(self) -> SavedState:
        batches = self.running.batches
        epoch = None if batches is None else batches.epoch
        segment = self.running.segment
        steps = None if segment is None else (segment.first, segment.last, segment.step)
        return SavedState(
            tensors=self.running.saved(),
            run_ids=[config.run_id for config in self.running.configs],
            phase_index=self.phase_index,
            step=self.step,
            epoch=epoch,
            segment=steps,
            part=self.recorder.part,
            seconds=self.recorder.seconds,
            files=tuple(self.files.parts_before(self.recorder.part)),
        )

    def _saved_state(self) -> SavedState | None:
        """Return the state of the latest attempt; one that cannot be read is set aside with a warning."""
        if not self.files.folder.exists(self.files.state_path):
            return None
        try:
            return SavedState.read(self.files)
        except BadInput as error:
            moved = set_aside(self.files)
            line = f"cohort {self.manifest.cohort_id}: {error}; it was moved to {moved}, and training begins anew"
            self.warnings.append(line)
            return None

    def _begin_attempt(self, state: SavedState | None) -> None:
        """Begin a new attempt, from a state or anew."""
        if state is None:
            self.files.begin_attempt(kept=())
            self._begin()
            return
        kept = self.files.parts_before(state.part)
        for name in self.files.names(paths.CHECKPOINTS):
            if self._is_before(state, *paths.checkpoint_place(name)):
                kept.append(f"{paths.CHECKPOINTS}/{name}")
        self.files.begin_attempt(kept, prepare=lambda: state.write(self.files))
        self._resume(state)

    def _is_before(self, state: SavedState, phase: str, step: int) -> bool:
        """Return True if a checkpoint was written before a state."""
        names = [each.name for each in self.config.phases]
        return (names.index(phase), step) <= (state.phase_index, state.step)

    def _resume(self, state: SavedState) -> None:
        configs = dict(zip(self.manifest.run_ids, self.manifest.configs, strict=True))
        empty = StackState.empty(self.network, self.device)
        self.running = self._running_stack([configs[run_id] for run_id in state.run_ids], empty)
        self.running.load(state.tensors)
        self.phase_index = state.phase_index
        self.step = state.step
        self.recorder.resume(state.part, state.seconds)
        choice = self._stored_choice()
        assert choice is not None
        self.choice = choice
        self.running.load_splits([*self.data.splits], self._phases, self.timeline.epoch_index(self.step))
        self.recorder.begin_phase(self.phase.name, self.timeline, self.choice.kernel)
        if state.epoch is not None:
            self._open_epoch()
            self.running.resume_epoch(state.tensors, state.segment, self.choice)
