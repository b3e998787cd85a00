"""Digests that tell if a derived file is still what its inputs and today's code would make.

A derived file (a report, the answer of a study) is written together with a digest of everything that it was made from:
the results and the code. As long as both are the same, it is not made again.
"""

import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder

#: Endings of the package's files that can change what it computes, draws or writes.
SOURCE_ENDINGS = (".py", ".j2", ".js", ".yaml")


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


def file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every file, by its path."""
    return {path: digest(content) for path, content in files.items()}


def unchanged(folder: Folder, known: Mapping[str, str]) -> bool:
    """Tell if a folder holds all files of these digests, each as it was written."""
    try:
        return file_digests({path: folder.read(path) for path in known}) == dict(known)
    except BadInput:
        return False


def code_digest() -> str:
    """Return a digest of all source files of the package: derived files are made again when any of them changes.

    The whole package and not only the modules that a report imports: imports inside functions, templates, registries
    and studies that are found by name would have to be followed too, and one that is missed leaves a stale report.
    Making a report again takes seconds to minutes, and an installed package changes only with its version.
    """
    whole = hashlib.sha256()
    for path, content in sorted(source_files().items()):
        whole.update(f"{path}\0{digest(content)}\n".encode())
    return whole.hexdigest()


def source_files() -> dict[str, bytes]:
    """Return the package's source files by their path in it."""
    return dict(_walk(importlib.resources.files("benevolent"), ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the source files below a folder; links to folders, as in a checkout, are followed."""
    for entry in folder.iterdir():
        if entry.name.startswith((".", "__pycache__")):
            continue
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif entry.name.endswith(SOURCE_ENDINGS):
            yield path, entry.read_bytes()
