"""Sweeps from YAML files, or by name from those that come with the package, with values replaced by `--set`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.axes import FIELDS
from benevolent.orchestrator.spec.bundled_sweeps import bundled_files
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.common_names import meant_field
from benevolent.trainables.config.run import SECTIONS
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.store import paths


def load_spec(source: str, overrides: Sequence[str] = ()) -> SweepSpec:
    """Return a sweep from a YAML file or, by name, from those that come with the package.

    Args:
        source: a path or the name of a bundled sweep.
        overrides: `key=value` lines that replace values of the file: `seeds=[3, 4]`, `base.stop.max_epochs=5`,
            `grid.model.width=[32]`. Values are YAML.

    Raises:
        BadInput: no such file or sweep, not YAML, or values that a sweep does not allow.
    """
    text = _read(source)
    try:
        values = yaml_text.loads(text)
        if values is None:
            raise BadInput("holds no sweep; `bth init NAME` writes one to start from")
        if not isinstance(values, dict):
            raise BadInput(f"a sweep is a mapping with keys such as name, base and grid, not {values!r:.60}")
        for override in overrides:
            _apply_override(values, override)
        spec = SweepSpec.parse(values)
    except BadInput as error:
        from benevolent.analysis.formatting import printable

        raise BadInput(f"{source}: {printable(error)}") from None
    for override in overrides:
        _check_effective(spec, source, override)
    return spec


def override_key(word: str) -> str | None:
    """Return the key of `--set` that a word means; None if it means none.

    >>> override_key("learning_rate"), override_key("seed"), override_key("verbose")
    ('base.optimizer.lr', 'seeds', None)
    """
    meant = meant_field(word, [*SweepSpec.model_fields, *FIELDS])
    return f"base.{meant}" if meant in FIELDS else meant


def put(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a value of a nested mapping at a dotted key; for `grid.x.y` the axis is `x.y`.

    Args:
        values: changed in place.
        key: dotted.
        value: the new value.
        where: beginning of an error line.

    Raises:
        BadInput: the key leads through a value that is not a mapping.
    """
    path = key.split(".")
    if path[0] == "grid" and len(path) > 1:
        path = ["grid", ".".join(path[1:])]  # an axis is one key, with dots in it
    for name in path[:-1]:
        inner = values.get(name)
        if inner is None:
            inner = values[name] = {}
        if not isinstance(inner, dict):
            raise BadInput(f"{where}: {name} is {inner!r}, which has no keys")
        values = inner
    values[path[-1]] = value


def _read(source: str) -> str:
    path = Path(source)
    bundled = bundled_files()
    if path.is_dir() and source not in bundled:
        file = path / paths.SPEC
        hint = f"; to go on with the sweep in it: bth run {file} --out {source}" if file.is_file() else ""
        raise BadInput(f"{source}: a folder; expected a YAML file or the name of a bundled sweep{hint}")
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
        if source in bundled:
            return str(bundled[source].read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{source}: cannot be read: {error}") from None
    beside = [str(file) for file in path.parent.glob("*.yaml")]
    raise BadInput(
        f"{source}: no such file or bundled sweep" + did_you_mean(source, [*bundled, *beside], "bth list sweeps")
    )


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    path = key.split(".")
    where = f"--set {override}"
    if not equals or not all(path):
        raise BadInput(f"{where}: expected key=value")
    if path[0] in SECTIONS:
        raise BadInput(f"{where}: {_field_of_a_run(values, key, text)}")
    if path[0] not in SweepSpec.model_fields:
        meant = meant_field(key, [*SweepSpec.model_fields, *FIELDS])
        if meant in FIELDS:
            raise BadInput(f"{where}: unknown key; {_field_of_a_run(values, meant, text)}")
    try:
        value = yaml_text.loads(text)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    put(values, key, value, where)


def _field_of_a_run(values: dict[str, Any], field: str, text: str) -> str:
    """Return what to say instead of a field without the `base` or `grid` that it belongs to."""
    if field in (values.get("grid") or {}):
        list_text = text if text.lstrip().startswith("[") else f"[{text}]"
        return f"{field} is an axis; say --set grid.{field}={list_text}"
    return f"{field} is a field of the base; say --set base.{field}={text}"


def _check_effective(spec: SweepSpec, source: str, override: str) -> None:
    """Refuse to change a field of the base that an axis replaces."""
    key = override.partition("=")[0].strip()
    field = key.removeprefix("base.")
    if key != field and field in spec.axis_names:
        raise BadInput(f"{key}: {field} is an axis of {source}, which replaces the base; set grid.{field}=[...]")
