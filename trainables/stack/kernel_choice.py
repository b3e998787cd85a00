"""How a cohort is cut into stacks, and which kernel trains them, within the memory that its trial was given.

On a CPU this is a rule of the network's shapes, so that a sweep trained twice gives the same tables bit for bit: a
choice by the clock would differ with what else the machine does, and stacks of convolutions differ in their last
digits. `benchmarks/kernels.py` shows what the rule is worth. On a GPU, which is not deterministic to the last digit
anyway, the candidates are timed. Either can be overruled by `resources.kernel` and `resources.stack_size` of a sweep.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from benevolent.trainables.data import Inputs
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.layer_types import layer_type
from benevolent.trainables.stack.network import Kernel
from benevolent.trainables.stack.stack import Stack

#: Activations of a step (networks x examples x values) that convolutional networks in one program have at most, on a
#: CPU: of networks up to LARGE_VALUES each, and of larger ones, whose stacks leave the cache between forward and
#: backward pass. Measured with 32 MB of third-level cache (`benchmarks/kernels.py --candidates`), against a serial
#: loop: eight at once of 0.3 to 1.4 million took 0.4 to 1.0 of its time; with 1.8 million two at once took 0.90, one
#: 1.08, eight 0.99; with 2.6 million one took 0.96, two 1.06, eight 1.21.
STACKED_VALUES, LARGE_VALUES, STACKED_LARGE_VALUES = 2**24, 3 * 2**19, 2**22
#: The part of its memory that a trial may fill with a step: data, parameters and their copies need the rest.
SHARE = 0.5
#: The clock decides on a GPU, for so many seconds or this part of the training, whichever is longer.
SECONDS, PART = 0.5, 0.02
#: What takes longer for its first step than the best so far for so many is left out.
HOPELESS = 8


@dataclass(frozen=True)
class KernelChoice:
    """The kernel that computes the logits, and how many runs train in one program."""

    kernel: Kernel
    size: int


@dataclass(frozen=True)
class Pinned:
    """What the author of a sweep has decided; None: it is chosen here."""

    kernel: Kernel | None = None
    size: int | None = None


def memory_bytes(device: torch.device) -> float:
    """What this trial may use: of a GPU its share of what is free, of a machine the share of its threads.

    The machine's memory as a whole counts, not what is free of it at the moment, so that the choice can be repeated.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
    total = machine_memory_bytes()
    return total * min(1.0, torch.get_num_threads() / len(os.sched_getaffinity(0)))


