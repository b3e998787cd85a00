"""Faults of what is not this process's own machine: machines of a cluster that are lost, and a store that refuses."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import ray
from disturbed_sweep import DisturbedSweep, end_of, find_processes, wait_until
from moto.server import DomainDispatcherApplication, create_backend_app
from ray.cluster_utils import Cluster
from werkzeug.serving import make_server

#: Makes one cohort of the dense runs and one of the others, which fit on the machines beside the head.
ONE_COHORT_AT_A_TIME = {"cohort_size": 100, "cpus": 2}
#: Seconds for which the store refuses to write, and for which there is no machine to train on.
SECONDS_OF_REFUSAL = 15.0
SECONDS_WITHOUT_MACHINE = 25.0
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class RefusingStore:
    """A server with the API of S3, which refuses to write while `refuses` is true; a WSGI application.

    Attributes:
        refused: number of requests that were refused.
    """

    def __init__(self) -> None:
        self.answers = DomainDispatcherApplication(create_backend_app)
        self.refuses = False
        self.refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not self.refuses or environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            return self.answers(environ, start_response)
        self.refused += 1
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"].read(length)
        start_response("503 Slow Down", [("Content-Type", "application/xml")])
        return [SLOW_DOWN]


@contextmanager
def refusing_store() -> Iterator[RefusingStore]:
    """Serve such a store with the bucket `results`, which this process and those that it starts reach."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = RefusingStore()
    server = make_server("127.0.0.1", 0, store, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    keys |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        urlopen(Request(f"{keys['AWS_ENDPOINT_URL']}/results", method="PUT")).close()
        try:
            yield store
        finally:
            server.shutdown()


def refused_writes(store: RefusingStore, sweep: DisturbedSweep, rng: random.Random) -> str:
    """Let the store refuse to write for a while, from the first checkpoint on."""
    process = sweep.start()
    wait_until(lambda: sweep.results.exists("cohorts") and sweep.results.names("measures"), process)
    store.refuses = True
    time.sleep(SECONDS_OF_REFUSAL)
    store.refuses = False
    end = end_of(process)
    assert store.refused
    return f"for {SECONDS_OF_REFUSAL:.0f} s, while training, {end}"


@contextmanager
def small_cluster() -> Iterator[Cluster]:
    """Start a cluster of a head of one CPU and two machines of two, all on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_worker_niceness", "RAY_prestart_worker_first_driver"):
            patch.setenv(name, "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        ray.shutdown()
        head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(2):
                add_machine(cluster)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def add_machine(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)


def lost_machines(cluster: Cluster, sweep: DisturbedSweep, rng: random.Random) -> str:
    """Lose the machine that trains the one cohort, then the one on which it goes on, and add one later."""
    process = sweep.start()
    for _ in range(2):
        found = []
        wait_until(lambda found=found: found.extend(_training(cluster)) or found, process)
        time.sleep(rng.uniform(2, 4))
        cluster.remove_node(found[0], allow_graceful=False)
    time.sleep(SECONDS_WITHOUT_MACHINE)
    add_machine(cluster)
    return f"while training, {end_of(process)}"


def _training(cluster: Cluster) -> list[Any]:
    """Return the machines on which a cohort trains."""
    machines = []
    for machine in cluster.worker_nodes:
        raylet = machine.all_processes["raylet"][0].process.pid
        if find_processes(raylet, "worker that trains"):
            machines.append(machine)
    return machines


def cluster_sweep(folder: Path, sweep: dict[str, Any], cluster: Cluster) -> DisturbedSweep:
    """Return a sweep that works on a cluster."""
    return DisturbedSweep(folder, sweep, options=("--address", cluster.address), env=dict(os.environ))
