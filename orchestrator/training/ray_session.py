"""The Ray cluster that does the work."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benevolent.orchestrator.training.placement import machine_cpus
from benevolent.trainables.errors import BadInput

#: Read by Ray Tune: none of its own output and result files, and Ctrl-C is left to us. It starts as many trials as fit;
#: by default only one at a time waits for its worker, so that the second core idles while the first one imports.
SETTINGS = {
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

#: Who keeps clusters, see `keep_ray_cluster`.
_kept: list[ExitStack] = []

#: For an answer from the address of a cluster.
CONNECT_SECONDS = 20


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """A Ray cluster: the one that is connected already, the one at `address`, or a new one on this machine.

    What was started or joined here is left again; within `keep_ray_cluster` only at the end of that.

    Raises:
        BadInput: there is no cluster at `address`.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a local cluster needs no token in the home folder
    import ray

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a failed cohort says why in its own folder
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": machine_cpus(), "include_dashboard": False, "object_store_memory": 256 * 2**20}
    else:
        _check_answers(address)
    try:
        ray.init(**options)
    except (ConnectionError, ValueError) as error:  # what Ray raises of an address
        if address is None:
            raise
        raise BadInput(f"--address {address}: {str(error).strip().splitlines()[0]}") from None
    if _kept:
        _kept[-1].callback(ray.shutdown)
        yield
        return
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def keep_ray_cluster() -> Iterator[None]:
    """The cluster that the first `ray_cluster` in here starts or joins stays until the end of this."""
    with ExitStack() as stack:
        _kept.append(stack)
        try:
            yield
        finally:
            _kept.pop()


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try for minutes, and log rather than say so."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, or a form that Ray knows better
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"--address {address}: no Ray cluster answers there ({error})") from None
