"""`bth judge`: what it prints and writes about anybody's table."""

import html
import itertools
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from benevolent.analysis.report import gallery
from benevolent.orchestrator.cli import main


@pytest.fixture
def table() -> pd.DataFrame:
    """36 models of 12 configurations, whose predictor goes with the loss."""
    random = np.random.default_rng(0)
    grid = list(itertools.product((1, 2, 3), (8, 16, 32, 64), range(3)))
    rows = pd.DataFrame(grid, columns=["learning rate", "width", "seed"])
    rows["norm"], rows["noise"] = random.normal(size=(2, len(rows)))
    return rows.assign(test_loss=rows["learning rate"] + rows["norm"])


@pytest.fixture
def judge(monkeypatch, tmp_path):
    """Run the command in a folder of its own; returns what was printed, and the page as text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.console, "width", 110)

    def given(table: pd.DataFrame, *options: str, axes: str = "learning rate,width") -> tuple[str, str]:
        table.to_csv("my models.csv", index=False)
        command = ["judge", "my models.csv", "--axes", axes, "--html", "a page.html", *options]
        command += ["--target", "test_loss"] if "--target" not in options else []
        monkeypatch.setattr(sys, "argv", ["/usr/bin/bth", *command])
        done = CliRunner().invoke(main.app, command, catch_exceptions=False)
        page = re.sub(r"<(style|script|svg).*?</\\1>|<[^>]*>", "", Path("a page.html").read_text(), flags=re.DOTALL)
        return done.stdout, re.sub(r"\s+", " ", html.unescape(page))

    return given


def test_the_command_on_the_page_makes_the_page_again(judge, table):
    _, page = judge(table)
    shown = re.search(r"Command (bth judge .*?) Versions", page)[1]
    assert shlex.split(shown)[1:] == sys.argv[1:]
    assert "'learning rate,width'" in shown and "'my models.csv'" in shown


def test_nothing_judged_is_a_sentence_and_no_table_of_dashes(judge, table):
    printed, page = judge(table.assign(status=["failed", *["diverged"] * 35]))
    assert printed.startswith("What predicts test loss? No run is judged (scope: converged); left out: 35 diverged")
    assert "–" not in printed and "hyperparameters only" not in page
    assert page.count("No run is judged") == 2


def test_why_there_is_no_ceiling_is_one_line(judge, table):
    printed, page = judge(table, "--test-size", "1000")
    line = "no ceiling for test-set noise: no column test_loss_variance"
    assert sum(line in row for row in printed.splitlines()) == 1 and line in page


def test_a_strangers_loss_has_no_unit(judge, table, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(gallery.figures, "outcome_by_predictors", lambda *given: shown.append(given[-1]) or Figure())
    judge(table)
    judge(table.assign(**{"loss.name": "cross_entropy"}))
    assert [units.get("test_loss") for units in shown] == ["", "nats"]
    assert "nats" not in judge(table)[1]
