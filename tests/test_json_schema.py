"""The JSON schema for editors: it accepts every sweep that comes with the package, and marks what is misspelt."""

import jsonschema
import pytest

from benevolent.orchestrator.cli.json_schema import sweep_schema
from benevolent.orchestrator.spec.bundled_sweeps import bundled_sweeps
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.study import studies


@pytest.fixture(scope="module")
def validator():
    schema = sweep_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_all_sweeps_of_studies_are_valid(validator):
    checked = 0
    for study in studies().values():
        for scale in ("small", "paper"):
            for spec in study.specs(scale).values():
                validator.validate(spec.model_dump(mode="json", exclude_unset=True))
                checked += 1
    assert checked > 100


def test_bundled_sweeps_are_valid(validator):
    for name in bundled_sweeps():
        validator.validate(load_spec(name).model_dump(mode="json"))


def test_groups_of_classes_and_arguments_of_own_networks_are_valid(validator):
    data = {"classes": [[3], [5]], "name": "mnist"}
    model = {"family": "module", "path": "a:B", "arguments": {"width": 3}}
    grid = {"model.arguments.width": [3, 4], "data.classes": ["low_high", [[1], [2]]]}
    validator.validate({"name": "x", "base": {"data": data, "model": model}, "grid": grid, "seeds": {"count": 3}})


@pytest.mark.parametrize(
    "keys",
    [
        {"gird": {}},
        {"base": {"optimizer": {"learning_rate": 1}}},
        {"base": {"optimizer": {"lr": 0}}},
        {"base": {"data": {"label_corruption": 2}}},
        {"base": {"model": {"family": "mpl"}}},
        {"grid": {"model.widht": [1]}},
        {"grid": {"model.width": 3}},
        {"list": [{"init.scale": "big"}]},
        {"record": {"epochs": "lin"}},
        {"seeds": "five"},
    ],
)
def test_mistakes_are_marked(validator, keys):
    assert not validator.is_valid({"name": "x", **keys})
