"""The notebooks in `examples/` run, and say what they say in the repository."""

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def printed(notebook) -> list[str]:
    """The text that every cell printed, without digits behind the first two, in which machines may differ."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            texts.append(re.sub(r"(\.\d\d)\d+", r"\1", text))
    return texts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_the_notebook_runs_and_decides_as_it_says(path, tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    committed = printed(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    decisions = [text for text in printed(notebook) if "decisions:" in text]
    assert decisions and decisions == [text for text in committed if "decisions:" in text]
    assert (tmp_path / "results").is_dir()
