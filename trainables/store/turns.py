"""Turns: numbered files in a folder, of which the highest counts.

Whoever creates the file of the next number first has the turn, and all earlier ones have ended. So two processes that
take the same turn at the same time cannot both succeed, where the store can refuse to create a file twice.
"""

from typing import Any, NamedTuple

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder


class Turn(NamedTuple):
    """The number of a turn, and what its file says."""

    number: int
    value: Any


def latest_number(folder: Folder) -> int:
    """Return the number of the turn that counts; 0 if there is none."""
    numbers = [0]
    for name in folder.names():
        stem = name.removesuffix(".json")
        if stem.isdecimal() and name == turn_name(int(stem)):
            numbers.append(int(stem))
    return max(numbers)


def latest(folder: Folder) -> Turn | None:
    """Return the turn that counts; None if there is none.

    Raises:
        BadInput: its file is damaged.
    """
    while number := latest_number(folder):
        try:
            return Turn(number, folder.read_json(turn_name(number)))
        except BadInput:
            if folder.exists(turn_name(number)):
                raise
    return None


def take(folder: Folder, number: int, value: Any) -> bool:
    """Take a turn; return False if that number has been taken before.

    >>> import tempfile
    >>> folder = Folder(tempfile.mkdtemp())
    >>> take(folder, 1, "mine"), take(folder, 1, "mine too"), latest(folder)
    (True, False, Turn(number=1, value='mine'))
    """
    return folder.create_json(turn_name(number), value)


def turn_name(number: int) -> str:
    """Return the name of the file of a turn; names sort as their numbers do."""
    return f"{number:05d}.json"
