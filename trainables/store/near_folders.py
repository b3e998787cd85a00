"""Folders that somebody may have meant by the name of one that does not exist."""

import difflib
from pathlib import Path


def suggest_folder(missing: Path) -> str:
    """Return the end of an error line: a folder of a similar name beside a missing one, or in `results` there.

    >>> suggest_folder(Path("/nowhere/at-all"))
    ''
    """
    folders = {}
    for place in (missing.parent / "results", missing.parent):
        for folder in place.glob("*/"):
            folders[folder.name] = folder
    nearest = difflib.get_close_matches(missing.name, [*folders], n=1)
    if not nearest:
        return ""
    found = folders[nearest[0]]
    shown = found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found
    return f"; did you mean {shown}?"
