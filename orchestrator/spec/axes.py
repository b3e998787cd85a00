"""Axes of a sweep: fields that vary, with their values, over a base configuration.

Sections are validated one by one, as the base and the points of the axes that vary them say. `Effects` tells values
without effect, and `orchestrator.plan` makes the cross product.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benevolent.orchestrator.spec.suggestions import suggest_for_axis, suggest_for_base
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import SECTIONS, RunConfig, parse_section
from benevolent.trainables.errors import BadInput

#: The defaults of a run's sections.
DEFAULTS: dict[str, Any] = {name: value for name, value in RunConfig() if name in SECTIONS}
#: The models that each section may have: one, except for the network.
SECTION_MODELS: dict[str, list[type[Section]]] = {
    name: list(MODEL_CONFIGS.values()) if name == "model" else [type(value)]
    for name, value in DEFAULTS.items()
    if isinstance(value, Section)
}
#: A field that holds a mapping of its own: an axis may name a key in it.
OPEN_FIELD = "model.arguments"


def _fields() -> list[str]:
    fields = set(SECTIONS) - SECTION_MODELS.keys()
    for section, models in SECTION_MODELS.items():
        for model in models:
            fields |= {f"{section}.{field}" for field in model.model_fields}
    return sorted(fields)


#: Every field that an axis may name.
FIELDS = _fields()


@dataclass(frozen=True)
class Axis:
    """Points of which a run has one; each gives values to some fields.

    Attributes:
        where: its place in the sweep, such as `grid` or `zip[0]`.
        points: dotted fields and their values.
        numbered: error lines name a point by its number, since points may name different fields.
    """

    where: str
    points: tuple[Mapping[str, Any], ...]
    numbered: bool = False

    def place(self, point: int) -> str:
        """Return the place of a point in the sweep."""
        return f"{self.where}[{point}]" if self.numbered else self.where

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields that any point names."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.points)))


class Axes:
    """The axes of a sweep over a base configuration.

    Args:
        base: nested values of `RunConfig`; what it leaves out has its default.
        axes: the axes; the last one varies fastest.

    Raises:
        BadInput: an unknown field, one that two axes name, an axis that is empty or has a value twice, or a value that
            is not allowed for its field.
    """

    def __init__(self, base: Mapping[str, Any], axes: Sequence[Axis]) -> None:
        self.base = base
        self.axes = list(axes)
        _check_base(base)
        _check_axes(self.axes)
        self.place_of: dict[str, str] = {}
        for axis in self.axes:
            self.place_of |= dict.fromkeys(axis.fields, axis.where)
        self.axes_of_section = {name: self._axes_of(name) for name in SECTIONS}
        self._check_points()

    def _axes_of(self, section: str) -> list[int]:
        found = []
        for index, axis in enumerate(self.axes):
            if section in map(section_of, axis.fields):
                found.append(index)
        return found

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields that vary, the slowest first."""
        return tuple(self.place_of)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of points of every axis."""
        return tuple(len(axis.points) for axis in self.axes)

    @property
    def size(self) -> int:
        """Return the number of configurations in the cross product."""
        return math.prod(self.shape)

    def section(self, name: str, points: Sequence[int]) -> Any:
        """Return a validated section.

        Args:
            name: of the section.
            points: the number of the point on each axis in `axes_of_section[name]`.

        Raises:
            BadInput: the values are not valid together; the line names their place in the sweep.
        """
        values = self.base.get(name)
        for axis, point in zip(self.axes_of_section[name], points, strict=True):
            for field, value in self.axes[axis].points[point].items():
                if section_of(field) == name:
                    values = _replaced(values, field.split(".")[1:], value)
        if values is None:
            return DEFAULTS[name]
        try:
            return parse_section(name, values)
        except BadInput as error:
            raise BadInput(self.located(str(error), points, self.axes_of_section[name])) from None

    def values_at(self, points: Sequence[int]) -> dict[str, Any]:
        """Return the fields that the axes set, and their values.

        Args:
            points: the number of the point on every axis.
        """
        values: dict[str, Any] = {}
        for axis, point in zip(self.axes, points, strict=True):
            values |= axis.points[point]
        return values

    def located(self, line: str, points: Sequence[int], axes: Sequence[int] | None = None) -> str:
        """Return an error line about a field, preceded by the place in the sweep that gives the field.

        If no axis gives the field, the points of lists where the error comes up are named behind the line.

        Args:
            line: begins with the field.
            points: the number of the point on each axis.
            axes: indices of the axes; all by default.
        """
        match = re.match(r"[a-z_][\w-]*(\.[\w-]+)*", line)
        path = match.group() if match else ""
        if section_of(path) not in SECTIONS:
            return line
        chosen_axes = self.axes if axes is None else [self.axes[index] for index in axes]
        chosen = list(zip(chosen_axes, points, strict=True))
        for axis, point in chosen:
            if "." in path and any(_overlap(path, field) for field in axis.points[point]):
                return f"{axis.place(point)}.{line}"
        at = "".join(f" (at {axis.place(point)})" for axis, point in chosen if axis.numbered)
        if self.axes_of_section.get(path):
            return line + at  # about a section whose values come from the base and from axes
        given = path.rpartition(".")[0] if line.startswith(f"{path}: missing") else path
        return f"base.{line}{at}" if _has_path(self.base, given) else line + at

    def _check_points(self) -> None:
        """Validate every point of an axis, together with the first points of the other axes."""
        for name, axes in self.axes_of_section.items():
            first = [0] * len(axes)
            self.section(name, first)
            for position, axis in enumerate(axes):
                for point in range(1, len(self.axes[axis].points)):
                    self.section(name, [*first[:position], point, *first[position + 1 :]])


def section_of(field: str) -> str:
    """Return the section of a dotted field.

    >>> section_of("data.train_size"), section_of("precision")
    ('data', 'precision')
    """
    return field.partition(".")[0]


def _overlap(field: str, other: str) -> bool:
    """Return True if one field is the other, or inside it."""
    return f"{field}.".startswith(f"{other}.") or f"{other}.".startswith(f"{field}.")


def _has_path(values: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _replaced(values: Any, path: Sequence[str], value: Any) -> Any:
    """Return nested values with the one at a path replaced."""
    if not path:
        return value
    if values is None:
        values = {}
    if not isinstance(values, dict):
        return values  # not the mapping that is needed here: validation refuses it
    inner = value if len(path) == 1 else _replaced(values.get(path[0]), path[1:], value)
    return {**values, path[0]: inner}


def _check_base(base: Mapping[str, Any]) -> None:
    if "seed" in base:
        raise BadInput("base.seed: seeds are given by 'seeds', next to 'base'")
    for name, value in base.items():
        if name not in SECTIONS:
            raise BadInput(f"base.{name}: unknown key" + suggest_for_base(str(name), value, SECTIONS, FIELDS))


def _check_axes(axes: Sequence[Axis]) -> None:
    earlier: dict[str, str] = {}
    for axis in axes:
        if not axis.fields:
            raise BadInput(f"{axis.where}: an axis without fields")
        for field in axis.fields:
            _check_field(axis, field)
            for other, where in earlier.items():
                if _overlap(field, other):
                    place = f"{axis.where}.{field}"
                    raise BadInput(f"{place}: also varied by {where}.{other}; a field can be on one axis only")
        earlier |= dict.fromkeys(axis.fields, axis.where)
        _check_points_differ(axis)


def _check_field(axis: Axis, field: str) -> None:
    place = f"{axis.where}.{field}"
    if field == "seed":
        raise BadInput(f"{place}: the seed is not an axis; use `seeds: {len(axis.points)}`")
    if field in FIELDS or field.startswith(f"{OPEN_FIELD}."):
        return
    if field in SECTIONS:
        raise BadInput(f"{place}: a section, not a field; name a field of it, such as {_typical_field(field)}")
    raise BadInput(f"{place}: unknown field" + suggest_for_axis(field, FIELDS))


def _typical_field(section: str) -> str:
    """Return a field of a section that many sweeps vary: the first one whose default is a number."""
    default = DEFAULTS[section]
    for field, value in default:
        if type(value) in (int, float):
            return f"{section}.{field}"
    return f"{section}.{next(iter(type(default).model_fields))}"


def _check_points_differ(axis: Axis) -> None:
    seen = set()
    for point in axis.points:
        key = tuple((field, _comparable(point[field])) for field in sorted(point))
        if key in seen:
            only = axis.fields[0]
            what = f".{only} = {point[only]!r}" if len(axis.fields) == 1 else f" = {point}"
            raise BadInput(f"{axis.where}{what}: twice on this axis")
        seen.add(key)


def _comparable(value: Any) -> Any:
    """Return a hashable key, equal for values that validate to the same: 1 and 1.0, but not 1 and true."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, default=str)
    return isinstance(value, bool), value


def sources(axes: Axes) -> Iterator[Mapping[str, Any]]:
    """Yield every `init.source` and `labels.source` of a sweep: dotted fields of runs that others need."""
    for name in ("init", "labels"):
        section = axes.base.get(name) or {}
        given = [section.get("source")]
        for axis in axes.axes:
            given += [point.get(f"{name}.source") for point in axis.points]
        yield from filter(None, given)
