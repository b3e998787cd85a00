"""docs/architecture.md names functions and classes that are in the files it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs/architecture.md").read_text().split())
NAMED = re.findall(r"`([A-Za-z_.]+)` in `([\w/]+\.py)`", PAGE)


def names_in(file: Path) -> set[str]:
    """Return functions, classes, constants and `Class.method` of a file."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{member.name}" for member in node.body if isinstance(member, ast.FunctionDef)}
    return names


def test_the_page_names_functions():
    assert len(NAMED) > 20


@pytest.mark.parametrize(("name", "file"), NAMED)
def test_the_name_is_in_the_file(name, file):
    assert name in names_in(ROOT / file)
