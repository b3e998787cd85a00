"""Choose how a cohort is cut into stacks and which kernel trains them, within the memory given to its trial.

On a CPU the choice is a rule of the network's shapes, so that a sweep trained twice gives the same tables bit for bit:
a choice by the clock would depend on the load of the machine, and stacks of convolutions differ in their last digits.
`benchmarks/kernels.py` shows what the rule is worth. On a GPU, which does not repeat the last digit anyway, the
candidates are timed, and then ways to repeat a step (`program_choice`). `resources.kernel` and `resources.stack_size`
of a sweep overrule both.
"""

import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from benevolent.trainables.data import Inputs
from benevolent.trainables.errors import BadInput
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.machine_memory import machine_memory_bytes
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.built_network import is_out_of_memory
from benevolent.trainables.stack.kernel_names import Kernel, KernelChoice
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.program_choice import choose_program
from benevolent.trainables.stack.stack import Stack

#: Largest number of activations (networks x examples x values) and parameters in a step of convolutional networks in
#: one stack on a CPU: as many as its cache holds between forward and backward pass (32 MB where it was measured).
#: Larger stacks are not faster; two networks that have more than that together are slower than one at once
#: (`benchmarks/kernels.py --candidates`).
STACKED_VALUES = 2**23
#: Part of a trial's memory that a step may fill: data, parameters and their copies need the rest.
SHARE = 0.5
#: Candidates are timed on a GPU for this many seconds, or this part of the training, whichever is longer.
TIMED_SECONDS = 0.5
TIMED_PART = 0.02
#: Steps of each candidate; the first is not counted, since it allocates memory and chooses algorithms.
TIMED_STEPS = 4
#: A candidate whose step takes this many times as long as the best so far is given up.
HOPELESS = 8


@dataclass(frozen=True)
class Pinned:
    """The part of the choice that the author of a sweep has made; None: it is made here."""

    kernel: Kernel | None = None
    size: int | None = None


