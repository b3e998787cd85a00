"""The report: one self-contained page, equal bytes for equal data, and nothing in the data can break it."""

import base64
import hashlib
import io
import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from xml.dom import minidom

import browser
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benevolent.analysis.figures import (
    NothingToDraw,
    granulated_heat_map,
    loss_curves,
    most_explanatory_axis,
    statistic_agreement,
)
from benevolent.analysis.figures.statistic_agreement import STATISTICS, statistic_ranks
from benevolent.analysis.formatting import mean_and_deviation
from benevolent.analysis.judging import Verdict, Verdicts
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.verdict import columns
from benevolent.analysis.judging.verdicts import ScopeVerdicts, read_verdicts
from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.report import Definition, Report, render, verdict_table
from benevolent.analysis.report.summary import summarize
from benevolent.analysis.statistics.noise_ceiling import TEST_SET_NOISE, Ceiling
from benevolent.trainables.training.dynamics_names import DYNAMICS

AXES = ["init.scale", "model.width"]
PREDICTORS = ["path_length", "bias_increment_mean", "frobenius_product"]
EVIL = "</svg><script>alert(1)</script>$\\frac{$ --> &amp; \x1b[31m [bold]漢"
EMPTY = pd.DataFrame()


def runs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(itertools.product([0.5, 1.0, 2.0], [32, 64], range(3)), columns=[*AXES, "seed"])
    rows["test_loss"] = 0.3 * rows["init.scale"] + 0.02 * rng.normal(size=len(rows))
    rows = rows.assign(test_error=rows["test_loss"] / 5, train_loss=0.01 * rng.random(len(rows)), status="converged")
    rows["path_length"] = np.exp(6 * rows["test_loss"])
    rows["bias_increment_mean"] = rng.random(len(rows))
    rows["frobenius_product"] = rows["init.scale"] ** 3
    rows["normalized_train_loss"] = 2.3 - 1 / (1 + rows["frobenius_product"])
    rows["normalized_test_loss"] = rows["normalized_train_loss"] + 0.01
    return rows.assign(run_id=[f"r{i}" for i in rows.index], **{"data.name": "digits"})