def machine_memory_bytes() -> int:
    """Return the memory of this machine, or of the container that this process runs in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    container_limit = Path("/sys/fs/cgroup/memory.max")
    text = container_limit.read_text().strip() if container_limit.is_file() else "max"
    return total if text == "max" else min(total, int(text))


def step_bytes(stack: Stack, inputs: Inputs, batch_size: int) -> int:
    """Memory that a step takes for each run: activations and their gradients, the gradient, and the update."""
    activations = stack.network.activations(inputs.shape)
    parameters = stack.groups["parameters"]
    return (2 * batch_size * activations + 2 * parameters.shape[1]) * parameters.element_size()


def choose_kernel(
    stack: Stack, inputs: Inputs, labels: torch.Tensor, batch_size: int, pinned: Pinned | None = None, steps: int = 0
) -> KernelChoice:
    """How to train a stack.

    Args:
        stack: the runs; not changed.
        inputs: N of each network.
        labels: `(K, N)`.
        batch_size: examples per step.
        pinned: what is not to be chosen.
        steps: that each run will train, at most; a GPU is probed for longer where it trains for longer.

    Raises:
        BadInput: the pinned kernel cannot train this network.
    """
    pinned, network = pinned or Pinned(), stack.network
    if pinned.kernel and pinned.kernel not in network.kernels:
        raise BadInput(
            f"resources.kernel = {pinned.kernel!r}: this network can be trained by {', '.join(network.kernels)}"
        )
    fitting = int(SHARE * memory_bytes(labels.device) / step_bytes(stack, inputs, batch_size))
    most = max(1, min(len(stack), fitting))
    trial = _Trial(stack, inputs, labels, batch_size)
    if pinned.kernel and pinned.size:
        plan = KernelChoice(pinned.kernel, pinned.size)
    elif labels.is_cuda:
        sizes = [pinned.size] if pinned.size else [most >> halved for halved in range(most.bit_length())]
        plan = _fastest(trial, [pinned.kernel] if pinned.kernel else list(network.kernels), sizes, steps)
    else:
        plan = _by_rule(trial, most, pinned)
    return replace(plan, size=min(plan.size, len(stack)))


def _by_rule(trial: "_Trial", most: int, pinned: Pinned) -> KernelChoice:
    """The choice on a CPU; `most` runs fit into memory."""
    network, size = trial.stack.network, most
    if network.convolves:
        values = trial.batch_size * network.activations(trial.inputs.shape)
        limit = STACKED_VALUES if values <= LARGE_VALUES else STACKED_LARGE_VALUES
        size = min(most, max(1, limit // values))
    kernel: Kernel = network.kernels[0]
    if network.convolves and network.batched:
        kernel = "loop" if size == 1 and _pools_or_normalizes(network.module) else "channels_last"
    elif not network.batched and (network.convolves or size == 1):
        kernel = "loop"  # of one network vmap takes twice the time of a plain module
    kernel, size = pinned.kernel or kernel, pinned.size or size
    if kernel == "vmap" and not pinned.kernel and trial.seconds(KernelChoice(kernel, 2)) is None:
        kernel = "loop"
    return KernelChoice(kernel, size)


def _pools_or_normalizes(module: nn.Module) -> bool:
    """Whether something between the convolutions of one network is slow with channels last in memory.

    One network at once, against a serial loop (`benchmarks/kernels.py`): ResNet-56 1.13 to 1.19, others 1.2 to 1.6;
    a loop of ours 1.02 to 1.06. Without such layers 0.86 to 0.94, where a loop took 1.07.
    """
    return any(layer_type(part).slow_channels_last for part in module.modules())


def _fastest(trial: "_Trial", kernels: list[Kernel], sizes: list[int], steps: int) -> KernelChoice:
    """The candidate with the least time per run and step; the largest stacks are tried first."""
    best, least, end = KernelChoice(kernels[-1], sizes[-1]), float("inf"), time.perf_counter() + SECONDS
    for plan in (KernelChoice(kernel, size) for size in sizes for kernel in kernels):
        if time.perf_counter() > end and least < float("inf"):
            break
        for attempt in range(4):  # the first ones allocate, and choose algorithms
            seconds = trial.seconds(plan)
            if seconds is None or seconds > HOPELESS * least:
                break
            if attempt and seconds < least:
                best, least = plan, seconds
                end = max(end, trial.begun + PART * steps * least * len(trial.stack))
    return best


@dataclass
class _Trial:
    """Single steps of copies of a stack."""

    stack: Stack
    inputs: Inputs
    labels: torch.Tensor
    batch_size: int

    def __post_init__(self) -> None:
        self.begun = time.perf_counter()

    def seconds(self, plan: KernelChoice) -> float | None:
        """Of one step of one run; None where the kernel refuses the network, or memory is short."""
        runs = torch.arange(min(plan.size, len(self.stack)))
        own, copy = slice(0, len(runs)), self.stack.pick(runs)
        examples = min(self.inputs.examples, self.batch_size)
        order = torch.arange(examples, device=self.labels.device).expand(len(runs), -1)
        start = time.perf_counter()
        try:
            copy.train_epoch(self.inputs.pick(own), self.labels[own], order, self.batch_size, 0, plan.kernel)
        except (RuntimeError, ValueError):
            return None
        if self.labels.is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / len(runs)
