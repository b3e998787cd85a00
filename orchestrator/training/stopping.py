"""Stop at a signal: one line, and no process that this command started is left, whatever it is doing.

Files appear whole or not at all, and a cohort goes on from its last saved state. So there is nothing to finish: the
processes that this one started are killed, and this one exits at once. No exception is raised, since Ray and others
swallow exceptions at places that are not ours.
"""

import _thread
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

#: The signals that stop a command. One that is ignored when the command starts, as SIGINT is for a job in the
#: background of a script, and SIGHUP under `nohup`, stays ignored.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds until the processes that were started have to be gone, and until cleaning up has to be done.
SECONDS_TO_KILL = 4.0
SECONDS_TO_CLEAN = 3.0
#: Sent to the thread that waits for signals, to end it.
LEAVE = signal.SIGUSR1
#: Number of `prctl` that makes this process the parent of processes below it whose own parent dies (linux/prctl.h).
PR_SET_CHILD_SUBREAPER = 36

MESSAGE = "\nstopped. Nothing is lost: the same command continues from here.\n"
SHOW_CURSOR = "\x1b[?25h"

_cleanups: list[Callable[[], object]] = []
_answered: set[int] = set()
_stopping = threading.Lock()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Stop this process, and those that it has started, at a signal of `STOPPING` within the context.

    The signals are blocked in this thread, and so in all threads that are started later; one thread waits for them. So
    a signal is seen while the main thread computes or waits outside Python, and wherever it would swallow an exception.
    Handlers that others install are never called; Ray's, in C++, would print its stack.

    In Ray's processes, and in all that `os.fork` starts, the signals are unblocked; what `subprocess` starts without
    `preexec_fn` inherits the block. In this process they stay blocked after the context, when it is about to end.

    On systems other than Linux, a process whose parent died before it may be left.
    """
    _answered.update(number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_answered, LEAVE})
    os.register_at_fork(after_in_child=_forget)
    waiting = threading.Thread(target=_wait_and_stop, daemon=True, name="stops at signals")
    waiting.start()
    if sys.platform == "linux":
        _adopt_orphans()
    try:
        yield
    finally:
        assert waiting.ident is not None
        signal.pthread_kill(waiting.ident, LEAVE)
        waiting.join()


@contextmanager
def undone_when_stopped(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` at the end of the context, and also if a signal stops the command within it."""
    _cleanups.append(undo)
    try:
        yield
    finally:
        _cleanups.remove(undo)
        undo()


def _forget() -> None:
    """Give a forked process the usual handlers."""
    if not _answered:
        return
    for number in _answered:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_answered, LEAVE})
    _answered.clear()
    _cleanups.clear()


def _wait_and_stop() -> None:
    while True:
        number = signal.sigwait({*_answered, LEAVE})
        if number in _answered:
            _stop(MESSAGE, 128 + number)
        if not _answered & signal.sigpending():
            return


def stop(message: str, code: int = 1) -> None:
    """Print a message, and end this process and those that it has started.

    Outside `stopped_by_signals`, as in a notebook, the main thread is interrupted instead.
    """
    if not _answered:
        print(message, file=sys.stderr)
        _thread.interrupt_main()
        return
    _stop(message, code)


def _stop(text: str, code: int) -> None:
    if not _stopping.acquire(blocking=False):  # a reason to stop that stopping itself has brought about, or another one
        threading.Event().wait()
    if sys.stderr.isatty():
        text = SHOW_CURSOR + text
    with suppress(OSError):  # nobody may read it
        os.write(2, text.encode())
    try:
        _say_no_more()
        _kill_children()
        cleaning = threading.Thread(target=_clean_up, daemon=True)
        cleaning.start()
        cleaning.join(SECONDS_TO_CLEAN)
        _kill_children()  # that a thread which starts Ray has started meanwhile
    finally:
        os._exit(code)


def _say_no_more() -> None:
    """Drop what is printed to the standard error from now on: Ray (2.60) tells in C++ that its processes die."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def _clean_up() -> None:
    for undo in reversed(_cleanups):
        try:
            undo()
        except Exception:  # the others still have to be called
            continue


def _kill_children() -> None:
    """Kill all processes below this one, also those that they start meanwhile, and leave no zombie.

    Each is suspended before any is killed: a process that has been suspended starts no other, and one that is started
    just before is found at the next look, while its parent still lives.
    """
    import psutil  # only here: it would delay the start of every command

    this = psutil.Process()
    end = time.monotonic() + SECONDS_TO_KILL
    while time.monotonic() < end:
        for process in _suspend_children(this, end):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                continue
        except ChildProcessError:  # there is none any more
            return
        time.sleep(0.01)


def _suspend_children(this: "psutil.Process", end: float) -> set["psutil.Process"]:
    """Suspend the processes below `this` until a look finds no new one, or until the time `end`; return them."""
    import psutil

    suspended: set[psutil.Process] = set()
    while time.monotonic() < end:
        started = set(this.children(recursive=True)) - suspended
        if not started:
            break
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        suspended |= started
    return suspended


def _adopt_orphans() -> None:
    """Become the parent of processes below this one whose own parent dies: a signal to all may end it first."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
