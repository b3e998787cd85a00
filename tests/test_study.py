"""Studies: sweeps of one question, its rule, its page; and every study that comes with the package."""

import itertools
import json
import sys
import types

import matplotlib.figure
import pytest
import ray
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis.figures import render_figure
from benevolent.analysis.report import study_page
from benevolent.analysis.studies import Answer, Finding, decided
from benevolent.orchestrator import study
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.plan.plan import expand
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
                "data": {"train_size": 60, "validation_size": 20, "test_size": 50, "split_seed": 200},
                "model": {"width": 8, "depth": 2},
                "stop": {"train_loss": None, "max_epochs": 1},
            },
            "grid": {"model.width": [8, 16]},
            "seeds": [200],
            "record": {"measures": ["parameter_count"]},
        }
    },
    "small": {"takes": "seconds"},
    "paper": {"takes": "more", "changes": {"every": {"grid.model.width": [32, 64], "seeds": [200, 201]}}},
}


def answer(results):
    """More parameters, more parameters."""
    table = results["digits"].table().sort_values("model.width")
    counts = table["parameter_count"]
    findings = [
        Finding("wider is more", decided(bool(counts.is_monotonic_increasing)), f"{counts.tolist()}", "<i>1</i>")
    ]

    def draw() -> matplotlib.figure.Figure:
        figure = matplotlib.figure.Figure()
        figure.subplots().plot(table["model.width"], counts)
        return figure

    return Answer(findings, [render_figure("counts", "Parameters by width", "A line", draw)], table, ["A note."])


@pytest.fixture
def tiny(monkeypatch):
    module = types.ModuleType("benevolent.analysis.studies.tiny_study")
    module.RULE, module.answer = "Counts\n rise.", answer
    monkeypatch.setitem(sys.modules, module.__name__, module)
    made = study.Study.parse(TINY)
    monkeypatch.setattr(study, "studies", lambda: {"tiny-study": made})
    return made


@pytest.fixture(scope="module")
def cluster():
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


def test_a_study_is_trained_answered_and_shown_and_the_second_time_nothing_is_done(
    tiny, cluster, tmp_path, monkeypatch
):
    console = Console(quiet=True)
    (done,) = study.run_studies([tiny], "small", str(tmp_path), console)
    folder = Folder(tmp_path) / "tiny-study"
    page = folder.read("index.html").decode()
    assert done.answer.headline == "1 of 1 claims holds." and not done.failures
    for text in (
        "A &lt;b&gt;title",
        "wider is more",
        "&lt;i&gt;1",
        "Counts rise.",
        "A note.",
        "bth run study:tiny-study",
    ):
        assert text in page
    assert "<svg" in page and folder.exists("figures/counts.svg") and len(folder.read_table("numbers.parquet")) == 2
    every = (Folder(tmp_path)).read("index.html").decode()
    assert "wider is more" in every and 'href="tiny-study/index.html"' in every and "<svg" in every
    other = Folder(tmp_path) / "other"  # of another version
    other.write("answer.json", folder.read("answer.json").replace(b'"guess"', b'"hunch"'))
    with pytest.raises(BadInput, match=r"answer.json: damaged, or of another version; run the study again"):
        study_page.read(other)
    before = {name: folder.read(name) for name in ("index.html", "answer.json", "numbers.parquet")}
    monkeypatch.setattr(sys.modules["benevolent.analysis.studies.tiny_study"], "answer", None)  # is not called again
    study.run_studies([tiny], "small", str(tmp_path), console)
    assert {name: folder.read(name) for name in before} == before
    printed = CliRunner().invoke(main.app, ["run", "study:tiny-study", "--out", str(tmp_path)])
    assert printed.exit_code == 0 and "holds: wider is more" in printed.stdout
    monkeypatch.setattr(
        sys.modules["benevolent.analysis.studies.tiny_study"], "RULE", "Counts fall."
    )  # another rule decides anew
    with pytest.raises(TypeError):
        study.run_studies([tiny], "small", str(tmp_path), console)


def test_scales_change_values_and_development_has_seeds_and_splits_of_its_own(tiny):
    small, paper, develop = (tiny.specs(scale)["digits"] for scale in ("small", "paper", "develop"))
    assert (small.grid, small.seed_values) == ({"model.width": [8, 16]}, [200])
    assert (paper.grid, paper.seed_values) == ({"model.width": [32, 64]}, [200, 201])
    assert (develop.grid, develop.seed_values, develop.base["data"]["split_seed"]) == (small.grid, [0], 0)
    assert tiny.sweeps == TINY["sweeps"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["study:tiny-studdy"],
            "study:tiny-studdy: no such study; did you mean 'tiny-study'? allowed: all, tiny-study",
        ),
        (["study:tiny-study", "--set", "seeds=3"], "--set seeds=3: a study is as it is"),
    ],
)
def test_what_is_no_study_is_refused_in_one_line(tiny, arguments, line):
    with pytest.raises(BadInput) as refused:
        CliRunner().invoke(main.app, ["run", *arguments], catch_exceptions=False)
    assert str(refused.value).startswith(line)


def test_headlines_count_what_holds():
    findings = [
        Finding("a", decision, "") for decision in ("holds", "holds", "does not hold", "undecided", "undecided")
    ]
    assert Answer(findings, [], None).headline == "2 of 5 claims hold; 1 does not hold; 2 are undecided."


@pytest.mark.parametrize("name", study.studies())
@pytest.mark.parametrize("scale", ["small", "paper", "develop"])
def test_every_study_can_be_planned_and_its_verdict_has_data_of_its_own(name, scale):
    one = study.studies()[name]
    sweeps = [spec.model_copy(update={"name": ""}) for spec in one.specs(scale).values()]
    assert all(first != second for first, second in itertools.combinations(sweeps, 2))
    assert one.rule and callable(one.analysis) and json.dumps(one.model_dump())
    for spec in one.specs(scale).values():
        runs = expand(spec).runs
        verdict = scale != "develop"
        assert all((seed >= study.VERDICT) == verdict for seed in spec.seed_values)
        assert spec.base["data"].get("split_seed", 0) == (study.VERDICT if verdict else 0)
        halves = set(runs["data.half"])
        in_files = spec.base["data"]["name"] in READERS
        assert halves == {{"small": "second", "develop": "first", "paper": "both"}[scale] if in_files else "both"}
