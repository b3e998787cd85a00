"""`SweepSpec`: a sweep as its author writes it."""

import functools
import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from benevolent.orchestrator.spec.axes import FIELDS, Axes, Axis, section_of
from benevolent.orchestrator.spec.effects import check_effects
from benevolent.orchestrator.spec.replaced_values import check_replaced
from benevolent.orchestrator.spec.replicates import Replicates, SeedsConfig, check_seeds, replicates_of
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.spec.suggestions import suggest_for_sweep
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import SECTIONS
from benevolent.trainables.errors import BadInput

Values = list[Any]
Point = dict[str, Any]
Points = list[Point]
Blocks = list[dict[str, Values]]
Seeds = list[int]
Names = list[str]


def _check_window(ends: Any) -> Any:
    is_pair = isinstance(ends, (list, tuple)) and len(ends) == 2
    if not is_pair or not all(type(end) in (int, float) for end in ends):
        raise ValueError("expected [low, high], such as [0.005, 0.01]")
    low, high = ends
    if low > high:
        raise ValueError(f"the low end is above the high end; did you mean [{high}, {low}]?")
    return ends


def check_name(name: str) -> str:
    """Return the name of a sweep, which names its folder too; `ValueError` says what is allowed."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        words = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._")[:100]
        suggestion = f"; did you mean {words}?" if words else ""
        raise ValueError(
            "it also names the results folder, so it may have letters, digits, '-', '_' and '.', at most 100, and "
            f"begins with a letter or a digit{suggestion}"
        )
    return name


#: Both ends of a window of numbers.
Window = Annotated[Values, BeforeValidator(_check_window)]


class JudgingConfig(Section):
    """Questions that the report answers; they change no run.

    `outcomes`: those that predictors are judged against, each with its own decisions; the first is the page's answer.
    All other outcomes in the results get estimates and intervals, and no decision: testing many outcomes and reporting
    the best would find something in noise. `bth list columns` names them.

    `match`: columns of the results table and the window, [low, high], that runs must lie in to be compared with each
    other, such as networks of one train loss (Liao et al. 2018, figure 13). The first outcome is judged on them too.
    """

    outcomes: Names = ["test_loss"]
    match: dict[str, Window] = {}

    @field_validator("outcomes", mode="after")
    @classmethod
    def _different(cls, value: Names) -> Names:
        if not value or len(set(value)) < len(value):
            raise ValueError("expected one or more different outcomes, such as [test_loss, test_error]")
        return value


class SweepSpec(Section):
    """A named set of runs: a base, what varies over it, the replicates, and what to record.

    Every axis is crossed with every other and with the replicates. An axis is a dotted field with its values (`grid`),
    several fields whose values go together (one block of `zip`), or all of `list`: its points each set the fields they
    name. `seeds: n` means n independent replicates of every configuration; see `SeedsConfig` for others, and for seeds
    that all configurations share, which a list of seeds means too.

    >>> spec = SweepSpec.parse({"name": "demo", "grid": {"init.scale": [1, 2]}, "seeds": 3})
    >>> spec.axis_names, spec.replicates
    (('init.scale',), Replicates(numbers=range(0, 3), shared=False))
    """

    name: Annotated[str, Field(examples=["my-sweep"]), AfterValidator(check_name)]
    description: str = ""
    base: dict[str, Any] = {}
    grid: dict[str, Values] = {}
    zip: Blocks = []
    seeds: int | Seeds | SeedsConfig = 1
    inert_axes: Literal["refuse", "collapse"] = "refuse"
    record: RecordConfig = RecordConfig()
    resources: ResourcesConfig = ResourcesConfig()
    judging: JudgingConfig = JudgingConfig()
    list: Points = []

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        return check_seeds(value)

    @classmethod
    def parse(cls, values: Any, where: str = "") -> "SweepSpec":
        """Return a sweep from nested values, with its axes checked; `BadInput` is one line, as for every section."""
        _check_keys(values, cls.model_fields)
        spec = super().parse(values, where)
        axes = spec.axes
        check_replaced(axes)
        if spec.inert_axes == "refuse":
            check_effects(axes)
        return spec

    @functools.cached_property
    def axes(self) -> Axes:
        """The axes over the base, the last varying fastest."""
        axes = []
        for field, values in self.grid.items():
            axes.append(Axis("grid", _points_of_block("grid", {field: values})))
        for index, block in enumerate(self.zip):
            where = f"zip[{index}]"
            axes.append(Axis(where, _points_of_block(where, block)))
        if self.list:
            axes.append(Axis("list", tuple(self.list), numbered=True))
        return Axes(self.base, axes)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """The dotted fields that vary; the seed is not among them."""
        return self.axes.fields

    @property
    def replicates(self) -> Replicates:
        """The replicates of every configuration."""
        return replicates_of(self.seeds)


def _check_keys(values: Any, keys: Collection[str]) -> None:
    """Refuse keys at the top of a sweep that go below another one, or that do not exist."""
    for key, value in values.items() if isinstance(values, dict) else ():
        if section_of(str(key)) in SECTIONS:
            raise BadInput(f"{key}: a field of a run, not of a sweep; it goes below 'base', or 'grid' for an axis")
        if key not in keys:
            raise BadInput(f"{key}: unknown key" + suggest_for_sweep(str(key), value, keys, FIELDS))


def _points_of_block(where: str, block: dict[str, Values]) -> tuple[Point, ...]:
    """Return the points of fields whose values go together."""
    lengths = {field: len(values) for field, values in block.items()}
    for field, length in lengths.items():
        if not length:
            raise BadInput(f"{where}.{field}: an axis without values")
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{field} has {length}" for field, length in lengths.items())
        raise BadInput(f"{where}: fields of one block need equally many values; {sizes}")
    return tuple(dict(zip(block, point, strict=True)) for point in zip(*block.values(), strict=True))
