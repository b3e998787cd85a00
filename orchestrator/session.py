"""The Ray cluster that does the work, and what it has to offer."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from orchestrator.spec import ResourcesConfig
from trainables.errors import BadInput

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

#: For an answer from the address of a cluster.
CONNECT_SECONDS = 20


@contextmanager
def session(address: str | None) -> Iterator[None]:
    """A Ray cluster: the one that is connected already, the one at `address`, or a new one on this machine.

    What was started or joined here is left again.

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
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try for minutes, and log rather than say so."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, or a form that Ray knows better
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"--address {address}: no Ray cluster answers there ({error})") from None


def machine_cpus() -> int:
    """The CPUs of this machine that this process may use."""
    return len(os.sched_getaffinity(0))


def slots(resources: ResourcesConfig, address: str | None) -> int:
    """How many cohorts can train at once: on this machine, or on the cluster and what its autoscaler may still add.

    Raises:
        BadInput: not even one can; Ray would wait for ever.
    """
    where = "the cluster" if address else "this machine"
    cpus, gpus = (max(counts) for counts in zip(*_processors(address), strict=True))
    asked = {name: getattr(resources, name) for name in ("cpus", "gpus", "measure_gpus")}
    for name, most in (("cpus", cpus), ("gpus", gpus), ("measure_gpus", gpus)):
        if asked[name] > most:
            raise BadInput(f"resources.{name} = {asked[name]:g}: {where} has {most:g}")
    left = gpus - _measuring(gpus, resources.measure_gpus) * resources.measure_gpus
    if resources.gpus > left:
        line = f"resources.gpus = {resources.gpus:g}: {where} has {gpus:g}"
        raise BadInput(f"{line}, and resources.measure_gpus = {resources.measure_gpus:g} leaves {left:g} to train")
    by_cpu = cpus / resources.cpus
    return max(1, int(min(by_cpu, left / resources.gpus) if resources.gpus else by_cpu))


class Measuring(NamedTuple):
    """How many actors measure, and what each takes of Ray's CPUs and GPUs."""

    actors: int
    cpus: float
    gpus: float


def measuring(resources: ResourcesConfig, address: str | None) -> Measuring:
    """Who measures.

    On one machine actors take no CPUs, so that neither waits for the other; on a cluster an eighth of the CPUs is
    theirs, where that leaves enough to train. With `measure_gpus`, and GPUs, an eighth of the GPUs is theirs, or one
    actor's share.
    """
    now, later = _processors(address)
    cpus, gpus = now[0], max(now[1], later[1])
    share = resources.measure_gpus if gpus >= resources.measure_gpus else 0.0  # measured again where there is no GPU
    actors = _measuring(gpus, share) if share else machine_cpus() if address is None else max(1, int(cpus // 8))
    return Measuring(actors, 1.0 if address and cpus - actors >= resources.cpus else 0.0, share)


def _measuring(gpus: float, share: float) -> int:
    return max(1, int(gpus / 8 / share)) if share else 0


def _processors(address: str | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """CPUs and GPUs of this machine or of the cluster, now and with all that its autoscaler may still add."""
    if address is None:
        import torch

        return ((machine_cpus(), torch.cuda.device_count()),) * 2
    import ray
    from ray._private.state import state  # as Ray's own libraries do; None without an autoscaler

    found = ray.cluster_resources(), state.get_max_resources_from_cluster_config() or {}
    now, later = ((one.get("CPU", 0), one.get("GPU", 0)) for one in found)
    return now, later