def memory_bytes(device: torch.device) -> float:
    """Return the memory that this trial may use: its share of a GPU, or its threads' share of a machine.

    A machine counts as a whole, whatever is free at the moment, so that the choice can be repeated.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
    share = torch.get_num_threads() / machine_cpus()
    return machine_memory_bytes() * min(1.0, share)


def step_bytes(stack: Stack, inputs: Inputs, batch_size: int) -> int:
    """Return the memory of a step for each run: activations and their gradients, the gradient, and the update."""
    activations = stack.network.activations(inputs.shape)
    parameters = stack.state.parameters
    values = 2 * batch_size * activations + 2 * parameters.shape[1]
    return values * parameters.element_size()


def choose_kernel(
    stack: Stack, inputs: Inputs, labels: torch.Tensor, batch_size: int, pinned: Pinned | None = None, steps: int = 0
) -> KernelChoice:
    """Return the kernel and the stack size to train a cohort with.

    Args:
        stack: the runs; not changed.
        inputs: N of each network.
        labels: `(K, N)`.
        batch_size: examples per step.
        pinned: the part of the choice that is already made.
        steps: largest number of steps of a run; on a GPU candidates are timed for longer where runs train for longer.

    Raises:
        BadInput: the pinned kernel cannot train this network.
    """
    pinned = pinned or Pinned()
    network = stack.network
    if pinned.kernel and pinned.kernel not in network.kernels:
        allowed = ", ".join(network.kernels)
        raise BadInput(f"resources.kernel = {pinned.kernel!r}: this network can be trained by {allowed}")
    fitting = int(SHARE * memory_bytes(labels.device) / step_bytes(stack, inputs, batch_size))
    largest = max(1, min(len(stack), fitting))
    trial = Trial(stack, inputs, labels, batch_size)
    if pinned.kernel and pinned.size:
        choice = KernelChoice(pinned.kernel, pinned.size)
    elif labels.is_cuda:
        sizes = [pinned.size] if pinned.size else _halved(largest)
        kernels = [pinned.kernel] if pinned.kernel else network.kernels
        candidates = [KernelChoice(kernel, size) for size, kernel in itertools.product(sizes, kernels)]
        choice = fastest(trial, candidates, steps)
    else:
        choice = _by_rule(trial, largest, pinned)
    if labels.is_cuda:
        choice = choose_program(stack, inputs, labels, batch_size, choice, steps)
    return replace(choice, size=min(choice.size, len(stack)), vmap_refused=trial.vmap_refused)


def _halved(largest: int) -> list[int]:
    """Return a stack size and its halves down to 1.

    >>> _halved(20)
    [20, 10, 5, 2, 1]
    """
    return [largest >> times for times in range(largest.bit_length())]


def _by_rule(trial: "Trial", largest: int, pinned: Pinned) -> KernelChoice:
    """Return the choice on a CPU, where at most `largest` runs fit into memory."""
    network = trial.stack.network
    size = pinned.size or _size_by_rule(trial, largest)
    if pinned.kernel:
        return KernelChoice(pinned.kernel, size)
    kernel = _kernel_by_rule(network, _size_by_rule(trial, largest))
    if kernel == "vmap" and trial.seconds(KernelChoice(kernel, 2)) is None:
        kernel = network.kernels[-1]
    return KernelChoice(kernel, size)


def _size_by_rule(trial: "Trial", largest: int) -> int:
    network = trial.stack.network
    if network.convolves:
        values = trial.batch_size * network.activations(trial.inputs.shape) + network.size
        largest = min(largest, max(1, STACKED_VALUES // values))
    runs = len(trial.stack)
    parts = math.ceil(runs / largest)
    return math.ceil(runs / parts)  # so that the last stack is not much smaller than the others


def _kernel_by_rule(network: Network, size: int) -> Kernel:
    if network.batched:
        return "channels_last" if network.convolves else "batched"
    if network.convolves or size == 1:  # vmap over one network takes twice the time of a plain module
        return "loop"
    return network.kernels[0]


def fastest(trial: "Trial", candidates: list[KernelChoice], steps: int) -> KernelChoice:
    """Return the candidate with the least time per run and step; the last one if none could be timed.

    Args:
        trial: steps to time.
        candidates: in the order in which they are timed, until the time for it is over.
        steps: largest number of steps of a run.
    """
    best = candidates[-1]
    least = float("inf")
    end = time.perf_counter() + TIMED_SECONDS
    for candidate in candidates:
        if time.perf_counter() > end and least < float("inf"):
            break
        seconds = min(_timed_steps(trial, candidate, least), default=float("inf"))
        if seconds < least:
            best = candidate
            least = seconds
            training_seconds = steps * least * len(trial.stack)
            end = max(end, trial.begun + TIMED_PART * training_seconds)
    return best


def _timed_steps(trial: "Trial", candidate: KernelChoice, least: float) -> Iterable[float]:
    """Yield the seconds of steps after the first, until one fails or is hopeless against the best so far."""
    for step in range(TIMED_STEPS):
        seconds = trial.seconds(candidate)
        if seconds is None or seconds > HOPELESS * least:
            return
        if step:
            yield seconds


class Trial:
    """Single steps of copies of a stack.

    Attributes:
        vmap_refused: why `vmap` cannot train the networks, in one line; None as long as it was not tried, or can.
    """

    def __init__(self, stack: Stack, inputs: Inputs, labels: torch.Tensor, batch_size: int) -> None:
        self.stack = stack
        self.inputs = inputs
        self.labels = labels
        self.batch_size = batch_size
        self.begun = time.perf_counter()
        self.vmap_refused: str | None = None

    def seconds(self, choice: KernelChoice) -> float | None:
        """Return the seconds of one step, per run; None if the kernel cannot train the network, or memory is short.

        vmap refuses modules with errors of many texts. Any of them counts as a refusal if the same step succeeds
        without vmap; otherwise that step's own error is raised.
        """
        runs = min(choice.size, len(self.stack))
        try:
            return self._step_seconds(choice.kernel, runs) / runs
        except RuntimeError as error:
            if not is_out_of_memory(error) and not _is_unsupported(error):
                if choice.kernel != "vmap":
                    raise
                self._step_seconds("loop", runs)
            if choice.kernel == "vmap":
                self.vmap_refused = " ".join(str(error).split()) or type(error).__name__
            return None

    def _step_seconds(self, kernel: Kernel, runs: int) -> float:
        first = slice(0, runs)
        copy = self.stack.pick(torch.arange(runs))
        examples = min(self.inputs.examples, self.batch_size)
        order = torch.arange(examples, device=self.labels.device).expand(runs, -1)
        start = time.perf_counter()
        batches = Batches(self.inputs.pick(first), self.labels[first], order, self.batch_size, epoch=0)
        copy.train_epoch(batches, kernel)
        if self.labels.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start


def _is_unsupported(error: RuntimeError) -> bool:
    """Return True if a device or its library has no implementation for a step."""
    text = str(error)
    return isinstance(error, NotImplementedError) or "NOT_SUPPORTED" in text or "Unable to find an engine" in text
