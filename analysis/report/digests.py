"""Whether files that were made together are as they were written."""

import hashlib
from collections.abc import Mapping

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of every file, by its path."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def unchanged(folder: Folder, known: Mapping[str, str]) -> bool:
    """Whether all files of these digests are in a folder, as they were."""
    try:
        return digests({name: folder.read(name) for name in known}) == dict(known)
    except BadInput:
        return False
