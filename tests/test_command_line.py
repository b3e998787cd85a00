"""The command line: working directories with other code, help texts, lists, and tables that fit a terminal."""

import io
import itertools
import re
import subprocess
import sys
from pathlib import Path

import fresh_process
import pytest
from in_process import train_sweep
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.results import load_results
from benevolent.orchestrator.cli import list_commands
from benevolent.orchestrator.cli.catalog import CATALOG
from benevolent.orchestrator.cli.console import console
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.estimates.plan_table import plan_table
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.axes import FIELDS
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew
from benevolent.trainables.config.data import CLASS_TASKS
from benevolent.trainables.config.optimization import StopConfig
from benevolent.trainables.models.weight_edits import EDITS
from benevolent.trainables.store.folder import Folder

ROOT = Path(__file__).parents[1]
COMMANDS = ("run", "plan", "status", "measure", "report", "judge", "list", "data fetch", "data list", "init", "schema")


@pytest.fixture(params=["folder", "module"])
def crowded(request, tmp_path) -> Path:
    """A working directory whose own modules have the names of our packages, and raise if they are imported."""
    for name in ("analysis", "orchestrator", "trainables"):
        path = tmp_path / name / "__init__.py" if request.param == "folder" else tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise ImportError('the module of the working directory')\n")
    rows = ["width,depth,seed,norm,loss"]
    for width, depth, seed in itertools.product((1, 2), (1, 2), (0, 1)):
        rows.append(f"{width},{depth},{seed},{width - seed},{width + depth + seed}")
    (tmp_path / "models.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        "plan quickstart --for 0.2 --set seeds=1 --set base.stop.max_epochs=1",
        "list models",
        "judge models.csv --target loss --axes width,depth",
    ],
)
def test_commands_work_beside_modules_of_the_same_names(arguments, crowded):
    done = fresh_process.bth(*arguments.split(), cwd=crowded)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0 and f"Example: bth {command} " in shown.stdout


@pytest.mark.parametrize("name", CATALOG)
def test_rows_of_a_list_have_its_headings(name):
    catalog = CATALOG[name]
    rows = catalog.rows()
    assert rows and {len(row) for row in rows} == {len(catalog.headings)}


def test_the_plan_fits_a_terminal_of_100_columns():
    spec = load_spec("quickstart")
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(plan_table(estimate_sweep(expand(spec))))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text and "memory per" in text


def test_names_in_lists_are_whole_in_100_columns(monkeypatch):
    monkeypatch.setattr(list_commands, "console", Console(width=100, record=True, file=io.StringIO()))
    CliRunner().invoke(app, ["list", "all"], catch_exceptions=False)
    text = list_commands.console.export_text()
    assert max(map(len, text.splitlines())) <= 100 and "…" not in text
    for name in [*MEASURES, *FIELDS]:
        assert re.search(rf"^ *{re.escape(name)} ", text, re.MULTILINE), name


def test_what_a_section_of_fields_means_has_the_width_of_the_terminal():
    shown = CliRunner().invoke(app, ["list", "fields", "stop"], catch_exceptions=False).stdout
    paragraph, fields = shown.split("stop.train_loss ")
    assert (
        max(map(len, paragraph.splitlines())) > 0.9 * console.width and "number >= 0, or null; default 0.01" in fields
    )


def test_without_a_name_the_lists_are_listed():
    shown = CliRunner().invoke(app, ["list"], catch_exceptions=False).stdout
    assert all(f"bth list {name} " in shown for name in [*CATALOG, "all"]) and len(shown.splitlines()) < 15


def test_an_unknown_list_names_those_that_exist():
    shown = CliRunner().invoke(app, ["list", "measure"])
    assert "measures" in str(shown.exception)


