"""Number of CPUs of this machine that this process may use."""

import os


def machine_cpus() -> int:
    """Return how many CPUs of this machine this process may use; where the system does not tell, how many there are.

    macOS does not tell.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
