"""The shape of the project: imports go down only, Ray stays where it is named, and the documents say what is there."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app

ROOT = Path(__file__).parents[1]
LAYERS = ("trainables", "analysis", "orchestrator")
KNOW_RAY = {
    "trainables/training/ray_trainable.py",
    "trainables/training/ray_worker.py",
    "orchestrator/measuring/measure_pool.py",
    "orchestrator/training/placement.py",
    "orchestrator/training/ray_session.py",
    "orchestrator/training/dataset_broadcast.py",
    "orchestrator/training/ray_tune.py",
    "orchestrator/training/retries.py",
    "orchestrator/training/scheduling.py",
}
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.removeprefix("benevolent.").partition(".")[0] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    place = str(path.relative_to(ROOT))
    above = LAYERS[LAYERS.index(place.partition("/")[0]) + 1 :]
    assert not imported(path) & set(above)
    assert ("ray" in imported(path)) == (place in KNOW_RAY)


def test_a_stack_trains_without_ray():
    modules = "benevolent.trainables.training.cohort_training, benevolent.analysis.measures.on_checkpoints"
    code = f"import sys, {modules}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def commands_of(typer_app, before=()):
    """The words after `bth` that name a command."""
    for command in typer_app.registered_commands:
        yield " ".join([*before, command.name or command.callback.__name__])
    for group in typer_app.registered_groups:
        yield from commands_of(group.typer_instance, (*before, group.name))


@pytest.mark.parametrize("command", list(commands_of(app)))
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0 and f"bth {command}" in result.output and "Example" in result.output


def test_the_readme_names_files_and_commands_that_exist():
    text = (ROOT / "README.md").read_text()
    commands = {command.partition(" ")[0] for command in commands_of(app)}
    assert set(re.findall(r"^ +bth (\w+)", text, re.MULTILINE)) <= commands
    for link in re.findall(r"\]\(([\w/.]+)\)", text):
        assert (ROOT / link).exists(), link
    for place in re.findall(r"`((?:trainables|analysis|orchestrator|benchmarks)/[\w/.]*)`", text):
        assert (ROOT / place).exists(), place
