"""Attempts: a cohort that goes on after its worker was lost does so as a new attempt, which writes files of its own.

The worker of an earlier attempt may only have been cut off, and train on. A file counts if it is of the latest attempt,
or one of those that it goes on from, by name. So an earlier attempt can write nothing that is read.
"""

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from benevolent.trainables.errors import damaged
from benevolent.trainables.store import paths, turns
from benevolent.trainables.store.folder import Folder

#: Names that `next_attempt` gives; they become parts of the names of files.
_NAME = re.compile("([0-9]+(x[0-9a-f]+)?)?")


class Superseded(RuntimeError):
    """Another attempt has begun, so that nothing that this one writes would be read."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to train a cohort.

    Attributes:
        number: 1 for the first; 0 as long as there is none.
        name: which its files have behind their own names; empty for the first attempt.
        kept: paths, in the cohort's folder, of the files of earlier attempts that it goes on from.
    """

    number: int
    name: str
    kept: frozenset[str]

    def counts(self, path: str) -> bool:
        """Return True if a file is read.

        >>> second = Attempt(2, "2", frozenset({"runs/00000.parquet"}))
        >>> [second.counts(f"runs/{name}.parquet") for name in ("00000", "00001", "00001_2")]
        [True, False, True]
        """
        return path in self.kept or paths.attempt_of(path) == self.name


def latest_attempt(cohort: Folder) -> Attempt:
    """Return the attempt whose files are read.

    Raises:
        BadInput: its file is damaged.
    """
    turn = turns.latest(cohort / paths.ATTEMPTS)
    if turn is not None:
        return _parse(turn, f"{cohort.uri}/{paths.ATTEMPTS}/{turns.turn_name(turn.number)}")
    begun = bool(cohort.names(paths.STATES) or cohort.names(paths.CHECKPOINTS))  # by a version without attempts
    return Attempt(int(begun), "", frozenset())


def _parse(turn: turns.Turn, where: str) -> Attempt:
    """Return the attempt that the file of a turn describes; raise `BadInput` if it describes none."""
    try:
        name = turn.value["name"]
        kept = turn.value["kept"]
    except (KeyError, TypeError) as error:
        raise damaged(where, repr(error)) from None
    are_texts = isinstance(kept, list) and all(isinstance(path, str) for path in kept)
    if not are_texts or not isinstance(name, str) or not _NAME.fullmatch(name):
        raise damaged(where, "no name and paths of an attempt")
    return Attempt(turn.number, name, frozenset(kept))


def next_attempt(cohort: Folder, latest: Attempt, kept: Collection[str]) -> Attempt:
    """Return the attempt after the latest one; nobody sees it before `begin`.

    Where the store cannot refuse to create a file twice, two attempts may have the same number, but not the same name.
    """
    number = latest.number + 1
    name = "" if number == 1 else str(number)
    if not cohort.creates_once:
        name = f"{number}x{uuid.uuid4().hex[:8]}"
    return Attempt(number, name, frozenset(kept))


def begin(cohort: Folder, attempt: Attempt) -> None:
    """Make an attempt the latest one.

    Raises:
        Superseded: another of this number, or a later one, has begun.
    """
    value = {"name": attempt.name, "kept": sorted(attempt.kept)}
    if not turns.take(cohort / paths.ATTEMPTS, attempt.number, value):
        raise Superseded(f"{cohort.uri}: attempt {attempt.number} has been begun by another process")
    check_latest(cohort, attempt)


def check_latest(cohort: Folder, attempt: Attempt) -> None:
    """Raise `Superseded` if a later attempt has begun."""
    folder = cohort / paths.ATTEMPTS
    is_latest = turns.latest_number(folder) == attempt.number
    if is_latest and not folder.creates_once:  # then two may have this number
        is_latest = latest_attempt(cohort).name == attempt.name
    if not is_latest:
        raise Superseded(f"{cohort.uri}: another attempt has begun")
