"""Arguments of public functions, checked against the annotations of these functions.

Annotations are read as a user means them: numbers of numpy are numbers, any array or index of texts is a list of texts,
and a truth value is no number.
"""

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, Union

import numpy as np

from benevolent.trainables.errors import BadInput, did_you_mean

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

#: Longest text of a value that is shown in an error line.
LONGEST_VALUE = 60
#: Types whose names say little to a user, in singular and plural.
WORDS: dict[Any, tuple[str, str]] = {
    bool: ("True or False", "truth values"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    type(None): ("None", "None"),
    Any: ("a value", "values"),
}


def checked_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Refuse arguments that are not of the kind that a function's annotations name, before it is called.

    Raises:
        BadInput: one of them is not, with a line that says what is allowed.

    >>> @checked_arguments
    ... def repeated(names: list[str], times: int = 2, *, seconds: float | None = None) -> list[str]:
    ...     return names * times
    >>> repeated(["a"])
    ['a', 'a']
    >>> repeated(["a"], seconds="3")
    Traceback (most recent call last):
    benevolent.trainables.errors.BadInput: seconds: '3'; expected a number or None
    """
    signature = inspect.signature(function)

    @functools.cache
    def annotations() -> dict[str, Any]:
        return typing.get_type_hints(function)

    @functools.wraps(function)
    def checked(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        given = signature.bind(*arguments, **named).arguments
        for name, value in given.items():
            annotation = annotations().get(name, Any)
            kind = signature.parameters[name].kind
            values = value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
            for key, one in values.items():
                check_argument(key, one, annotation)
        return function(*arguments, **named)

    return checked


def check_options(function: Callable[..., Any], options: collections.abc.Mapping[str, Any]) -> None:
    """Refuse options that a function is going to be called with: unknown names, and values of another kind.

    Raises:
        BadInput: one of them is.

    >>> check_options(check_argument, {"nam": "a"})
    Traceback (most recent call last):
    benevolent.trainables.errors.BadInput: nam: no option; did you mean 'name'? allowed: annotation, name, value
    """
    annotations = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters
    for name, value in options.items():
        if name not in parameters:
            raise BadInput(f"{name}: no option{did_you_mean(name, parameters)}")
        check_argument(name, value, annotations[name])


def check_argument(name: str, value: Any, annotation: Any) -> None:
    """Refuse a value that is not of the kind that an annotation names.

    Raises:
        BadInput: it is not.
    """
    if not _fits(value, annotation):
        raise BadInput(f"{name}: {shown(value)}; expected {_words(annotation)}")


def shown(value: Any) -> str:
    """Return a value as an error line shows it: as it is written, or of a long one its type.

    >>> shown("3"), shown([1]), shown(np.zeros((20, 20)))
    ("'3'", '[1]', 'ndarray')
    """
    try:
        text = repr(value)
    except Exception:  # whatever a user's class raises
        return type(value).__name__
    is_plain = isinstance(value, bool | Real | str | bytes | list | tuple | set | dict | type(None))
    return text if is_plain and len(text) <= LONGEST_VALUE and "\n" not in text else type(value).__name__


def _fits(value: Any, annotation: Any) -> bool:
    """Return True if a value is of the kind that an annotation names."""
    origin = typing.get_origin(annotation)
    parts = typing.get_args(annotation)
    if annotation is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is tuple:
        return _is_tuple(value, parts)
    if origin is not None:
        return _is_collection(value, origin, parts)
    if annotation in (int, float):
        is_number = isinstance(value, Integral if annotation is int else Real)
        return is_number and not isinstance(value, bool)
    return isinstance(value, (bool, np.bool_) if annotation is bool else annotation)


def _is_tuple(value: Any, parts: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple | list) or len(value) != len(parts):
        return False
    return all(_fits(one, part) for one, part in zip(value, parts, strict=True))


def _is_collection(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is collections.abc.Callable:
        return callable(value)
    if issubclass(origin, collections.abc.Mapping):
        return isinstance(value, origin) and all(_is_tuple(pair, parts) for pair in value.items())
    if isinstance(value, str | bytes | collections.abc.Mapping) or getattr(value, "ndim", 1) != 1:
        return False
    return isinstance(value, collections.abc.Collection) and all(_fits(one, parts[0]) for one in value)


def _words(annotation: Any, plural: bool = False) -> str:
    """Return what an annotation names, in words.

    >>> _words(bool | None), _words(list[str]), _words(dict[str, int])
    ('True or False or None', 'a list of texts', 'a mapping from texts to integers')
    """
    parts = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part, plural) for part in parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        return ("pairs of " if plural else "a pair of ") + _words(parts[0], plural=True)
    if origin is collections.abc.Callable:
        return "a function"
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        return f"a mapping from {_words(parts[0], plural=True)} to {_words(parts[1], plural=True)}"
    if origin is not None:
        return f"a list of {_words(parts[0], plural=True)}"
    name = getattr(annotation, "__name__", str(annotation))
    article = "an" if name[0] in "AEIOU" else "a"
    return WORDS.get(annotation, (f"{article} {name}", f"{name}s"))[plural]
