"""`bth judge`: what it prints and writes about anybody's table."""

import html
import io
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
from benevolent.analysis.table_files import read_table
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.cli.console import LOG_WIDTH, stdout_console
from benevolent.orchestrator.cli.plain_output import nearest_ascii
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import file_formats


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


def test_a_constant_outcome_is_named(judge, table):
    printed, page = judge(table.assign(test_loss=1.0))
    line = "test_loss is constant in all 36 runs: there is nothing to predict."
    assert printed.startswith(f"What predicts test loss? {line}") and page.count(line) == 2
    assert "hyperparameters only" not in page and "too few" not in printed


def test_predictors_without_an_order_are_shown_with_the_reason(judge, table):
    printed, page = judge(table.assign(norm=1.0), "--predictors", "norm")
    assert "undecided: 1 predictor: norm is constant" in printed and "Undecided, norm is constant: norm." in page


def test_seeds_that_configurations_share_are_named_as_units_of_evidence(judge, table, no_figures):
    line = "units of evidence are the values of seed (3), not the runs (36). If equal seeds share no luck, say so"
    printed, page = judge(table)
    assert line in re.sub(r"\s+", " ", printed) and line in page
    assert "units of evidence" not in judge(table, "--independent-seeds")[0]


def test_hyperparameters_that_predict_worse_than_the_mean_are_named(judge, table, no_figures):
    noise = np.random.default_rng(4).normal(size=len(table))
    printed, page = judge(table.assign(test_loss=noise))
    line = "the hyperparameters alone predict configurations that were left out worse than the mean"
    assert line in re.sub(r"\s+", " ", printed) and line in page and "(worse than the mean), Kendall" in page
    assert "worse than the mean" not in judge(table)[0]


def test_one_column_that_is_not_judged_is_no_plural(judge, table, no_figures):
    assert "\n1 column is not judged:\n" in judge(table.assign(host="a"))[0]
    assert "\n2 columns are not judged:\n" in judge(table.assign(host="a", test_error=0.5))[0]


