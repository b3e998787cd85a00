"""The documentation: every block of code runs as it is printed, and the site builds with every link in place."""

import re
import subprocess
import sys
from pathlib import Path

import fresh_process
import pytest
from doc_blocks import ROOT, blocks_of, run_page

from benevolent import load_results
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.sweep_spec import SweepSpec

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TUTORIAL = DOCS / "tutorial.md"
LANGUAGES = {"python", "yaml", "bash", "console", "text", "{toctree}"}
#: First words of commands that tests do not run, and the commands of `bth` that train for long or need a cluster.
NOT_RUN = {"make", "pip", "uv", "docker", "mlflow", "tensorboard", "wandb"}
LONG = ("bth data fetch", "bth run study:", "bth plan study:capacity --scale paper", "bth list sweeps")
LONG += ("bth export results/first --to mlflow", "bth export results/first --to wandb")


def pages_with_code() -> list[Path]:
    """All pages but the tutorial that have something to run."""
    pages = []
    for page in PAGES:
        languages = {block.language for block in blocks_of(page)}
        if page != TUTORIAL and languages & {"python", "bash"}:
            pages.append(page)
    return pages


def fragments() -> list:
    return [
        pytest.param(block.text, id=f"{page.stem}: {block.text.splitlines()[0]}")
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "yaml" and not block.title
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tested_or_says_why_not(page):
    assert page.read_text().count("\n```") + page.read_text().startswith("```") == 2 * len(blocks_of(page))
    for block in blocks_of(page):
        assert block.language in LANGUAGES
        if block.language == "console":
            for line in block.text.splitlines():
                assert line.split()[0] in NOT_RUN or line.startswith(LONG), line


@pytest.mark.parametrize("text", fragments())
def test_lines_of_yaml_belong_into_a_sweep(text):
    assert expand(SweepSpec.parse({"name": "of-a-page", **yaml_text.loads(text)})).runs["run_id"].is_unique


@pytest.fixture(scope="module")
def after_tutorial(tmp_path_factory):
    """The folder of somebody who has followed the tutorial, and what its commands printed."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        printed = run_page(TUTORIAL, folder)
    return folder, printed


@pytest.mark.slow
def test_the_tutorial_comes_to_its_finding(after_tutorial):
    folder, (planned, first, row, second) = after_tutorial
    _, plan_line, detectable, *_ = [block.text for block in blocks_of(TUTORIAL) if block.language in ("text", "yaml")]
    assert plan_line.strip() in planned
    assert " ".join(detectable.split()) in " ".join(planned.split())
    assert "lipschitz_median" in first and "not shown" in row
    (of_path,) = [line for line in second.splitlines() if line.startswith(" path_length ")]
    assert "adds beyond" in of_path
    assert len(load_results(folder / "results/first").runs) == 240


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, after_tutorial, monkeypatch):
    folder, _ = after_tutorial
    monkeypatch.chdir(folder)
    run_page(page, folder, fresh_process.BTH_QUICKLY)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "read")]
    done = subprocess.run([*command, str(DOCS), str(site)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (site / "index.html").is_file()
    index = (site / "searchindex.js").read_text()
    for page in ("reference/measures", "reference/studies", "reference/commands", "tutorial"):
        assert f'"{page}"' in index and (site / f"{page}.html").is_file()
    for word in ('"resum"', '"spectral"', '"slurm"', '"shown"'):  # as the search reduces them
        assert word in index or word.strip('"') + ":" in index, word
    page = (site / "index.html").read_text()
    assert not re.findall(r"<(?:script|link)[^>]*https?://", page)
