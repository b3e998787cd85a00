"""Columns and types of the tables in a results folder, so that any of their files can be read together."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import damaged, one_line
from benevolent.trainables.store.paths import TableName

if TYPE_CHECKING:
    import pandas as pd

_POSITION = [("phase", pa.string()), ("step", pa.int64())]

#: Columns of every part of a cohort's tables. `epoch` counts epochs of the phase: 1.25 is a quarter into the second.
PARTS: dict[TableName, pa.Schema] = {
    "runs": pa.schema(
        [
            ("run_id", pa.string()),
            ("cohort_id", pa.string()),
            ("role", pa.string()),
            ("status", pa.string()),
            *_POSITION,
            ("epoch", pa.float64()),
            ("seconds", pa.float64()),
        ]
    ),
    "dynamics": pa.schema(
        [
            ("run_id", pa.string()),
            *_POSITION,
            ("epoch", pa.float64()),
            ("name", pa.string()),
            ("value", pa.float64()),
        ]
    ),
    "outcomes": pa.schema(
        [
            ("run_id", pa.string()),
            *_POSITION,
            ("split", pa.string()),
            ("name", pa.string()),
            ("value", pa.float64()),
        ]
    ),
}

#: Columns of every file of measures: one row per network, measure and component of its value.
MEASURE_COLUMNS: pa.Schema = pa.schema(
    [
        ("run_id", pa.string()),
        *_POSITION,
        ("name", pa.string()),
        ("index", pa.int64()),
        ("value", pa.float64()),
        ("status", pa.string()),
        ("seconds", pa.float64()),
        ("version", pa.int64()),
        ("traceback", pa.string()),
    ]
)

#: Columns that say what a row is about.
_IN_EVERY_ROW = ("run_id", "cohort_id", "role", "status", "phase", "step", "split", "name")

#: Columns of the plan's table of runs that are not fields of a run.
_PLANNED_RUN: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "configuration": pa.string(),
    "lineage": pa.string(),
    "replicate": pa.int64(),
    "role": pa.string(),
    "cohort_id": pa.string(),
    "parent": pa.string(),
    "teacher": pa.string(),
    "generation": pa.int64(),
    "flops": pa.int64(),
}
#: Columns of the plan's table of cohorts.
_PLANNED_COHORT: dict[str, pa.DataType] = {
    "cohort_id": pa.string(),
    "generation": pa.int64(),
    "runs": pa.int64(),
    "flops": pa.int64(),
    "waits_for": pa.list_(pa.string()),
    "record": pa.string(),
}
#: Fields of a run whose column has another type than the field; see `RunConfig.flat`.
_FLATTENED: dict[str, pa.DataType] = {"optimizer.batch_size": pa.int64()}

_TYPES: dict[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}


def as_declared(table: pa.Table, schema: pa.Schema, place: str) -> pa.Table:
    """Return the declared columns of a table that was read, each with its declared type, and the table's metadata.

    Args:
        table: as it was read.
        schema: the columns that it should have.
        place: the path of its file, or its URI.

    Raises:
        BadInput: a column is missing or has values of another type, or a row lacks its run, its place or its name.
    """
    try:
        typed = table.select(schema.names).cast(schema.with_metadata(table.schema.metadata))
    except (LookupError, ValueError, pa.ArrowException) as error:
        raise damaged(place, one_line(error)) from None
    for name in schema.names:
        if name in _IN_EVERY_ROW and typed[name].null_count:
            raise damaged(place, f"a row has no {name}")
    return typed


def measure_rows(frame: pd.DataFrame) -> pa.Table:
    """Return rows of measures as a table, each column with its declared type; other columns are left out."""
    return pa.Table.from_pandas(frame, MEASURE_COLUMNS, preserve_index=False).replace_schema_metadata(None)


def planned_runs(frame: pd.DataFrame) -> pa.Table:
    """Return the plan's table of runs, each column with its declared type."""
    return _typed(frame, _PLANNED_RUN | field_types())


def planned_cohorts(frame: pd.DataFrame) -> pa.Table:
    """Return the plan's table of cohorts, each column with its declared type."""
    return _typed(frame, _PLANNED_COHORT)


def field_types() -> dict[str, pa.DataType]:
    """Return the types of the columns of a run's fields, from the annotations of the fields.

    A field with values of several types, and one inside `model.arguments`, has no declared type.

    >>> types = field_types()
    >>> str(types["optimizer.lr"]), str(types["init.source"]), str(types["optimizer.batch_size"])
    ('double', 'string', 'int64')
    """
    declared: dict[str, pa.DataType] = {}
    for name, info in RunConfig.model_fields.items():
        if name == "model":
            declared |= _types_of_families()
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            declared |= _types_of(info.annotation.model_fields, f"{name}.")
        else:
            declared |= _types_of({name: info})
    return declared | _FLATTENED


def _types_of_families() -> dict[str, pa.DataType]:
    found: dict[str, set[pa.DataType]] = {}
    for config in MODEL_CONFIGS.values():
        for name, kind in _types_of(config.model_fields, "model.").items():
            found.setdefault(name, set()).add(kind)
    return {name: kinds.pop() for name, kinds in found.items() if len(kinds) == 1}


def _types_of(fields: Mapping[str, FieldInfo], prefix: str = "") -> dict[str, pa.DataType]:
    """Return the types of fields by their dotted paths; lists and mappings are text, see `RunConfig.flat`."""
    declared = {}
    for field, info in fields.items():
        members = _members(info.annotation)
        if members == {int, float}:
            declared[f"{prefix}{field}"] = pa.float64()
        elif len(members) == 1:
            declared[f"{prefix}{field}"] = _TYPES.get(members.pop(), pa.string())
    return declared


def _members(annotation: Any) -> set[Any]:
    """Return the types that an annotation allows, None aside."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin is Literal:
        return {type(value) for value in typing.get_args(annotation)}
    if origin in (typing.Union, types.UnionType):
        members = set[Any]().union(*map(_members, typing.get_args(annotation)))
        return members - {types.NoneType}
    return {annotation}


def _typed(frame: pd.DataFrame, declared: dict[str, pa.DataType]) -> pa.Table:
    """Return a frame as a table of plain columns; one without a declared type has that of its values, or is text."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    plain = pa.schema([pa.field(field.name, _plain_type(field.type)) for field in table.schema])
    fields = [pa.field(field.name, declared.get(field.name, field.type)) for field in plain]
    return table.cast(plain).cast(pa.schema(fields))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_null(kind) else kind