def curves(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    steps = list(itertools.product(table["run_id"], ["pretrain", "train"], [0, 10, 20]))
    dynamics = pd.DataFrame(steps, columns=["run_id", "phase", "step"]).assign(name="path_length", value=1.0)
    dynamics["epoch"] = dynamics["step"] / 10
    losses = dynamics.drop(columns="epoch").assign(name="loss", value=2.3 / (1 + dynamics["step"]))
    return dynamics, pd.concat([losses.assign(split=split) for split in ("train", "test")], ignore_index=True)


def verdicts(
    target: str = "test_loss", decisions: tuple[str, ...] = ("adds", "undecided", "not shown"), **changes
) -> Verdicts:
    """Verdicts as `judge` returns them, with made-up numbers; `changes` are fields of `ScopeVerdicts`."""
    numbers = {
        name: 0.25
        for name in columns(AXES)
        if name not in ("test_derived", "function_of_axes", "constant", "within_ceiling")
    }
    known = numbers | {"target": target, "scope": "converged", "match": "", "runs": 18, "configurations": 6}
    known |= {"missing": 0, "resamples": 100, "within_freedom": 12, "sentence": "In words."}
    rows = []
    for predictor, decision, tau in zip(PREDICTORS, decisions, (0.91, -0.4, np.nan), strict=True):
        own = {"decision": decision, "granulated[init.scale]": tau}
        if predictor == "bias_increment_mean":
            own |= {"kendall_low": np.nan, "gain_r2": np.nan}
        rows.append(Verdict.undecided(predictor, AXES, known | own))
    baseline = Verdict.undecided("hyperparameters only", AXES, known | {"decision": "baseline", "baseline_r2": 0.81})
    scope = ScopeVerdicts("converged", 18, 6, {}, False, baseline, (), "", tuple(rows), 0.5, 0.1)
    rule = "It adds if q < 0.05."
    whole = Verdicts(target, tuple(AXES), {}, rule, 0.05, 0.95, 200, 100, {}, (), (scope,))
    return replace(whole, scopes=(replace(scope, **changes),))


def example() -> Report:
    table = runs()
    dynamics, outcomes = curves(table)
    return Report(
        name="small",
        description="A small sweep.",
        spec="name: small",
        axes=AXES,
        table=table,
        dynamics=dynamics,
        outcomes=outcomes,
        verdicts=[verdicts(), verdicts("test_error")],
        provenance={"hardware": {"cores": 2}, "versions": {"torch": "2.11"}},
        definitions={"path_length": Definition("Length of the path.", "Somebody 2020", "weights")},
        dynamics_names=["path_length", "bias_increment_mean"],
    )


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return render(example())


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    report = example()
    names = {"path_length": EVIL, "init.scale": EVIL + "."}
    plain = verdicts(decisions=(EVIL, "adds", "not shown"))
    taus = {EVIL + ".": 0.5, "b": 0.1}
    rows = []
    for row in plain:
        name = names.get(row.predictor, row.predictor)
        rows.append(replace(row, predictor=name, sentence=EVIL, granulated=taus))
    scope = replace(plain.scopes[0], predictors=tuple(rows), missing_ceiling=EVIL, excluded={EVIL: 1})
    evil = replace(plain, rule=EVIL, axes=(EVIL + ".", "b"), scopes=(scope,), left_out={EVIL: EVIL}, notes=(EVIL,))
    widths = [EVIL if width == 32 else [1, 2] for width in report.table["model.width"]]
    table = report.table.assign(**{"model.width": widths})
    return render(
        Report(
            name=EVIL,
            description=EVIL,
            spec=EVIL,
            axes=[EVIL + ".", "model.width"],
            table=table.rename(columns=names).assign(run_id=EVIL + table["run_id"]),
            dynamics=report.dynamics.assign(phase=EVIL, run_id=EVIL + report.dynamics["run_id"]),
            outcomes=report.outcomes.assign(phase=EVIL, run_id=EVIL + report.outcomes["run_id"]),
            verdicts=[evil],
            provenance={EVIL: {EVIL: EVIL}, "hardware": EVIL, "versions": [EVIL]},
            definitions={EVIL: Definition(EVIL, EVIL, EVIL)},
            dynamics_names=[EVIL],
        )
    )


def text_of(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.decode()))


def test_the_page_loads_nothing_and_runs_only_its_own_script(files, hostile):
    page = files["index.html"].decode()
    assert not re.search(r"<link|<img|<iframe|@import|\bsrc=|url\((?!#)", page, re.IGNORECASE)
    for own in (page, hostile["index.html"].decode()):
        (script,) = re.findall(r"<script>(.*?)</script>", own, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert "default-src 'none'" in own and f"script-src 'sha256-{digest}'\"" in own
    assert all(not target.startswith(("http", "//", "/")) for target in re.findall(r'href="([^"]*)"', page))


def test_the_page_answers_first_and_shows_the_baseline(files):
    text = text_of(files["index.html"])
    assert "Of 3 predictors of test loss, 1 orders networks that share every hyperparameter and helps" in text
    assert text.index("explain 81% of the variance") < text.index("What was run") < text.index("R² = 0.81")
    assert "Length of the path. Unit: weights." in text and "It adds if q &lt; 0.05." in text


def test_the_number_of_resamples_stands_beside_the_intervals(files):
    page, stated = text_of(files["index.html"]), "Intervals: 95%, from 100 resamples of whole lineages"
    assert page.count(stated) == 3  # two tables, and the answer, which names what adds
    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(verdicts()))
    assert stated in console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_names_are_whole_in_a_terminal(width):
    console = Console(width=width, file=io.StringIO())
    console.print(verdict_table(verdicts(), width))
    shown = console.file.getvalue()
    assert all(name in shown for name in PREDICTORS)
    assert ("[.25, .25]" in shown) == (width == 100)


