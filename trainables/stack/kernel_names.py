"""Names of the kernels and programs.

Kernels are ways to run the networks of a stack together (`trainables.stack.network`), programs ways to repeat a step
(`trainables.stack.programs`).
"""

from typing import Literal

Kernel = Literal["batched", "channels_last", "matmul", "vmap", "loop"]

Program = Literal["eager", "recorded", "compiled"]
