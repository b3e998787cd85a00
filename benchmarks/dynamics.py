"""What does recording the training dynamics cost? The training step with and without it, in turn.

python benchmarks/dynamics.py
"""

import time
from contextlib import nullcontext
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from stacking import make_stack, orders, shared

from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.training.step_statistics import StepStatistics


def milliseconds_per_step(width: int, batch: int, runs: int, epochs: int = 60) -> tuple[float, float]:
    """The fastest epoch without and with dynamics, taken in turn so that both see the same machine."""
    torch.set_num_threads(1)
    split = data.load(DataConfig()).train
    stack = make_stack(runs, {"width": width}, DataConfig(), split.inputs)
    order, labels = orders(stack, len(split), 0), split.labels.expand(runs, -1)
    gradients = torch.zeros_like(stack.state.parameters)
    times: tuple[list[float], list[float]] = ([], [])
    for epoch in range(2 * epochs):
        with nullcontext() if epoch % 2 else patch.object(StepStatistics, "record", lambda *_: None):
            start = time.perf_counter()
            batches = Batches(shared(split.inputs, len(stack)), labels, order, batch, epoch)
            stack.train_epoch(batches, "batched", gradient_sum=gradients)
            times[epoch % 2].append(time.perf_counter() - start)
    steps = len(order.split(batch, 1))
    return min(times[0]) / steps * 1e3, min(times[1]) / steps * 1e3


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