def test_lists_of_provenance_are_words(no_figures):
    source = {"hardware": {"cpus": 2, "gpus": []}, "data": {"mnist": ["ab", "cd"]}, "versions": {"torch": "2"}}
    page = text_of(render(replace(example(), provenance=source))["index.html"])
    assert "cpus 2, gpus none" in page and "data.mnist ab, cd" in page


def test_equal_data_give_equal_bytes(files):
    assert render(example()) == files


def test_ids_are_unique_within_the_page(files):
    ids = Counter(re.findall(r'\bid="([^"]+)"', files["index.html"].decode()))
    assert len(ids) > 100 and max(ids.values()) == 1


def test_the_figures_are_valid_documents(files):
    figures = [name for name in files if name.endswith(".svg")]
    assert len(figures) == 6
    assert all(minidom.parseString(files[name]).documentElement.tagName == "svg" for name in figures)


def test_names_from_the_data_cannot_break_out(hostile):
    scripts = re.findall(rb"<script[^>]*>", hostile["index.html"])
    assert scripts == [b'<script type="application/json" id="run-data">', b"<script>"]  # data, and the page's own
    figures = [content for name, content in hostile.items() if name.endswith(".svg")]
    assert len(figures) == 6 and all(b"alert(1)" not in figure for figure in figures)
    assert all(minidom.parseString(figure) for figure in figures)
    assert json.loads(hostile["verdicts.json"])[0]["rule"] == EVIL


def test_names_from_the_data_cannot_steer_the_terminal():
    plain = verdicts(decisions=(EVIL, "adds", "not shown"))
    rows = tuple(replace(row, predictor=EVIL) for row in plain)
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    console.print(verdict_table(replace(plain, scopes=(replace(plain.scopes[0], predictors=rows),))))
    assert "\x1b" not in console.file.getvalue()


def test_verdicts_json_keeps_numbers_and_marks_missing_ones(files):
    first, second = json.loads(files["verdicts.json"])
    (scope,) = first["scopes"]
    assert (first["target"], second["target"]) == ("test_loss", "test_error")
    assert scope["baseline"]["baseline_r2"] == 0.81
    rows = {row["predictor"]: row for row in scope["predictors"]}
    assert rows["path_length"]["kendall_tau"] == 0.25 and rows["bias_increment_mean"]["gain_r2"] is None


def test_the_table_is_written_whole(files):
    written = pd.read_parquet(io.BytesIO(files["table.parquet"]))
    pd.testing.assert_frame_equal(written, runs(), check_dtype=False)


def test_an_empty_results_folder_gives_a_page_that_says_so():
    page = text_of(render(replace(example(), table=EMPTY, dynamics=EMPTY, outcomes=EMPTY, verdicts=[]))["index.html"])
    assert "There are no runs yet" in page and page.count("Not drawn.") == 6