def test_report_is_made_again_only_if_asked(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr("benevolent.orchestrator.reporting.report", lambda *_, anew, **_more: calls.append(anew) or [])
    monkeypatch.setattr("benevolent.orchestrator.stored_spec.read_spec", lambda folder: None)
    for options in ([], ["--anew"]):
        CliRunner().invoke(app, ["report", str(tmp_path), *options], catch_exceptions=False)
    assert calls == [False, True]


def test_every_field_is_listed_with_its_type_and_default():
    rows = {field.strip(): kind for field, _, kind in CATALOG["fields"].rows()}
    assert rows["optimizer.lr"] == "number > 0; default 0.05"
    assert rows["optimizer.batch_size"] == "whole number >= 1, or full; default 32"
    assert rows["record.epochs"] == 'log, or list; default "log"'
    assert {f"stop.{field}" for field in StopConfig.model_fields} <= {*rows}


def test_every_field_is_listed_with_its_meaning():
    without = [field for field, meaning, _ in CATALOG["fields"].rows() if len(meaning) < 6]
    assert not without


def test_meanings_name_all_tasks_and_edits_that_there_are():
    meanings = {field.strip(): meaning for field, meaning, _ in CATALOG["fields"].rows()}
    for task, (_, data_sets) in CLASS_TASKS.items():
        assert task in meanings["data.classes"] and all(name in meanings["data.classes"] for name in data_sets)
    assert all(f"`{name}`" in meanings["init.edit"] for name in EDITS)


def test_a_word_chooses_fields_by_name_and_else_by_meaning():
    by_name = CliRunner().invoke(app, ["list", "fields", "lr"], catch_exceptions=False).stdout
    assert "The learning rate." in by_name and "number > 0; default 0.05" in by_name and "momentum" not in by_name
    assert "optimizer.schedule" in CliRunner().invoke(app, ["list", "fields", "warm-up"], catch_exceptions=False).stdout


def test_meanings_of_fields_are_paragraphs_for_users():
    meanings = [meaning for _, meaning, _ in CATALOG["fields"].rows()]
    assert len(meanings) > 10
    for meaning in meanings:
        paragraphs = meaning.split("\n\n")
        assert all(paragraph and "\n" not in paragraph for paragraph in paragraphs)
        assert "Raises:" not in meaning and ">>>" not in meaning


#: What a command may not import, besides Ray, scikit-learn and matplotlib: torch alone takes two seconds.
NOT_IMPORTED = {
    "--help": {"torch", "pandas", "pyarrow"},
    "list": {"torch", "pandas", "pyarrow"},
    "list sweeps": {"torch", "numpy", "benevolent.trainables.config.run"},
    "init": {"torch", "numpy", "pandas", "pyarrow"},
    "schema": {"torch", "numpy", "pandas", "pyarrow"},
    "status results": {"torch", "pandas"},
}
REPORT_OF_MODULES = """
try:
    main()
except SystemExit as stop:
    print(stop.code, *sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("command", NOT_IMPORTED)
def test_a_command_imports_no_more_than_it_needs(command, tmp_path):
    prepare_anew(Folder(tmp_path / "results"), SweepSpec.parse({"name": "t", "seeds": 2}))
    program = f"import sys; from benevolent.orchestrator.cli.main import main{REPORT_OF_MODULES}"
    started = [sys.executable, "-c", program, *command.split()]
    done = subprocess.run(started, cwd=tmp_path, capture_output=True, text=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert not NOT_IMPORTED[command] & {*modules} and not {"ray", "sklearn", "matplotlib"} & {*modules}


#: Columns that the test split has, too, and that are listed once.
OF_OTHER_SPLITS = re.compile(r"^(train|validation)_(nll|ece|brier|.*_variance)$")


def test_every_column_of_the_tables_is_listed(tmp_path):
    listed = {name for name, *_ in CATALOG["columns"].rows()}
    spec = SweepSpec.parse({"name": "t", "base": {"stop": {"max_epochs": 1}}, "record": {"measures": ["path_norm"]}})
    train_sweep(spec, str(tmp_path))
    results = load_results(tmp_path)
    for table in (results.table(), results.runs, results.dynamics, results.outcomes, results.measures):
        columns = {OF_OTHER_SPLITS.sub(r"test_\2", name) for name in table.columns}
        assert columns <= listed
