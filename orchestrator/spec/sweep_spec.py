"""A sweep as its author writes it: `SweepSpec`, read from YAML."""

import functools
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.axes import Axes, Axis
from benevolent.orchestrator.spec.effects import check_effects
from benevolent.trainables.config.base import Section, did_you_mean
from benevolent.trainables.config.record import RecordConfig, is_list_of_different_counts
from benevolent.trainables.config.run import SECTIONS
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.network import Kernel

Values = list[Any]
Point = dict[str, Any]
Points = list[Point]
Blocks = list[dict[str, Values]]
Numbers = list[int]


def _whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus % 1:
        raise ValueError("expected a part of one GPU, or a whole number of them")
    return gpus


#: As Ray gives them.
Gpus = Annotated[float, Field(ge=0), AfterValidator(_whole_above_one)]


class ResourcesConfig(Section):
    """What one cohort takes of the machine, and its number of runs (None: planned from the free slots).

    `kernel` and `stack_size` (how many runs train in one program) pin what is else chosen when a cohort starts, see
    `trainables.stack.kernel_choice`; what was chosen is in each cohort's `stacks.json`. `measure_gpus` is what each actor that
    measures takes of a GPU; by default checkpoints are measured on CPUs. Resources change results in their last digits
    only, and no `run_id`.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Gpus = 0.0
    measure_gpus: Gpus = 0.0
    cohort_size: Annotated[int, Field(ge=1)] | None = None
    kernel: Kernel | None = None
    stack_size: Annotated[int, Field(ge=1)] | None = None


class JudgingConfig(Section):
    """What the report asks beside its own questions; it changes no run.

    `match`: columns of the results table and the window, [low, high], that runs must lie in to be compared with each
    other, such as networks of one train loss (Liao et al. 2018, figure 13). The first outcome is judged on them too.
    """

    match: dict[str, Values] = {}

    @field_validator("match", mode="after")
    @classmethod
    def _windows(cls, value: dict[str, Values]) -> dict[str, Values]:
        for column, ends in value.items():
            numbers = len(ends) == 2 and all(type(end) in (int, float) for end in ends)
            if not numbers or not ends[0] <= ends[1]:
                raise ValueError(f"{column}: expected [low, high], such as [0.005, 0.01]")
        return value


class SweepSpec(Section):
    """A named set of runs: a base, what varies over it, the seeds, and what to record.

    Every axis is crossed with every other and with the seeds. An axis is a dotted field with its values
    (`grid`), several fields whose values go together (one block of `zip`), or all of `list`: its points each
    set the fields they name. `seeds: n` means 0, ..., n - 1.

    >>> spec = SweepSpec.parse({"name": "demo", "grid": {"init.scale": [1, 2]}, "seeds": 3})
    >>> spec.axis_names, spec.seed_values
    (('init.scale',), [0, 1, 2])
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    description: str = ""
    base: dict[str, Any] = {}
    grid: dict[str, Values] = {}
    zip: Blocks = []
    seeds: int | Numbers = 1
    inert_axes: Literal["refuse", "collapse"] = "refuse"
    record: RecordConfig = RecordConfig()
    resources: ResourcesConfig = ResourcesConfig()
    judging: JudgingConfig = JudgingConfig()
    list: Points = []

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        if not (type(value) is int and value >= 1) and not is_list_of_different_counts(value):
            raise ValueError("expected a number of seeds >= 1, or a list of different seeds >= 0")
        return value

    @classmethod
    def parse(cls, values: Any, where: str = "") -> "SweepSpec":
        """A sweep of nested values, with its axes checked; `BadInput` in one line, as for every section."""
        for key in values if isinstance(values, dict) else ():
            if str(key).partition(".")[0] in SECTIONS:
                raise BadInput(f"{key}: a field of a run, not of a sweep; it goes below 'base', or 'grid' for an axis")
        spec = super().parse(values, where)
        if spec.inert_axes == "refuse":
            check_effects(spec.axes)
        return spec

    @functools.cached_property
    def axes(self) -> Axes:
        """The axes over the base, the last varying fastest."""
        axes = [Axis("grid", _zipped("grid", {field: values})) for field, values in self.grid.items()]
        axes += [Axis(f"zip[{index}]", _zipped(f"zip[{index}]", block)) for index, block in enumerate(self.zip)]
        axes += [Axis("list", tuple(self.list), numbered=True)] if self.list else []
        return Axes(self.base, axes)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """The dotted fields that vary; the seed is not among them."""
        return self.axes.fields

    @property
    def seed_values(self) -> Numbers:
        """The seeds themselves."""
        return [*range(self.seeds)] if isinstance(self.seeds, int) else self.seeds


