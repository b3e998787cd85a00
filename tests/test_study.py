"""Studies: the sweeps of one question, its rule, its answer and its page."""

import io
import itertools
import json
import sys
import types

import matplotlib.figure
import pytest
from in_process import train_sweep
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis.figures import render_figure
from benevolent.analysis.report import digests, study_page
from benevolent.analysis.studies import FIRST_VERDICT_REPLICATE, Finding, StudyAnswer, StudyTable, decide
from benevolent.orchestrator import study, study_run
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.plan.expand import expand
from benevolent.trainables.data import READERS
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder

TINY = {
    "name": "tiny-study",
    "title": "A <b>title</b>",
    "source": "Nobody 2026",
    "question": "Do wider networks have more parameters?",
    "sweeps": {
        "digits": {
            "base": {
                "data": {"train_size": 60, "validation_size": 20, "test_size": 50},
                "model": {"width": 8, "depth": 2},
                "stop": {"train_loss": None, "max_epochs": 1},
            },
            "grid": {"model.width": [8, 16]},
            "seeds": 1,
            "record": {"measures": ["parameter_count"]},
        }
    },
    "small": {"takes": "seconds"},
    "paper": {
        "takes": "more",
        "changes": {"every": {"grid.model.width": [32, 64], "seeds": {"count": 2, "shared": True}}},
    },
}
MODULE = "benevolent.analysis.studies.tiny_study"


def answer(results):
    """Count parameters by width."""
    table = results["digits"].table().sort_values("model.width")
    counts = table["parameter_count"]
    wider_is_more = decide(bool(counts.is_monotonic_increasing))
    finding = Finding("wider is more", wider_is_more, f"{counts.tolist()}", "<i>1</i>")

    def draw() -> matplotlib.figure.Figure:
        figure = matplotlib.figure.Figure()
        figure.subplots().plot(table["model.width"], counts)
        return figure

    figure = render_figure("counts", "Parameters by width", "A line", draw)
    cells = table[["model.width"]].rename(columns={"model.width": "<b>width</b>"})
    shown = StudyTable("Widths & more", "One row for each.", cells)
    return StudyAnswer([finding], [figure], table, ["A note."], [shown])


@pytest.fixture
def tiny(monkeypatch):
    module = types.ModuleType(MODULE)
    module.RULE = "Counts\n rise."
    module.answer = answer
    monkeypatch.setitem(sys.modules, MODULE, module)
    tiny_study = study.Study.parse(TINY)
    for place in (study, study_run):
        monkeypatch.setattr(place, "studies", lambda: {"tiny-study": tiny_study})
    return tiny_study


@pytest.fixture
def answered(tiny, tmp_path, monkeypatch):
    """The tiny study, trained and answered without Ray in `tmp_path`."""
    monkeypatch.setattr(study_run, "train_sweep", train_sweep)
    return run(tiny, tmp_path)


def run(tiny, tmp_path) -> study_run.AnsweredStudy:
    (done,) = study_run.run_studies([tiny], "small", str(tmp_path), Console(quiet=True))
    return done


def test_a_study_is_answered_and_shown(answered, tmp_path):
    folder = Folder(tmp_path) / "tiny-study"
    page = folder.read("index.html").decode()
    assert answered.answer.headline == "1 of 1 claims of the paper holds."
    assert not answered.failures
    for text in (
        "A &lt;b&gt;title",
        "wider is more",
        "&lt;i&gt;1",
        "Counts rise.",
        "A note.",
        "<svg",
        "&lt;b&gt;width",
    ):
        assert text in page
    for text in ("Table 1. Widths &amp; more", "&lt;b&gt;width", '<td class="name">16</td>'):
        assert text in page
    assert "bth run study:tiny-study" in page
    assert folder.exists("figures/counts.svg")
    assert len(folder.read_table("numbers.parquet")) == 2
    index = Folder(tmp_path).read("index.html").decode()
    for text in ("wider is more", 'href="tiny-study/index.html"', "<svg"):
        assert text in index


def test_an_answer_is_kept_until_rule_code_or_results_change(answered, tiny, tmp_path, monkeypatch):
    folder = Folder(tmp_path) / "tiny-study"
    files = {name: folder.read(name) for name in ("index.html", "answer.json", "numbers.parquet")}
    monkeypatch.setattr(sys.modules[MODULE], "answer", None)  # cannot be called again
    run(tiny, tmp_path)
    assert {name: folder.read(name) for name in files} == files
    with monkeypatch.context() as changed:
        sources = digests.source_files()
        sources["analysis/statistics/resampling.py"] = b"# another way to resample"
        changed.setattr(digests, "source_files", lambda: sources)
        with pytest.raises(TypeError):
            run(tiny, tmp_path)
    with monkeypatch.context() as changed:
        changed.setattr(sys.modules[MODULE], "RULE", "Counts fall.")
        with pytest.raises(TypeError):
            run(tiny, tmp_path)
    folder.write("digits/measures/new.parquet", b"")
    with pytest.raises(BadInput, match="new.parquet"):
        run(tiny, tmp_path)


