"""`Section`: the base of every configuration model."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from benevolent.trainables.config.error_lines import explain
from benevolent.trainables.errors import BadInput
from benevolent.trainables.per_run_fields import PerRun


class Section(BaseModel):
    """A frozen group of fields; unknown keys and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    #: field -> (other field, value): the field has no effect while the other field has that value (or one of a tuple).
    #: A field comes after those that it depends on.
    inert: ClassVar[dict[str, tuple[str, Any]]] = {}

    @classmethod
    def parse(cls, values: Any, where: str = "") -> Self:
        """Return the model of a nested mapping.

        Args:
            values: nested values.
            where: the path of the model, to begin an error line with.

        Raises:
            BadInput: one line with the path of the first wrong key, its value and what is allowed.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadInput(explain(cls, error, where)) from None

    @classmethod
    def check_value(cls, name: str, value: Any, where: str = "") -> None:
        """Check the value of one field by its type and its bounds, whatever the other fields are.

        Args:
            name: of the field.
            value: to check.
            where: the path of the model, to begin an error line with.

        Raises:
            BadInput: the field does not take the value; the line is that of `parse`.
        """
        info = cls.model_fields[name]
        alone: Any = create_model(cls.__name__, __base__=Section, **{name: (info.rebuild_annotation(), info.default)})  # type: ignore[call-overload]
        alone.parse({name: value}, where)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields replaced, as pydantic does, but without values that were computed and kept.

        Pydantic copies these, too: a run with another seed would keep the id of the original.
        """
        copied = super().model_copy(update=update, deep=deep)
        for name in vars(copied).keys() - type(self).model_fields.keys():
            del vars(copied)[name]
        return copied

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
        for name, default, always, per_run in _fields_of(section):
            value = values[name]
            if (always or value != default) and not (shared_only and per_run):
                lines[name] = f"{prefix}.{name}={_encode(value)}"
        return lines

    @classmethod
    @functools.cache
    def shared_fields(cls) -> frozenset[str]:
        """Return the fields that are equal in all runs of a stack."""
        return frozenset(field.name for field in _fields_of(cls) if not field.per_run)


def _switched_off_by(switch: tuple[str, Any], values: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the field and the value that `switch` names, if `values` have that value."""
    other, switching = switch
    value = values[other]
    options = switching if isinstance(switching, tuple) else (switching,)
    return (other, options[options.index(value)]) if value in options else None


class _Field(NamedTuple):
    """A field as the identity of its section sees it; `always`: it is named even where it has its default."""

    name: str
    default: Any
    always: bool
    per_run: bool


@functools.cache
def _fields_of(section: type[Section]) -> tuple[_Field, ...]:
    """Return the fields of a section in the order in which their identity lines sort."""
    fields = []
    for name, info in section.model_fields.items():
        default = info.get_default(call_default_factory=True)
        always = info.is_required() or name == "family"
        fields.append(_Field(name, default, always, PerRun in info.metadata))
    return tuple(sorted(fields, key=lambda field: f"{field.name}="))


_encode_json = json.JSONEncoder(sort_keys=True).encode


def _encode(value: Any) -> str:
    """Return a value as JSON; numbers take the short way, since a large sweep encodes millions of them."""
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
