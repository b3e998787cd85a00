"""The user's plugins: modules that add models, data sets and the like to the registries.

The environment variable BENEVOLENT_PLUGINS names them, separated by commas; on a cluster, set it on every node.
`trainables.config.model` loads them in every process that reads configurations. Only the user names them, never a sweep
or a results folder: loading results must not import anything that the results name.
"""

import importlib
import os

from benevolent.trainables.errors import BadInput

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
