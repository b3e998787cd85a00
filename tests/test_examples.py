"""The notebooks in `examples/` run, and say what they say in the repository."""

import os
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
#: Runs at the start of every process of Python: `bth run` then trains without Ray.
AT_THE_START = """
import sys

if "benevolent" in sys.orig_argv:
    import in_process, pytest

    in_process.replace_ray(pytest.MonkeyPatch())
"""


def decisions(notebook) -> list[str]:
    """The lines that say how many statistics have which decision; other numbers may differ between machines."""
    lines = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            lines += output.get("text", "").splitlines()
    return [line for line in lines if line.startswith("decisions:")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_the_notebook_runs_and_decides_as_it_says(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    committed = decisions(notebook)
    for table in EXAMPLES.glob("*.csv"):
        shutil.copy(table, tmp_path)
    (tmp_path / "sitecustomize.py").write_text(AT_THE_START)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parent}", prepend=os.pathsep)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert decisions(notebook) == committed != []
