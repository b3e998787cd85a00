"""Tests of the project's shape: imports go down only, every module exists once, and the documents name what exists."""

import ast
import re
import subprocess
import sys
import zipfile
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import fresh_process
import pytest
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app

ROOT = Path(__file__).parents[1]
LAYERS = ("trainables", "analysis", "orchestrator")
RAY_MODULES = {
    "trainables/training/ray_trainable.py",
    "trainables/training/ray_worker.py",
    "orchestrator/measuring/measure_pool.py",
    "orchestrator/training/machines.py",
    "orchestrator/training/ray_session.py",
    "orchestrator/training/dataset_broadcast.py",
    "orchestrator/training/ray_tune.py",
    "orchestrator/training/retries.py",
    "orchestrator/training/scheduling.py",
    "orchestrator/training/shared_folder.py",
}
#: A module that knows the whole specification is hard to reuse: the others take what they need of it.
MOST_MODULES_WITH_THE_SPEC = 7

FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def module_name(path: Path) -> str:
    """The dotted name under which a file is imported."""
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return f"benevolent.{dotted}".removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_names(path: Path) -> set[str]:
    """Dotted names of all modules, and of names in modules, that a file imports anywhere."""
    names = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_modules(path: Path) -> set[str]:
    """Modules of the project that a file imports anywhere, with the packages that are initialized for them."""
    modules = set()
    for name in imported_names(path):
        if not name.startswith("benevolent."):
            continue
        module = name if name in MODULES else name.rpartition(".")[0]
        parts = module.split(".")
        modules |= {".".join(parts[:length]) for length in range(2, len(parts) + 1)}
    own = module_name(path)
    ancestors = {own.rsplit(".", level)[0] for level in range(own.count("."))}
    return (modules & MODULES.keys()) - ancestors - {own}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    place = path.relative_to(ROOT).as_posix()
    layers_above = LAYERS[LAYERS.index(place.partition("/")[0]) + 1 :]
    top_packages = {name.removeprefix("benevolent.").partition(".")[0] for name in imported_names(path)}
    assert not top_packages & set(layers_above)
    assert ("ray" in top_packages) == (place in RAY_MODULES)


def test_no_import_cycle():
    graph = {name: imported_modules(path) for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", LAYERS)
def test_no_two_folders_of_a_package_import_each_other(package):
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        needed = map(folder_of, imported_modules(path))
        graph.setdefault(folder_of(name), set()).update(needed)
    within = {name for name in graph if name.startswith(f"benevolent.{package}.")}
    graph = {name: (graph[name] & within) - {name} for name in within}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def folder_of(module: str) -> str:
    """`benevolent.orchestrator.plan` of `benevolent.orchestrator.plan.expand`."""
    return ".".join(module.split(".")[:3])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_stay_in_their_module(path):
    private = [
        name for name in imported_names(path) if name.rpartition(".")[2].startswith("_") and "benevolent" in name
    ]
    assert private == []
    aliases = {name.rpartition(".")[2] for name in imported_names(path) if name in MODULES}
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            assert not node.attr.startswith("_"), f"{node.value.id}.{node.attr}"


def test_no_class_name_is_used_twice():
    classes = Counter(
        node.name
        for path in FILES
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in classes.items() if count > 1] == []


def test_few_modules_know_the_whole_specification():
    knowing = [path for path in FILES if "orchestrator" in path.parts and "SweepSpec" in path.read_text()]
    assert len(knowing) <= MOST_MODULES_WITH_THE_SPEC, knowing


def test_no_module_is_imported_twice():
    """A second copy of a module would have registries of its own."""
    folders = [str(ROOT / layer) for layer in LAYERS]
    code = f"""
import importlib, sys
from pathlib import Path
for name in {sorted(MODULES)}:
    importlib.import_module(name)
files = [Path(module.__file__).resolve() for module in sys.modules.values() if getattr(module, "__file__", None)]
ours = [file for file in files if any(map(file.is_relative_to, {folders}))]
print([file for file in ours if ours.count(file) > 1])
"""
    printed = fresh_process.python(code, cwd=ROOT)
    assert printed.stdout.strip() == "[]", printed.stderr


def test_the_wheel_has_every_module_and_data_file(tmp_path):
    """Build the wheel in a copy of the checkout, so that nothing is left behind in this one."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    copy = tmp_path / "checkout"
    for name in tracked.stdout.splitlines():
        source, target = ROOT / name, copy / name
        if not source.exists():  # removed, not committed yet
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        else:
            target.write_bytes(source.read_bytes())
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    printed = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=True)
    wheel = copy / printed.stdout.splitlines()[-1]
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not re.match(r"[^/]+\.dist-info/", name)}
    listed = set()
    for name in tracked.stdout.splitlines():
        if name.partition("/")[0] in LAYERS and (ROOT / name).exists():
            listed.add(f"benevolent/{name}")
    assert packed == listed | {"benevolent/__init__.py", "benevolent/__main__.py"}


def test_a_stack_trains_and_is_measured_without_ray_and_scikit_learn():
    modules = "benevolent.trainables.training.cohort_training, benevolent.analysis.measures.on_checkpoints"
    code = f"import sys, {modules}; sys.exit(not {{'ray', 'sklearn'}}.isdisjoint(sys.modules))"
    assert fresh_process.python(code, cwd=ROOT) == (0, "", "")


@pytest.mark.parametrize("shadow", ["analysis.py", "analysis/__init__.py"])
def test_a_folder_named_analysis_in_the_working_directory_shadows_nothing(tmp_path, shadow):
    (tmp_path / shadow).parent.mkdir(exist_ok=True)
    (tmp_path / shadow).write_text("raise RuntimeError('this is the analysis of somebody else')\n")
    code = "from benevolent.analysis import judge, load_results, measure_network"
    assert fresh_process.python(code, cwd=tmp_path) == (0, "", "")


def commands_of(typer_app, before=()):
    """The words after `bth` that name a command."""
    for command in typer_app.registered_commands:
        yield " ".join([*before, command.name or command.callback.__name__])
    for group in typer_app.registered_groups:
        yield from commands_of(group.typer_instance, (*before, group.name))


@pytest.mark.parametrize("command", list(commands_of(app)))
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"bth {command}" in result.output
    assert "Example" in result.output


DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_files_and_commands_that_exist(document):
    path = ROOT / document
    text = path.read_text()
    commands = {command.partition(" ")[0] for command in commands_of(app)}
    assert set(re.findall(r"^ *bth (\w+)", text, re.MULTILINE)) <= commands
    for link in re.findall(r"\]\(([\w/.-]+)\)", text):
        if not link.startswith("reference/"):  # written, and checked, when the site is built
            assert (path.parent / link).exists(), link
    for place in re.findall(r"`((?:trainables|analysis|orchestrator|benchmarks|tests|docs)/[\w/.-]*)`", text):
        assert (ROOT / place).exists(), place