def test_output_that_is_no_terminal_is_as_wide_as_columns_says(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    assert stdout_console().width == 90
    monkeypatch.delenv("COLUMNS")
    assert stdout_console().width == LOG_WIDTH


def test_why_there_is_no_ceiling_is_one_line(judge, table, no_figures):
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


# A stranger's table ---------------------------------------------------------------------------------


@pytest.fixture
def strangers() -> pd.DataFrame:
    """A table as a tracker exports it, with everything that is odd in the tables of other people."""
    random = np.random.default_rng(1)
    grid = list(itertools.product((0.1, 0.2, 0.3), ("256", "512", "1,024"), range(5)))
    rows = pd.DataFrame(grid, columns=["params.lr", "params.width", "replicate"])
    norm = random.normal(size=45)
    loss = rows["params.lr"] + norm + 0.2 * random.normal(size=45)
    rows["params.lr"] = rows["params.lr"].mask(rows.index > 40, 0.1 + 0.2)  # as some of its runs have it
    rows["params.optimizer"] = ["adam" if place > 42 else "sgd" for place in rows.index]
    rows["seed"] = rows.index + 1000
    rows["status"] = ["FAILED" if place == 7 else "FINISHED" for place in rows.index]
    rows["metrics.path_norm"] = [f"{1000 + 100 * value:,.2f}" for value in norm]
    rows.loc[3, "metrics.path_norm"] = "na"
    rows["metrics.margin"] = -norm + random.normal(size=45)
    rows.loc[5, "metrics.margin"] = np.inf
    rows["metrics.accuracy"] = 100 - loss
    rows["metrics.test_acc"] = 1 - loss
    rows["tags.note"] = ["ok?", *["fine"] * 44]
    rows["host"] = "node-7"
    rows[7] = random.normal(size=45)
    settings = pd.DataFrame({f"params.other_{place}": place for place in range(200)}, index=rows.index)
    rows = pd.concat([rows, settings], axis="columns")
    rows["metrics.gen_loss"] = loss
    failed_copy = rows.iloc[[7]]
    return pd.concat([rows, failed_copy], ignore_index=True)


def test_a_strangers_table_is_judged_in_one_command_that_tells_what_it_left_out(judge, strangers):
    printed, page = judge(strangers, "--target", "metrics.gen_loss", axes="params.lr,params.width")
    text = re.sub(r"\s+", " ", printed)
    for line in (
        "44 runs of 9 configurations (scope: converged)",
        "left out: 2 failed",
        "note: status: read 'FINISHED' as converged, 'FAILED' as failed",
        "note: text read as numbers: params.width, metrics.path_norm",
        "note: axis params.lr: values that differ by rounding only are taken as one",
        "note: every row has a seed of its own",
        "note: infinite values are ranked as the largest or smallest: metrics.margin (1 of 44 runs)",
        "note: metrics.accuracy and metrics.gen_loss determine each other",
        "not inside all: params.optimizer, tags.note.",
        "text: host ('node-7' in row 1)",
        "configuration, not named as an axis: params.optimizer, ",
        "computed from test data: metrics.test_acc",
    ):
        assert line in text and line.removeprefix("note: ") in page
    assert "Read the notes below the table of verdicts" in page
    assert "fewer runs: metrics.path_norm 43 of 44" in " ".join(printed.split())
    assert len(printed.splitlines()) < 60


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_may_separate_values_in_other_ways(separator, table, tmp_path):
    table.to_csv(tmp_path / "models.csv", index=False, sep=separator, encoding="utf-8-sig")
    pd.testing.assert_frame_equal(read_table(tmp_path / "models.csv"), table)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(BadInput, match="empty.csv: cannot be read as a table"):
        read_table(tmp_path / "empty.csv")


def test_a_small_parquet_file_that_fills_the_memory_is_refused(table, tmp_path, monkeypatch):
    table.to_parquet(tmp_path / "models.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "models.parquet"), table)
    monkeypatch.setattr(file_formats, "machine_memory_bytes", lambda: 20_000_000)
    pd.DataFrame({"loss": np.zeros(2_000_000)}).to_parquet(tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 20_000
    with pytest.raises(BadInput, match="bomb.parquet: cannot be read as a table .its 2,000,000 rows would fill"):
        read_table(tmp_path / "bomb.parquet")


def test_every_option_of_a_table_reaches_the_judge(judge, table, no_figures):
    renamed = table.assign(State="diverged").rename(columns={"seed": "copy"})
    renamed.loc[:30, "State"] = "limit"
    options = ["--status-column", "State", "--seed-column", "copy", "--independent-seeds", "--scope", "all"]
    printed, _ = judge(renamed, *options, "--predictors", "norm", "--match", "noise=-9:9", "--validation-size", "10")
    assert "36 runs of 12 configurations (scope: all, matched: noise in [-9, 9])" in printed
    assert "equal values of copy are taken as unrelated" in printed
    assert "not named as a predictor: noise" in printed


def shown_in(encoding: str, command: list[str], monkeypatch) -> list[str]:
    """Lines that the command prints on a terminal of an encoding."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["bth", *command])
    with pytest.raises(SystemExit) as ended:
        main.main()
    sys.stdout.flush()
    assert ended.value.code == 0
    return written.getvalue().decode(encoding).splitlines()


def test_a_terminal_without_greek_letters_shows_the_nearest_ones(table, monkeypatch, tmp_path):
    table.to_csv(tmp_path / "models.csv", index=False)
    command = ["judge", str(tmp_path / "models.csv"), "--target", "test_loss", "--axes", "learning rate,width"]
    usual = shown_in("utf-8", command, monkeypatch)
    plain = shown_in("ascii", command, monkeypatch)
    assert any("τ" in line for line in usual)
    rows = [re.findall(r"[^\s|]+", line) for line in plain]
    for line in usual:
        assert re.findall(r"[^\s]+", nearest_ascii(line)) in rows or set(line) <= {*" ─"}
    assert shown_in("latin-1", ["judge", "--help"], monkeypatch)


def test_the_page_describes_the_table_as_it_was_read(judge, table, no_figures):
    """Numbers as text, a seed column of another name, and values of an axis that differ by rounding only."""
    texts = table.assign(norm=[f"{value:.6f} " for value in table["norm"]]).rename(columns={"seed": "repetition"})
    texts["learning rate"] = texts["learning rate"].astype(float)
    texts.loc[0, "learning rate"] += 1e-15
    _, page = judge(texts, "--seed-column", "repetition")
    assert "Of 12 configurations" not in page and page.count("± ") >= 12
    assert "2 predictors that vary within configurations" in page and "Chosen at random, networks lose" in page
    assert "No sign could be tested" in page  # three common seeds are three units
