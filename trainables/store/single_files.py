"""Files that are named one by one: on a disk, or on an object store by their URI."""

from pathlib import Path

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder


def is_on_store(path: str | Path) -> bool:
    """Return True for a URI that `Folder` opens, and not pandas, as it does those of the web.

    >>> is_on_store("s3://bucket/models.csv"), is_on_store("models.csv"), is_on_store("https://example.org/models.csv")
    (True, False, False)
    """
    scheme, colon, _ = str(path).partition("://")
    return bool(colon) and scheme not in ("http", "https", "ftp", "file")


def read_file(uri: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        BadInput: there is no such file, or the URI names none.
    """
    folder, name = _place(uri)
    return folder.read(name)


def write_file(uri: str, data: bytes) -> None:
    """Write a file whole or not at all, and the folders above it."""
    folder, name = _place(uri)
    folder.write(name, data)


def _place(uri: str) -> tuple[Folder, str]:
    """Return the folder that a file is in, and its name there; the query of a URI says how its store is reached.

    >>> _place("s3://bucket")
    Traceback (most recent call last):
    benevolent.trainables.errors.BadInput: s3://bucket: names no file; give its path in the bucket, such as ...
    """
    if not is_on_store(uri):
        path = Path(uri)
        return Folder(path.parent), path.name
    place, mark, query = uri.partition("?")
    folder, _, name = place.rpartition("/")
    if folder.endswith(":/") or not name:
        raise BadInput(f"{uri}: names no file; give its path in the bucket, such as {place.rstrip('/')}/models.csv")
    return Folder(f"{folder}{mark}{query}"), name
