"""Blocks of networks that are measured together."""

from collections.abc import Mapping, Sequence
from typing import Any

#: Most networks that are measured together: on a core, where larger stacks are no faster, and on a GPU.
ON_CORE = 32
ON_GPU = 8192


def networks_together(on_gpu: bool) -> int:
    """Return how many networks are measured together at most."""
    return ON_GPU if on_gpu else ON_CORE


def blocks_of(about: Mapping[str, Any], together: int) -> list[Sequence[int]]:
    """Return the rows of a file of parameters in blocks of networks that are measured by one process.

    The last digit of a measure may depend on the networks that are measured together, where products of matrices round
    by their place in memory. So blocks must not depend on which files a cohort has written, or on what is measured
    already. Runs that stop at the same step are always in one file; those that stop at different steps are in one or in
    two, depending on the time they took. So all runs of a block have stopped at the same step.

    Args:
        about: metadata of the file: lists of `phase` and of `stopped`, or without that of `step`.
        together: most networks of a block.

    >>> blocks_of({"phase": ["train"] * 4, "step": [8, 6, 8, 8]}, 2)
    [[1], [0, 2], [3]]
    """
    rows_of_stop: dict[tuple[str, int], list[int]] = {}
    for row, stop in enumerate(zip(about["phase"], about.get("stopped", about["step"]), strict=True)):
        rows_of_stop.setdefault(stop, []).append(row)
    blocks: list[Sequence[int]] = []
    for stop in sorted(rows_of_stop):
        rows = rows_of_stop[stop]
        blocks += [rows[start : start + together] for start in range(0, len(rows), together)]
    return blocks
