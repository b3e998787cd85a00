"""What the machines have room for: cohorts that train at once, and actors that measure beside them."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from benevolent.orchestrator.spec.sweep_spec import ResourcesConfig
from benevolent.trainables.errors import BadInput


class Machine(NamedTuple):
    """What Ray may give of a machine; `node` is None for this one, and for those that an autoscaler may still start."""

    node: str | None
    cpus: float
    gpus: float


class Placement(NamedTuple):
    """How many cohorts train at once; the machine of each actor that measures, and what it takes there."""

    cohorts: int
    actors: tuple[str | None, ...]
    cpus: float = 0.0
    gpus: float = 0.0


def place_work(resources: ResourcesConfig, address: str | None, training: bool = True) -> Placement:
    """Room on this machine, or on the cluster with what its autoscaler may still add.

    On this machine actors take no CPUs, so that neither waits for the other; of a cluster an eighth of the CPUs is
    theirs, where that leaves enough to train. With `measure_gpus` an eighth of the GPUs is theirs, or one actor's
    share, or all where nothing is trained on GPUs. Each is put where it leaves room for the most cohorts.

    Args:
        resources: of a cohort, and of an actor.
        address: of the cluster that is connected, or None.
        training: whether anything is trained; if not, and there is no GPU, measures are computed on CPUs.

    Raises:
        BadInput: not even one cohort has room, or no actor; Ray would wait for ever.
    """
    machines = _machines(address)
    share = resources.measure_gpus
    if not training and not any(machine.gpus >= share for machine in machines):
        share = 0.0
    if training:
        _check(resources, machines, address)
    there = [machine for machine in machines if machine.node is not None]
    if share:
        places = sum(_times(machine.gpus, share) for machine in machines)
        eighth = max(1, int(sum(machine.gpus for machine in machines) / 8 / share))
        wanted = eighth if training and resources.gpus else places
        taken = _place(
            machines, int(min(wanted, places, sum(machine.cpus for machine in machines))), 0, share, resources
        )
        if training and not taken.cohorts:
            line = (
                f"resources.gpus = {resources.gpus:g}: with resources.measure_gpus = {share:g} no machine has that left"
            )
            raise BadInput(line)
        return taken
    if address is None:
        return Placement(_cohorts(machines, resources), (None,) * machine_cpus())
    actors = max(1, int(sum(machine.cpus for machine in there) // 8))
    taken = _place(machines, actors, 1, 0, resources)
    return taken if taken.cohorts else Placement(_cohorts(machines, resources), (None,) * actors)


def machine_cpus() -> int:
    """The CPUs of this machine that this process may use."""
    return len(os.sched_getaffinity(0))


def _check(resources: ResourcesConfig, machines: Sequence[Machine], address: str | None) -> None:
    where = "the largest machine of the cluster" if address else "this machine"
    most = {"cpus": max(one.cpus for one in machines), "gpus": max(one.gpus for one in machines)}
    for name, of in (("cpus", "cpus"), ("gpus", "gpus"), ("measure_gpus", "gpus")):
        asked = getattr(resources, name)
        if asked > most[of]:
            raise BadInput(f"resources.{name} = {asked:g}: {where} has {most[of]:g}")


def _place(machines: Sequence[Machine], actors: int, cpus: float, gpus: float, resources: ResourcesConfig) -> Placement:
    """Put actors, as many as fit, one after the other where they cost the fewest cohorts."""
    left, nodes = list(machines), list[str | None]()
    for _ in range(actors):
        fits = [index for index, one in enumerate(left) if one.cpus >= cpus and one.gpus >= gpus]
        if cpus:  # not where no machine is yet
            fits = [index for index in fits if left[index].node is not None]
        if not fits:
            break
        after = {i: left[i]._replace(cpus=left[i].cpus - cpus, gpus=left[i].gpus - gpus) for i in fits}
        best = min(fits, key=lambda i: _cohorts([left[i]], resources) - _cohorts([after[i]], resources))
        left[best] = after[best]
        nodes.append(left[best].node)
    return Placement(_cohorts(left, resources), tuple(nodes), cpus, gpus)


def _cohorts(machines: Sequence[Machine], resources: ResourcesConfig) -> int:
    """How many fit, each on one machine."""
    asked = ((resources.cpus, "cpus"), (resources.gpus, "gpus"))
    return sum(min(_times(getattr(one, name), size) for size, name in asked if size) for one in machines)


def _times(there: float, size: float) -> int:
    return int(there / size + 1e-9)


def _machines(address: str | None) -> list[Machine]:
    if address is None:
        import torch

        return [Machine(None, machine_cpus(), torch.cuda.device_count())]
    import ray
    from ray._private.state import state  # as Ray's own libraries do; None without an autoscaler

    found = [
        Machine(node["NodeID"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    ]
    most = state.get_max_resources_from_cluster_config() or {}
    cpus, gpus = sum(one.cpus for one in found), sum(one.gpus for one in found)
    later = Machine(None, max(0, most.get("CPU", 0) - cpus), max(0, most.get("GPU", 0) - gpus))
    return [*found, later] if later.cpus or later.gpus else found
