"""Machines that do the work: this one, or those of a cluster with those that its autoscaler may still start."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benevolent.orchestrator.spec import yaml_text
from benevolent.trainables.machine_cpus import machine_cpus

#: Where `ray up` puts the cluster file on the head. Ray (2.60) tells its limits nowhere else.
CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
#: A resource that Ray gives to the head alone.
HEAD = "node:__internal_head__"


class Machine(NamedTuple):
    """Resources of one machine.

    `node` is Ray's node id; None for this machine, and for machines that an autoscaler may still start.
    """

    node: str | None
    cpus: float
    gpus: float


def find_machines(address: str | None) -> list[Machine]:
    """Return this machine, or the machines of the cluster that is connected.

    Args:
        address: of the cluster; None for this machine.
    """
    if address is None:
        import torch

        return [Machine(None, machine_cpus(), torch.cuda.device_count())]
    import ray

    running = []
    workers = []
    for node in ray.nodes():
        if node["Alive"]:
            resources = node["Resources"]
            machine = Machine(node["NodeID"], resources.get("CPU", 0), resources.get("GPU", 0))
            running.append(machine)
            if HEAD not in resources:
                workers.append(machine)
    return running + machines_to_come(_cluster_file(), workers)


def machines_to_come(cluster: Mapping[str, Any], workers: Sequence[Machine]) -> list[Machine]:
    """Return the machines that an autoscaler may still start, the largest first.

    Args:
        cluster: a cluster file, as `ray up` reads it; empty if there is no autoscaler.
        workers: the machines that run, without the head.

    >>> gpu = {"resources": {"CPU": 8, "GPU": 1}, "max_workers": 3}
    >>> cluster = {"available_node_types": {"head": {}, "gpu": gpu}, "head_node_type": "head", "max_workers": 3}
    >>> machines_to_come(cluster, [Machine("first", 8, 1)])
    [Machine(node=None, cpus=8, gpus=1), Machine(node=None, cpus=8, gpus=1)]
    """
    most_workers = cluster.get("max_workers", 0)
    sizes: Counter[Machine] = Counter()
    for name, kind in cluster.get("available_node_types", {}).items():
        if name != cluster.get("head_node_type"):
            resources = kind.get("resources", {})
            size = Machine(None, resources.get("CPU", 0), resources.get("GPU", 0))
            sizes[size] += kind.get("max_workers", most_workers)
    for machine in workers:
        sizes[machine._replace(node=None)] -= 1
    largest_first = sorted(sizes.elements(), key=lambda machine: (-machine.gpus, -machine.cpus))
    return largest_first[: max(0, most_workers - len(workers))]


def autoscales() -> bool:
    """Return True if the connected cluster may start machines that do not run yet."""
    return bool(machines_to_come(_cluster_file(), []))


def _cluster_file() -> Mapping[str, Any]:
    """Return the file of the cluster whose head this machine is; empty if `ray up` did not start one here."""
    path = CLUSTER_FILE.expanduser()
    return yaml_text.loads(path.read_text()) if path.exists() else {}
