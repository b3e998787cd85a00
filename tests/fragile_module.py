"""A user's module that fails in training, and works once a file is removed."""

#: Text of the module `fragile`. Its network raises after so many forward passes in a process while the file `fuse` is
#: there; planning makes some thirty.
FRAGILE = """
import itertools
from pathlib import Path
from torch import nn

calls = itertools.count(1)

class Fragile(nn.Sequential):
    def __init__(self, fuse, after):
        super().__init__(nn.Linear(64, 10))
        self.fuse, self.after = Path(fuse), after

    def forward(self, inputs):
        if next(calls) > self.after and self.fuse.exists():
            raise RuntimeError("the fuse has blown")
        return super().forward(inputs.flatten(1))
"""
