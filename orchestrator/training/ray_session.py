"""The Ray cluster that does the work: started on this machine, or joined at an address."""

import functools
import importlib
import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from types import ModuleType

from benevolent.orchestrator.training.ray_processes import stopped_without_ray
from benevolent.trainables import plugins
from benevolent.trainables.errors import BadInput
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.quick_imports import uncollected
from benevolent.trainables.quiet_logs import quiet_log

#: Environment variables that Ray and Ray Tune read, where the user has not set them: no output and result files of
#: their own, and Ctrl-C is left to us. As many trials start as fit; by default only one at a time waits for its worker
#: process, so that the second core idles while the first one imports. Messages of Ray's processes, such as those about
#: lost machines, of which the display tells, are skipped where they match the regular expression: all do.
SETTINGS = {
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

#: What processes of Ray on this machine import before they are given work. Ray starts one for each CPU, and each holds
#: these modules in memory, so nothing is imported ahead where there are more CPUs than `MOST_IMPORTING`.
IMPORTED_AHEAD = "benevolent.trainables.training.imported_ahead"
MOST_IMPORTING = 16
#: How long an idle process is kept, since files to be measured may come later; by default Ray ends it after a second.
IDLE_MILLISECONDS = "60000"

#: What trains cohorts, and imports Ray Tune.
RAY_TUNE = "benevolent.orchestrator.training.ray_tune"

#: Memory of the object store of a cluster on this machine; only data sets go through it, and only on real clusters.
OBJECT_STORE_BYTES = 256 * 2**20

#: Most characters of `TMPDIR`: the path of a socket may have 107, of which Ray adds 47 for its session and 21 for the
#: socket.
LONGEST_TMPDIR = 39
SHORT_TMPDIR = "/tmp"

#: In Ray's error (2.60) if its processes do not answer within the 30 s that it gives them.
RAY_IS_SLOW = "timed out during startup"

#: How long the address of a cluster may take to answer.
CONNECT_SECONDS = 20

#: The open `keep_ray_cluster` contexts, the innermost last: clusters are left when they end.
_keepers: list[ExitStack] = []


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """Connect to a Ray cluster: the connected one, else the one at `address`, else a new one on this machine.

    What was started or joined here is left at the end of the context; within `keep_ray_cluster` at the end of that.
    Environment variables and log levels are restored then.

    Args:
        address: `HOST:PORT`, `ray://HOST:PORT` or `auto`; None to start a cluster on this machine.

    Raises:
        BadInput: no cluster answers at `address`.
    """
    with ExitStack() as until_here:
        until_left = _keepers[-1] if _keepers else until_here
        ray = _import_ray(address, until_left)
        if not ray.is_initialized():
            until_left.callback(ray.shutdown)
            if address is None:
                _start()
                until_left.enter_context(stopped_without_ray())
            else:
                _connect(address)
        yield


@contextmanager
def ray_starts_meanwhile() -> Iterator[None]:
    """Start a cluster on this machine in the background of this context, within `keep_ray_cluster`.

    Ray takes seconds to start (`benchmarks/results/start_up.txt`), in which it mostly waits for its processes: long
    enough to import torch, and Ray Tune, which is done here. No network may be tried in this context: Ray draws from
    Python's generator, which looks as if the network did.

    Raises:
        BadInput: at the end of the context, if Ray did not start.
    """
    until_left = _keepers[-1]
    ray = _import_ray(None, until_left)
    if ray.is_initialized():
        yield
        return
    thread = until_left.enter_context(ThreadPoolExecutor(1, thread_name_prefix="starts Ray"))
    until_left.callback(ray.shutdown)  # before the thread ends, which kills Ray's processes
    starting = thread.submit(_start)
    try:
        yield
        with uncollected():
            importlib.import_module(RAY_TUNE)
    finally:
        wait([starting])
    starting.result()
    until_left.enter_context(stopped_without_ray())


def _import_ray(address: str | None, until_left: ExitStack) -> ModuleType:
    """Import Ray with our settings: it reads some of the variables when it is imported."""
    until_left.enter_context(_environment(SETTINGS))
    if address is None:
        until_left.enter_context(_environment(_local_settings()))
        until_left.enter_context(_environment(_imports_ahead()))
    until_left.enter_context(quiet_log("ray.tune", logging.CRITICAL))  # why a cohort failed is in its own folder
    import ray

    return ray


@functools.cache
def _local_settings() -> Mapping[str, str]:
    """Return the environment variables of a cluster on this machine alone: others neither reach it nor may use it.

    It listens on the loopback device only, as Ray (2.60) does where clusters of several machines are not enabled. That
    is its default on Windows and macOS, hence the variable's name; on Linux it would listen on all interfaces, and look
    for the one that leads to the internet, with a warning where none does. Other users of this machine lack the token,
    which is of this process, and in no file. Ray reads these when it is imported: if that was before, and without a
    token, there is none.
    """
    variables = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_idle_worker_killing_time_threshold_ms": IDLE_MILLISECONDS,
    }
    if "ray" in sys.modules:
        return variables | {"RAY_AUTH_MODE": "disabled"}
    return variables | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _imports_ahead() -> Mapping[str, str]:
    """Return the environment variable for what Ray's processes import before they are given work.

    None where the user's plugins are imported with it: Ray tells its processes where to look for them with the work.
    """
    if plugins.named() or machine_cpus() > MOST_IMPORTING:
        return {}
    return {"RAY_preload_python_modules": IMPORTED_AHEAD}


@contextmanager
def keep_ray_cluster() -> Iterator[None]:
    """Keep the cluster that the first `ray_cluster` in this context opens until the end of this context."""
    with ExitStack() as stack:
        _keepers.append(stack)
        try:
            yield
        finally:
            _keepers.pop()


def _start() -> None:
    import ray

    try:
        ray.init(
            "local",
            _temp_dir=_folder_of_sessions(),
            num_cpus=machine_cpus(),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        if RAY_IS_SLOW not in str(error):
            raise
        raise BadInput(
            "Ray did not start within 30 s: this machine is busy, or a process of Ray was killed; try again"
        ) from None


def _folder_of_sessions() -> str | None:
    """Return a folder for Ray's sockets and logs, where the path of its default in `TMPDIR` is too long for sockets.

    Raises:
        BadInput: the other one cannot be written to.
    """
    if "RAY_TMPDIR" in os.environ or len(tempfile.gettempdir()) <= LONGEST_TMPDIR:
        return None
    if os.access(SHORT_TMPDIR, os.W_OK):
        return f"{SHORT_TMPDIR}/ray"
    raise BadInput(
        f"TMPDIR = {tempfile.gettempdir()}: Ray's sockets need a shorter path, of at most {LONGEST_TMPDIR} characters, "
        f"and {SHORT_TMPDIR} cannot be written to"
    )


def _connect(address: str) -> None:
    import ray

    _check_answers(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:  # what Ray raises if it cannot use an address
        raise BadInput(f"--address {address}: {str(error).strip().splitlines()[0]}") from None


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try for minutes, and only log it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, or a form that Ray checks itself
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"--address {address}: no Ray cluster answers there ({error})") from None


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are not set, and remove them again."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
