"""What varies in a sweep: axes over dotted fields, expanded lazily into configurations."""

import itertools
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from benevolent.orchestrator.plan.combining import Table, part_maker
from benevolent.orchestrator.plan.configuration import PARTS, Configuration, Part
from benevolent.trainables.config.base import Section, did_you_mean
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput

#: Parts kept of a section whose combinations are many; the others are made again, to bound the memory.
PARTS_KEPT = 10_000

_DEFAULTS = dict(RunConfig())
_MODELS: dict[str, list[type[Section]]] = {
    name: list(MODEL_CONFIGS.values()) if name == "model" else [type(value)]
    for name, value in _DEFAULTS.items()
    if isinstance(value, Section)
}
#: Every field that an axis may name.
FIELDS = sorted(
    {f"{part}.{field}" for part, models in _MODELS.items() for model in models for field in model.model_fields}
    | (set(PARTS) - _MODELS.keys())
)
#: A field that holds a mapping of its own: an axis may name what is inside.
OPEN_FIELD = "model.arguments"


@dataclass(frozen=True)
class Axis:
    """Points of which a run has one: each gives values to some fields. `where` is its place in the sweep.

    `numbered`: points are told by their numbers, since each may name fields of its own.
    """

    where: str
    points: tuple[Mapping[str, Any], ...]
    numbered: bool = False

    def place(self, point: int) -> str:
        """Where in the sweep a point is."""
        return f"{self.where}[{point}]" if self.numbered else self.where

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that some point names."""
        return tuple(dict.fromkeys(field for point in self.points for field in point))


class Axes:
    """The axes of a sweep over a base configuration.

    Args:
        base: nested values of `RunConfig`; what it leaves out has its default.
        axes: what varies; the last one varies fastest.
        inert: `refuse` or `collapse` points that would train the same networks as others.

    Raises:
        BadInput: an unknown field, one that two axes name, an axis that is empty or has a value twice, a
            value that the field does not allow, or that has no effect in any configuration.
    """

    def __init__(self, base: Mapping[str, Any], axes: list[Axis], inert: Literal["refuse", "collapse"]) -> None:
        self.base, self.axes, self.inert = base, axes, inert
        _check_base(base)
        _check_axes(axes)
        self._where = {field: axis.where for axis in axes for field in axis.fields}
        self._of_part = {
            name: [i for i, axis in enumerate(axes) if any(_part_of(field) == name for field in axis.fields)]
            for name in PARTS
        }
        self._tables = {name: Table(self._maker(name), PARTS_KEPT) for name in PARTS}
        self._check_values()
        if inert == "refuse":
            self._check_effects()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary, the slowest first."""
        return tuple(self._where)

    def configurations(self) -> Iterator[Configuration]:
        """Every configuration once.

        Raises:
            BadInput: values that do not go together, or points that train the same networks.
        """
        choices = itertools.product(*(range(len(axis.points)) for axis in self.axes))
        lookups = [(self._tables[name], _picker(self._of_part[name])) for name in PARTS]
        repeats = self._may_repeat()
        seen: set[tuple[str, ...]] = set()
        for choice in choices:
            parts = tuple([table[pick(choice)] for table, pick in lookups])
            configuration = Configuration(parts, partial(self._located, choice=choice))
            if repeats:
                lines = configuration.lines
                if lines in seen:
                    if self.inert == "refuse":
                        raise BadInput(self._why_equal(choice, lines))
                    continue
                seen.add(lines)
            yield configuration

    def _maker(self, name: str) -> Callable[[tuple[int, ...]], Part]:
        """The function from the points chosen on the axes of a part to the part."""
        base = self.base.get(name)
        points = [[_inside(name, point) for point in self.axes[index].points] for index in self._of_part[name]]

        def validated(choice: tuple[int, ...]) -> Any:
            values: Any = base
            for axis, index in zip(points, choice, strict=True):
                for path, value in axis[index]:
                    values = _with(values, path, value)
            try:
                value = _validated(name, values)
                if isinstance(value, Section):
                    value.check()
                return value
            except BadInput as error:
                raise BadInput(self._located(str(error), choice, self._of_part[name])) from None

        fields = [{path[0] for point in axis for path, _ in point if path} for axis in points]
        return part_maker(name, _MODELS.get(name, []), fields, validated)

    def _located(self, line: str, choice: Sequence[int], of: Sequence[int] | None = None) -> str:
        """An error line about a field, preceded by the place in the sweep that gave the field.

        A line about a field that no axis gave names the point of the list that it comes up at.

        Args:
            line: begins with the field.
            choice: the point chosen on each axis.
            of: which axes these are; all by default.
        """
        chosen = list(zip(self.axes if of is None else [self.axes[index] for index in of], choice, strict=True))
        match = re.match(r"[a-z_]\w*(\.\w+)*", line)
        path = match.group() if match else ""
        if _part_of(path) not in PARTS:
            return line
        for axis, point in chosen:
            for field in axis.points[point]:
                if "." in path and (f"{path}.".startswith(f"{field}.") or field.startswith(f"{path}.")):
                    return f"{axis.place(point)}.{line}"
        at = "".join(f" (at {axis.place(point)})" for axis, point in chosen if axis.numbered)
        if self._of_part.get(path):
            return line + at  # about a section that base and axes make together
        values: Any = self.base
        for key in path.split("."):
            if not isinstance(values, Mapping) or key not in values:
                return line + at
            values = values[key]
        return f"base.{line}{at}"

    def _check_values(self) -> None:
        """Make every part that one point gives next to the first points of the other axes."""
        first = [0] * len(self.axes)
        for name in PARTS:
            pick = _picker(self._of_part[name])
            for index in self._of_part[name]:
                for value in range(len(self.axes[index].points)):
                    self._tables[name][pick([*first[:index], value, *first[index + 1 :]])]
            if not self._of_part[name]:
                self._tables[name][()]

    def _check_effects(self) -> None:
        """Refuse a value that is not its field's default and has no effect in any configuration."""
        elsewhere = {_part_of(field) for source in self._sources() for field in source}
        for name, models in ((name, models) for name, models in _MODELS.items() if name not in elsewhere):
            axes = [self.axes[index] for index in self._of_part[name]]
            given = {field for axis in axes for field in axis.fields}
            given |= {f"{name}.{field}" for field in self.base.get(name) or ()}
            for field in (field for model in models for field in model.inert if f"{name}.{field}" in given):
                if line := self._why_without_effect(name, field, _deciding(models, field)):
                    raise BadInput(line)

    def _sources(self) -> Iterator[Mapping[str, Any]]:
        """What tells the runs that others start from or learn from: in those a value may have its effect."""
        for name in ("init", "labels"):
            points = [point for axis in self.axes for point in axis.points]
            given = [(self.base.get(name) or {}).get("source"), *[point.get(f"{name}.source") for point in points]]
            yield from filter(None, given)

    def _why_without_effect(self, name: str, field: str, deciding: set[str]) -> str | None:
        """The line that refuses a field of a part, if its values have no effect whatever the point."""
        own = self._of_part[name]
        free = [not {f"{name}.{one}" for one in deciding}.isdisjoint(self.axes[index].fields) for index in own]
        points = [
            range(len(self.axes[index].points)) if one else range(1) for index, one in zip(own, free, strict=True)
        ]
        refused = None
        for choice in itertools.product(*points):
            section = self._tables[name][choice if len(choice) != 1 else choice[0]].value
            value = getattr(section, field)
            if value == type(section).model_fields[field].default:
                continue
            switch = _switch(section, field)
            if not switch:
                return None
            line = f"{name}.{field} = {value!r}: no effect where {name}.{switch[0]} = {switch[1]!r}"
            refused = refused or self._located(f"{line}; leave it out, or set inert_axes: collapse", choice, own)
        return refused

    def _may_repeat(self) -> bool:
        """Whether two points can be one run: a field can be switched off, or points name different fields."""
        if any(set(point) != set(axis.fields) for axis in self.axes for point in axis.points):
            return True
        switched = {f"{part}.{field}" for part, models in _MODELS.items() for model in models for field in model.inert}
        return not switched.isdisjoint(self.fields)

    def _why_equal(self, choice: tuple[int, ...], lines: tuple[str, ...]) -> str:
        """The line that names a field without effect, for a point that equals an earlier one."""
        tables = {name: (self._tables[name], _picker(self._of_part[name])) for name in PARTS}
        for other in itertools.product(*(range(len(axis.points)) for axis in self.axes)):
            if tuple([table[pick(other)].lines for table, pick in tables.values()]) == lines:
                break
        here, there = self._values(choice), self._values(other)
        remedy = "take it off the axis there (list the points), or set inert_axes: collapse"
        for field, value in here.items():
            part, _, name = field.partition(".")
            table, pick = tables[part]
            switch = _switch(table[pick(choice)].value, name)
            if switch and there.get(field) != value:
                other_value = there.get(field, getattr(_DEFAULTS[part], name, None))
                return (
                    f"{self._where[field]}.{field} = {value!r}: no effect where {part}.{switch[0]} = "
                    f"{switch[1]!r}, the same run as with {other_value!r}; {remedy}"
                )
        where = next(axis.where for axis, i, j in zip(self.axes, choice, other, strict=True) if i != j)
        return f"{where}: {here} and {there} are the same run; {remedy}"

    def _values(self, choice: tuple[int, ...]) -> dict[str, Any]:
        return {k: v for axis, index in zip(self.axes, choice, strict=True) for k, v in axis.points[index].items()}


