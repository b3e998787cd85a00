"""How fast are stacks? Seconds per run of one MLP on digits, trained in four ways on this machine.

    python benchmarks/stacking.py

(a) a plain Ray Tune function trainable, as Ray's documentation shows it, one process per run;
(b) the same with `reuse_actors=True`;
(c) a serial loop on one thread;
(d) `bth run`: cohorts as stacks in Tune trials, dynamics recorded, tables and checkpoints written, no measures.

All train 64-64-64-10 networks for 2,000 steps of batch 32, SGD with momentum. The start of Ray is left out. Then the
training loop alone against the arithmetic it cannot do without, and stacks of convolutional networks against a loop.
"""

import os
import shutil
import tempfile
import time

import ray
import torch
from ray import tune
from rich.console import Console
from rich.table import Table
from torch import nn

from benevolent.orchestrator import sweep
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.training import ray_session
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_choice import choose_kernel
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.example_order import training_order

RUNS, STACKED_RUNS = 24, 384
BATCH, EPOCHS, TRAIN_SIZE = 32, 50, 1280  # 40 steps an epoch: 2,000 steps
BASE = {
    "data": {"train_size": TRAIN_SIZE, "test_size": 320},
    "optimizer": {"lr": 0.05, "momentum": 0.9, "batch_size": BATCH},
    "stop": {"train_loss": None, "max_epochs": EPOCHS},
}


def train_one(config: dict) -> dict[str, torch.Tensor]:
    """One network in plain PyTorch, from the same start and in the same order as the stacks."""
    run = RunConfig.parse(BASE | {"seed": config["seed"]})
    split = data.load(run.data).train
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model.load_state_dict(Network(model).initial(run.init, run.seed))
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loss_function = nn.CrossEntropyLoss()
    for epoch in range(config.get("epochs", EPOCHS)):
        order = torch.from_numpy(training_order(run.seed, "train", epoch, TRAIN_SIZE))
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            loss = loss_function(model(split.inputs[batch]), split.labels[batch])
            loss.backward()
            optimizer.step()
    return {name: value.detach() for name, value in model.named_parameters()}


def trainable(config: dict) -> None:
    """The function trainable of Ray's documentation."""
    torch.set_num_threads(1)
    train_one(config)
    tune.report({"done_training": 1})


def seconds_of_tune(reuse: bool) -> float:
    """Seconds per run of (a) and (b)."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"seed": tune.grid_search(list(range(RUNS)))},
            tune_config=tune.TuneConfig(reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        return (time.perf_counter() - start) / RUNS


def seconds_of_serial() -> float:
    """Seconds per run of (c)."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    for seed in range(RUNS):
        train_one({"seed": seed})
    return (time.perf_counter() - start) / RUNS


def seconds_of_sweep() -> float:
    """Seconds per run of (d)."""
    folder = tempfile.mkdtemp()
    values = {"name": "stacking", "base": BASE, "seeds": STACKED_RUNS, "record": {"measures": []}}
    spec, results = SweepSpec.parse(values), Folder(f"{folder}/results")
    try:
        start = time.perf_counter()
        to_train, done = sweep.prepare_anew(results, spec, machine_cpus())
        sweep.train_and_measure(results, spec.record, spec.resources, to_train, done, Console(quiet=True))
        seconds = (time.perf_counter() - start) / STACKED_RUNS
        assert not sweep.prepare_anew(results, spec)[0], "not every run ended"
        return seconds
    finally:
        shutil.rmtree(folder)


def make_stack(runs: int, model: dict, data_config: DataConfig, inputs: torch.Tensor) -> Stack:
    """A stack at its initialization."""
    configs = [
        RunConfig.parse(BASE | {"seed": seed, "model": model, "data": data_config.model_dump()}) for seed in range(runs)
    ]
    net = built_network.build(configs[0].model, tuple(inputs.shape[1:]), 10)
    drawn = [net.initial(config.init, config.seed) for config in configs]
    stacked = {name: torch.stack([one[name] for one in drawn]).float() for name in drawn[0]}
    state = StackState.begin(net.parameters.rows(stacked), net.buffers.rows(stacked))
    stack = Stack(net, configs, state)
    stack.start_phase()
    return stack


def shared(inputs: torch.Tensor, runs: int) -> data.Inputs:
    """The same inputs `(N, *input_shape)` for every run."""
    return data.Inputs(inputs.unsqueeze(0), torch.zeros(runs, dtype=torch.int64), inputs.dtype)


def orders(stack: Stack, examples: int, epoch: int) -> torch.Tensor:
    """Each run's permutation of the examples."""
    drawn = [training_order(config.seed, "train", epoch, examples) for config in stack.configs]
    return torch.stack([torch.from_numpy(one) for one in drawn])


