"""Batches of one example, as in Loukas et al. 2021: a stack against a serial loop of plain torch.

python benchmarks/batch_one.py

20 networks (frequencies 0.25, 0.5, 0.75 and 1, five seeds), first layer frozen at the identity but for its bias, 100
examples, SGD at a rate of 0.001, half the squared error. The stack records all dynamics; the loop records nothing.
"""

import copy
import time
from collections.abc import Iterator

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.initial_state import stacked
from benevolent.trainables.training.running_stack import RunningStack

EPOCHS = 30


def configs(networks: int) -> list[RunConfig]:
    """The runs."""
    return [
        RunConfig.parse(
            {
                "data": {"name": "frequency", "train_size": 100, "test_size": 30, "frequency": (1 + run % 4) / 4},
                "model": {"width": 32, "depth": 5, "first": "identity"},
                "loss": {"name": "squared"},
                "optimizer": {"lr": 1e-3, "batch_size": 1},
                "seed": run // 4,
            }
        )
        for run in range(networks)
    ]


def stack_seconds(networks: int) -> Iterator[float]:
    """Seconds per step of all networks as one stack, epoch by epoch."""
    runs = configs(networks)
    dataset = data.load(runs[0].data)
    built = built_network.build(runs[0].model, dataset.input_shape, 1)
    drawn = stacked([built.initial(run.init, run.seed) for run in runs])
    rows = built.parameters.rows(drawn).float()
    state = StackState.begin(rows, built.buffers.rows(drawn).float())
    active = RunningStack(built, dataset, runs, state)
    active.stack.start_phase()
    active.load_splits(["train"], [run.phases[0] for run in runs], 0)
    for epoch in range(EPOCHS):
        order = torch.stack([torch.randperm(100) for _ in runs])
        start = time.perf_counter()
        active.open_epoch(order, 1, epoch, StackGenerator([run.seed for run in runs], "layers", epoch))
        active.begin_segment(0, 100, KernelChoice(built.kernels[0], networks)).train(100)
        active.end_segment()
        yield (time.perf_counter() - start) / 100


def serial_seconds() -> Iterator[float]:
    """Seconds per step of one network in a plain loop, epoch by epoch."""
    (run,) = configs(1)
    dataset = data.load(run.data)
    module = copy.deepcopy(built_network.build(run.model, dataset.input_shape, 1).module).requires_grad_()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    inputs, labels = dataset.train.inputs, dataset.train.labels
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for index in torch.randperm(100).split(1):
            optimizer.zero_grad()
            (nn.functional.mse_loss(module(inputs[index]).squeeze(1), labels[index]) / 2).backward()
            optimizer.step()
        yield (time.perf_counter() - start) / 100


def main() -> None:
    """Print seconds per step and the ratio."""
    torch.set_num_threads(1)
    table = Table("networks", "serial, ms", "stack, ms", "ratio", title="A step of one example, one thread")
    for networks in (1, 20, 100):
        # In turn, and the fastest epoch of each, so that both see the same machine.
        both = zip(serial_seconds(), stack_seconds(networks), strict=True)
        one, whole = (min(times) for times in zip(*both, strict=True))
        cells = (f"{networks * one * 1e3:.2f}", f"{whole * 1e3:.2f}", f"{networks * one / whole:.1f}x")
        table.add_row(str(networks), *cells)
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
