"""The base of every configuration model, and the one line that says what is wrong with a value."""

import difflib
import functools
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from benevolent.trainables.errors import BadInput


class PerRun:
    """Marks (in `Annotated`) a field that may differ between the runs of one stack; the others are shared."""


class Section(BaseModel):
    """A frozen group of fields; unknown keys and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    #: field -> (other field, value): the field has no effect while the other field has that value (or one of a tuple).
    #: A field comes after those that it depends on.
    inert: ClassVar[dict[str, tuple[str, Any]]] = {}

    @classmethod
    def parse(cls, values: Any, where: str = "") -> Self:
        """The model of a nested mapping; `BadInput` names the key's path, the value and what is allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadInput(_explain(cls, error, where)) from None

    def without_effect(self, name: str) -> tuple[str, Any] | None:
        """Return the other field and its value that leave field `name` without effect, or None.

        >>> class Warmup(Section):
        ...     inert = {"shape": ("epochs", 0)}
        ...     epochs: int = 0
        ...     shape: str = "linear"
        >>> Warmup(shape="cosine").without_effect("shape"), Warmup(epochs=2).without_effect("shape")
        (('epochs', 0), None)
        """
        return _switched_off_by(self.inert[name], self.__dict__)

    def identity_lines(self, prefix: str, shared_only: bool = False) -> dict[str, str]:
        """Return what tells this section from the default one: `field -> prefix.field=value`, sorted.

        A field that has no effect counts as having its default, so that equal runs have one id.

        Args:
            prefix: the section's own path.
            shared_only: leave out the fields marked `PerRun`.
        """
        section = type(self)
        values = self.__dict__.copy()
        for name, switch in section.inert.items():
            if _switched_off_by(switch, values):
                values[name] = section.model_fields[name].default
        lines = {}
        for name, default, always, per_run in _fields(section):
            value = values[name]
            if (always or value != default) and not (shared_only and per_run):
                lines[name] = f"{prefix}.{name}={_encode(value)}"
        return lines

    @classmethod
    @functools.cache
    def shared_fields(cls) -> frozenset[str]:
        """The fields that are equal in all runs of a stack."""
        return frozenset(field.name for field in _fields(cls) if not field.per_run)


def _switched_off_by(switch: tuple[str, Any], values: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the field and the value that `switch` names, if `values` have that value."""
    other, switching = switch
    value = values[other]
    options = switching if isinstance(switching, tuple) else (switching,)
    return (other, options[options.index(value)]) if value in options else None


class _Field(typing.NamedTuple):
    """What the identity of a section needs of a field; `always`: named even where it has its default."""

    name: str
    default: Any
    always: bool
    per_run: bool


@functools.cache
def _fields(section: type[Section]) -> tuple[_Field, ...]:
    """The fields of a section in the order in which their lines sort."""
    fields = [
        _Field(
            name,
            field.get_default(call_default_factory=True),
            field.is_required() or name == "family",
            PerRun in field.metadata,
        )
        for name, field in section.model_fields.items()
    ]
    return tuple(sorted(fields, key=lambda field: f"{field.name}="))


_encode_json = json.JSONEncoder(sort_keys=True).encode


def _encode(value: Any) -> str:
    """JSON; numbers the short way, since a large sweep encodes millions of them."""
    return repr(value) if type(value) in (int, float) else _encode_json(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) of a nested mapping.

    >>> dict(flatten({"a": {"b": 1}, "c": 2}))
    {'a.b': 1, 'c': 2}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def did_you_mean(word: object, allowed: typing.Iterable[str]) -> str:
    """`; did you mean 'x'?` (if anything is near) and the allowed names, to end an error line with.

    >>> did_you_mean("widht", ["width", "depth"])
    "; did you mean 'width'? allowed: depth, width"
    """
    names = sorted(map(str, allowed))
    near = difflib.get_close_matches(str(word), names, n=1)
    return (f"; did you mean '{near[0]}'?" if near else ";") + f" allowed: {', '.join(names)}"


def _explain(model: type[BaseModel], error: ValidationError, where: str) -> str:
    """The first error of a validation as one line: path, what is wrong, what is allowed."""
    errors = error.errors(include_url=False)
    first = errors[0]
    if not first["loc"] and isinstance(refused := first.get("ctx", {}).get("error"), BadInput):
        return f"{where}: {refused}" if where else str(refused)  # of sections together: it says which
    owner: type[BaseModel] | None = model
    path: list[str] = []
    for part in first["loc"]:
        kinds = _models_of(owner, path[-1]) if path else {}
        if part in kinds:  # the tag of a union's member: not a key that the user wrote
            owner = kinds[str(part)]
            continue
        if path and not kinds and owner and _is_union(owner, path[-1]):
            # The kind of value that a union tried: what the others would allow is said too.
            others = [other["msg"] for other in errors[1:] if other["loc"][:-1] == first["loc"][:-1]]
            first["msg"] = ", or ".join([first["msg"], *(text.removeprefix("Input should be ") for text in others)])
            continue
        if path and len(kinds) == 1:
            owner = next(iter(kinds.values()))
        path.append(str(part))
    name = ".".join([where, *path] if where else path)
    given, message = first["input"], str(first["msg"]).removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            family = owner.model_fields.get("family") if owner else None
            of = f" of family {family.default!r}" if family else ""
            return f"{name}: unknown key{of}" + did_you_mean(path[-1], owner.model_fields if owner else ())
        case "union_tag_invalid":
            tags = re.findall(r"'([^']+)'", first["ctx"]["expected_tags"])
            return f"{name}.family = {first['ctx']['tag']!r}: unknown" + did_you_mean(first["ctx"]["tag"], tags)
        case "missing":
            return f"{name}: missing"
    message = message[0].lower() + message[1:]
    return f"{name} = {given!r}: {message}" if name else f"{given!r}: {message}"


def _is_union(owner: type[BaseModel], field: str) -> bool:
    info = owner.model_fields.get(field)
    return info is not None and typing.get_origin(info.annotation) in (typing.Union, types.UnionType)


def _models_of(owner: type[BaseModel] | None, field: str) -> dict[str, type[BaseModel]]:
    """The models that a field may hold, by the tag of each."""
    info = owner.model_fields.get(field) if owner else None
    kinds = [] if info is None else [info.annotation, *map(_untagged, typing.get_args(info.annotation))]
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return {str(kind.model_fields["family"].default) if "family" in kind.model_fields else "": kind for kind in models}


def _untagged(kind: Any) -> Any:
    return kind.__origin__ if hasattr(kind, "__metadata__") else kind