def agreement() -> float:
    """The largest difference of a parameter between (c) and a stack after 120 steps."""
    config = RunConfig.parse(BASE).data
    split = data.load(config).train
    stack = make_stack(8, {"width": 64}, config, split.inputs)
    for epoch in range(3):
        order = orders(stack, TRAIN_SIZE, epoch)
        batches = Batches(shared(split.inputs, 8), split.labels.expand(8, -1), order, BATCH, epoch)
        stack.train_epoch(batches, "batched")
    worst = 0.0
    for seed in range(8):
        alone = train_one({"seed": seed, "epochs": 3})
        for name, value in stack.tensors.items():
            worst = max(worst, float((value[seed] - alone[name]).abs().max()))
    return worst


def loop_against_arithmetic(runs: int = 48) -> tuple[float, float]:
    """Seconds per run of the training loop on one thread, and of its matrix products alone, for 2,000 steps."""
    torch.set_num_threads(1)
    config = RunConfig.parse(BASE).data
    split = data.load(config).train
    stack = make_stack(runs, {"width": 64}, config, split.inputs)
    order, labels = orders(stack, TRAIN_SIZE, 0), split.labels.expand(runs, -1)
    hidden, output = torch.randn(runs, BATCH, 64), torch.randn(runs, BATCH, 10)
    square, last = torch.randn(runs, 64, 64), torch.randn(runs, 64, 10)

    def products() -> None:
        for _ in range(3):  # forward and the gradients of both square layers, and one towards the inputs
            torch.bmm(hidden, square)
        for _ in range(2):
            torch.bmm(hidden.transpose(1, 2), hidden)
        torch.bmm(hidden, last)
        torch.bmm(output, last.transpose(1, 2))
        torch.bmm(hidden.transpose(1, 2), output)

    loop, bound = [], []
    for epoch in range(8):  # in turn, so that both see the same machine; the fastest of each
        start = time.perf_counter()
        stack.train_epoch(Batches(shared(split.inputs, len(stack)), labels, order, BATCH, epoch), "batched")
        loop.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(TRAIN_SIZE // BATCH):
            products()
        bound.append(time.perf_counter() - start)
    return min(loop) * EPOCHS / runs, min(bound) * EPOCHS / runs


def convolutions(runs: int = 8) -> tuple[float, float, str]:
    """Seconds per run and epoch of 3-layer conv nets on 28 x 28 inputs: as probed, and one network after the other."""
    torch.set_num_threads(1)
    inputs, labels = torch.randn(512, 1, 28, 28), torch.randint(0, 10, (runs, 512))
    model = {"family": "puzzles_cnn", "filters": 16, "stride": 2, "padding": 2}
    stack = make_stack(runs, model, DataConfig(), inputs)
    chosen, order = choose_kernel(stack, shared(inputs, runs), labels, BATCH), orders(stack, 512, 0)
    optimizers = []
    for seed in range(runs):
        module = built_network.plain_module(stack.configs[seed].model, (1, 28, 28), 10)
        optimizers.append((module, torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)))
    stacked, serial = [], []
    for _ in range(3):
        start = time.perf_counter()
        for part, own, permutation in zip(
            stack.slices(chosen.size), labels.split(chosen.size), order.split(chosen.size), strict=True
        ):
            part.train_epoch(Batches(shared(inputs, len(part)), own, permutation, BATCH, epoch=0), chosen.kernel)
        stacked.append(time.perf_counter() - start)
        start = time.perf_counter()
        for row, (module, optimizer) in enumerate(optimizers):
            for batch in order[row].split(BATCH):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(inputs[batch]), labels[row][batch]).backward()
                optimizer.step()
        serial.append(time.perf_counter() - start)
    return min(stacked) / runs, min(serial) / runs, f"{chosen.kernel}, {chosen.size} at once"


def main() -> None:
    """Run everything and print the tables."""
    console = Console(width=110)
    threads = torch.get_num_threads()
    difference = agreement()
    loop, bound = loop_against_arithmetic()
    conv, conv_serial, chosen = convolutions()
    serial = seconds_of_serial()
    torch.set_num_threads(threads)
    with ray_session.ray_cluster(None):
        plain, reused, ours = seconds_of_tune(False), seconds_of_tune(True), seconds_of_sweep()

    table = Table("way", "runs", "s per run", "slower than (d)", title="2,000 steps of a 64-64-64-10 MLP")
    for name, runs, seconds in (
        ("(a) Ray Tune function trainable", RUNS, plain),
        ("(b) the same, actors reused", RUNS, reused),
        ("(c) serial loop, one thread", RUNS, serial),
        ("(d) bth run", STACKED_RUNS, ours),
    ):
        table.add_row(name, str(runs), f"{seconds:.3f}", f"{seconds / ours:.1f}x")
    console.print(table)
    console.print(f"largest difference of a parameter to the serial loop after 120 steps: {difference:.1e}")
    console.print(
        f"training loop, one thread: {loop:.3f} s per run; its matrix products alone: {bound:.3f} s; "
        f"ratio {loop / bound:.2f}"
    )
    console.print(
        f"3-layer conv nets on 28 x 28: {conv:.3f} s per run and epoch ({chosen}), serial loop {conv_serial:.3f} s; "
        f"{conv_serial / conv:.2f}x as fast"
    )
    console.print(f"torch {torch.__version__}, Ray {ray.__version__}, {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