@pytest.mark.parametrize(
    "change",
    [
        {"status": "diverged", "test_loss": np.nan},
        {"test_loss": np.inf, "path_length": -np.inf, "normalized_test_loss": None},
        {"test_loss": 0.5, "train_loss": 0.01},
        {"init.scale": np.nan},
        {"init.scale": np.arange(18) / 7},
    ],
)
def test_odd_values_draw_less_but_never_fail(change):
    report = example()
    assert "index.html" in render(replace(report, table=report.table.assign(**change)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_runs_are_enough_for_a_page(count):
    report = example()
    assert "index.html" in render(replace(report, table=report.table.iloc[:count]))


def test_no_finding_is_said_plainly():
    found = summarize(verdicts(decisions=("function of the axes", "undecided", "function of the axes")))
    assert "2 are functions of the hyperparameters" in " ".join(found.sentences)
    found = summarize(verdicts(decisions=("not shown", "undecided", "negligible")))
    assert found.headline.startswith("None of the 3 predictors of test loss is shown to say more")
    assert found.adding == []


def test_configurations_stand_near_the_top_with_absolute_errors_the_best_first(files):
    page = text_of(files["index.html"])
    before, after = page.split("Mean ± standard deviation over the runs of each configuration", 1)
    assert "Verdicts" not in before and "init.scalemodel.widthtest losstest errortrain lossruns" in after
    table = pd.read_csv(io.BytesIO(files["tables/configurations.csv"]))
    errors = runs().groupby(AXES)["test_error"].agg(["mean", "std"]).sort_values("mean")
    assert table["test_error"].tolist() == pytest.approx(errors["mean"].tolist()) and set(table["replicates"]) == {3}
    assert table[AXES].iloc[0].tolist() == list(errors.index[0])
    assert mean_and_deviation(*errors.iloc[0]) in after[:400]


def test_descriptions_stand_beside_the_verdicts_with_their_numbers(files, no_figures):
    page = text_of(files["index.html"])
    assert "They decide nothing" in page and page.index("Beside the verdicts") > page.index("Each verdict on")
    selection = pd.read_csv(io.BytesIO(files["tables/selection.csv"]))
    path = selection[(selection["predictor"] == "path_length") & (selection["choice"] == "best 10%")].iloc[0]
    assert path["lost_to_best"] == 0 and "against the best tenth" in page  # it orders the runs as the loss does
    assert set(pd.read_csv(io.BytesIO(files["tables/redundancy.csv"]))["predictor"]) <= set(PREDICTORS)
    assert "predictors that vary within configurations are of" in page
    words = json.loads(files["descriptions.json"])
    assert (
        "Of 6 configurations the one with the smallest mean test loss is init.scale 0.5" in words["Best configuration"]
    )
    assert words["Networks chosen by a predictor"] in page
    assert not [name for name in render(replace(example(), verdicts=[])) if name.startswith("tables/sel")]


def test_with_several_data_sets_networks_are_chosen_in_each_also_with_the_direction_from_the_others(no_figures):
    table = runs()
    again = table.assign(**{"data.name": "mnist", "path_length": 1 / table["path_length"], "seed": table["seed"] + 9})
    both = pd.concat([table, again], ignore_index=True)
    both["run_id"] = both.index.map(str)
    judged = replace(verdicts(), axes=("data.name", *AXES))
    files = render(replace(example(), table=both, axes=["data.name", *AXES], verdicts=[judged]))
    selection = pd.read_csv(io.BytesIO(files["tables/selection.csv"]))
    path = selection[(selection["predictor"] == "path_length") & (selection["choice"] == "best 10%")]
    lost = path.set_index(["data", "direction_from"])["lost_to_best"]
    assert lost["mnist", "the same runs"] == 0 < lost["mnist", "the other data sets"]
    words = json.loads(files["descriptions.json"])["Networks chosen by a predictor"]
    assert "With the direction from the other data sets" in words and words.count("Chosen at random on") == 2
    assert "direction from" in text_of(files["index.html"])


def test_what_is_not_shown_is_nowhere_said_to_fail(files):
    page = text_of(files["index.html"])
    assert "· not shown" in page and "no evidence against it" in page and "not shown to do either" in page
    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(verdicts()))
    shown = console.file.getvalue()
    assert "· not shown" in shown and "no evidence against it" in shown
    decisions = {verdict.decision for one in read_verdicts(files["verdicts.json"]) for verdict in one}
    assert decisions == {"adds", "undecided", "not shown"}
    assert not re.search(r"\bfail(s|ed)?\b", page.partition("Provenance")[0] + shown)


def test_ceilings_stand_below_the_baseline_and_runs_that_did_not_converge_are_listed(no_figures):
    limited = verdicts(ceilings=(Ceiling(TEST_SET_NOISE, 0.78, 0.87),))
    report = example()
    table = report.table.assign(status=["diverged", "limit", *["converged"] * 16])
    whole = render(replace(report, verdicts=[limited], table=table))["index.html"]
    page = text_of(whole)
    assert re.search(r"hyperparameters only .*? baseline ceiling: test-set noise \+0.78 R² = 0.87 ceiling", page)
    listed = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", whole.decode())]
    assert [row for row in listed if row][:2] == [
        ['<a href="#run-r0">r0</a>', "diverged", "0", "0.5", "32"],
        ['<a href="#run-r1">r1</a>', "limit", "1", "0.5", "32"],
    ]
    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(limited))
    assert re.search(r"ceiling: test-set\S* \S* *\+.78 +R² .87 +ceiling", console.file.getvalue())


