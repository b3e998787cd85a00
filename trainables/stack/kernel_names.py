"""Names of the kernels: the ways to run the networks of a stack together, see `trainables.stack.network`."""

from typing import Literal

Kernel = Literal["batched", "channels_last", "matmul", "vmap", "loop"]
