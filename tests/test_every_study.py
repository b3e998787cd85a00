"""Every study that comes with the package is trained at a tiny size, answered, and shown."""

import functools
from html import escape

import pytest
from in_process import measure_folders, train_sweep
from rich.console import Console
from tiny_studies import READERS, tiny_studies

from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.multi_run import pooled_effects, sweep_effects
from benevolent.analysis.report.study_page import MARKS
from benevolent.analysis.studies import bth_predict
from benevolent.analysis.studies.shared import valley_pairs
from benevolent.orchestrator import study, study_run
from benevolent.trainables import data
from benevolent.trainables.store.folder import Folder


@pytest.mark.parametrize("name", study.studies())
def test_a_study_is_trained_answered_and_shown(name, tmp_path, monkeypatch):
    for data_set, reader in READERS.items():
        monkeypatch.setitem(data.READERS, data_set, reader)
    monkeypatch.setattr(study_run, "train_sweep", train_sweep)
    monkeypatch.setattr(study_run, "measure_folders", measure_folders)
    monkeypatch.setattr(study_run, "studies", tiny_studies)
    rule = tiny_studies()[name].rule_paragraphs  # as it is, before its constants change
    monkeypatch.setattr(pooled_effects, "FEWEST_STUDIES", 2)
    monkeypatch.setattr(sweep_effects, "FEWEST_WITHIN", 2)
    monkeypatch.setattr(bth_predict, "judge", functools.partial(judge, permutations=100, resamples=100))
    monkeypatch.setattr(bth_predict, "RESAMPLES", 50)
    monkeypatch.setattr(bth_predict, "PERMUTATIONS", 100)
    monkeypatch.setattr(valley_pairs, "CURVE_STEPS", 30)
    out = tmp_path / name
    answer = study_run.run_study(tiny_studies()[name], "small", str(out), Console(quiet=True)).answer

    claims = [finding.claim for finding in answer.findings]
    assert claims and len(set(claims)) == len(claims)
    assert all(finding.decision in MARKS and finding.evidence for finding in answer.findings)
    # What follows from mathematics holds at any size, unless there is too little to ask it of.
    assert "does not hold" not in [finding.decision for finding in answer.findings if finding.kind == "check"]
    assert answer.figures and all(figure.svg for figure in answer.figures)

    folder = Folder(out)
    page = folder.read("index.html").decode()
    for text in (*rule, answer.headline, *claims, *(figure.title for figure in answer.figures)):
        assert escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert len(folder.read_table("numbers.parquet"))
