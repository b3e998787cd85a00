"""Modules of the user's own, which add networks, data and the like to the registries.

The environment variable BENEVOLENT_PLUGINS names them, separated by commas. They are imported in every process that
reads configurations, before the first is read: on a cluster set it on every node. That the user names them, and not a
sweep or results, keeps the promise that results import nothing.
"""

import importlib
import os

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder

PLUGINS = "BENEVOLENT_PLUGINS"


def named() -> list[str]:
    """The modules that the environment names."""
    return [name for name in map(str.strip, os.environ.get(PLUGINS, "").split(",")) if name]


def load() -> None:
    """Import the modules; a second time nothing happens.

    Raises:
        BadInput: one cannot be imported.
    """
    for name in named():
        try:
            importlib.import_module(name)
        except Exception as error:
            raise BadInput(f"{PLUGINS}: {name} cannot be imported: {type(error).__name__}: {error}") from error


def missing(results: Folder) -> str:
    """What to add to a line that says that a results folder cannot be read: which modules it was made with.

    Args:
        results: the folder; its provenance names the modules of every invocation that planned cohorts.
    """
    try:
        made_with = {name: None for entry in results.read_json(paths.PROVENANCE) for name in entry["plugins"]}
    except (BadInput, TypeError, LookupError):  # damaged itself, or of an older version
        return f"; is it of a module of yours? {PLUGINS} names those"
    if made_with.keys() <= set(named()):
        return ""
    return f"; made with {PLUGINS}={','.join(made_with)}: set it for this command too"