def test_a_study_is_answered_from_the_runs_of_its_last_plan(answered, tiny, tmp_path):
    def shown(runs: int) -> bool:
        return f"digits: {runs} limit" in (Folder(tmp_path) / "tiny-study").read("index.html").decode()

    assert answered.answer.findings[0].evidence == "[610.0, 1210.0]" and shown(runs=2)
    changes = {"takes": "seconds", "changes": {"digits": {"grid.model.width": [16, 24, 32]}}}
    changed = run(study.Study.parse({**TINY, "small": changes}), tmp_path)
    assert changed.answer.findings[0].evidence == "[1210.0, 1810.0, 2410.0]" and shown(runs=3)
    assert run(tiny, tmp_path).answer.findings[0].evidence == "[610.0, 1210.0]" and shown(runs=2)


def test_an_answer_of_another_version_is_refused(answered, tmp_path):
    text = (Folder(tmp_path) / "tiny-study").read("answer.json")
    other = Folder(tmp_path) / "other"
    other.write("answer.json", text.replace(b'"explanation"', b'"hunch"'))
    with pytest.raises(BadInput, match=r"answer.json: damaged, or written by another version"):
        study_page.read(other)


def test_the_command_trains_on_ray_and_prints_the_findings(tiny, shared_ray, tmp_path):
    printed = CliRunner().invoke(main.app, ["run", "study:tiny-study", "--out", str(tmp_path)], catch_exceptions=False)
    assert printed.exit_code == 0, printed.output
    assert "holds: wider is more" in printed.stdout


def test_scales_change_values_and_development_has_replicates_and_splits_of_its_own(tiny):
    small, paper, develop = (tiny.specs(scale)["digits"] for scale in ("small", "paper", "develop"))
    assert (small.grid, *small.replicates) == ({"model.width": [8, 16]}, range(200, 201), False)
    assert (paper.grid, *paper.replicates) == ({"model.width": [32, 64]}, range(200, 202), True)
    assert (develop.grid, *develop.replicates) == (small.grid, range(1), False)
    splits = [spec.base["data"]["split_seed"] for spec in (small, paper, develop)]
    assert splits == [200, 200, 0]
    assert tiny.sweeps == TINY["sweeps"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seeds", [200, 201], "study tiny-study: digits: seeds = "),
        ("seeds", {"count": 2, "first": 0}, "study tiny-study: digits: seeds = "),
        ("base.data.split_seed", 3, "study tiny-study: digits: base.data.split_seed"),
        ("resource.cpus", 1, "study tiny-study: digits: resource"),
    ],
)
def test_a_mistake_in_a_study_is_located(key, value, message):
    changes = {"takes": "seconds", "changes": {"digits": {key: value}}}
    with pytest.raises(BadInput) as refused:
        study.Study.parse({**TINY, "small": changes}).specs("small")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["study:tiny-studdy"],
            "study:tiny-studdy: no such study; did you mean 'tiny-study'? allowed: all, tiny-study",
        ),
        (["study:tiny-study", "--set", "seeds=3"], "--set seeds=3: "),
    ],
)
def test_a_command_with_an_unknown_study_or_a_change_is_refused(tiny, arguments, line):
    with pytest.raises(BadInput) as refused:
        CliRunner().invoke(main.app, ["run", *arguments], catch_exceptions=False)
    assert str(refused.value).startswith(line)


def test_a_damaged_answer_is_named_and_left_out_of_the_page_of_all_studies(answered, tiny, tmp_path):
    said = io.StringIO()
    Folder(tmp_path).write("tiny-study/answer.json", b"{")
    study_run.run_studies([], "small", str(tmp_path), Console(file=said, width=200))
    assert "left out of" in said.getvalue() and "tiny-study/answer.json" in said.getvalue()
    assert "A &lt;b&gt;title" not in Folder(tmp_path).read("index.html").decode()


def test_headlines_count_decisions():
    decisions = ("holds", "holds", "does not hold", "undecided", "undecided")
    paper = [Finding("a", decision, "") for decision in decisions]
    ours = [Finding("b", "does not hold", "", kind="ours")]
    counted = "2 of 5 claims of the paper hold (1 does not hold, 2 are undecided)"
    assert StudyAnswer(paper, [], None).headline == f"{counted}."
    assert StudyAnswer([*ours, *paper], [], None).headline == f"{counted}; 0 of 1 of our own hold (1 does not hold)."


@pytest.mark.parametrize("name", study.studies())
@pytest.mark.parametrize("scale", ["small", "paper", "develop"])
def test_every_study_can_be_planned_and_its_verdict_has_data_of_its_own(name, scale):
    one = study.studies()[name]
    specs = one.specs(scale).values()
    unnamed = [spec.model_copy(update={"name": ""}) for spec in specs]
    assert all(first != second for first, second in itertools.combinations(unnamed, 2))
    assert json.dumps(one.model_dump())
    for spec in specs:
        runs = expand(spec).runs
        verdict = scale != "develop"
        first = FIRST_VERDICT_REPLICATE if verdict else 0
        assert spec.replicates.numbers[0] == spec.base["data"]["split_seed"] == first
        halves = set(runs["data.half"])
        in_files = spec.base["data"]["name"] in READERS
        assert halves == {{"small": "second", "develop": "first", "paper": "both"}[scale] if in_files else "both"}
