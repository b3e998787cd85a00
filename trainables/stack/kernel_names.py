"""Names of the kernels and programs.

Kernels are ways to run the networks of a stack together (`trainables.stack.network`), programs ways to repeat a step
(`trainables.stack.programs`).
"""

from dataclasses import dataclass, field
from typing import Literal

Kernel = Literal["batched", "channels_last", "matmul", "vmap", "loop"]

Program = Literal["eager", "recorded", "compiled"]


@dataclass(frozen=True)
class KernelChoice:
    """The kernel that computes the logits, the number of runs that train in one stack, and the program of a step.

    `vmap_refused`: why `vmap` was tried and cannot train the networks; None where it can, or was not tried.
    """

    kernel: Kernel
    size: int
    vmap_refused: str | None = field(default=None, compare=False)
    program: Program = "eager"
