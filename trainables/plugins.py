"""The user's plugins: modules that add models, data sets and the like to the registries.

The environment variable BENEVOLENT_PLUGINS names them, separated by commas; on a cluster, set it on every node.
`trainables.config.model` loads them in every process that reads configurations. Only the user names them, never a sweep
or a results folder: loading results must not import anything that the results name.
"""

import importlib
import os

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder

PLUGINS = "BENEVOLENT_PLUGINS"


def named() -> list[str]:
    """Return the modules that the environment names."""
    names = os.environ.get(PLUGINS, "").split(",")
    return [name.strip() for name in names if name.strip()]


def load() -> None:
    """Import the modules that the environment names; those already imported stay as they are.

    Raises:
        BadInput: a module cannot be imported.
    """
    for name in named():
        try:
            importlib.import_module(name)
        except Exception as error:
            raise BadInput(f"{PLUGINS}: {name} cannot be imported: {type(error).__name__}: {error}") from error


def missing_plugins_hint(results: Folder) -> str:
    """Return what to append to the message that a results folder cannot be read: the plugins it was made with.

    Args:
        results: the folder, whose provenance lists the plugins of every invocation that planned cohorts.
    """
    try:
        entries = results.read_json(paths.PROVENANCE)
        made_with = [name for entry in entries for name in entry["plugins"]]
    except (BadInput, TypeError, LookupError):  # damaged as well, or of an older version
        return f"; if it was made with plugins, name them in {PLUGINS}"
    missing = set(made_with) - set(named())
    if not missing:
        return ""
    names = ",".join(dict.fromkeys(made_with))
    return f"; made with {PLUGINS}={names}: set it for this command too"