def test_statistics_that_disagree_are_told_apart():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: np.arange(12.0) for name in STATISTICS}, index=[f"p{i}" for i in range(12)])
    frame.loc["p11", "within"], frame.loc["p3", "psi"] = 0.0, -20.0
    ranks = statistic_ranks(frame.assign(gain_r2=-frame["gain_r2"]))
    assert ranks.loc["p11", "kendall_tau"] == 1 and ranks.loc["p11", "gain_r2"] == 12 and ranks.loc["p3", "psi"] == 1
    assert statistic_ranks(frame.assign(cmi=np.nan)).shape == (12, 5)
    figure = statistic_agreement(frame + 0.01 * rng.random(frame.shape))
    named = [text.get_text() for text in figure.axes[0].texts]
    assert len(named) == 6 and "p11" in named
    with pytest.raises(NothingToDraw):
        statistic_agreement(frame.head(2))


@pytest.mark.skipif(browser.BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_page_and_its_tables_can_be_sorted(files, width, tmp_path):
    page = tmp_path / "index.html"
    page.write_bytes(files["index.html"])
    shown = browser.browse(page, width, "--dump-dom")
    assert "Refused" not in shown.stderr and shown.stdout.count('role="button"') > 10
    browser.browse(page, width, f"--screenshot={tmp_path}/page.png")
    picture = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
    assert picture.shape[1] == width and picture.std() > 0.05  # something is drawn


@pytest.mark.skipif(browser.BROWSER is None, reason="no Chromium here")
def test_a_click_on_a_heading_sorts_the_configurations(files, tmp_path):
    page = re.sub(r"<meta http-equiv.*?>", "", files["index.html"].decode())
    look = "[...table.tBodies[0].rows].map((row) => parseFloat(row.cells[3].textContent))"
    page += f"""<script>
        const table = document.querySelector("table.sortable");
        const seen = [{look}];
        for (let clicks = 0; clicks < 2; clicks++) {{ table.tHead.rows[0].cells[3].click(); seen.push({look}); }}
        document.body.innerHTML = JSON.stringify(seen);
    </script>"""
    (tmp_path / "page.html").write_text(page)
    shown = browser.browse(tmp_path / "page.html", 1000, "--dump-dom").stdout
    by_loss, down, up = json.loads(re.search(r"<body>(.*)</body>", shown, re.DOTALL)[1])
    assert len(by_loss) == 6 and down == sorted(by_loss, reverse=True) and up == down[::-1]


@pytest.mark.skipif(browser.BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize(("width", "scrolls"), [(400, True), (1100, False)])
def test_figures_scroll_on_a_phone_instead_of_shrinking(files, width, scrolls, tmp_path):
    page = re.sub(r"<meta http-equiv.*?>", "", files["index.html"].decode())  # which would refuse the script below
    look = "[...document.querySelectorAll('.drawing')].map(one => [one.clientWidth, one.scrollWidth])"
    whole = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    page += f"<script>document.body.innerHTML = JSON.stringify([{look}, {whole}])</script>"
    (tmp_path / "page.html").write_text(page)
    shown = browser.browse(tmp_path / "page.html", width, "--dump-dom").stdout
    drawings, sideways = json.loads(re.search(r"<body>(.*)</body>", shown, re.DOTALL)[1])
    assert len(drawings) == 6 and sideways == 0
    assert all((wide > seen and wide > 600) if scrolls else wide == seen for seen, wide in drawings)


def test_the_terminal_table_fits_100_columns_and_shows_the_baseline():
    console = Console(width=200, file=io.StringIO())
    console.print(verdict_table(verdicts(decisions=("adds", "not shown", "function of the axes"))))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any("hyperparameters only" in line and "R² .81" in line for line in lines)
    assert any(line.split()[:1] == ["path_length"] and line.rstrip().endswith("● adds") for line in lines)


def test_verdicts_are_read_back_from_their_file(files):
    assert read_verdicts(files["verdicts.json"]) == example().verdicts


def test_a_predictor_that_some_runs_lack_says_on_how_many_it_is_judged(no_figures):
    plain = verdicts()
    rows = tuple(replace(row, runs=5, missing=13) if row.predictor == "path_length" else row for row in plain)
    fewer = replace(plain, scopes=(replace(plain.scopes[0], predictors=rows),))
    page = text_of(render(replace(example(), verdicts=[fewer]))["index.html"])
    assert "path_length 5 of 18" in page and "bias_increment_mean 18" in page
    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(fewer))
    assert "with a value in fewer runs: path_length 5 of 18" in console.file.getvalue()


def test_what_judge_returns_is_reported_scope_by_scope(no_figures):
    table = pd.concat([runs(), runs().assign(seed=lambda again: again["seed"] + 100)], ignore_index=True)
    judged = judge(table, "test_loss", AXES, PREDICTORS, scope="both", permutations=20, resamples=20)
    page = text_of(render(replace(example(), verdicts=[judged]))["index.html"])
    assert "36 runs of 6 configurations (scope: converged)" in page and "Test loss (all runs)" in page
    assert page.count("hyperparameters only") == 4


def test_a_stopped_run_keeps_its_last_loss_in_the_mean():
    table = pd.DataFrame({"run_id": ["a", "b"], "init.scale": 1.0, "test_loss": 1.0})
    rows = [("a", 0, 4.0), ("a", 1, 2.0), ("b", 0, 4.0), ("b", 1, 4.0), ("b", 2, 6.0)]
    losses = pd.DataFrame(rows, columns=["run_id", "epoch", "value"])
    losses = losses.assign(phase="train", step=losses["epoch"], split="train", name="loss")
    (line,) = loss_curves(table, ["init.scale"], EMPTY, losses, "test_loss").axes[0].collections[0].get_segments()
    assert line.tolist() == [[0, 4], [1, 3], [2, 4]]


def test_the_heat_map_writes_its_numbers():
    texts = {text.get_text() for text in granulated_heat_map(verdicts().table).axes[0].texts}
    assert {"+0.91", "−0.40", "–"} <= texts
    with pytest.raises(NothingToDraw):
        granulated_heat_map(verdicts().table[["decision"]])


def test_figures_are_colored_by_the_axis_that_separates_the_target():
    assert most_explanatory_axis(runs(), AXES[::-1], "test_loss") == "init.scale"


def test_the_terminal_shows_the_first_predictors_and_counts_the_others():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(verdict_table(verdicts(decisions=("adds", "not shown", "not shown")), 100, 1, "`bth report x --all`"))
    text = console.export_text()
    assert "2 more: 2 · not shown\n`bth report x --all` shows all" in re.sub(r" +\n", "\n", text)
    assert max(map(len, text.splitlines())) <= 100 and "…" not in text


def test_the_longest_names_are_whole_in_100_columns_though_some_have_fewer_runs():
    longest = max([*MEASURES, *DYNAMICS], key=len)
    plain = verdicts()
    wide = {"within": -0.51, "within_low": -0.66, "within_high": -0.31, "missing": 3}
    rows = tuple(replace(row, predictor=longest, **wide) for row in plain)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(verdict_table(replace(plain, scopes=(replace(plain.scopes[0], predictors=rows),))))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 100 and any(line.startswith(f" {longest} ") for line in lines)


def test_every_column_of_a_table_of_verdicts_is_explained_beside_it(files):
    page = files["index.html"].decode()
    _, _, beside = page.partition("What the columns mean")
    explanation, _, table = beside.partition("</details>")
    (headings,) = re.findall(r"<tr>\s*<th class=\"name\">predictor</th>.*?</tr>", table, re.DOTALL)[:1]
    explained = re.sub(r"<[^>]*>", " ", explanation)
    assert "<table" not in explanation and re.match(r"\s*<div class=\"wide\">\s*<table class=\"verdicts\"", table)
    for heading in re.findall(r"<th[^>]*>([^<]+)</th>", headings)[1:]:
        assert "%" in heading or heading in explained
