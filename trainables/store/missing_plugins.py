"""The plugins that a results folder was made with and that the user does not name now."""

from benevolent.trainables import plugins
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


def missing_plugins_hint(results: Folder) -> str:
    """Return what to append to the message that a results folder cannot be read: the plugins it was made with.

    Args:
        results: the folder, whose provenance lists the plugins of every invocation that planned cohorts.
    """
    try:
        entries = results.read_json(paths.PROVENANCE)
        made_with = [name for entry in entries for name in entry["plugins"]]
    except (BadInput, TypeError, LookupError):  # damaged as well, or of an older version
        return f"; if it was made with plugins, name them in {plugins.PLUGINS}"
    missing = set(made_with) - set(plugins.named())
    if not missing:
        return ""
    names = ",".join(dict.fromkeys(made_with))
    return f"; made with {plugins.PLUGINS}={names}: set it for this command too"
