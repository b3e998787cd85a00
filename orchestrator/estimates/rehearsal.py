"""Rehearsal: the time that a cohort takes on this machine, from a few epochs of it on random numbers.

The real loop trains, with its kernels, records and files, so that the time includes whatever a run asks for. No data
set has to be present. Forests are grown, and least squares are solved, on a limited number of examples.
"""

import contextlib
import math
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from benevolent.orchestrator.estimates.machine_pace import one_thread
from benevolent.orchestrator.estimates.random_data_set import random_data_set
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import SYNTHETIC
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.statuses import Role
from benevolent.trainables.training.starting import start_training

#: Arithmetic of a rehearsed epoch, at most.
MAX_FLOPS = 1e9
#: Parameters of a rehearsed stack, at most.
MAX_VALUES = 2**24
#: Parameters that are enough: a larger stack takes no less time for each run.
ENOUGH_VALUES = 2**20
#: Runs of a rehearsed stack even if that is more than enough: a single network may be trained another way.
FEWEST_RUNS = 4
#: Examples that least squares are solved on, or forests are grown on, at most.
MAX_SOLVED_EXAMPLES = 1000
#: Forward passes that an epoch costs: a step costs three, and the training loss is evaluated once.
PASSES_PER_EPOCH = 4
#: A learning rate so small that nothing moves: the run neither diverges nor reaches its target while it is timed.
LEARNING_RATE = 1e-9
#: Epochs that are timed: the first one also imports, the second one is recorded.
EPOCHS = 4
SPLITS = ("train", "validation", "test")
#: Sections that a rehearsal leaves at their defaults: they cost no time per epoch.
LEFT_OUT = ("init", "labels", "prune", "reset", "pretrain")


@dataclass(frozen=True)
class RunTime:
    """Seconds of one run in a stack: for each epoch, and in addition for each recorded epoch."""

    epoch: float
    record: float

    def seconds(self, epochs: int, records: int) -> float:
        """Return the seconds of a run of so many epochs, `records` of which are recorded."""
        return epochs * self.epoch + records * self.record


def rehearsal_key(config: RunConfig) -> str:
    """Return text that is equal for runs whose rehearsals are the same."""
    return config.model_dump_json(exclude={*LEFT_OUT, "seed"})


def rehearse(config: RunConfig, runs: int, record: RecordConfig) -> RunTime:
    """Train a few epochs of runs like this one, on one thread.

    Parent runs, teachers, pruning and resets are left out: they cost no time per epoch.

    Args:
        config: of one of the runs.
        runs: of its cohort.
        record: of the sweep; early stopping is rehearsed too.
    """
    stack_size = _stack_size(config, runs)
    share = _share_of_examples(config, stack_size)
    sizes = _split_sizes(config, share)
    early_stop = record.early_stop and bool(config.data.validation_size)
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(random_data_set(config, sum(sizes.values())))
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="benevolent-"))
        stack.enter_context(one_thread())
        values = _rehearsed_fields(config, name, sizes)
        first = RunConfig.parse(values)
        configs = tuple(first.model_copy(update={"seed": seed}) for seed in range(stack_size))
        rehearsed_record = RecordConfig(epochs=[2], early_stop=early_stop)
        Manifest.of("r", configs, (Role.RUN,) * stack_size, (), rehearsed_record).write(Folder(scratch))
        seconds = [each / stack_size for each in _seconds_of_epochs(Folder(scratch), "r")]
    if config.solved:
        return RunTime(seconds[0] / share, 0.0)
    if len(seconds) < 3:  # it ended at its start, with a loss that is not finite
        return RunTime(min(seconds) / share, 0.0)
    plain_epoch = min(seconds[2:]) / share
    recording = max(0.0, seconds[1] - min(seconds[2:]))
    held_out_passes = sum(_held_out_sizes(config)) / config.data.seen_size / PASSES_PER_EPOCH
    left_out = (1 - share) * held_out_passes * plain_epoch  # the rest of a record does not depend on the examples
    return RunTime(plain_epoch, recording + left_out)


def _stack_size(config: RunConfig, runs: int) -> int:
    if config.subspace.dimension:
        return 1  # a projection matrix for each seed may fill the memory
    parameters = max(1, network_cost(config).parameters)
    enough = max(FEWEST_RUNS, int(ENOUGH_VALUES / parameters))
    return max(1, min(runs, enough, int(MAX_VALUES / parameters)))


def _share_of_examples(config: RunConfig, stack_size: int) -> float:
    """Return which part of the examples is rehearsed."""
    if config.solved:
        examples = MAX_SOLVED_EXAMPLES
    else:
        flops_per_example = PASSES_PER_EPOCH * stack_size * max(1, network_cost(config).flops)
        examples = max(2, int(MAX_FLOPS / flops_per_example))
    return min(1.0, examples / config.data.seen_size)


def _held_out_sizes(config: RunConfig) -> list[int]:
    return [config.data.validation_size, config.data.test_size]


def _split_sizes(config: RunConfig, share: float) -> dict[str, int]:
    """Return the rehearsed examples of each split that is not empty, as fields of `data`."""
    sizes = {}
    for split, size in zip(SPLITS, [config.data.seen_size, *_held_out_sizes(config)], strict=True):
        if size:
            sizes[f"{split}_size"] = max(2, round(share * size))
    if share < 1:  # whole batches: a last batch of one example would be too few for BatchNorm
        sizes["train_size"] -= sizes["train_size"] % _batch_size(config, sizes["train_size"])
    return sizes


def _batch_size(config: RunConfig, train_size: int) -> int:
    return min(config.optimizer.examples_per_step(config.data.seen_size), train_size)


def _rehearsed_fields(config: RunConfig, data_set: str, sizes: dict[str, int]) -> dict[str, Any]:
    """Return the fields of a run like this one that depends on no other run and trains for a few epochs."""
    values = config.model_dump() | {section: {} for section in LEFT_OUT}
    values["data"] |= {**sizes, "name": data_set, "subset": 1.0}
    if data_set not in SYNTHETIC:  # as many examples as are rehearsed, all of them kept
        values["data"] |= {"classes": None, "half": "both"}
    if not config.solved:
        values["optimizer"]["lr"] = LEARNING_RATE
        if config.optimizer.batch_size != "full":
            values["optimizer"]["batch_size"] = _batch_size(config, sizes["train_size"])
    has_target = config.stop.train_loss is not None or config.stop.train_error is not None
    values["stop"] |= {
        "max_epochs": EPOCHS + 5,
        "max_steps": None,
        "train_error": None,
        "train_loss": 0.0 if has_target else None,
        "snapshot_loss": None,
    }
    return values


def _seconds_of_epochs(results: Folder, cohort_id: str) -> list[float]:
    """Return the seconds of the first epochs of a cohort; fewer if it ends before."""
    seconds = []
    rehearsed = start_training(results, cohort_id, save_every_seconds=math.inf)
    for _ in range(EPOCHS):
        start = time.process_time()  # not what other processes do in the meantime
        done = rehearsed.advance_epoch().done
        seconds.append(time.process_time() - start)
        if done:
            break
    return seconds
