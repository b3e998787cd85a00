"""The sweeps that come with the package, as they are written: none is validated here."""

from importlib import resources
from importlib.resources.abc import Traversable

from benevolent.orchestrator.spec import yaml_text


def bundled_sweeps() -> dict[str, str]:
    """Return the sweeps that come with the package: their names, and what each is about."""
    descriptions = {}
    for name, file in sorted(bundled_files().items()):
        values = yaml_text.loads(file.read_text(encoding="utf-8"))
        descriptions[name] = values["description"].strip()
    return descriptions


def bundled_text(name: str) -> str:
    """Return the YAML text of a sweep that comes with the package."""
    return bundled_files()[name].read_text(encoding="utf-8")


def bundled_files() -> dict[str, Traversable]:
    """Return the files of the sweeps that come with the package, by their names."""
    folder = resources.files("benevolent.orchestrator") / "sweeps"
    files = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    return {file.name.removesuffix(".yaml"): file for file in files}
