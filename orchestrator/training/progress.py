"""What is shown while a sweep runs: a live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

#: Seconds between two lines where the output is no terminal.
SECONDS_PER_LINE = 10.0


class Display:
    """Counts what is done and shows it.

    Args:
        console: where to.
        runs: how many runs the cohorts to be trained have.
        cohorts: how many cohorts that is.
        before: how many runs of a cohort had ended in an earlier session, by cohort_id.
    """

    def __init__(self, console: Console, runs: int, cohorts: int, before: Mapping[str, int] | None = None) -> None:
        self.console, self.runs, self.cohorts, self.before = console, runs, cohorts, dict(before or {})
        self.latest: dict[str, dict[str, Any]] = {}
        self.measured = self.to_measure = 0
        self.started = time.monotonic()
        self.last_line = self.started
        self.live = Live(self, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

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
        """A cohort has news: the fields of a `trainables.training.cohort_training.Progress`."""
        self.latest[cohort_id] = progress
        self.tick()

    def tick(self) -> None:
        """Print a line, where lines are printed and the last is some time ago."""
        if self.live is None and time.monotonic() - self.last_line >= SECONDS_PER_LINE:
            self.last_line = time.monotonic()
            self.console.print(self.line(), highlight=False, soft_wrap=True)

    @property
    def runs_done(self) -> int:
        """Runs that have ended, those of earlier sessions too."""
        return sum((self.before | {name: progress["runs_done"] for name, progress in self.latest.items()}).values())

    @property
    def runs_trained(self) -> int:
        """Runs that have ended since the start."""
        return self.runs_done - sum(self.before.values())

    @property
    def cohorts_done(self) -> int:
        """Cohorts that have ended since the start."""
        return sum(progress["done"] for progress in self.latest.values())

    def eta(self) -> str:
        """The time left if runs go on ending at the pace since the start."""
        elapsed, left, trained = time.monotonic() - self.started, self.runs - self.runs_done, self.runs_trained
        if left <= 0:
            return "training done"
        return f"about {clock(elapsed * left / trained)} left" if trained > 0 else "time left not known yet"

    def line(self) -> str:
        """Everything in one line."""
        training = [progress for progress in self.latest.values() if not progress["done"]]
        losses = ", ".join(f"{p['phase']} epoch {p['epoch']} loss {p['train_loss']:.3g}" for p in training)
        return (
            (
                f"{clock(time.monotonic() - self.started)}  runs {self.runs_done}/{self.runs}  "
                f"cohorts {self.cohorts_done}/{self.cohorts}  measured {self.measured}/{self.to_measure} files  "
                f"{self.eta()}" + (f"  [{losses}]" if losses else "")
            )
            .replace("[", "(")
            .replace("]", ")")
        )

    def __rich__(self) -> Group:
        bars = Table.grid(padding=(0, 2))
        for name, done, total in (
            ("runs", self.runs_done, self.runs),
            ("cohorts", self.cohorts_done, self.cohorts),
            ("files measured", self.measured, self.to_measure),
        ):
            bars.add_row(name, ProgressBar(max(total, 1), done, width=40), f"{done}/{total}")
        bars.add_row("", f"{clock(time.monotonic() - self.started)} so far, {self.eta()}", "")
        cohorts = Table(box=None, padding=(0, 2), header_style="dim")
        for heading in ("cohort", "phase", "epoch", "runs left", "mean train loss"):
            cohorts.add_column(heading, justify="left" if heading in ("cohort", "phase") else "right")
        for cohort_id, progress in self.latest.items():
            if not progress["done"]:
                left = progress["runs"] - progress["runs_done"]
                loss = f"{progress['train_loss']:.3g}"
                cohorts.add_row(cohort_id[:8], progress["phase"], str(progress["epoch"]), str(left), loss)
        return Group(bars, cohorts) if cohorts.row_count else Group(bars)


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(75), clock(4000)
    ('1:15', '1:06:40')
    """
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