def _picker(indices: list[int]) -> Callable[[Any], Any]:
    """From the points chosen on all axes, those of some; one is not put into a tuple."""
    return operator.itemgetter(*indices) if indices else lambda choice: ()


def _switch(section: Any, name: str) -> tuple[str, Any] | None:
    """The field and its value that leave field `name` of a section without effect, if one does."""
    inert: Mapping[str, Any] = getattr(section, "inert", {})
    met: set[str] = set()
    while name in inert and name not in met:  # two fields may each switch the other off
        met.add(name)
        if switch := section.switch(name):
            return switch
        name = inert[name][0]
    return None


def _deciding(models: Sequence[type[Section]], field: str) -> set[str]:
    """The fields that decide whether a field has an effect, and itself."""
    found = {field}
    for model in models:
        while (more := {model.inert[one][0] for one in found if one in model.inert}) - found:
            found |= more
    return found


def _part_of(field: str) -> str:
    return field.partition(".")[0]


def _validated(name: str, values: Any) -> Any:
    """The value of a part from nested values; None stands for the default."""
    if values is None:
        return _DEFAULTS[name]
    models = _MODELS.get(name, [])
    return models[0].parse(values, name) if len(models) == 1 else getattr(RunConfig.parse({name: values}), name)


def _inside(part: str, point: Mapping[str, Any]) -> list[tuple[list[str], Any]]:
    """What a point sets in a part: paths below it, and values."""
    return [(field.split(".")[1:], value) for field, value in point.items() if _part_of(field) == part]


