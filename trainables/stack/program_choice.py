"""Choose how a step is repeated on a GPU: eagerly, recorded, or recorded with compiled parts, by short trials."""

import time
from dataclasses import replace

import torch
from torch import Tensor

from benevolent.trainables.data import Inputs
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import KernelChoice, Program
from benevolent.trainables.stack.programs import Programs
from benevolent.trainables.stack.stack import Stack

#: Steps of a trial; as many before it are not counted.
TRIAL_STEPS = 16
#: Steps of a run from which on it is worth trying to compile, which takes up to a minute.
COMPILED_STEPS = 20_000


def possible_programs(stack: Stack, choice: KernelChoice, steps: int) -> list[Program]:
    """Return the programs that may repeat a step of a stack.

    Args:
        stack: the networks.
        choice: their kernel.
        steps: largest number of steps of a run.
    """
    programs: list[Program] = ["eager"]
    draws = stack.network.draws or stack.configs[0].data.augment != "none"
    if not stack.recordable or (choice.kernel == "loop" and draws):
        return programs
    programs.append("recorded")
    if stack.network.batched and choice.kernel != "loop" and steps >= COMPILED_STEPS:
        programs.append("compiled")
    return programs


def choose_program(
    stack: Stack, inputs: Inputs, labels: Tensor, batch_size: int, choice: KernelChoice, steps: int
) -> KernelChoice:
    """Return the choice with the program whose steps take the least time; one that fails is not chosen.

    Args:
        stack: the runs; not changed.
        inputs: N of each network.
        labels: `(K, N)`.
        batch_size: examples per step.
        choice: of kernel and stack size.
        steps: largest number of steps of a run.
    """
    best = choice
    least = float("inf")
    runs = min(choice.size, len(stack))
    for program in possible_programs(stack, choice, steps):
        candidate = replace(choice, program=program)
        try:
            seconds = trial_seconds(stack.pick(torch.arange(runs)), inputs, labels, batch_size, candidate)
        except RuntimeError:
            if program == "eager":
                raise
            continue
        if seconds < least:
            best = candidate
            least = seconds
    return best


def trial_seconds(stack: Stack, inputs: Inputs, labels: Tensor, batch_size: int, choice: KernelChoice) -> float:
    """Return the seconds that some steps of a whole stack take, without what its program does once.

    Args:
        stack: the runs; trained.
        inputs: N of each network, of these and others after them.
        labels: likewise.
        batch_size: examples per step.
        choice: kernel and program.
    """
    rows = slice(0, len(stack))
    examples = min(inputs.examples, batch_size)
    positions = torch.arange(examples, device=labels.device).repeat(TRIAL_STEPS)
    order = positions.expand(len(stack), -1)
    batches = Batches(inputs.pick(rows), labels[rows], order, examples, epoch=0)
    generator = StackGenerator([config.seed for config in stack.configs], "trial", 0, labels.device)
    programs = Programs()
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        statistics = stack.statistics(batches.sizes)
        programs.train(stack, batches, choice.kernel, choice.program, statistics, generator)
        if labels.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds
