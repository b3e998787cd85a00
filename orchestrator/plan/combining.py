"""Parts of a section that several axes vary: put together from the lines of their fields, each made once.

A sweep over two fields of one section has as many different sections as combinations. Where a field's line depends
on one axis only, the lines of all combinations follow from those of single points, and a section itself is made when
it is asked for, or at once where a rule couples its fields.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from benevolent.orchestrator.plan.configuration import Part, make_part
from benevolent.trainables.config.base import Section

Choice = tuple[int, ...]


def part_maker(
    name: str, models: Sequence[type[Section]], axes: Sequence[Iterable[str]], validated: Callable[[Choice], Any]
) -> Callable[[Choice], Part]:
    """The function from the points chosen on the axes of a part to the part.

    Args:
        name: of the part.
        models: the sections that it may hold; none if it is no section.
        axes: the part's fields that each axis names.
        validated: the value of the part for a choice of points; `BadInput` if they do not go together.
    """
    reach = [_reach(models, set(fields)) for fields in axes]
    reached = set().union(*reach)
    independent = sum(map(len, reach)) == len(reached) and "family" not in reached
    if len(axes) > 1 and independent and all(map(_keeps_fields, models)):
        return _Combined(name, reach, validated, any(map(_has_rules, models)))
    return lambda choice: make_part(name, validated(choice))


def _reach(models: Sequence[type[Section]], fields: set[str]) -> set[str]:
    """These fields, and those that they can leave without effect."""
    for model in models:
        for field, (other, _) in model.inert.items():  # a field comes after those that it depends on
            fields = fields | {field} if other in fields else fields
    return fields


def _has_rules(model: type[Section]) -> bool:
    return bool(model.__pydantic_decorators__.model_validators) or model.check is not Section.check


def _keeps_fields(model: type[Section]) -> bool:
    """Whether validation leaves every field to itself: rules may refuse a section, but not change it."""
    rules = model.__pydantic_decorators__
    return not rules.field_validators and all(rule.info.mode == "after" for rule in rules.model_validators.values())


class _Combined:
    """Makes parts whose fields each depend on one axis.

    Args:
        name: of the part.
        reach: the fields whose lines depend on each axis.
        validated: as in `part_maker`.
        coupled: whether a rule may refuse values that are valid one by one; then every combination is validated.
    """

    def __init__(self, name: str, reach: Sequence[set[str]], validated: Callable[[Choice], Any], coupled: bool) -> None:
        self.name, self.reach, self.validated, self.coupled = name, reach, validated, coupled
        self.lines: dict[str, str] = {}
        self.shared: set[str] = set()
        self.points: list[dict[int, dict[str, str]]] = [{} for _ in reach]

    def __call__(self, choice: Choice) -> Part:
        lines = self.lines.copy() or self._first()
        for axis, index in enumerate(choice):
            lines |= self.points[axis].get(index) or self._point(axis, index)
        if self.coupled:
            self.validated(choice)
        shared = [line for field, line in lines.items() if line and field in self.shared]
        return Part("\n".join(filter(None, lines.values())), "\n".join(shared), partial(self.validated, choice))

    def _first(self) -> dict[str, str]:
        section = self.validated((0,) * len(self.reach))
        self.lines, self.shared = section.lines(self.name), section.shared_fields()
        return self.lines.copy()

    def _point(self, axis: int, index: int) -> dict[str, str]:
        """The lines that a point decides, from the section that has it and the first points of the other axes."""
        choice = [0] * len(self.reach)
        choice[axis] = index
        lines = self.validated(tuple(choice)).lines(self.name)
        self.points[axis][index] = {field: lines[field] for field in self.reach[axis]}
        return self.points[axis][index]


class Table(dict[Any, Part]):
    """Parts by the points chosen on their axes, made when first asked for."""

    def __init__(self, make: Callable[[tuple[int, ...]], Part], kept: int) -> None:
        super().__init__()
        self._make, self._kept = make, kept

    def __missing__(self, choice: Any) -> Part:
        if len(self) >= self._kept:
            self.clear()
        part = self[choice] = self._make(choice if isinstance(choice, tuple) else (choice,))
        return part
