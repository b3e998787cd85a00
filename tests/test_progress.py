"""The display of a sweep that runs: counts, and the time that is left."""

import io

from rich.console import Console

from benevolent.orchestrator.stages import Stages
from benevolent.orchestrator.training.progress import ProgressDisplay
from benevolent.orchestrator.training.time_left import CohortWork, TimeLeft
from benevolent.orchestrator.training.wall_time import Workers


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


def test_measuring_alone_shows_no_runs_and_its_pace():
    shown = ProgressDisplay(Console(file=io.StringIO()), runs=0, cohorts=0)
    shown.started -= 100
    shown.to_measure = 10
    assert "runs" not in shown.line() and "measuring, time left unknown" in shown.line()
    shown.measured = 4
    assert "files measured 4/10  measuring, about 150 s left" in shown.line()


def test_measuring_after_training_has_its_time():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(100, {"train": 10}, 1.0, 2.0)}, Workers(1, 2, 2), lambda: now[0])
    shown = display(time_left=left)
    shown.update("a", progress(runs_done=0, epoch=0))
    now[0] = 500.0
    shown.update("a", progress(runs_done=100, epoch=10, done=True))
    shown.to_measure = 2
    assert "measuring, about 100 s left" in shown.line()


def test_before_runs_have_ended_the_time_left_has_a_bound():
    work = CohortWork(100, {"train": 10}, 1.0, 0.0, usual_share=0.5)
    shown = display(time_left=TimeLeft({"a": work}, Workers(1, 1, 1), lambda: 0.0))
    assert "about 500 s, at most 17 min left" in shown.line()
    shown.update("a", progress(runs_done=0, epoch=0))
    shown.update("a", progress(runs_done=20, epoch=3))
    assert "at most" not in shown.line()


def test_the_first_line_comes_at_once():
    text = io.StringIO()
    shown = ProgressDisplay(Console(file=text), runs=100, cohorts=2)
    shown.tick()
    shown.tick()
    assert text.getvalue().count("runs 0/100") == 1


def test_stages_after_training_say_what_is_done_and_how_long_it_takes():
    now = [0.0]
    text = io.StringIO()
    with Stages(Console(file=text), "report", lambda: now[0]) as stages:
        stages.expect(10)
        stages.begin("reading the tables", 1)
        now[0] = 12.0
        stages.begin("judging", 3)
        now[0] = 13.0
        stages.begin("figures", 6)
    assert text.getvalue() == "report: reading the tables\nreport: judging, about 108 s left\n"


def test_before_a_tenth_of_the_stages_is_done_their_price_tells_the_time_left():
    now = [0.0]
    unpriced = Stages(None, "report", lambda: now[0])
    unpriced.expect(10)
    assert unpriced.line("reading") == "report: reading"
    stages = Stages(None, "report", lambda: now[0], price=20.0)
    stages.expect(10)
    stages.begin("judging", 8)
    now[0] = 5.0
    assert stages.line("judging") == "report: judging, about 15 s left"
    stages.begin("figures", 2)
    now[0] = 30.0
    assert stages.line("figures") == "report: figures, about 8 s left"  # 8 of 10 took 30 s