def load_spec(source: str, overrides: list[str] | tuple[str, ...] = ()) -> SweepSpec:
    """A sweep from a YAML file or, by name, from those that come with the package.

    Args:
        source: a path or the name of a bundled sweep.
        overrides: `key=value` lines that replace values of the file: `seeds=[3, 4]`,
            `base.stop.max_epochs=5`, `grid.model.width=[32]`. Values are YAML.

    Raises:
        BadInput: no such file or sweep, no YAML, or values that a sweep does not allow.
    """
    text = _read(source)
    try:
        values = yaml_text.loads(text)
        if not isinstance(values, dict):
            raise BadInput(f"a sweep is a mapping with keys such as name, base and grid, not {values!r:.60}")
        for override in overrides:
            _override(values, override)
        spec = SweepSpec.parse(values)
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    for key in (override.partition("=")[0].strip() for override in overrides):
        field = key.removeprefix("base.")
        if key != field and field in spec.axis_names:
            raise BadInput(f"{key}: {field} is an axis of {source}, which replaces the base; set grid.{field}=[...]")
    return spec


def bundled_sweeps() -> dict[str, str]:
    """The names of the sweeps that come with the package, and what each is about."""
    return {name: load_spec(name).description.strip() for name in sorted(_bundled())}


def _bundled() -> dict[str, Any]:
    folder = resources.files("benevolent.orchestrator") / "sweeps"
    return {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}


def _read(source: str) -> str:
    path = Path(source)
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
        bundled = _bundled()
        if source in bundled:
            return str(bundled[source].read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{source}: cannot be read: {error}") from None
    raise BadInput(f"{source}: no such file or bundled sweep" + did_you_mean(source, bundled))


def _override(values: Point, override: str) -> None:
    key, equals, text = override.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise BadInput(f"--set {override}: expected key=value")
    if path[0] in SECTIONS:
        name = ".".join(path)
        axis = name in (values.get("grid") or {})
        values_text = text if text.lstrip().startswith("[") else f"[{text}]"
        say = f"grid.{name}={values_text}" if axis else f"base.{name}={text}"
        raise BadInput(f"--set {override}: {name} is {'an axis' if axis else 'a field of the base'}; say --set {say}")
    try:
        value = yaml_text.loads(text)
    except BadInput as error:
        raise BadInput(f"--set {override}: {error}") from None
    put(values, ".".join(path), value, f"--set {override}")


def put(values: Point, key: str, value: Any, where: str) -> None:
    """Set a value of a nested mapping at a dotted key; of `grid.x.y` the axis is `x.y`.

    Raises:
        BadInput: the key goes through something that is no mapping; the line begins with `where`.
    """
    path = key.split(".")
    if path[0] == "grid" and len(path) > 1:
        path = ["grid", ".".join(path[1:])]  # an axis is one key, with dots in it
    for part in path[:-1]:
        inner = values.get(part)
        if inner is None:
            inner = values[part] = {}
        if not isinstance(inner, dict):
            raise BadInput(f"{where}: {part} is {inner!r}, which has no keys")
        values = inner
    values[path[-1]] = value


def _zipped(where: str, block: dict[str, Values]) -> tuple[Point, ...]:
    lengths = {field: len(values) for field, values in block.items()}
    for field, length in lengths.items():
        if not length:
            raise BadInput(f"{where}.{field}: an axis without values")
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{field} has {length}" for field, length in lengths.items())
        raise BadInput(f"{where}: fields of one block need equally many values; {sizes}")
    return tuple(dict(zip(block, point, strict=True)) for point in zip(*block.values(), strict=True))
