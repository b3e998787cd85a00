"""How a cohort is cut into stacks: what is fastest is measured where it depends on the machine."""

import time
from dataclasses import dataclass

import torch

from trainables.data import Inputs
from trainables.network import Kernel
from trainables.stack import Stack


@dataclass(frozen=True)
class StackPlan:
    """The kernel that computes the logits, and how many runs train in one program."""

    kernel: Kernel
    size: int


def candidates(stack: Stack) -> list[StackPlan]:
    """What is worth trying. Stacks of linear layers gain from every run added, whatever the machine: one candidate."""
    whole, network = len(stack), stack.network
    if network.batched and not any("Conv" in type(layer).__name__ for layer in network.module.children()):
        return [StackPlan("batched", whole)]
    sizes = sorted({whole, *(size for size in (1, 4, 16, 64) if size < whole)})
    stacked = [StackPlan(kernel, size) for kernel in network.kernels if kernel != "loop" for size in sizes if size > 1]
    return [*stacked, StackPlan("loop", whole)]


def probe(stack: Stack, inputs: Inputs, labels: torch.Tensor, batch_size: int) -> StackPlan:
    """The candidate with the least time per run and step, each tried on a few batches with a copy of the stack.

    Args:
        stack: the runs; not changed.
        inputs: N of each network.
        labels: `(K, N)`.
        batch_size: examples per step.
    """
    plans = candidates(stack)
    if len(plans) == 1:
        return plans[0]
    order = torch.arange(min(inputs.examples, batch_size), device=labels.device)

    def seconds_per_run(plan: StackPlan) -> float:
        part = stack.slices(plan.size)[0]
        copy = part.pick(torch.arange(len(part)))
        times = []
        for _ in range(3):
            start = time.perf_counter()
            try:
                own = slice(0, len(copy))
                few = order.expand(len(copy), -1)
                copy.train_epoch(inputs.pick(own), labels[own], few, batch_size, 0, plan.kernel, "probe")
            except (RuntimeError, ValueError):  # what vmap refuses, and what does not fit into memory
                return float("inf")
            if labels.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return min(times[1:]) / len(copy)

    return min(plans, key=seconds_per_run)
