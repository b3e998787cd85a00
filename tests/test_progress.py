"""The display of a sweep that runs: counts, and the time that is left."""

import io

from rich.console import Console

from benevolent.orchestrator.training.progress import ProgressDisplay


def display(**keys) -> ProgressDisplay:
    """A display that was started 100 seconds ago."""
    shown = ProgressDisplay(Console(file=io.StringIO()), runs=100, cohorts=2, **keys)
    shown.started -= 100
    return shown


def progress(**keys) -> dict:
    return {"phase": "train", "epoch": 3, "runs": 80, "train_loss": 0.5, "done": False, "parameter_files": []} | keys


def test_time_left_follows_the_pace_so_far():
    shown = display()
    assert "time left unknown" in shown.line()
    shown.update("a", progress(runs_done=20))
    assert "runs 20/100" in shown.line() and "about 400 s left" in shown.line()


def test_only_runs_finished_since_a_resume_count_for_the_pace():
    shown = display(finished_before={"a": 60, "b": 0})
    assert "runs 60/100" in shown.line() and "time left unknown" in shown.line()
    shown.update("a", progress(runs_done=60))
    assert "time left unknown" in shown.line()
    shown.update("a", progress(runs_done=70))
    assert "runs 70/100" in shown.line() and "about 300 s left" in shown.line() and shown.runs_trained == 10
    shown.update("b", progress(runs_done=20, done=True))
    shown.update("a", progress(runs_done=80, done=True))
    assert "runs 100/100" in shown.line() and "training done" in shown.line()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines():
    def display_of(terminal: str) -> ProgressDisplay:
        console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": terminal})
        return ProgressDisplay(console, runs=100, cohorts=2)

    assert display_of("xterm").live is not None
    assert display_of("dumb").live is None
