"""Compare stacks with a serial loop of plain PyTorch: milliseconds of processor time per run and step, on one thread.

    python benchmarks/kernels.py

The serial loop trains one ordinary module after the other with `torch.optim.SGD`, on the same batches; ours records the
dynamics too. Random inputs; the fastest of several rounds taken in turn. `bare convolutions` are the calls of torch's
convolutions that a step needs, and nothing else: of each layer and direction the fastest way, of one network or of as
many as train at once, with channels first or last. No step that calls torch's convolutions can be faster than that.

The thresholds of `trainables/stack/kernel_choice.py` come from the second table (`--candidates`), which times other
kernels and sizes.
"""

import copy
import itertools
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from stacking import BATCH, make_stack, orders, shared
from torch import Tensor, nn

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_choice import choose_kernel
from benevolent.trainables.stack.kernel_names import Kernel, KernelChoice
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.training.malloc import TRAINING_BYTES, keep_freed_memory

#: The same with epochs as long as those of the perceptrons.
LONG = "LeNet-5 alone, epochs of 20 steps"
#: Name, network, shape of an input, networks.
CASES = (
    ("MLP on 64 inputs", {"width": 64}, (64,), 8),
    ("MLP on 784 inputs", {"width": 64}, (784,), 8),
    ("3-layer conv, 1 x 28 x 28", {"family": "puzzles_cnn"}, (1, 28, 28), 8),
    ("3-layer conv, 3 x 32 x 32", {"family": "puzzles_cnn"}, (3, 32, 32), 8),
    ("5-layer conv + BatchNorm, 1 x 28 x 28", {"family": "puzzles_bn"}, (1, 28, 28), 8),
    ("5-layer conv + BatchNorm, 3 x 32 x 32", {"family": "puzzles_bn"}, (3, 32, 32), 8),
    ("LeNet-5, 1 x 28 x 28", {"family": "lenet5"}, (1, 28, 28), 8),
    ("LeNet-5, 1 x 28 x 28, alone", {"family": "lenet5"}, (1, 28, 28), 1),
    (LONG, {"family": "lenet5"}, (1, 28, 28), 1),
    ("ResNet-56, 3 x 32 x 32", {"family": "resnet", "depth": 56}, (3, 32, 32), 1),
)
#: Rounds whose fastest counts, and steps of each round, for networks whose step takes long and for others.
SLOW, FAST = (10, 2), (12, 20)
#: Calls of a bare convolution, whose fastest counts.
BARE_ROUNDS = 12
LAYOUTS = (torch.contiguous_format, torch.channels_last)


class Case:
    """Networks of one architecture, to be trained in stacks or one after the other."""

    def __init__(self, model: dict, shape: tuple[int, ...], networks: int, is_fast: bool = False) -> None:
        self.rounds, steps = FAST if is_fast or len(shape) == 1 else SLOW
        self.inputs = torch.randn(steps * BATCH, *shape)
        self.labels = torch.randint(0, 10, (networks, steps * BATCH))
        self.stack = make_stack(networks, model, DataConfig(), self.inputs)
        self.order = orders(self.stack, steps * BATCH, 0)
        self.choice = choose_kernel(self.stack, shared(self.inputs, networks), self.labels, BATCH)
        modules = [copy.deepcopy(self.stack.network.module).train().requires_grad_() for _ in range(networks)]
        self.serial_loop = [(one, torch.optim.SGD(one.parameters(), lr=0.05, momentum=0.9)) for one in modules]
        self.steps = steps * networks

    def serial(self) -> None:
        """Train one network after the other."""
        for (module, optimizer), labels, order in zip(self.serial_loop, self.labels, self.order, strict=True):
            for batch in order.split(BATCH):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(self.inputs[batch]), labels[batch]).backward()
                optimizer.step()

    def ours(self, choice: KernelChoice) -> Callable[[], None]:
        """Return a function that trains the networks in stacks."""

        def epoch() -> None:
            parts: list[tuple[Stack, Tensor, Tensor]] = list(
                zip(
                    self.stack.slices(choice.size),
                    self.labels.split(choice.size),
                    self.order.split(choice.size),
                    strict=True,
                )
            )
            for part, labels, order in parts:
                batches = Batches(shared(self.inputs, len(part)), labels, order, BATCH, epoch=0)
                part.train_epoch(batches, choice.kernel)

        return epoch

    def milliseconds(self, *ways: Callable[[], None]) -> list[float]:
        """Return the least time of each way per run and step."""
        best = [float("inf")] * len(ways)
        for _ in range(self.rounds):
            for index, way in enumerate(ways):
                start = time.thread_time()
                way()
                best[index] = min(best[index], (time.thread_time() - start) / self.steps * 1e3)
        return best

    def bare_convolutions(self) -> float:
        """Return the least milliseconds per run and step of the convolutions alone; 0 without any."""
        total = 0.0
        for number, (layer, images) in enumerate(convolved(self.stack.network.module, self.inputs[:BATCH])):
            ways: dict[str, list[float]] = {"forward": [], "backward": []}
            for networks, layout in itertools.product({1, self.choice.size}, LAYOUTS):
                for way, call in bare_calls(layer, images, networks, layout, number > 0).items():
                    ways[way].append(least_milliseconds(call) / networks)
            total += sum(min(times) for times in ways.values())
        return total


