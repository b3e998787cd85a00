"""Compare one stack of networks padded with zeros to the widest with one stack for each width.

    python benchmarks/padding.py

MLPs of two hidden layers on digits, some replicates of every width. Three tables: whether a network ends with the same
bits alone and padded; processor time of a step of all networks, padded and in one stack per width, on one thread; and
what a cohort costs besides its steps, from sweeps of the same runs in one cohort and in five. The print of a run is
kept in `results/padding.txt`.
"""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from stacking import BATCH, make_stack, orders, shared

from benevolent.orchestrator import sweep
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.training import ray_session
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.malloc import TRAINING_BYTES, keep_freed_memory

#: Widths that would share a stack.
GROUPS = ((16, 32), (16, 32, 64), (16, 32, 64, 128), (16, 32, 64, 128, 256))
REPLICATES = (4, 8, 16, 32)
STEPS = 20
ROUNDS = 12
#: Runs of the sweeps whose only difference is the number of their cohorts, and how often each of them trains.
RUNS = 20
COHORTS = 5
REPEATS = 3


def digits(examples: int) -> torch.Tensor:
    """Inputs of the size of digits."""
    return torch.randn(examples, 64)


class Group:
    """Networks of several widths, each width as a stack, and all of them as one padded stack."""

    def __init__(self, widths: tuple[int, ...], replicates: int) -> None:
        self.inputs = digits(STEPS * BATCH)
        self.separate = [make_stack(replicates, {"width": width}, DataConfig(), self.inputs) for width in widths]
        networks = replicates * len(widths)
        self.padded = make_stack(networks, {"width": widths[-1]}, DataConfig(), self.inputs)
        for tensor in self.padded.tensors.values():
            tensor.zero_()
        for place, stack in enumerate(self.separate):
            rows = slice(place * replicates, (place + 1) * replicates)
            for name, tensor in stack.tensors.items():
                corner(self.padded.tensors[name][rows], tensor).copy_(tensor)

    def train(self, stack: Stack) -> None:
        """Train a stack for an epoch; every network sees the examples in the same order."""
        networks = len(stack)
        labels = torch.arange(len(self.inputs)).remainder(10).expand(networks, -1)
        order = orders(stack, len(self.inputs), 0)[:1].expand(networks, -1)
        stack.train_epoch(Batches(shared(self.inputs, networks), labels, order, BATCH, epoch=0), "batched")

    def train_separate(self) -> None:
        """Train one stack after the other."""
        for stack in self.separate:
            self.train(stack)

    def train_padded(self) -> None:
        """Train the padded stack. Units of padding stay at zero by themselves: ReLU passes no gradient to them."""
        self.train(self.padded)


def corner(padded: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Return the part of a padded tensor that has the shape of another."""
    inner = [slice(0, side) for side in tensor.shape]
    return padded[tuple(inner)]


def differing() -> Table:
    """Compare networks after an epoch alone and padded, tensor by tensor."""
    table = Table("width", "padded to", "tensors with other bits", "largest difference", title="alone and padded")
    for width, wide in itertools.pairwise((16, 32, 48, 64, 128, 256)):
        group = Group((width, wide), 4)
        group.train_separate()
        group.train_padded()
        names = []
        largest = 0.0
        for name, tensor in group.separate[0].tensors.items():
            padded = corner(group.padded.tensors[name][:4], tensor)
            largest = max(largest, float((padded - tensor).abs().max()))
            if not torch.equal(padded, tensor):
                names.append(name)
        table.add_row(str(width), str(wide), ", ".join(names) or "none", f"{largest:.0e}")
    return table


def milliseconds(*ways: Callable[[], None]) -> list[float]:
    """Return the least processor time of each way, in milliseconds per step."""
    best = [float("inf")] * len(ways)
    for _ in range(ROUNDS):
        for index, way in enumerate(ways):
            start = time.process_time()
            way()
            best[index] = min(best[index], (time.process_time() - start) / STEPS * 1e3)
    return best


def steps() -> Table:
    """Compare the time of a step of all networks."""
    table = Table("widths", "of each", "one stack per width", "padded", "ratio", title="ms per step of all networks")
    for widths, replicates in itertools.product(GROUPS, REPLICATES):
        group = Group(widths, replicates)
        separate, padded = milliseconds(group.train_separate, group.train_padded)
        names = ", ".join(map(str, widths))
        table.add_row(names, str(replicates), f"{separate:.2f}", f"{padded:.2f}", f"{separate / padded:.2f}")
    return table


def sweep_seconds(cohorts: int) -> float:
    """Return the seconds of a sweep of RUNS runs of two epochs, measured, in so many cohorts; Ray is running."""
    folder = tempfile.mkdtemp()
    values = {
        "name": "padding",
        "base": {"data": {"train_size": 256, "test_size": 64}, "stop": {"train_loss": None, "max_epochs": 2}},
        "seeds": RUNS,
        "resources": {"cohort_size": RUNS // cohorts},
    }
    spec = SweepSpec.parse(values)
    results = Folder(f"{folder}/results")
    try:
        start = time.perf_counter()
        to_train, done = sweep.prepare_anew(results, spec, machine_cpus())
        assert len(to_train) == cohorts
        sweep.train_and_measure(results, spec.record, spec.resources, to_train, done, Console(quiet=True))
        return time.perf_counter() - start
    finally:
        shutil.rmtree(folder)


def cohorts() -> Table:
    """Compare sweeps of the same runs in one cohort and in several."""
    table = Table("cohorts", "s", title=f"sweep of {RUNS} runs of two epochs, measured, Ray running")
    best = {1: float("inf"), COHORTS: float("inf")}
    with ray_session.ray_cluster(None):
        sweep_seconds(1)  # workers start and import
        for _ in range(REPEATS):
            for count in best:
                best[count] = min(best[count], sweep_seconds(count))
    for count, seconds in best.items():
        table.add_row(str(count), f"{seconds:.2f}")
    each = (best[COHORTS] - best[1]) / (COHORTS - 1)
    table.caption = f"{each:.2f} s for each further cohort"
    return table


def main() -> None:
    """Print the tables."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory(TRAINING_BYTES)
    console = Console(width=120)
    console.print(differing())
    console.print(steps())
    torch.set_num_threads(threads)
    console.print(cohorts())
    console.print(f"torch {torch.__version__}, batches of {BATCH}")


if __name__ == "__main__":
    main()
