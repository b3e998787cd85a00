"""One line that says what is wrong with a value, where, and what is allowed."""

import json
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from benevolent.trainables.errors import BadInput, did_you_mean


def explain(model: type[BaseModel], error: ValidationError, where: str) -> str:
    """Return the first error of a validation as one line: path, value, what is wrong, what is allowed.

    Args:
        model: the one that the values were validated for.
        error: of the validation.
        where: the path of the model itself.
    """
    errors = error.errors(include_url=False)
    first = errors[0]
    cause = first.get("ctx", {}).get("error")
    if not first["loc"] and isinstance(cause, BadInput):  # its line names the fields
        return f"{where}: {cause}" if where else str(cause)
    place = _place_of(model, first["loc"])
    name = ".".join([where, *place.keys] if where else place.keys).replace(".[", "[")
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            return _unknown_key(name, place)
        case "union_tag_invalid":
            tag = first["ctx"]["tag"]
            tags = re.findall(r"'([^']+)'", first["ctx"]["expected_tags"])
            return f"{name}.family = {tag!r}: unknown" + did_you_mean(tag, tags)
        case "union_tag_not_found":
            return f"{name} = {given!r}: expected keys and values, such as {{family: mlp}}"
        case "missing":
            return f"{name}: missing"
        case "string_type" if isinstance(given, (bool, int, float)) and not place.tried_union:
            return f"{name} = {given!r}: put it in quotes"
    messages = [_message(first)]
    if place.tried_union:
        messages += _of_other_members(errors)
    message = ", or ".join(messages)
    return f"{name} = {given!r}: {message}" if name else f"{given!r}: {message}"


def _message(error: Any) -> str:
    """Return what one error says about its value: what was expected instead."""
    given = error["input"]
    match error["type"]:
        case "int_type" | "int_from_float":
            return "expected a whole number" + _if_quoted(given, int)
        case "float_type":
            return "expected a number" + _if_quoted(given, float)
        case "bool_type":
            remark = f" ({given} is text in YAML 1.2)" if given in ("yes", "no", "on", "off") else ""
            return f"expected true or false{remark}"
        case "list_type":
            example = "" if given is None else f", such as [{json.dumps(given, default=str)}]"
            return f"expected a list{example}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "expected keys and values, such as {key: value}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _if_quoted(given: Any, number: type) -> str:
    """Return what to do about a number that is given as text."""
    if not isinstance(given, str):
        return ""
    try:
        number(given)
    except ValueError:
        return ""
    return "; remove the quotes"


class _Place(NamedTuple):
    """The place of an error.

    Attributes:
        owner: the model with the last key.
        keys: the keys on the way to it, as the user wrote them.
        tried_union: the field may have values of several types, and this is the error of one of them.
    """

    owner: type[BaseModel] | None
    keys: list[str]
    tried_union: bool


def _place_of(model: type[BaseModel], location: Sequence[int | str]) -> _Place:
    """Return the place that pydantic's location of an error means.

    Between the keys a location has the tag of a union's member, or the type that a union tried.
    """
    owner: type[BaseModel] | None = model
    keys: list[str] = []
    tried_union = False
    for part in location:
        members = _models_of_field(owner, keys[-1]) if keys else {}
        if part in members:  # the tag of a member
            owner = members[str(part)]
        elif keys and not members and owner and _is_union(owner, keys[-1]):
            tried_union = True
        else:
            if keys and len(members) == 1:
                owner = next(iter(members.values()))
            keys.append(f"[{part}]" if isinstance(part, int) else part)
    return _Place(owner, keys, tried_union)


def _unknown_key(name: str, place: _Place) -> str:
    fields = place.owner.model_fields if place.owner else {}
    family = fields.get("family")
    of_family = f" of family {family.default!r}" if family else ""
    return f"{name}: unknown key{of_family}" + did_you_mean(place.keys[-1], fields)


def _of_other_members(errors: Sequence[Any]) -> list[str]:
    """Return what the other members of the union that the first error is about would have allowed."""
    field = errors[0]["loc"][:-1]
    messages = [_message(other) for other in errors[1:] if other["loc"][:-1] == field]
    return [message.removeprefix("input should be ").removeprefix("expected ") for message in messages]


def _is_union(owner: type[BaseModel], field: str) -> bool:
    info = owner.model_fields.get(field)
    return info is not None and typing.get_origin(info.annotation) in (typing.Union, types.UnionType)


def _models_of_field(owner: type[BaseModel] | None, field: str) -> dict[str, type[BaseModel]]:
    """Return the models that a field may hold, by the tag of each; a model without a tag has an empty one."""
    info = owner.model_fields.get(field) if owner else None
    if info is None:
        return {}
    models = {}
    for annotation in (info.annotation, *typing.get_args(info.annotation)):
        kind = getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            family = kind.model_fields.get("family")
            models[str(family.default) if family else ""] = kind
    return models
