"""Programs that are recorded once and replayed: CUDA graphs on a GPU, and a stand-in elsewhere."""

from collections.abc import Callable
from typing import Protocol

import torch

#: Runs before the recording, in which libraries allocate memory and choose algorithms.
WARM_UPS = 3


class Recording(Protocol):
    """A program without arguments that can be run again."""

    def replay(self) -> None:
        """Run it on what is now in its tensors."""


class CudaGraph:
    """A program recorded as a CUDA graph; while it is recorded, it is run several times."""

    def __init__(self, program: Callable[[], None]) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                program()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            program()

    def replay(self) -> None:
        """As `Recording.replay`."""
        self.graph.replay()


class Repeated:
    """A program that is run again where there is nothing to record it with."""

    def __init__(self, program: Callable[[], None]) -> None:
        self.replay = program
        program()


def record(program: Callable[[], None], device: torch.device) -> Recording:
    """Return the recording of a program: a CUDA graph on a GPU."""
    return CudaGraph(program) if device.type == "cuda" else Repeated(program)
