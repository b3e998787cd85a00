"""What does recording the training dynamics cost? The training step with and without it, in turn.

python benchmarks/dynamics.py
"""

import time
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from stacking import make_stack, orders, shared

from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.step_statistics import StepStatistics


def milliseconds_per_step(width: int, batch: int, runs: int, epochs: int = 64) -> tuple[float, float]:
    """Return the time of a step without and with dynamics, from the fastest epoch of each.

    They are taken in turn, so that both see the same machine.
    """
    torch.set_num_threads(1)
    split = data.load(DataConfig()).train
    stack = make_stack(runs, {"width": width}, DataConfig(), split.inputs)
    order = orders(stack, len(split), 0)
    labels = split.labels.expand(runs, -1)

    def seconds(epoch: int) -> float:
        batches = Batches(shared(split.inputs, len(stack)), labels, order, batch, epoch)
        start = time.perf_counter()
        stack.train_epoch(batches, "batched")
        return time.perf_counter() - start

    without, recorded = [], []
    for epoch in range(epochs):
        with patch.object(StepStatistics, "record", lambda *_: None):
            without.append(seconds(epoch))
        recorded.append(seconds(epoch))
    steps = len(order.split(batch, 1))
    return min(without) / steps * 1e3, min(recorded) / steps * 1e3


def main() -> None:
    """Print the share of the step that the dynamics take."""
    table = Table("width", "batch", "stack", "ms without", "ms with", "dynamics", title="Cost of a step, one thread")
    for case in ((32, 32, 32), (64, 32, 48), (128, 32, 32), (64, 64, 48), (64, 128, 48), (64, 32, 1)):
        without, recorded = milliseconds_per_step(*case)
        cells = (f"{without:.2f}", f"{recorded:.2f}", f"{recorded / without - 1:+.1%}")
        table.add_row(*map(str, case), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
