"""The lease of a results folder: one command at a time trains or measures in it.

A command that was killed, or lost its machine, leaves its lease behind. The next one takes it over when the holder is
known to have ended, or has given no sign of life for a while. The lease keeps two commands from doing the same work.
Results do not depend on it: see `trainables/store/attempts.py`.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console

from benevolent.analysis.formatting import duration
from benevolent.orchestrator.training.stopping import stop, undone_when_stopped
from benevolent.trainables.errors import BadInput, damaged
from benevolent.trainables.store import paths, turns
from benevolent.trainables.store.folder import Folder

#: Seconds between two signs of life of a holder.
SECONDS_PER_SIGN = 10.0
#: Seconds without a sign of life after which a lease may be taken over.
STALE_SECONDS = 60.0
#: Seconds for which such a lease is watched before it is taken over: clocks may differ, so only one that does not
#: change is stale.
WATCHED_SECONDS = 2.5 * SECONDS_PER_SIGN

#: What is said where two commands cannot be kept apart for certain.
NOT_EXCLUSIVE = (
    "here a second command is refused only once it can see this one, so do not start two within a second (conditional "
    "writes, `If-None-Match`, take boto3 and a store that has them)"
)

#: A time far away that the calendar can still write.
LAST_SECOND = 1e11
#: Seconds that a last sign of life may take.
SECONDS_TO_RELEASE = 1.0


class Holder(NamedTuple):
    """The command that holds a lease.

    Attributes:
        command: the command, such as `bth run`.
        host: name of its machine.
        process: its process id there.
        started: when the process started, in the machine's own count, since ids of processes are used again.
        place: says which processes share ids of processes: those of one machine, or of one container.
        since: when it took the lease, in seconds since 1970 by its clock.
        sign: when it gave its last sign of life, by its clock.
    """

    command: str
    host: str
    process: int
    started: str
    place: str
    since: float
    sign: float

    @classmethod
    def this_process(cls, command: str) -> Self:
        """Return this process as a holder from now on."""
        now = time.time()
        process = os.getpid()
        return cls(command, socket.gethostname(), process, _start_of(process), _place(), now, now)

    @classmethod
    def parse(cls, value: Any, where: str) -> Self:
        """Return a holder from the value of its file; raise `BadInput` if it is none."""
        try:
            found = cls(**value)
        except TypeError as error:
            raise damaged(where, error) from None
        for name, kind in cls.__annotations__.items():
            field = getattr(found, name)
            if type(field) is not kind:
                raise damaged(where, f"{name}: expected {kind.__name__}, not {field!r:.40}")
        if not 0 <= found.since < LAST_SECOND:
            raise damaged(where, f"since: {found.since} is not a time")
        return found

    @property
    def has_ended(self) -> bool:
        """True if the process is known to have ended, which can be known only where ids of processes are shared."""
        return self.place != "" and self.place == _place() and self.started != _start_of(self.process)

    @property
    def silent_for(self) -> float:
        """Seconds since the last sign of life, as this machine's clock has it."""
        return abs(time.time() - self.sign)

    def __str__(self) -> str:
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"`{self.command}` on {self.host} (process {self.process}, since {began})"


def holder(results: Folder) -> Holder | None:
    """Return the holder of the lease of a results folder, alive or not; None if nobody holds it.

    Raises:
        BadInput: the file is damaged.
    """
    folder = results / paths.LEASE
    turn = turns.latest(folder)
    return None if turn is None else Holder.parse(turn.value, folder.uri)


def check_free(results: Folder) -> None:
    """Refuse a folder in which another command is at work; nothing is written.

    Raises:
        BadInput: names that command.
    """
    other = holder(results)
    if other is not None and not other.has_ended and other.silent_for < STALE_SECONDS:
        raise BadInput(
            f"{results.uri}: {other} is at work in it; wait for it, or stop it. If its machine was lost, this command "
            f"can go on {STALE_SECONDS:g} s after its last sign of life, which was {other.silent_for:.0f} s ago"
        )


@contextmanager
def held(results: Folder, command: str, console: Console) -> Iterator[None]:
    """Hold the lease of a results folder during the context.

    If another command takes it over, since this one was suspended or cut off for long, this one is stopped.

    Args:
        results: the results folder.
        command: name of this command, shown to others.
        console: where it is printed that the lease of another command is watched.

    Raises:
        BadInput: another command is at work in it.
    """
    lease = _Lease(results, command, console)
    with undone_when_stopped(lease.release):
        yield


class _Lease:
    """A lease that is held until `release`; a thread gives signs of life."""

    def __init__(self, results: Folder, command: str, console: Console) -> None:
        self.results = results
        self.folder = results / paths.LEASE
        self.holder = Holder.this_process(command)
        check_free(results)
        self.number = _number_after(results, console) + 1
        if not turns.take(self.folder, self.number, self.holder._asdict()):
            check_free(results)
            raise BadInput(f"{results.uri}: another command has begun to work in it at this moment")
        if not self.folder.refuses_to_create(turns.turn_name(self.number), self.holder._asdict()):
            _say(console, f"{results.uri}: {NOT_EXCLUSIVE}")
        self.released = threading.Event()
        self.thread = threading.Thread(target=self._give_signs, daemon=True, name="lease")
        self.thread.start()

    def release(self) -> None:
        """Give the lease back, and remove those that were left behind."""
        self.released.set()
        self.thread.join(SECONDS_TO_RELEASE)
        for name in self.folder.names():
            if name <= turns.turn_name(self.number):
                self.folder.delete(name)

    def _give_signs(self) -> None:
        while not self.released.wait(SECONDS_PER_SIGN):
            with suppress(OSError):  # the store may answer again before others take the lease to be stale
                self._give_sign()

    def _give_sign(self) -> None:
        if turns.latest_number(self.folder) != self.number:  # of an earlier number, or none, if that one has ended
            self.released.set()
            stop(f"error: {self.results.uri}: {self._why_lost()}\n")
            return
        self.holder = self.holder._replace(sign=time.time())
        self.folder.write_json(turns.turn_name(self.number), self.holder._asdict())

    def _why_lost(self) -> str:
        try:
            other = holder(self.results)
        except (BadInput, OSError):
            other = None
        if other is None:
            return (
                "the lease of this command is gone: another one has been at work here since, or the folder was removed"
            )
        return f"{other} has taken over, since this command was silent for long"


def _number_after(results: Folder, console: Console) -> int:
    """Return the number of the last lease, which has ended, or has not changed while it was watched."""
    folder = results / paths.LEASE
    last = turns.latest(folder)
    if last is None:
        return 0
    other = Holder.parse(last.value, folder.uri)
    if other.has_ended:
        return last.number
    silence = duration(other.silent_for)
    text = f"{other} has given no sign of life for {silence}; going on in {WATCHED_SECONDS:g} s if it gives none"
    _say(console, f"{text} until then")
    time.sleep(WATCHED_SECONDS)
    if turns.latest(folder) not in (last, None):
        raise BadInput(f"{results.uri}: {other} is at work in it, or has just been; wait for it, or stop it")
    return last.number


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _start_of(process: int) -> str:
    """Return when a process of this machine started, in clock ticks since the machine did; empty if there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # a zombie has ended


def _place() -> str:
    """Return what names the machine, or the container, within which a process id means one process.

    Empty where it cannot be known: on systems other than Linux.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