def _with(values: Any, path: list[str], value: Any) -> Any:
    """Nested values with the one at a path replaced."""
    if not path:
        return value
    if not isinstance(values, dict):
        if values is not None:
            return values  # something else where a mapping is needed: validation says so
        values = {}
    return {**values, path[0]: _with(values.get(path[0]), path[1:], value) if path[1:] else value}


def _check_base(base: Mapping[str, Any]) -> None:
    if "seed" in base:
        raise BadInput("base.seed: seeds are given by 'seeds', next to 'base'")
    for name in base:
        if name not in PARTS:
            raise BadInput(f"base.{name}: unknown key" + did_you_mean(name, PARTS))


def _check_axes(axes: list[Axis]) -> None:
    where: dict[str, str] = {}
    for axis in axes:
        if not axis.fields:
            raise BadInput(f"{axis.where}: an axis without fields")
        for field in axis.fields:
            place = f"{axis.where}.{field}"
            if field == "seed":
                raise BadInput(f"{place}: seeds are no axis of their own; say seeds: {len(axis.points)}")
            if field not in FIELDS and not field.startswith(f"{OPEN_FIELD}."):
                near = [name for name in FIELDS if _part_of(name) == _part_of(field)]
                if field in PARTS:
                    raise BadInput(f"{place}: a section; name its fields, such as {near[0]}")
                raise BadInput(f"{place}: unknown field" + did_you_mean(field, near or FIELDS))
            for other in where:
                if f"{field}.".startswith(f"{other}.") or f"{other}.".startswith(f"{field}."):
                    raise BadInput(f"{place}: also varied by {where[other]}.{other}; a field has one axis")
        where |= dict.fromkeys(axis.fields, axis.where)
        seen = set()
        for point in axis.points:
            key = tuple((field, _key(point[field])) for field in sorted(point))
            if key in seen:
                what = f".{axis.fields[0]} = {point[axis.fields[0]]!r}" if len(axis.fields) == 1 else f" = {point}"
                raise BadInput(f"{axis.where}{what}: twice on this axis")
            seen.add(key)


def _key(value: Any) -> Any:
    """Equal and hashable for values that validate to the same: 1 and 1.0, not 1 and true."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, default=str)
    return isinstance(value, bool), value
