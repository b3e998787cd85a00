"""What a cohort's training takes on this machine: a few epochs of it, rehearsed on random numbers.

The real loop trains, with its kernels, records and files, so whatever a run asks for is in the time. No data set has
to be here. Forests are grown, networks that least squares solves for are solved for, on as many examples at most.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benevolent.orchestrator.estimates.network_cost import network_cost
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import READERS, SYNTHETIC
from benevolent.trainables.data.readers import RawDataset, RawSplit, Reader
from benevolent.trainables.rng import generator
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, Record
from benevolent.trainables.training.starting import training

#: Arithmetic of a rehearsed epoch, numbers in a rehearsed stack, and examples that are solved for or grown on, at most.
FLOPS, VALUES, SOLVED_EXAMPLES = 1e9, 2**24, 1000
#: The learning rate, which moves nothing.
STEP = 1e-9
#: Of an epoch: its forward and backward pass, and the loss on the training split after it.
PASSES = 4


@dataclass(frozen=True)
class RunTime:
    """Seconds of one run in a stack: for each epoch, and more for each epoch that is recorded."""

    epoch: float
    record: float

    def seconds(self, epochs: int, records: int) -> float:
        """Of a run of so many epochs, of which so many are recorded."""
        return epochs * self.epoch + records * self.record


def rehearse(config: RunConfig, runs: int, record: Record) -> RunTime:
    """Train a few epochs of runs like this one, on one thread.

    What a run starts from, and who labels its inputs, is left out, as pruning and resets are. The steps are too small
    to move the network, which therefore neither diverges nor reaches its target before it was timed.

    Args:
        config: of one of the runs.
        runs: of its cohort.
        record: of the sweep; early stopping is rehearsed too.
    """
    work = network_cost(config)
    batch = config.optimizer.examples_per_step(config.data.train_size)
    stack = max(1, min(runs, int(VALUES / max(1, work.parameters))))
    if config.subspace.dimension:
        stack = 1  # a matrix of P for each seed may fill the memory
    most = SOLVED_EXAMPLES if config.solved else max(2, int(FLOPS / (PASSES * stack * max(1, work.flops))))
    share = min(1.0, most / config.data.train_size)
    sizes = {
        f"{split}_size": max(2, round(share * getattr(config.data, f"{split}_size")))
        for split in ("train", "validation", "test")
        if getattr(config.data, f"{split}_size")
    }
    batch = min(batch, sizes["train_size"])
    if share < 1:
        sizes["train_size"] -= sizes["train_size"] % batch  # a rest of one example would be too few for BatchNorm
    examples = sum(sizes.values())
    with _stage(config, examples) as name, tempfile.TemporaryDirectory(prefix="benevolent-") as scratch, _one_thread():
        target = any(one is not None for one in (config.stop.train_loss, config.stop.train_error))
        values = config.model_dump() | {"init": {}, "labels": {}, "prune": {}, "reset": {}, "pretrain": {}}
        values["data"] |= sizes | {"name": name} | ({} if name in SYNTHETIC else {"classes": None})
        if not config.solved:
            values["optimizer"] |= {"lr": STEP} | (
                {} if config.optimizer.batch_size == "full" else {"batch_size": batch}
            )
        values["stop"] |= {"max_epochs": 9, "max_steps": None, "train_error": None, "snapshot_loss": None}
        values["stop"] |= {"train_loss": 0.0 if target else None}
        configs = tuple(RunConfig.parse(values | {"seed": seed}) for seed in range(stack))
        folder, early = Folder(scratch), record.early_stop and bool(config.data.validation_size)
        Manifest("r", configs, ("run",) * stack, (), Record(epochs=(0, 2), early_stop=early)).write(folder)
        took = []
        rehearsed = training(folder, "r", save_every_seconds=1e9)  # first of all the epoch that imports
        for _ in range(4):
            start = time.process_time()  # not what else the machine does
            done = rehearsed.advance(0).done
            took.append((time.process_time() - start) / stack)
            if done:
                break
    if config.solved:
        return RunTime(took[0] / share, 0.0)
    epoch = min(took[2:] or took) / share  # or it ended at its start, which is not finite
    return RunTime(epoch, max(0.0, took[1] / share - epoch) if took[2:] else 0.0)


@contextlib.contextmanager
def _stage(config: RunConfig, examples: int) -> Iterator[str]:
    """The name of a data set of so many random inputs like that of a run; a synthetic one stands for itself."""
    if config.data.name in SYNTHETIC:
        yield config.data.name
        return
    original, classes = READERS[config.data.name], data.describe(config.data).classes
    each = -(-examples // classes)

    def read(root: Path) -> RawDataset:
        draw = generator(0, "rehearsal")
        inputs = draw.integers(0, 256, (classes * each, *original.shape), dtype=np.uint8)
        return RawDataset(RawSplit(inputs, np.arange(classes * each) % classes))

    name = f"rehearsal of {config.data.name}, {classes} x {each}"
    READERS[name] = Reader(read, original.shape, (each,) * classes, (), "random numbers")
    try:
        yield name
    finally:
        del READERS[name]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
