"""Progress of measuring one network: which measure is being computed, on a line of the terminal or anywhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO


class MeasureStart(NamedTuple):
    """The beginning of one measure.

    Attributes:
        measure: its name.
        number: its place among those that are computed, from 1.
        total: number of measures that are computed; those that do not apply are not counted.
        seconds: since the measuring began.
    """

    measure: str
    number: int
    total: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.number}/{self.total} {self.measure}, after {self.seconds:.1f} s"


class ProgressLine:
    """Writes one line per measure to a stream; in a terminal each in the place of the one before.

    >>> ProgressLine(sys.stdout)(MeasureStart("sharpness", 3, 36, 12.34))
    3/36 sharpness, after 12.3 s
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.in_place = stream.isatty()

    def __call__(self, start: MeasureStart) -> None:
        """Write the line of a measure that begins."""
        line = f"\r\x1b[K{start}" if self.in_place else f"{start}\n"
        self.stream.write(line)
        self.stream.flush()

    def close(self) -> None:
        """Clear the line in a terminal."""
        if self.in_place:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


@contextlib.contextmanager
def shown_progress(
    progress: bool | Callable[[MeasureStart], None] | None,
) -> Iterator[Callable[[MeasureStart], None] | None]:
    """Yield the function to call as each measure begins, or None if there is nothing to call.

    Args:
        progress: True writes lines to stderr, None does so if that is a terminal, False never; or a function to yield.
    """
    if callable(progress):
        yield progress
        return
    shown = sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield None
        return
    line = ProgressLine(sys.stderr)
    try:
        yield line
    finally:
        line.close()
