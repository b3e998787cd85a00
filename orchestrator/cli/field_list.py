"""Rows of `bth list fields`: every field of a run, and of what a sweep says beside it, with type and default.

What the fields of a section mean is in the section's docstring, which comes before its fields.
"""

import inspect
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from benevolent.trainables.config.base import Section

#: Keys of a JSON schema that bound a number, as people write them.
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
JSON_TYPES = {"integer": "whole number", "array": "list", "object": "keys and values", "null": "null"}


def field_rows() -> Iterator[tuple[str, str, str]]:
    """Yield (field, type and default, meaning): for each section a row with its meaning, then a row for each field."""
    from benevolent.orchestrator.spec.axes import SECTION_MODELS
    from benevolent.orchestrator.spec.replicates import SeedsConfig
    from benevolent.orchestrator.spec.resources import ResourcesConfig
    from benevolent.orchestrator.spec.sweep_spec import JudgingConfig
    from benevolent.trainables.config.record import RecordConfig

    for name, models in SECTION_MODELS.items():
        for model in models:
            if issubclass(model, Section):
                yield from _rows_of(name, model)
    beside: dict[str, type[BaseModel]] = {
        "seeds": SeedsConfig,
        "record": RecordConfig,
        "resources": ResourcesConfig,
        "judging": JudgingConfig,
    }
    for name, section in beside.items():
        yield from _rows_of(name, section)


def _rows_of(name: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    family = model.model_fields.get("family")
    yield f"{name}: {{family: {family.default}}}" if family else f"{name}:", "", meaning_of(model)
    for field, schema in model.model_json_schema().get("properties", {}).items():
        if field != "family":
            yield f"  {name}.{field}", _type_and_default(schema), ""


def meaning_of(model: type[BaseModel]) -> str:
    """Return the docstring of a section for its user, each paragraph on one line, so that any width can wrap it."""
    docstring = inspect.getdoc(model) or ""
    for_programmers = ("Raises:", ">>>")
    paragraphs = [part for part in docstring.split("\n\n") if not part.startswith(for_programmers)]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _type_and_default(schema: dict[str, Any]) -> str:
    default = f"default {json.dumps(schema['default'])}" if "default" in schema else "required"
    return f"{_type(schema)}; {default}"


def _type(schema: dict[str, Any]) -> str:
    """Return the type of a field in words.

    >>> _type({"type": "number", "exclusiveMinimum": 0})
    'number > 0'
    >>> _type({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "full"}]})
    'whole number >= 1, or full'
    """
    if "anyOf" in schema:
        return ", or ".join(_type(member) for member in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "")
    bounds = [f"{sign} {schema[key]}" for key, sign in BOUNDS.items() if key in schema]
    return " ".join([JSON_TYPES.get(kind, kind), *bounds])
