"""Display of a sweep that runs: live bars in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from benevolent.analysis.formatting import duration
from benevolent.orchestrator.training.time_left import TimeLeft

#: Seconds between two lines where the output is not a terminal.
SECONDS_PER_LINE = 10.0


class ProgressDisplay:
    """Count finished runs, cohorts and measured files, and show the counts.

    Args:
        console: to print on.
        runs: of the cohorts to be trained, with those that have finished already.
        cohorts: to be trained.
        finished_before: how many runs of each cohort have finished in an earlier invocation, by cohort_id.
        time_left: learns how long the work still takes; by default the pace so far tells it.
    """

    def __init__(
        self,
        console: Console,
        runs: int,
        cohorts: int,
        finished_before: Mapping[str, int] | None = None,
        time_left: TimeLeft | None = None,
    ) -> None:
        self.console = console
        self.runs = runs
        self.cohorts = cohorts
        self.finished_before = dict(finished_before or {})
        self.estimate = time_left
        self.latest: dict[str, dict[str, Any]] = {}
        self.measured = 0
        self.to_measure = 0
        self.waiting = ""
        self.started = time.monotonic()
        self.last_line = self.started - SECONDS_PER_LINE
        in_place = console.is_terminal and not console.is_dumb_terminal
        self.live = Live(self, console=console, refresh_per_second=4, transient=True) if in_place else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def update(self, cohort_id: str, progress: dict[str, Any]) -> None:
        """Take in the fields of a `trainables.training.progress.Progress`."""
        self.latest[cohort_id] = progress
        if self.estimate is not None:
            self.estimate.trained(cohort_id, progress)
        self.tick()

    def tick(self) -> None:
        """Print a line, if lines are printed and the last one is old enough."""
        if self.live is None and time.monotonic() - self.last_line >= SECONDS_PER_LINE:
            self.last_line = time.monotonic()
            self.console.print(self.line(), highlight=False, markup=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def runs_done(self) -> int:
        """Number of finished runs, those of earlier invocations included."""
        done = dict(self.finished_before)
        for cohort_id, progress in self.latest.items():
            done[cohort_id] = progress["runs_done"]
        return sum(done.values())

    @property
    def runs_trained(self) -> int:
        """Number of runs that have finished since the start."""
        return self.runs_done - sum(self.finished_before.values())

    @property
    def cohorts_done(self) -> int:
        """Number of cohorts that have finished since the start."""
        return sum(progress["done"] for progress in self.latest.values())

    def time_left(self) -> str:
        """Return what is being done and the time that it still takes, as text."""
        done = self.runs_done >= self.runs
        if done and self.measured >= self.to_measure:
            return "training done" if self.runs else "measuring done"
        stage = "measuring, " if done else ""
        return f"{stage}{self._left()}"

    def _left(self) -> str:
        """Return the time that is left as text, with a bound while it is unknown how long runs train."""
        if self.estimate is not None:
            about = f"about {duration(self.estimate.seconds())}"
            if self.estimate.is_bound:
                about += f", at most {duration(self.estimate.most_seconds())}"
            return f"{about} left"
        seconds = self._seconds_by_pace()
        return "time left unknown" if seconds is None else f"about {duration(seconds)} left"

    def _seconds_by_pace(self) -> float | None:
        """Return the seconds left at the pace of runs since the start, or of files if there is nothing to train."""
        if not self.runs:
            return self.elapsed * (self.to_measure - self.measured) / self.measured if self.measured else None
        if self.runs_trained <= 0:
            return None
        return self.elapsed * (self.runs - self.runs_done) / self.runs_trained

    def line(self) -> str:
        """Return all counts in one line."""
        parts = [duration(self.elapsed)]
        parts += [f"{name} {done}/{total}" for name, done, total in self._counts()]
        parts.append(self.waiting or self.time_left())
        cohorts = []
        for progress in self.latest.values():
            if not progress["done"]:
                loss = f"{progress['train_loss']:.3g}"
                cohorts.append(f"{progress['phase']} epoch {int(progress['epoch'])} loss {loss}")
        if cohorts:
            parts.append(f"({', '.join(cohorts)})")
        return "  ".join(parts)

    def _counts(self) -> list[tuple[str, int, int]]:
        """Return what is counted, with how many are done and how many there are; nothing of which there is none."""
        counts = [
            ("runs", self.runs_done, self.runs),
            ("cohorts", self.cohorts_done, self.cohorts),
            ("files measured", self.measured, self.to_measure),
        ]
        return counts if self.runs else counts[2:]

    def __rich__(self) -> Group:
        cohorts = self._cohort_table()
        return Group(self._bars(), cohorts) if cohorts.row_count else Group(self._bars())

    def _bars(self) -> Table:
        bars = Table.grid(padding=(0, 2))
        for name, done, total in self._counts():
            bars.add_row(name, ProgressBar(max(total, 1), done, width=40), f"{done}/{total}")
        bars.add_row("", f"{duration(self.elapsed)} elapsed, {self.waiting or self.time_left()}", "")
        return bars

    def _cohort_table(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("cohort")
        table.add_column("phase")
        for heading in ("epoch", "runs left", "mean train loss"):
            table.add_column(heading, justify="right")
        for cohort_id, progress in self.latest.items():
            if not progress["done"]:
                runs_left = progress["runs"] - progress["runs_done"]
                loss = f"{progress['train_loss']:.3g}"
                table.add_row(cohort_id[:8], progress["phase"], str(int(progress["epoch"])), str(runs_left), loss)
        return table
