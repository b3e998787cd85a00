"""One line that says what is wrong with a value, where, and what is allowed."""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from benevolent.trainables.config.common_names import meant_field, meant_value
from benevolent.trainables.config.error_places import Place
from benevolent.trainables.errors import BadInput, did_you_mean

#: How people write the bounds of numbers, by the key that pydantic has for each.
BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
#: Kinds of errors about a field that takes one value.
OF_ONE_VALUE = ("int_type", "float_type", "bool_type", "string_type", "literal_error")


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
    place = Place.of(model, first["loc"])
    keys = [_printable(key) for key in place.keys]
    name = ".".join([where, *keys] if where else keys).replace(".[", "[")
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            return _unknown_key(name, place)
        case "union_tag_invalid":
            tag = first["ctx"]["tag"]
            tags = _quoted(first["ctx"]["expected_tags"])
            return f"{name}.family = {tag!r}: unknown" + did_you_mean(tag, tags, see="bth list models")
        case "missing":
            return f"{name}: missing" + (f"; such as {place.keys[-1]}: {place.example}" if place.example else "")
        case "string_type" if isinstance(given, (bool, int, float)) and not place.tried_union:
            return f"{name} = {given!r}: put it in quotes"
    message = _in_place(place, first) or _of_all_members(errors, place)
    return f"{name} = {given!r}: {message}" if name else f"{given!r}: {message}"


def _printable(key: str) -> str:
    """Return a key as it is, or quoted where it holds what would break the line."""
    return key if key.isprintable() else repr(key)


def _unknown_key(name: str, place: Place) -> str:
    family = place.fields.get("family")
    of_family = f" of family {family.default!r}" if family else ""
    section = place.section
    names = {f"{section}.{field}": field for field in place.fields}
    meant = meant_field(place.keys[-1], names)
    see = f"bth list fields {section}".strip()
    hint = did_you_mean(place.keys[-1], place.fields, see, names[meant] if meant else None)
    return f"{name}: unknown key{of_family}{hint}"


def _in_place(place: Place, error: Any) -> str:
    """Return what was expected where the place has an example of it; empty where it has none."""
    given = error["input"]
    match error["type"]:
        case "union_tag_not_found":
            family = given if isinstance(given, str) and given.isidentifier() else "mlp"
            return f"expected keys and values, such as {{family: {family}}}"
        case "list_type" if place.example:
            return f"expected a list, such as {place.example}"
        case "model_type" | "model_attributes_type" if field := place.first_field(given):
            return f"expected keys and values, such as {{{field}}}"
    return ""


def _of_all_members(errors: Sequence[Any], place: Place) -> str:
    """Return what was expected, by the first error and, if the field takes several types, by those of the others."""
    first = errors[0]
    messages = [_message(first)]
    if place.tried_union:
        others = [_message(other) for other in errors[1:] if other["loc"][:-1] == first["loc"][:-1]]
        messages += [message.removeprefix("expected ") for message in others]
    return ", or ".join(messages) + _if_several(first)


def _message(error: Any) -> str:
    """Return what one error says about its value: what was expected instead."""
    given = error["input"]
    match error["type"]:
        case "int_type" | "int_from_float":
            return "expected a whole number" + _if_quoted(given, int)
        case "float_type":
            return "expected a number" + _if_quoted(given, float)
        case "finite_number":
            return "expected a finite number"
        case "bool_type":
            remark = f" ({given} is text in YAML 1.2)" if given in ("yes", "no", "on", "off") else ""
            return f"expected true or false{remark}"
        case "literal_error":
            return _expected_words(given, _quoted(error["ctx"]["expected"]))
        case "list_type":
            example = "" if given is None else f", such as [{json.dumps(given, default=str)}]"
            return f"expected a list{example}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "expected keys and values, such as {key: value}"
    for key, sign in BOUNDS.items():
        if key in error.get("ctx", {}):
            bound = error["ctx"][key]
            return f"expected a number {sign} {bound:g}{_if_percentage(given, bound)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _expected_words(given: Any, words: Sequence[str]) -> str:
    """Return which words a value may be, and which one is probably meant."""
    *first, last = words
    expected = f"expected {', '.join(first)} or {last}" if first else f"expected {last}"
    meant = meant_value(given, words) if isinstance(given, str) else None
    return f"{expected}; did you mean {meant}?" if meant else expected


def _quoted(text: str) -> list[str]:
    """Return the words in quotes in a text, or the numbers in it if there are none.

    >>> _quoted("'a' or 'b'"), _quoted("8, 14 or 20")
    (['a', 'b'], ['8', '14', '20'])
    """
    return re.findall(r"'([^']+)'", text) or re.findall(r"[-+.\w]*\d", text)


def _if_quoted(given: Any, number: type) -> str:
    """Return what to do about a number that is given as text."""
    if not isinstance(given, str):
        return ""
    try:
        number(given)
    except ValueError:
        return ""
    return "; remove the quotes"


def _if_percentage(given: Any, bound: float) -> str:
    """Return what to write instead of a percentage, where a fraction is expected."""
    is_percentage = bound == 1 and type(given) in (int, float) and 2 <= given <= 100
    return f"; {given:g}% is {given / 100:g}" if is_percentage else ""


def _if_several(error: Any) -> str:
    """Return where several values go that are given in place of one."""
    several = isinstance(error["input"], list) and error["type"] in OF_ONE_VALUE
    return "; an axis of several values goes below 'grid'" if several else ""
