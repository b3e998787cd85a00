"""Views of single runs in the page of a report: their data, their bound, and their behavior in a browser."""

import io
import json
import re
from dataclasses import replace

import browser
import numpy as np
import pandas as pd
import pytest
from test_report import AXES, EMPTY, EVIL, example, verdicts

from benevolent.analysis.figures import format_value
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report import Report, render
from benevolent.analysis.report.configurations_table import configurations_table
from benevolent.analysis.report.run_curves import page_curves, run_curves
from benevolent.analysis.report.run_views import run_views

in_a_browser = pytest.mark.skipif(browser.BROWSER is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return render(example())


def data_of(files: dict[str, bytes]) -> dict:
    """The data of the views in a page."""
    (text,) = re.findall(r'<script type="application/json" id="run-data">(.*?)</script>', files["index.html"].decode())
    return json.loads(text)


def test_the_page_has_every_run_with_its_numbers_and_curves(files):
    data = data_of(files)
    table = example().table.sort_values("test_loss")
    assert data["ids"] == table["run_id"].tolist()
    assert data["values"]["path_length"] == pytest.approx(table["path_length"].tolist(), rel=1e-3)
    assert data["listed"][:4] == [*AXES, "test_loss", "test_error"]
    first = data["curves"]["runs"][0]
    assert data["curves"]["phases"] == ["pretrain", "train"] and [phase for phase, *_ in first] == [0, 1]
    assert first[0][1] == [0, 1, 2] and first[0][2] == first[0][4] == pytest.approx([2.3, 2.3 / 11, 2.3 / 21], rel=1e-3)
    assert first[0][3] == [None, None, None]  # nothing was recorded on the validation split
    assert data["decisions"]["path_length"] == "● adds"


def test_the_tables_beside_the_page_are_whole(files):
    runs = pd.read_csv(io.BytesIO(files["tables/runs.csv"]))
    table = example().table
    assert set(runs["run_id"]) == set(table["run_id"]) and set(table.columns) <= set(runs.columns)
    curves = pd.read_csv(io.BytesIO(files["tables/curves.csv"]))
    losses = example().outcomes
    assert len(curves) == len(losses) and curves["loss"].sum() == pytest.approx(losses["value"].sum())
    assert list(curves.columns) == ["run_id", "phase", "step", "epoch", "split", "loss", "error"]


def test_curves_are_thinned_then_predictors_left_out_then_runs_and_the_page_says_so():
    report = example()
    steps = pd.DataFrame({"step": np.arange(200)})
    dynamics = report.dynamics.drop_duplicates(["run_id", "phase"]).drop(columns="step").merge(steps, how="cross")
    outcomes = report.outcomes.drop_duplicates(["run_id", "phase", "split"]).drop(columns="step")
    long = replace(report, dynamics=dynamics, outcomes=outcomes.merge(steps, how="cross"))
    whole = run_views(report)
    assert whole.left_out == "" and len(whole.data) < 20_000
    thinned = run_views(long)
    assert thinned.left_out.startswith(
        "Curves show at most 64 of up to 200 records of a phase; tables/curves.csv has all."
    )
    shown = json.loads(thinned.data)["curves"]["runs"][0][0]
    assert len(shown[1]) == 64 and shown[2][0] == shown[2][-1]
    few = run_views(long, 6_500)
    assert len(few.data) <= 6_500 and "predictors of each run are only in tables/runs.csv" in few.left_out
    fewest = run_views(long, 1_200)
    assert len(fewest.data) <= 1_200 and f"{18 - fewest.count} more runs are only in tables/runs.csv" in fewest.left_out
    assert all(len(one.tables["curves"]) == len(long.outcomes) for one in (thinned, few, fewest))


def test_curves_follow_the_order_of_training_and_keep_both_ends():
    rows = [("a", "z", 0, 3.0), ("a", "z", 1, 2.0), ("a", "b", 0, 1.0), ("a", "b", 5, 0.5), ("a", "b", 9, 0.25)]
    outcomes = pd.DataFrame(rows, columns=["run_id", "phase", "step", "value"]).assign(split="train", name="loss")
    curves = page_curves(run_curves(EMPTY, outcomes), ["a", "b"], 2)
    assert curves["phases"] == ["z", "b"]
    assert curves["runs"] == [
        [[0, [0, 1], [3, 2], [None] * 2, [None] * 2], [1, [0, 9], [1, 0.25], [None] * 2, [None] * 2]],
        [],
    ]


def test_failed_and_parent_runs_have_views_with_their_reason(no_figures):
    failed = pd.DataFrame({"run_id": ["f"], "status": ["failed"], "reason": ["out of memory"], "init.scale": [4.0]})
    parents = pd.DataFrame({"run_id": ["p"], "status": ["converged"], "role": ["parent"], "init.scale": [1.0]})
    data = data_of(render(replace(example(), failed=failed, parents=parents)))
    assert data["ids"][-2:] == ["f", "p"] and data["values"]["reason"][-2:] == ["out of memory", None]
    assert data["values"]["status"][-2] == "failed" and data["values"]["test_loss"][-1] is None


def foreign(**changes) -> Report:
    """A report on a table of models that no sweep made."""
    report = example()
    table = report.table.drop(columns=["run_id", "status"])
    return replace(report, spec="", table=table, dynamics=EMPTY, outcomes=EMPTY, **changes)


def test_rows_of_anybodys_table_have_views_without_files_beside_the_page(no_figures):
    files = render(foreign())
    assert data_of(files)["ids"][0] in [str(number) for number in range(18)]
    assert "tables/runs.csv" not in files["index.html"].decode()


@in_a_browser
def test_a_run_is_shown_from_its_address_and_from_a_point_of_a_figure(files, tmp_path):
    first = data_of(files)["ids"][0]
    script = """
        const told = [document.querySelector("dialog").open, document.querySelector("dialog h2").textContent];
        const group = document.querySelector("#dynamics [data-runs]");
        const named = group.dataset.runs.split(" ");
        group.querySelectorAll("use")[1].dispatchEvent(new MouseEvent("click", {bubbles: true}));
        return [...told, named.length, group.querySelectorAll("use").length, location.hash === "#run-" + named[1]];
    """
    opened, title, runs, points, same = browser.found_by(
        files["index.html"], script, tmp_path, fragment=f"#run-{first}"
    )
    assert opened and title == f"Run {first}" and runs == points and same


def test_a_configuration_and_its_runs_show_the_same_dash_where_an_axis_has_no_value():
    about = example()
    table = about.table.assign(**{"model.width": about.table["model.width"].where(about.table["init.scale"] > 1)})
    lacking = replace(about, table=table)
    of_runs = data_of(render(lacking))["values"]
    shown = {tuple(row[: len(AXES)]) for row in configurations_table(lacking).rows}
    assert shown == {*zip(*(of_runs[axis] for axis in AXES), strict=True)} and ("0.5", "–") in shown


@in_a_browser
def test_the_best_run_of_a_configuration_is_shown_from_the_table_of_configurations(files, tmp_path):
    script = """
        const row = document.querySelector("#configurations tbody tr");
        const values = [...row.cells].slice(0, AXES).map((cell) => cell.textContent);
        const data = JSON.parse(document.getElementById("run-data").textContent);
        const run = data.ids.indexOf(decodeURIComponent(row.querySelector("a").hash.slice(5)));
        return [values, data.axes.map((axis) => data.values[axis][run]), run,
                [...document.querySelectorAll("#configurations tbody tr")].every((row) => row.querySelector("a"))];
    """
    values, of_run, run, all_have_links = browser.found_by(
        files["index.html"], script.replace("AXES", str(len(AXES))), tmp_path
    )
    table = example().table.sort_values("test_loss").reset_index(drop=True)
    same = table[AXES].map(format_value).eq(values).all(axis=1)
    assert values == of_run and run == same.idxmax() and all_have_links


@in_a_browser
def test_a_view_says_how_a_run_ended_and_shows_curves_configuration_and_measures(files, tmp_path):
    run = data_of(files)["ids"][3]
    script = """
        const view = document.querySelector("dialog");
        const lines = (split) => view.querySelectorAll(`path.${split}`).length;
        return [view.textContent, lines("train"), lines("test")];
    """
    text, train, test = browser.found_by(files["index.html"], script, tmp_path, fragment=f"#run-{run}")
    assert "Endedconverged" in text and "Configurationinit.scale" in text and "4 of 18" in text and "● adds" in text
    assert (train, test) == (2, 2)  # one line for each phase


#: What is typed above the table of runs, and a test of the table's rows that says which it keeps.
FILTERS = {
    "abs error < 0.1": lambda rows: rows["test_error"] < 0.1,
    "test loss <= 0.3, model.width = 32": lambda rows: (
        (rows["test_loss"].round(4) <= 0.3) & (rows["model.width"] == 32)
    ),
    "init.scale != 1 and status = converged": lambda rows: rows["init.scale"] != 1,
    "r1": lambda rows: rows["run_id"].str.contains("r1"),
}


@in_a_browser
def test_tables_are_filtered_by_value_and_say_what_they_cannot_read(files, tmp_path):
    typed = json.dumps([*FILTERS, "colour = red", "loss < 1"])
    script = f"""
        const box = document.querySelector("#runs").parentElement.previousElementSibling.querySelector("input");
        const rows = [...document.querySelectorAll("#runs tbody tr")];
        return {typed}.map((text) => {{
            box.value = text;
            box.dispatchEvent(new Event("input"));
            const kept = rows.filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
            return [kept, box.nextElementSibling.textContent];
        }});
    """
    told = browser.found_by(files["index.html"], script, tmp_path)
    table = example().table
    for (asked, wanted), (kept, _) in zip(FILTERS.items(), told[:-2], strict=True):
        assert sorted(kept) == sorted(table[wanted(table)]["run_id"]), asked
    assert "no column “colour”; there are run, init.scale, model.width, test loss" in told[-2][1]
    assert "“loss” may be test loss or train loss" in told[-1][1]
    assert len(told[-1][0]) == 18  # what cannot be read hides nothing


@in_a_browser
def test_decisions_are_filtered_by_what_they_say_without_their_mark(no_figures, tmp_path):
    plain = verdicts()
    rows = []
    for number in range(14):
        row = plain.scopes[0].predictors[number % 3]
        rows.append(replace(row, predictor=f"p{number}", within=0.1 * (-1) ** number * (number % 5)))
    many: Verdicts = replace(plain, scopes=(replace(plain.scopes[0], predictors=tuple(rows)),))
    page = render(replace(example(), verdicts=[many]))["index.html"]
    script = """
        const table = [...document.querySelectorAll("table.verdicts")].find((one) => one.querySelector("th.forest"));
        const box = table.parentElement.previousElementSibling.querySelector("input");
        return ["status = adds", "abs rho > 0.25", "|ρ| > 0.25, decision = adds"].map((text) => {
            box.value = text;
            box.dispatchEvent(new Event("input"));
            return box.nextElementSibling.textContent;
        });
    """
    adds = [number for number in range(14) if number % 3 == 0]
    strong = [number for number in range(14) if number % 5 > 2]
    both = set(adds) & set(strong)
    assert browser.found_by(page, script, tmp_path) == [f"{len(one)} of 14" for one in (adds, strong, both)]


@in_a_browser
def test_what_a_run_is_called_cannot_run_in_its_view(tmp_path):
    table = example().table
    table = table.assign(run_id=[f"{EVIL}{number}" for number in table.index], status="converged")
    table["init.scale"] = EVIL
    page = render(replace(example(), table=table, dynamics=EMPTY, outcomes=EMPTY))["index.html"]
    script = """
        location.hash = document.querySelector("#runs a").getAttribute("href");
        dispatchEvent(new HashChangeEvent("hashchange"));
        const view = document.querySelector("dialog");
        return [view.open, view.querySelectorAll("script").length, view.textContent.includes("alert(1)")];
    """
    assert browser.found_by(page, script, tmp_path) == [True, 0, True]


@in_a_browser
def test_on_a_narrow_screen_curves_and_decisions_are_in_sight(files, tmp_path):
    run = data_of(files)["ids"][3]
    script = """
        const curves = document.querySelector("dialog .curves");
        const cells = [...document.querySelector("td.decision").closest("table").querySelectorAll(".decision")];
        const last = Math.max(...cells.map((cell) => cell.getBoundingClientRect().right));
        return [curves.scrollWidth - curves.clientWidth, cells.length > 3, last - innerWidth];
    """
    beyond, many, right = browser.found_by(files["index.html"], script, tmp_path, width=500, fragment=f"#run-{run}")
    assert beyond <= 0 and many and right <= 0


@in_a_browser
def test_columns_that_are_drawn_are_not_offered_to_a_filter(tmp_path):
    plain = verdicts()
    rows = tuple(replace(plain.scopes[0].predictors[0], predictor=f"p{number}") for number in range(40))
    many = replace(plain, scopes=(replace(plain.scopes[0], predictors=rows),))
    page = render(replace(example(), verdicts=[many]))["index.html"]
    script = """
        const table = document.querySelector("td.decision").closest("table");
        const box = table.parentElement.previousElementSibling.querySelector("input");
        box.value = "banana < 3";
        box.dispatchEvent(new Event("input"));
        return box.nextElementSibling.textContent;
    """
    assert "there are predictor, runs, tau, psi, partial" in browser.found_by(page, script, tmp_path)
