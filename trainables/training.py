"""How one cohort is trained, from its manifest to its tables.

    for phase in pretrain?, train (or prune1):
        until every run has met its stop rule:
            train one epoch                         Stack.train_epoch
            evaluate the training loss              who has converged, diverged, reached the limit?
            at recorded epochs, and at a run's end  rows of dynamics and outcomes; checkpoints
            runs that stopped leave the stack       their final parameters, a row in `runs`

Tables are written in numbered parts, and after each part the whole state, so that a cohort killed anywhere goes on
from its last part.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables import data, network
from trainables.config import Phase, RunConfig
from trainables.dynamics import Dynamics
from trainables.losses import LOSSES
from trainables.manifest import Manifest
from trainables.optimizers import learning_rate
from trainables.origins import Origins, stacked
from trainables.probe import Pinned, StackPlan, probe
from trainables.rows import Rows
from trainables.stack import Stack
from trainables.storage import CohortFiles, Folder
from trainables.streams import generator
from trainables.trace import Trace

Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Where a cohort is, for the live display and for whoever measures its parameters."""

    phase: str
    epoch: int
    runs: int
    runs_done: int
    train_loss: float
    done: bool
    parameter_files: list[str] = field(default_factory=list)


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
        outputs = LOSSES[self.config.loss.name].outputs(self.data.classes)
        self.network = network.build(self.config.model, self.data.input_shape, outputs)
        self.network.arithmetic = self.config.optimizer.arithmetic
        # Said for every cohort: torch's own default lets convolutions round, and a worker's next cohort may differ.
        tf32 = self.config.optimizer.arithmetic == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        self.rows = Rows()
        self.phase_index = self.epoch = self.part = 0
        self.seconds: dict[str, float] = dict.fromkeys(self.manifest.run_ids, 0.0)
        self.loss = torch.zeros(0)
        self.new_files: list[str] = []
        self.inherited: dict[str, str | None] = {}
        self.inputs: dict[str, data.Inputs] = {}
        self.labels: Tensors = {}
        self.stack: Stack
        self.dynamics: Dynamics
        if self.manifest.finished(results):
            self._hold([], {})
            self.folder.delete(self.files.state)
        elif self.folder.exists(self.files.state):
            self._resume()
        else:
            self._begin()
        self.saved = time.monotonic()

    def advance(self, seconds: float = 1.0) -> Progress:
        """Train whole epochs for about so many seconds, or to the end."""
        end = time.monotonic() + seconds
        while len(self.stack) and time.monotonic() < end:
            self._train_epoch()
            if not len(self.stack) or time.monotonic() - self.saved > self.save_every_seconds:
                self._save()
        done = not len(self.stack)
        runs = len(self.manifest.configs)
        loss = float(self.loss.nanmean()) if len(self.loss) else float("nan")
        new, self.new_files = self.new_files, []
        return Progress(self.phase_name, self.epoch, runs, runs - len(self.stack), loss, done, new)

    # ---- the phases of training

    @property
    def phase_name(self) -> str:
        """The name of the present phase."""
        return self.config.phases[self.phase_index].name

    @property
    def _phases(self) -> list[Phase]:
        """The present phase of every run that is still in the stack."""
        return [config.phases[self.phase_index] for config in self.stack.configs]

    @property
    def _steps_per_epoch(self) -> int:
        return -(-len(self.data.train) // self._batch_size)

    @property
    def _batch_size(self) -> int:
        return self.config.optimizer.examples_per_step(len(self.data.train))

    def _begin(self) -> None:
        configs = list(self.manifest.configs)
        origins, dtype = Origins(self.results, self.manifest, self.network), getattr(torch, self.config.precision)
        starts = [origins.start(config) for config in configs]
        begun = stacked([start.tensors for start in starts])
        groups = {"initial": self.network.parameters.rows(stacked([origins.initial(config) for config in configs]))}
        groups |= {"parameters": self.network.parameters.rows(begun), "buffers": self.network.buffers.rows(begun)}
        if starts[0].mask is not None:
            groups["mask"] = self.network.parameters.rows(stacked([start.mask or {} for start in starts]))
            groups["initial"] = groups["initial"].to(groups["mask"]) * groups["mask"]  # what was pruned has not walked
        self._hold(configs, {name: rows.to(self.device, dtype) for name, rows in groups.items()})
        paths = torch.tensor([start.path_length for start in starts], dtype=torch.float64)
        self.dynamics.state["path"] += paths.to(self.device)
        self.inherited = dict(zip(self.manifest.run_ids, (start.status for start in starts), strict=True))
        self._start_phase()
        self._save()

    def _hold(self, configs: list[RunConfig], groups: dict[str, Tensor]) -> None:
        self.stack = Stack(self.network, configs, groups)
        bias = self.network.first_bias_columns
        self.dynamics = Dynamics(len(configs), bias.stop - bias.start, self.device)

    def _start_phase(self) -> None:
        self.epoch = 0
        self.stack.start_phase()
        self.dynamics.next_phase()
        self._look(*self.data.splits)
        plan = self.folder.read_json(self.files.stacks) if self.folder.exists(self.files.stacks) else None
        self.plan = StackPlan(**plan) if plan else self._probe()
        self._check(torch.zeros(len(self.stack), dtype=torch.bool))

    def _probe(self) -> StackPlan:
        steps = self._steps_per_epoch * max(phase.max_epochs for phase in self._phases)
        examples = (self.inputs["train"], self.labels["train"], self._batch_size)
        plan = probe(self.stack, *examples, self.pinned, steps)
        self.folder.write_json(self.files.stacks, {"kernel": plan.kernel, "size": plan.size})
        return plan

    def _look(self, *splits: str) -> None:
        """The inputs and labels of these splits, as every run sees them in this phase and epoch."""
        configs, phases = self.stack.configs, self._phases
        for name in splits if configs else ():
            self.inputs[name] = data.inputs_of(self.data, configs, name, self.epoch, self.phase_name)
            self.labels[name] = data.labels_of(self.data, configs, phases, name, self.epoch)

    def _train_epoch(self) -> None:
        start = time.perf_counter()
        size = self.plan.size
        if self.epoch and self.config.data.fresh:
            self._look("train")
        inputs, labels, order = self.inputs["train"], self.labels["train"], self._order()
        traces = []
        for first, part in zip(range(0, len(self.stack), size), self.stack.slices(size), strict=True):
            own = slice(first, first + size)
            examples = (inputs.pick(own), labels[own], order[own], self._batch_size)
            traces.append(part.train_epoch(*examples, self.epoch, self.plan.kernel, f"layers/{self.phase_name}"))
        trace = Trace.join(traces)
        self.dynamics.close_epoch(self.epoch, trace)
        self.epoch += 1
        spent = (time.perf_counter() - start) / len(self.stack)
        for config in self.stack.configs:
            self.seconds[config.run_id] += spent
        self.loss = trace.loss.double().mean(0).cpu()
        self._check(~self.loss.isfinite())

    def _order(self) -> Tensor:
        """Each run's permutation `(K, N)` of the training examples in this epoch."""
        examples, stream = len(self.data.train), f"order/{self.phase_name}"
        seeds = {config.seed for config in self.stack.configs}
        drawn = {seed: generator(seed, stream, self.epoch).permutation(examples) for seed in seeds}
        order = np.stack([drawn[config.seed] for config in self.stack.configs])
        if (limit := self._max_steps) is not None:
            order = order[:, : (limit - self._step) * self._batch_size]
        return torch.from_numpy(order).to(self.device)

    @property
    def _max_steps(self) -> int | None:
        """The limit of the present phase, the same for all runs of a cohort."""
        return self.config.phases[self.phase_index].max_steps

    # ---- stop rules and records

    def _check(self, diverged: Tensor) -> None:
        """Apply the stop rules, record what is due, let runs leave that have stopped, and start the next phase.

        `diverged` `(K,)`: which runs are known to have.
        """
        phases = self._phases
        out_of_steps = self._max_steps is not None and self._step >= self._max_steps
        limit = torch.tensor([self.epoch >= phase.max_epochs or out_of_steps for phase in phases])
        last = self.phase_index == len(self.config.phases) - 1
        has_target = torch.tensor([phase.has_target for phase in phases])
        # A run stops at its own epochs only, also if the loss is evaluated for the records or for another run.
        checked = limit | (has_target & (self.epoch % self.config.stop.check_every == 0))
        due = self.manifest.record.is_due(self.epoch) or (not last and bool(limit.all()))
        if not (self.epoch == 0 or due or checked.any() or diverged.any()):
            return
        train = self._evaluate("train")
        self.loss = train["loss"].cpu()
        diverged = diverged | (checked & ~self.loss.isfinite())
        reached = self._reached(train) & has_target
        converged = checked & reached & (self.epoch > 0) & ~diverged
        stopped = diverged | (last & (converged | limit))
        if due:
            self._record(torch.arange(len(phases)), train)
        elif stopped.any():
            self._record(stopped.nonzero().flatten(), train)
        if self.epoch == 0 or (due and self.manifest.record.checkpoints):
            self._checkpoint()
        if stopped.any():
            self._finish(stopped, diverged, converged)
        if not last and len(self.stack) and bool(limit.all()):
            self.phase_index += 1
            self._start_phase()

    def _reached(self, train: Tensors) -> Tensor:
        """Which runs are at all their targets; a target that is not given is always reached."""
        reached = torch.ones(len(self.stack), dtype=torch.bool)
        for name, targets in (
            ("loss", [phase.train_loss for phase in self._phases]),
            ("error", [phase.train_error for phase in self._phases]),
        ):
            allowed = torch.tensor([float("inf") if t is None else t for t in targets], dtype=torch.float64)
            reached &= train[name].cpu() <= allowed
        return reached

    def _evaluate(self, split: str, index: Tensor | None = None) -> Tensors:
        stack, inputs, labels = self.stack, self.inputs[split], self.labels[split]
        if index is not None:
            stack, inputs, labels = stack.pick(index), inputs.pick(index), labels[index]
        return stack.evaluate(inputs, labels, self.plan.kernel)

    @property
    def _step(self) -> int:
        steps = self.epoch * self._steps_per_epoch
        return steps if self._max_steps is None else min(steps, self._max_steps)

    def _statistics(self) -> Tensors:
        rates = [learning_rate(config.optimizer, max(0, self.epoch - 1)) for config in self.stack.configs]
        lr = torch.tensor(rates, dtype=torch.float64)
        groups = self.stack.groups
        return self.dynamics.statistics(
            groups["parameters"],
            groups["initial"],
            groups["start"],
            self.network.first_bias_columns,
            lr.to(self.device),
        )

    def _record(self, index: Tensor, train: Tensors) -> None:
        """Rows of dynamics and outcomes for the runs in `index`, whose training outcomes are known."""
        ids = [self.stack.configs[i].run_id for i in index.tolist()]
        values = {name: value[index] for name, value in self._statistics().items()}
        self.rows.add_dynamics(ids, self.phase_name, self._step, self.epoch, values)
        for split in self.data.splits:
            outcomes = (
                {name: value[index] for name, value in train.items()}
                if split == "train"
                else self._evaluate(split, index)
            )
            self.rows.add_outcomes(ids, self.phase_name, self._step, split, outcomes)

    def _about(self, index: list[int]) -> dict[str, list[Any]]:
        """What a file of parameters says of its rows."""
        state = self.dynamics.state
        paths = (state["path_before"] + state["path"])[index].tolist()
        ids = [self.stack.configs[i].run_id for i in index]
        count = len(index)
        here: dict[str, list[Any]] = {"phase": [self.phase_name] * count}
        here |= {"step": [self._step] * count, "epoch": [self.epoch] * count}
        return {"run_id": ids, **here, "path_length_from_init": paths}

    def _checkpoint(self) -> None:
        name = self.files.checkpoint(self.phase_name, self._step)
        self.folder.write_tensors(name, self.stack.tensors, self._about(list(range(len(self.stack)))))
        self.new_files.append(name)

    def _finish(self, stopped: Tensor, diverged: Tensor, converged: Tensor) -> None:
        """Write down the runs that have stopped, and take them off the stack."""
        tensors, phases = self.stack.tensors, self._phases
        for i in stopped.nonzero().flatten().tolist():
            config = self.stack.configs[i]
            status = "diverged" if diverged[i] else "converged" if converged[i] else "limit"
            if not phases[i].max_epochs:  # not trained: it is what it was
                status = self.inherited[config.run_id] or status
            if converged[i]:
                epochs = torch.tensor([float(self.epoch)])
                self.rows.add_dynamics(
                    [config.run_id], self.phase_name, self._step, self.epoch, {"epochs_to_target": epochs}
                )
            about = {key: value[0] for key, value in self._about([i]).items()} | {"status": status}
            self.rows.final.append(({name: value[i] for name, value in tensors.items()}, about))
            role = self.manifest.roles[self.manifest.run_ids.index(config.run_id)]
            self.rows.runs.append(
                {
                    "run_id": config.run_id,
                    "cohort_id": self.manifest.cohort_id,
                    "role": role,
                    "status": status,
                }
                | {"phase": self.phase_name, "step": self._step, "epoch": self.epoch}
                | {"seconds": self.seconds[config.run_id]}
                | config.flat()
            )
        left = (~stopped).nonzero().flatten()
        self.stack = self.stack.pick(left)
        self.dynamics.keep(left)
        self.inputs = {name: value.pick(left) for name, value in self.inputs.items()}
        self.labels = {name: value[left] for name, value in self.labels.items()}

    # ---- the state

    def _save(self) -> None:
        """Write a part of every table, then the state that follows it (none when all runs are done)."""
        if self.rows.final:
            self.new_files.append(self.files.final(self.part))
        self.rows.write(self.folder, self.part)
        self.part += 1
        if len(self.stack):
            tensors = {f"dynamics/{name}": value for name, value in self.dynamics.state.items()}
            tensors |= {f"stack/{name}": value for name, value in self.stack.groups.items()}
            state: dict[str, Any] = {
                "run_ids": [config.run_id for config in self.stack.configs],
                "seconds": self.seconds,
            }
            state |= {"phase_index": self.phase_index, "epoch": self.epoch, "part": self.part}
            self.folder.write_tensors(self.files.state, tensors, state)
        else:
            self.folder.delete(self.files.state)
        self.saved = time.monotonic()

    def _resume(self) -> None:
        tensors, state = self.folder.read_tensors(self.files.state)
        self.phase_index, self.epoch, self.part = state["phase_index"], state["epoch"], state["part"]
        self.files.delete_parts_from(self.part)  # half a save: its rows will come again, perhaps cut otherwise
        self.seconds = state["seconds"]
        configs = dict(zip(self.manifest.run_ids, self.manifest.configs, strict=True))
        saved: dict[str, Tensors] = {"stack": {}, "dynamics": {}}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            saved[part][name] = value.to(self.device)
        self._hold([configs[run_id] for run_id in state["run_ids"]], saved["stack"])
        self.dynamics.state = saved["dynamics"]
        self._look(*self.data.splits)
        self.plan = StackPlan(**self.folder.read_json(self.files.stacks))
        self.new_files = self.files.parameter_files()
