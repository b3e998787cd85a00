"""Values without effect: fields that another field switches off, such as `prune.method` where nothing is pruned."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benevolent.orchestrator.spec.axes import DEFAULTS, SECTION_MODELS, Axes, section_of, sources
from benevolent.trainables.config.base import Section
from benevolent.trainables.errors import BadInput


def check_effects(axes: Axes) -> None:
    """Refuse a value that differs from its field's default and has no effect in any configuration.

    Sections that a `source` names are left alone: the value may have its effect in the run that it names.

    Raises:
        BadInput: such a value; the line names the field and what switches it off.
    """
    elsewhere: set[str] = set()
    for source in sources(axes):
        elsewhere.update(section_of(field) for field in source)
    for name in SECTION_MODELS:
        if name in elsewhere:
            continue
        for field in _given_fields(axes, name):
            if line := _why_without_effect(axes, name, field):
                raise BadInput(line)


def _given_fields(axes: Axes, name: str) -> Iterator[str]:
    """Yield the fields of a section that can be switched off and that the base or an axis gives."""
    given = {f"{name}.{field}" for field in axes.base.get(name) or ()} | set(axes.fields)
    for model in SECTION_MODELS[name]:
        for field in model.inert:
            if f"{name}.{field}" in given:
                yield field


def _why_without_effect(axes: Axes, name: str, field: str) -> str | None:
    """Return the line that refuses a field if none of its values has an effect at any point; else None."""
    refusal = None
    for points in itertools.product(*_deciding_points(axes, name, field)):
        section = axes.section(name, points)
        value = getattr(section, field)
        if value == type(section).model_fields[field].default:
            continue
        switch = switch_of(section, field)
        if switch is None:
            return None
        line = f"{name}.{field} = {value!r}: no effect where {name}.{switch[0]} = {switch[1]!r}; "
        line += "leave it out, or set inert_axes: collapse"
        refusal = refusal or axes.located(line, points, axes.axes_of_section[name])
    return refusal


def _deciding_points(axes: Axes, name: str, field: str) -> list[Sequence[int]]:
    """Return the points to look at, on each axis of a section, to tell if a field has an effect."""
    deciding = {f"{name}.{other}" for other in _switches(SECTION_MODELS[name], field)}
    points: list[Sequence[int]] = []
    for index in axes.axes_of_section[name]:
        axis = axes.axes[index]
        decides = not deciding.isdisjoint(axis.fields)
        points.append(range(len(axis.points)) if decides else range(1))
    return points


def _switches(models: Sequence[type[Section]], field: str) -> set[str]:
    """Return a field and the fields that decide, one through the other, whether it has an effect."""
    switches = {field}
    for model in models:
        while more := {model.inert[other][0] for other in switches if other in model.inert} - switches:
            switches |= more
    return switches


def switch_of(section: Any, field: str) -> tuple[str, Any] | None:
    """Return the field and its value that leave a field of a section without effect, if one does."""
    inert: Mapping[str, Any] = getattr(section, "inert", {})
    visited: set[str] = set()
    while field in inert and field not in visited:  # two fields may each switch the other off
        visited.add(field)
        if switch := section.without_effect(field):
            return switch
        field = inert[field][0]
    return None


REMEDY = "take it off the axis there (list the points), or set inert_axes: collapse"


def why_equal(axes: Axes, points: Sequence[int], earlier: Sequence[int]) -> str:
    """Return the line that names the field without effect, for a point that trains the same run as an earlier one.

    Args:
        axes: of the sweep.
        points: the number of the point on every axis.
        earlier: the same of the earlier configuration.
    """
    values = axes.values_at(points)
    earlier_values = axes.values_at(earlier)
    for field, value in values.items():
        name, _, own = field.partition(".")
        section = axes.section(name, [points[index] for index in axes.axes_of_section[name]])
        switch = switch_of(section, own)
        if switch and earlier_values.get(field) != value:
            axis = f"{axes.place_of[field]}.{field}"
            switch_field, switch_value = switch
            other = earlier_values.get(field, getattr(DEFAULTS[name], own, None))
            return (
                f"{axis} = {value!r}: no effect where {name}.{switch_field} = {switch_value!r}, "
                f"the same run as with {other!r}; {REMEDY}"
            )
    differing = [axis for axis, here, there in zip(axes.axes, points, earlier, strict=True) if here != there]
    return f"{differing[0].where}: {values} and {earlier_values} are the same run; {REMEDY}"
