"""`bth init`: a commented sweep that can be planned as it is written."""

import itertools

import pytest
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.new_sweep import OPTIONAL, new_sweep
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.study import studies
from benevolent.trainables.errors import BadInput


def test_a_new_sweep_is_the_quickstart_under_another_name():
    spec = SweepSpec.parse(yaml_text.loads(new_sweep("mine", "quickstart")))
    assert spec == load_spec("quickstart").model_copy(update={"name": "mine"})


def test_every_sweep_of_a_study_can_be_started_from():
    for study in itertools.islice(studies().values(), 3):
        for name, spec in study.specs("small").items():
            text = new_sweep("mine", f"{study.name}/{name}")
            made = SweepSpec.parse(yaml_text.loads(text))
            assert made == spec.model_copy(update={"name": "mine", "description": made.description})
            assert "\n# What all runs share" in text


def test_the_optional_keys_are_those_of_a_sweep_with_their_defaults():
    lines = [
        line.removeprefix("# ") for line in OPTIONAL.splitlines() if ":" in line and "`bth list fields`" not in line
    ]
    assert SweepSpec.parse({"name": "x", **yaml_text.loads("\n".join(lines))}) == SweepSpec(name="x")


@pytest.mark.parametrize(
    ("like", "line"),
    [
        ("capacity", "--like capacity: this study has several sweeps; expected one of capacity/scales, capacity/pre"),
        ("quikstart", "--like quikstart: no such sweep or study; did you mean 'quickstart'?"),
        ("map-of-measures", "--like map-of-measures: this study trains nothing itself"),
    ],
)
def test_what_no_sweep_can_be_made_like_is_refused(like, line):
    with pytest.raises(BadInput) as refused:
        new_sweep("mine", like)
    assert str(refused.value).startswith(line)


def test_no_file_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "mine", "--schema"], catch_exceptions=False).exit_code == 0
    first_line = (tmp_path / "mine.yaml").read_text().splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=sweep.schema.json"
    assert (tmp_path / "sweep.schema.json").exists()
    assert "exists" in str(CliRunner().invoke(app, ["init", "mine"]).exception)
