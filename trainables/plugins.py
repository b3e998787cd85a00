"""Modules of the user's own, which add networks, data and the like to the registries.

The environment variable BENEVOLENT_PLUGINS names them, separated by commas. They are imported in every process that
reads configurations, before the first is read: on a cluster set it on every node. That the user names them, and not a
sweep or results, keeps the promise that results import nothing.
"""

import importlib
import os

from trainables.errors import BadInput

PLUGINS = "BENEVOLENT_PLUGINS"


def load() -> None:
    """Import the modules; a second time nothing happens.

    Raises:
        BadInput: one cannot be imported.
    """
    for name in filter(None, (name.strip() for name in os.environ.get(PLUGINS, "").split(","))):
        try:
            importlib.import_module(name)
        except Exception as error:
            raise BadInput(f"{PLUGINS}: {name} cannot be imported: {type(error).__name__}: {error}") from error
