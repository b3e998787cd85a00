"""Rows of `bth list fields`: every field of a run, and of what a sweep says beside it: meaning, type and default.

The docstring of a section says what its fields mean. What follows `name`: at the beginning of a sentence, up to the
next field or the end of the paragraph, is the meaning of that field; the rest is about the section as a whole.
"""

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from benevolent.trainables.config.base import Section

Row = tuple[str, ...]

#: Keys of a JSON schema that bound a number, as people write them.
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
JSON_TYPES = {"integer": "whole number", "array": "list", "object": "keys and values", "null": "null"}
#: Between two sentences: what ends the first, and what begins the next.
BETWEEN_SENTENCES = re.compile(r"(?<=[.?)]) (?=[A-Z(`])")
#: The beginning of a sentence about one field or several.
ABOUT_FIELDS = re.compile(r"((?:`\w+`(?:, )?)+): ")


class Meanings(NamedTuple):
    """Parts of the docstring of a section.

    Attributes:
        section: about the section as a whole, in paragraphs.
        fields: about each field; empty where nothing is said.
    """

    section: str
    fields: dict[str, str]


def field_rows() -> Iterator[Row]:
    """Yield (field, meaning, type and default): for each section a row about itself, then one for each field."""
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


def fields_with(rows: Sequence[Row], word: str) -> list[Row]:
    """Return the fields whose name has a word, else those whose meaning has it, each below the name of its section.

    >>> rows = [("data:", "Where from.", ""), ("  data.name", "A set.", "text"), ("stop:", "When.", "")]
    >>> rows += [("  stop.loss", "On the data.", "number")]
    >>> fields_with(rows, "data")
    [('data:', 'Where from.', ''), ('  data.name', 'A set.', 'text')]
    >>> fields_with(rows, "LOSS")
    [('stop:', '', ''), ('  stop.loss', 'On the data.', 'number')]
    """
    wanted = word.lower().rstrip(":")
    return _chosen(rows, wanted, 0) or _chosen(rows, wanted, 1)


def _chosen(rows: Sequence[Row], wanted: str, cell: int) -> list[Row]:
    """Return the fields that have a word in one of their cells, and the sections that they are in."""
    chosen: list[Row] = []
    section: Row = ("", "", "")
    for row in rows:
        if not row[0].startswith(" "):
            is_asked = row[0].lower().startswith(wanted)
            section = row if is_asked else (row[0], "", "")
        elif wanted in row[cell].lower():
            if section not in chosen:
                chosen.append(section)
            chosen.append(row)
    return chosen


def _rows_of(name: str, model: type[BaseModel]) -> Iterator[Row]:
    family = model.model_fields.get("family")
    meanings = meanings_of(model)
    yield f"{name}: {{family: {family.default}}}" if family else f"{name}:", meanings.section, ""
    for field, schema in model.model_json_schema().get("properties", {}).items():
        if field != "family":
            yield f"  {name}.{field}", meanings.fields[field], _type_and_default(schema)


def meaning_of(model: type[BaseModel]) -> str:
    """Return the docstring of a section for its user, each paragraph on one line, so that any width can wrap it."""
    docstring = inspect.getdoc(model) or ""
    for_programmers = ("Raises:", ">>>")
    paragraphs = [part for part in docstring.split("\n\n") if not part.startswith(for_programmers)]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def meanings_of(model: type[BaseModel]) -> Meanings:
    """Return what the docstring of a section says about each field, and about the section as a whole.

    >>> class Warmup(BaseModel):
    ...     '''Begins slowly. `epochs`: its length. Zero is none. `start`, `end`: factors.'''
    ...     epochs: int = 0
    ...     start: float = 0.1
    ...     end: float = 1.0
    >>> meanings_of(Warmup).section, meanings_of(Warmup).fields["epochs"], meanings_of(Warmup).fields["end"]
    ('Begins slowly.', 'Its length. Zero is none.', 'Factors.')
    """
    fields: dict[str, list[str]] = {field: [] for field in model.model_fields}
    paragraphs = []
    for paragraph in meaning_of(model).split("\n\n"):
        others = []
        described: list[str] = []
        for sentence in BETWEEN_SENTENCES.split(paragraph):
            beginning = ABOUT_FIELDS.match(sentence)
            named = [name for name in re.findall(r"\w+", beginning[1]) if name in fields] if beginning else []
            if beginning and named:
                described = named
                sentence = _capitalized(sentence[beginning.end() :])
            for name in described:
                fields[name].append(sentence)
            if not described:
                others.append(sentence)
        paragraphs.append(" ".join(others))
    section = "\n\n".join(filter(None, paragraphs))
    return Meanings(section, {field: " ".join(sentences) for field, sentences in fields.items()})


def _capitalized(sentence: str) -> str:
    """Return a sentence with its first letter large, unless that is the name of a variable.

    >>> _capitalized("its length"), _capitalized("w, the channels")
    ('Its length', 'w, the channels')
    """
    return sentence if sentence[1:2] == "," else sentence[:1].upper() + sentence[1:]


def _type_and_default(schema: dict[str, Any]) -> str:
    default = f"default {json.dumps(schema['default'])}" if "default" in schema else "required"
    return f"{_type(schema)}; {default}"


def _type(schema: dict[str, Any]) -> str:
    """Return the type of a field in words.

    >>> _type({"type": "number", "exclusiveMinimum": 0}), _type({"type": "number", "minimum": 0, "maximum": 1})
    ('number > 0', 'number >= 0 and <= 1')
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
    return f"{JSON_TYPES.get(kind, kind)} {' and '.join(bounds)}".rstrip()
