"""Local files that are there whole or not at all, after a crash of the machine too."""

import os
import re
import stat
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Names of files that are being written: a dot and the digits of a `uuid4`.
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}")


def write_whole(target: Path, data: bytes) -> None:
    """Write a local file so that after a crash it is there whole, as it was before, or not at all.

    The data are on the disk before the name is, and the name before this returns.
    """
    with _written_aside(target, data) as aside:
        os.replace(aside, target)
    _sync_folder(target.parent)


def create_whole(target: Path, data: bytes) -> bool:
    """Write a local file as `write_whole` unless there is one; return whether it was written."""
    with _written_aside(target, data) as aside:
        try:
            os.link(aside, target)  # which fails if there is one, on network file systems too
        except FileExistsError:
            return False
    _sync_folder(target.parent)
    return True


def is_not_a_file(place: Path) -> bool:
    """Return True for a folder, a device, or a pipe, from which reading might never end; False if nothing is there."""
    return place.exists() and not place.is_file()


def used_bytes(folder: Path) -> Counter[str]:
    """Return the sums of the sizes of all files in a folder and below, by the ending of their names; no link counts."""
    used: Counter[str] = Counter()
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed meanwhile
                status = os.lstat(os.path.join(place, name))
                if stat.S_ISREG(status.st_mode):
                    used[os.path.splitext(name)[1]] += status.st_size
    return used


@contextmanager
def _written_aside(target: Path, data: bytes) -> Iterator[Path]:
    """Write a hidden file in the folder of another, for the length of the context."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parent / f".{uuid.uuid4().hex}"
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    except OSError as error:  # that of a full disk does not name the file
        raise OSError(error.errno, error.strerror, str(target)) from None
    finally:
        aside.unlink(missing_ok=True)


def delete_unfinished(folder: Path) -> None:
    """Remove the files in a folder that killed writers have left, and those that are being written now."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if _UNFINISHED.fullmatch(file.name):
            file.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
