"""The spec in a results folder, what is damaged of it and of plans, and whether a sweep may go on; without torch."""

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.base import flatten
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import checksums, paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import HOW_TO_REPAIR
from benevolent.trainables.store.missing_plugins import missing_plugins_hint
from benevolent.trainables.store.plan_files import plan_numbers, tables_of_plan


def check_folder(results: Folder, spec: SweepSpec) -> None:
    """Refuse a folder that holds something else, before anything is written.

    A spec that is damaged is left to `rebuilt_plan`.

    Raises:
        BadInput: the folder holds another sweep or other files, or is no folder.
    """
    if not results.exists():
        return
    if not results.exists(paths.SPEC):
        if results.names():
            raise BadInput(f"--out {results.uri}: holds files but no sweep; give a new or an empty folder")
        return
    try:
        old = read_spec(results)
    except BadInput:
        return
    if old.name != spec.name:
        raise BadInput(f"--out {results.uri}: holds the sweep {old.name!r}, not {spec.name!r}; give another folder")
    old_base = dict(flatten(old.base))
    new_base = dict(flatten(spec.base))
    for field in sorted({*old_base, *new_base}):
        old_value = old_base.get(field)
        new_value = new_base.get(field)
        if old_value != new_value:
            raise BadInput(
                f"--out {results.uri}: holds a sweep with another base (base.{field}: {old_value!r} in the folder, "
                f"{new_value!r} in the spec); give another folder"
            )


def read_spec(results: Folder) -> SweepSpec:
    """Return the spec that a results folder was made with.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    values = _read_values(results)
    try:
        return SweepSpec.parse(values)
    except (ValueError, BadInput) as error:
        raise _damaged_spec(results, error) from None


def _read_values(results: Folder) -> Any:
    """Return the values of the spec in a results folder, without the plugins that it may need."""
    results.check_exists()
    if not results.exists(paths.SPEC):
        raise BadInput(f"{results.uri}: holds no sweep (no file {paths.SPEC} in it)")
    data = results.read(paths.SPEC)
    if checksums.has_changed(data, in_footer=False):
        raise _damaged_spec(results, "its checksum is wrong")
    try:
        return yaml_text.loads(data.decode())
    except (ValueError, BadInput) as error:
        raise _damaged_spec(results, error) from None


def _damaged_spec(results: Folder, reason: object) -> BadInput:
    where = posixpath.join(results.uri, paths.SPEC)
    line = str(reason).splitlines()[0]
    return BadInput(f"{where}: damaged or not a sweep ({line}){missing_plugins_hint(results)}")


def spec_text(spec: SweepSpec) -> str:
    """Return the YAML of a spec as a results folder keeps it: with a checksum in a comment at its beginning."""
    text = f"# {checksums.KEY}: {checksums.UNKNOWN}\n" + yaml_text.dumps(spec.model_dump(mode="json"))
    return checksums.with_checksum(text.encode(), in_footer=False).decode()


def find_damaged_descriptions(results: Folder) -> dict[str, str]:
    """Return the damaged or missing files of the spec and the plans: path -> a line that says what is wrong."""
    return dict(_damaged_files(results, read_spec))


def check_descriptions(results: Folder) -> None:
    """Refuse a results folder with a damaged spec or plan. Plugins that the spec may need are not imported.

    Raises:
        BadInput: names the first such file.
    """
    for _, line in _damaged_files(results, _read_values):
        raise BadInput(f"{line}; {HOW_TO_REPAIR}")


def _damaged_files(results: Folder, read: Callable[[Folder], object]) -> Iterator[tuple[str, str]]:
    """Yield the path of each damaged file, and a line that says what is wrong; `read` reads the spec."""
    if results.exists(paths.SPEC):
        try:
            read(results)
        except BadInput as error:
            yield paths.SPEC, str(error)
    for number in plan_numbers(results):
        for path in tables_of_plan(number):
            try:
                results.read_table(path)
            except BadInput as error:
                yield path, str(error)
