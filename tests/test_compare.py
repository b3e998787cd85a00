"""Two sweeps or tables side by side: how verdicts agree, and what the command and its page show."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_report import EVIL, verdicts
from typer.testing import CliRunner

from benevolent.analysis.judging.comparison import agreement, compare_verdicts
from benevolent.analysis.report.comparison_page import comparison_page
from benevolent.orchestrator.cli import main
from benevolent.trainables.errors import BadInput


def verdict(decision: str, within: float = 0.5, small: bool = False):
    return replace(verdicts().scopes[0].predictors[0], decision=decision, within=within, small=small)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (verdict("adds"), verdict("adds"), "shown in both"),
        (verdict("adds"), verdict("adds beyond", -0.2), "opposite signs"),
        (verdict("adds in transfer"), verdict("adds in transfer", -0.2), "shown in both"),  # no sign is claimed
        (verdict("adds"), verdict("negligible"), "contradiction"),
        (verdict("negligible"), verdict("adds beyond", 0.1, small=True), "shown in the second only"),
        (verdict("adds"), verdict("not shown", -0.1), "shown in the first only"),
        (verdict("undecided", math.nan), verdict("adds"), "shown in the second only"),
        (verdict("adds"), verdict("adds beyond"), "another claim"),
        (verdict("not shown"), verdict("negligible"), "shown in neither"),
        (verdict("negligible"), verdict("negligible"), "same decision"),
        (verdict("adds"), None, "judged in one only"),
    ],
)
def test_verdicts_agree_or_not(first, second, expected):
    assert agreement(first, second) == expected
    mirrored = {
        "shown in the first only": "shown in the second only",
        "shown in the second only": "shown in the first only",
    }
    assert agreement(second, first) == mirrored.get(expected, expected)


def test_outcomes_that_both_judged_are_compared_and_what_both_show_comes_before_what_one_shows():
    described = replace(verdicts("gap"), permutations=0)
    first = [verdicts(decisions=("adds", "not shown", "not shown")), described]
    second = [verdicts("test_error"), verdicts(decisions=("adds", "negligible", "adds beyond")), described]
    (comparison,) = compare_verdicts(first, second)
    assert comparison.target == "test_loss"
    assert [row.predictor for row in comparison.rows] == ["path_length", "frobenius_product", "bias_increment_mean"]
    assert comparison.counts == {"shown in both": 1, "shown in the second only": 1, "shown in neither": 1}
    with pytest.raises(BadInput, match="the first has test_loss; the second has none"):
        compare_verdicts(first, [described])


def test_the_page_shows_both_with_their_numbers_and_nothing_in_them_can_break_it():
    other = verdicts(decisions=("not shown", "undecided", "not shown"), runs=36, configurations=12)
    named = [replace(row, predictor=f"{EVIL}{number}") for number, row in enumerate(other.scopes[0].predictors)]
    evil = replace(other, axes=("init.scale", EVIL), scopes=(replace(other.scopes[0], predictors=tuple(named)),))
    page = comparison_page(["first", EVIL], compare_verdicts([verdicts()], [evil]), f"bth compare {EVIL}")
    assert page.count("<script") == 1 and "alert(1)</script>" not in page.replace("&lt;/script&gt;", "")
    text = re.sub(r"<[^>]*>", " ", page)
    assert "18 runs of 6 configurations" in text and "36 runs of 12 configurations" in text
    assert "vary different fields" in text and "6 judged in one only" in text


def table(direction: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product([range(8), (8, 16), range(6)], names=["depth", "width", "seed"]).to_frame(
        index=False
    )
    luck = rng.normal(size=len(rows))
    return rows.assign(norm=direction * luck, noise=rng.normal(size=len(rows)), gap=rows["depth"] + luck)


def test_two_tables_are_judged_and_compared_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.console, "width", 120)
    for name, direction in (("one", 1.0), ("two", -1.0)):
        table(direction, len(name) + int(direction)).to_csv(f"{name}.csv", index=False)
        words = f"judge {name}.csv --target gap --axes depth,width --independent-seeds --verdicts {name}.json"
        assert CliRunner().invoke(main.app, words.split(), catch_exceptions=False).exit_code == 0
    done = CliRunner().invoke(
        main.app, ["compare", "one.json", "two.json", "--html", "both.html"], catch_exceptions=False
    )
    assert re.search(r"norm +● adds \(ρ \+1.00\) +● adds \(ρ −1.00\) +opposite signs", done.stdout)
    assert "1 opposite signs: both order runs" in done.stdout and "96 runs of 16 configurations" in done.stdout
    assert "opposite signs" in (tmp_path / "both.html").read_text()
    (tmp_path / "no.json").write_text("[1]")
    with pytest.raises(BadInput, match=r"no.json: damaged or not a file of this project \(no verdicts"):
        CliRunner().invoke(main.app, ["compare", "one.json", "no.json"], catch_exceptions=False)
    with pytest.raises(BadInput, match=r"none.json: no such file$"):
        CliRunner().invoke(main.app, ["compare", "one.json", "none.json"], catch_exceptions=False)
