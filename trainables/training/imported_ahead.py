"""Modules that a process of Ray imports before it is given work.

Ray starts a process for each CPU together with itself, and makes it import this (`RAY_preload_python_modules`): so the
imports, which take seconds, need not wait until a trial or an actor is placed in it. Ray sets `OMP_NUM_THREADS` by the
CPUs of the work, which is known only later: libraries are loaded for one thread here, and `configure_process` sets how
many they use.
"""

import importlib
import os
from contextlib import suppress

from benevolent.trainables.quick_imports import uncollected

THREADS = "OMP_NUM_THREADS"
MODULES = (
    "benevolent.trainables.training.ray_trainable",
    "benevolent.analysis.measures.on_checkpoints",
)


def import_ahead() -> None:
    """Import what trains cohorts, and what measures networks.

    Ray would end a process that cannot import it. What fails here fails again, with its reason, where work needs it.
    """
    given = os.environ.get(THREADS)
    os.environ[THREADS] = given or "1"
    with uncollected(), suppress(Exception):
        for module in MODULES:
            importlib.import_module(module)
    if given is None:
        del os.environ[THREADS]


import_ahead()
