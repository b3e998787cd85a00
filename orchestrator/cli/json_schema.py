"""The JSON schema of a sweep's YAML file, for editors: made from the same models that validate a sweep.

An editor that knows it completes names, shows what fields mean, and marks what is misspelt. It is the shape of a
sweep, not all of its rules: what goes together is checked by `bth plan`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from benevolent.orchestrator.cli.field_list import meaning_of, meanings_of
from benevolent.orchestrator.spec.axes import OPEN_FIELD, SECTION_MODELS
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.run import SECTIONS, RunConfig

Schema = dict[str, Any]
#: Keys of a sweep, and what they are, for the editor's help.
KEYS = {
    "name": "Name of the sweep, and of its folder in results/.",
    "description": "What the sweep asks, for the report.",
    "base": "What all runs share, where no axis says otherwise. Fields left out have their defaults.",
    "grid": "Axes: dotted fields with their values. Every combination of all axes is a configuration.",
    "zip": "Blocks of fields whose values go together, one axis each.",
    "list": "Points that each set the fields they name; together one axis.",
    "seeds": "Number of independent replicates of every configuration; or {count, first, shared}, or a list of seeds.",
    "inert_axes": "What to do with values without effect: refuse the sweep, or collapse equal runs into one.",
}


def sweep_schema() -> Schema:
    """Return the JSON schema (draft 2020-12) of a sweep.

    >>> schema = sweep_schema()
    >>> schema["properties"]["base"]["properties"]["optimizer"]["properties"]["lr"]
    {'$ref': '#/$defs/optimizer.lr'}
    >>> schema["$defs"]["optimizer.lr"]["exclusiveMinimum"]
    0
    """
    schema = SweepSpec.model_json_schema()
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "description": "A sweep of `bth run`."}
    fields = _dotted_fields()
    definitions = schema["$defs"]
    definitions |= fields
    references = {field: {"$ref": f"#/$defs/{field}"} for field in fields}
    axes = {field: {"type": "array", "items": reference, "minItems": 1} for field, reference in references.items()}
    definitions["axes"] = _object(axes, {"type": "array"})
    definitions["point"] = _object(references, {})
    properties = schema["properties"]
    properties["base"] = _object({name: _section(name, references) for name in SECTIONS})
    properties["grid"] = {"$ref": "#/$defs/axes"}
    properties["zip"] = {"type": "array", "items": {"$ref": "#/$defs/axes"}}
    properties["list"] = {"type": "array", "items": {"$ref": "#/$defs/point"}}
    for key, text in KEYS.items():
        properties[key]["description"] = text
    return schema


def _dotted_fields() -> dict[str, Schema]:
    """Return the schema of the values of every field of a run, by its dotted name."""
    fields: dict[str, Schema] = {}
    run_fields = RunConfig.model_json_schema()["properties"]
    for section in SECTIONS:
        models = SECTION_MODELS.get(section)
        if models is None:
            fields[section] = run_fields[section]
            continue
        for field, schemas in _schemas_of(models).items():
            described = _described(field, models)
            fields[f"{section}.{field}"] = {**_any_of(schemas), "description": described}
    return fields


def _schemas_of(models: Iterable[type[BaseModel]]) -> dict[str, list[Schema]]:
    """Return the schemas that a field has in the models of a section, one for each family of networks."""
    schemas: dict[str, list[Schema]] = {}
    for model in models:
        for field, schema in model.model_json_schema().get("properties", {}).items():
            schemas.setdefault(field, []).append(schema)
    return schemas


def _any_of(schemas: list[Schema]) -> Schema:
    """Return the schema of what any of them allows."""
    if all("const" in schema for schema in schemas):
        return {"enum": [schema["const"] for schema in schemas]}
    different = [schema for position, schema in enumerate(schemas) if schema not in schemas[:position]]
    return dict(different[0]) if len(different) == 1 else {"anyOf": different}


def _described(field: str, models: Iterable[type[BaseModel]]) -> str:
    """Return what the docstrings of the models of a section say about a field, each different text once."""
    texts = [meanings_of(model).fields[field] for model in models if field in model.model_fields]
    return "\n\n".join(dict.fromkeys(filter(None, texts)))


def _section(name: str, fields: Mapping[str, Schema]) -> Schema:
    models = SECTION_MODELS.get(name)
    if models is None:
        return fields[name]
    own = {field.partition(".")[2]: schema for field, schema in fields.items() if field.startswith(f"{name}.")}
    description = meaning_of(models[0]) if len(models) == 1 else "The network; `bth list models` shows the families."
    return _object(own) | {"description": description}


def _object(properties: Mapping[str, Schema], open_field: Schema | None = None) -> Schema:
    """Return the schema of an object with these keys and no others.

    Args:
        properties: the keys.
        open_field: of the values below `OPEN_FIELD`, if dotted fields are keys.
    """
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if open_field is not None:
        schema["patternProperties"] = {"^" + re.escape(f"{OPEN_FIELD}."): open_field}
    return schema
