"""The processes of the Ray that runs on this machine: without one of them a command would wait for ever."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benevolent.orchestrator.training.stopping import stop

if TYPE_CHECKING:
    import psutil

#: Names of the processes that Ray cannot do without: the one of each machine, and the one of the whole cluster.
NEEDED = ("raylet", "gcs_server")
SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def stopped_without_ray() -> Iterator[None]:
    """Stop the command with a line if a needed process of the Ray that it has started ends within the context.

    Ray (2.60) itself says nothing then, and calls to it do not return.
    """
    left = threading.Event()
    threading.Thread(target=_watch, args=(os.getpid(), left), daemon=True, name="watches Ray").start()
    try:
        yield
    finally:
        left.set()


def _watch(parent: int, left: threading.Event) -> None:
    import psutil

    processes = [child for child in psutil.Process(parent).children() if child.name() in NEEDED]
    names = {process: process.name() for process in processes}
    while not left.wait(SECONDS_BETWEEN_LOOKS):
        for process in processes:
            if _has_ended(process):
                stop(
                    f"error: Ray's process {names[process]} (process {process.pid}) has ended: it was killed, or has "
                    "crashed. Nothing is lost: the same command continues from here\n"
                )
                return


def _has_ended(process: "psutil.Process") -> bool:
    import psutil

    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
