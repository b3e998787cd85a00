"""The stages of a command after training: a line for each, with the time that is left."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from benevolent.analysis.formatting import duration

#: Seconds without a line after which a stage prints one, where the output is no terminal.
SECONDS_PER_LINE = 10.0
#: Part of the work after which its pace tells the time that is left.
LEAST_DONE = 0.1


class Stages:
    """Stages of work whose shares of the time are known about, one after the other.

    A terminal shows the present one in a line that goes away; elsewhere a line is printed at the beginning, and
    whenever a stage begins a while after the last line.

    Args:
        console: to print on; None to print nothing.
        title: of all stages, such as "report".
        clock: gives seconds.
        price: seconds that all stages are expected to take; None if that is unknown. The time that is left is told by
            it until enough is done to tell it by the pace.
    """

    def __init__(
        self,
        console: Console | None,
        title: str,
        clock: Callable[[], float] = time.monotonic,
        price: float | None = None,
    ) -> None:
        self.price = price
        self.console = console
        self.title = title
        self.clock = clock
        self.started = clock()
        self.last_line = float("-inf")
        self.share_done = 0.0
        self.share_begun = 0.0
        self.share_left = 0.0
        self.status: Status | None = None

    def __enter__(self) -> Self:
        if self.console is not None and self.console.is_terminal and not self.console.is_dumb_terminal:
            self.status = self.console.status(self.title, spinner="line")
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status is not None:
            self.status.stop()

    def expect(self, share: float) -> None:
        """Add stages to come, by their share of the time in any unit."""
        self.share_left += share

    def begin(self, name: str, share: float) -> None:
        """End the present stage, and begin one that was expected."""
        self.share_done += self.share_begun
        self.share_begun = share
        self.share_left = max(0.0, self.share_left - share)
        line = self.line(name)
        if self.status is not None:
            self.status.update(line)
        elif self.console is not None and self.clock() - self.last_line >= SECONDS_PER_LINE:
            self.last_line = self.clock()
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def line(self, name: str) -> str:
        """Return the line of a stage that begins."""
        left = self.seconds_left()
        return f"{self.title}: {name}" + ("" if left is None else f", about {duration(left)} left")

    def seconds_left(self) -> float | None:
        """Return the seconds left by the pace so far, or before a tenth is done by the price; None if it is unknown."""
        elapsed = self.clock() - self.started
        still = self.share_begun + self.share_left
        if self.share_done < LEAST_DONE * (self.share_done + still):
            return None if self.price is None else max(0.0, self.price - elapsed)
        return elapsed * still / self.share_done
