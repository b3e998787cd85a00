"""What the live display says of the time that is left."""

import io

from rich.console import Console

from benevolent.orchestrator.training.progress import Display


def display(**keys) -> Display:
    """A display that was started 100 seconds ago."""
    made = Display(Console(file=io.StringIO()), runs=100, cohorts=2, **keys)
    made.started -= 100
    return made


def progress(**keys) -> dict:
    return {"phase": "train", "epoch": 3, "runs": 80, "train_loss": 0.5, "done": False, "parameter_files": []} | keys


def test_the_time_left_is_that_of_the_pace_so_far():
    shown = display()
    assert "time left not known yet" in shown.line()
    shown.update("a", progress(runs_done=20))
    assert "runs 20/100" in shown.line() and "about 6:40 left" in shown.line()


def test_after_a_resume_only_what_has_ended_since_says_how_fast_it_goes():
    shown = display(before={"a": 60, "b": 0})
    assert "runs 60/100" in shown.line() and "time left not known yet" in shown.line()
    shown.update("a", progress(runs_done=60))
    assert "time left not known yet" in shown.line()
    shown.update("a", progress(runs_done=70))
    assert "runs 70/100" in shown.line() and "about 5:00 left" in shown.line() and shown.runs_trained == 10
    shown.update("b", progress(runs_done=20, done=True))
    shown.update("a", progress(runs_done=80, done=True))
    assert "runs 100/100" in shown.line() and "training done" in shown.line()