def convolved(module: nn.Module, inputs: Tensor) -> list[tuple[nn.Conv2d, Tensor]]:
    """Return the convolutions of a network with their inputs, in the order of the forward pass."""
    calls: list[tuple[nn.Conv2d, Tensor]] = []
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_pre_hook(lambda own, given: calls.append((own, given[0]))) for layer in layers]
    with torch.no_grad():
        module(inputs)
    for hook in hooks:
        hook.remove()
    return calls


def bare_calls(
    layer: nn.Conv2d, images: Tensor, networks: int, layout: torch.memory_format, wanted: bool
) -> dict[str, Callable[[], object]]:
    """Return functions that call a convolution of several networks with separate channels, forward and backward.

    Args:
        layer: the convolution.
        images: of one network.
        networks: computed at once.
        layout: of all tensors.
        wanted: True if the derivative by the images is computed too.
    """
    images = images.repeat(1, networks, 1, 1).contiguous(memory_format=layout)
    weights = layer.weight.detach().repeat(networks, 1, 1, 1).contiguous(memory_format=layout)
    settings = (layer.stride, layer.padding, layer.dilation)
    forward = partial(nn.functional.conv2d, images, weights, None, *settings, networks)
    slopes = torch.randn_like(forward())
    needed = [wanted, True, False]
    backward = partial(
        torch.ops.aten.convolution_backward,
        *(slopes, images, weights, None, *settings, False, [0, 0], networks, needed),
    )
    return {"forward": forward, "backward": backward}


def least_milliseconds(call: Callable[[], object]) -> float:
    """Return the least processor time of a call."""
    best = float("inf")
    for _ in range(BARE_ROUNDS):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
    return best * 1e3


def chosen() -> Table:
    """Compare the chosen kernels with the serial loop."""
    title = "ms of processor time per run and step, one thread"
    table = Table("network", "K", "chosen", "ours", "serial", "ratio", "bare convolutions", "ratio", title=title)
    for name, model, shape, networks in CASES:
        case = Case(model, shape, networks, name == LONG)
        ours, serial = case.milliseconds(case.ours(case.choice), case.serial)
        choice = f"{case.choice.kernel}, {case.choice.size} at once"
        bare = case.bare_convolutions()
        least = (f"{bare:.3f}", f"{bare / serial:.2f}") if bare else ("", "")
        table.add_row(name, str(networks), choice, f"{ours:.3f}", f"{serial:.3f}", f"{ours / serial:.2f}", *least)
    return table


def candidates() -> Table:
    """Compare other kernels and sizes with the serial loop, for the convolutional networks."""
    kernels: tuple[Kernel, ...] = ("batched", "channels_last", "loop")
    choices = [KernelChoice(kernel, size) for kernel, size in itertools.product(kernels, (1, 2, 4, 8))]
    titles = [f"{choice.kernel} {choice.size}" for choice in choices]
    table = Table("network", "values a step", *titles, title="time against the serial loop")
    for name, model, shape, networks in CASES:
        if networks > 1 and len(shape) == 3:
            case = Case(model, shape, networks)
            *ours, serial = case.milliseconds(*(case.ours(choice) for choice in choices), case.serial)
            values = BATCH * case.stack.network.activations(shape)
            table.add_row(name, f"{values:,}", *(f"{one / serial:.2f}" for one in ours))
    return table


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    keep_freed_memory(TRAINING_BYTES)  # as where cohorts are trained; the serial loop has it too
    console = Console(width=160)
    console.print(chosen())
    if "--candidates" in sys.argv[1:]:
        console.print(candidates())
    console.print(f"torch {torch.__version__} on {processor()}, batches of {BATCH}")


if __name__ == "__main__":
    main()
