"""Placement: how many cohorts train at once, and on which machines the actors that measure run."""

from collections.abc import Sequence
from typing import NamedTuple

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training.machines import Machine, find_machines
from benevolent.orchestrator.training.wall_time import Workers
from benevolent.trainables.errors import BadInput
from benevolent.trainables.machine_cpus import machine_cpus

#: Part of a cluster's CPUs, or of its GPUs, that measures while cohorts train.
MEASURING_SHARE = 1 / 8


class Placement(NamedTuple):
    """Cohorts that train at once, and the actors that measure beside them.

    Attributes:
        cohorts: number of cohorts that train at once.
        actors: the node of each actor; None where Ray may choose.
        cpus: CPUs of each actor.
        gpus: GPUs of each actor, often a part of one.
    """

    cohorts: int
    actors: tuple[str | None, ...]
    cpus: float = 0.0
    gpus: float = 0.0


def place_work(resources: ResourcesConfig, address: str | None, training: bool = True) -> Placement:
    """Divide this machine, or a cluster with what its autoscaler may still add, among cohorts and actors.

    On this machine actors take no CPUs, so that cohorts and actors never wait for each other. On a cluster an eighth
    of the CPUs measures, if that leaves enough to train. With `measure_gpus` an eighth of the GPUs measures (at least
    one actor's share), or all of them if nothing trains on GPUs. Each actor goes where it costs the fewest cohorts. By
    default one actor for each machine shares a GPU with cohorts (`ResourcesConfig.decided`), and costs none.

    Args:
        resources: of a cohort, and of an actor.
        address: of the cluster that is connected; None for this machine.
        training: False if there is only something to measure. Then actors use CPUs where there is no GPU for them.

    Raises:
        BadInput: no machine has room for a cohort or for an actor, so that Ray would wait for ever.
    """
    machines = find_machines(address)
    shares_gpus = resources.shares_gpus
    if training:
        _check_fits(resources, machines, address)
    resources = resources.decided()
    gpus_per_actor = resources.measure_gpus or 0.0
    if training and shares_gpus:
        return _measure_beside_cohorts(machines, resources, gpus_per_actor)
    if not training and not any(machine.gpus >= gpus_per_actor for machine in machines):
        gpus_per_actor = 0.0
    if gpus_per_actor:
        return _measure_on_gpus(machines, resources, gpus_per_actor, training)
    if address is None:
        return Placement(_count_cohorts(machines, resources), (None,) * machine_cpus())
    return _measure_on_cluster_cpus(machines, resources)


def workers_of(placement: Placement, address: str | None) -> Workers:
    """Return what works at the same time: on this machine all share its cores, on a cluster each has its own."""
    actors = len(placement.actors)
    cores = machine_cpus() if address is None else placement.cohorts + actors
    return Workers(placement.cohorts, actors, cores)


def describe_wait(resources: ResourcesConfig, address: str | None) -> str:
    """Return what cohorts wait for, when none of them trains, on the machines that `find_machines` finds."""
    if address is None:
        return "waiting for a worker process to start"
    running = [machine for machine in find_machines(address) if machine.node is not None]
    fitting = sum(_count_cohorts([machine], resources) > 0 for machine in running)
    if fitting:
        return f"waiting for a worker process to start on a machine that fits ({fitting} of {len(running)} do)"
    needed = f"resources.cpus = {resources.cpus:g}"
    if resources.gpus:
        needed += f" and resources.gpus = {resources.gpus:g}"
    return f"waiting for a machine that fits {needed} (0 of {len(running)} do)"


def _measure_beside_cohorts(
    machines: Sequence[Machine], resources: ResourcesConfig, gpus_per_actor: float
) -> Placement:
    nodes = []
    left = []
    for machine in machines:
        if machine.gpus:
            nodes.append(machine.node)
            machine = _without(machine, 0, gpus_per_actor)
        left.append(machine)
    return Placement(_count_cohorts(left, resources), tuple(nodes), 0, gpus_per_actor)


def _measure_on_gpus(
    machines: Sequence[Machine], resources: ResourcesConfig, gpus_per_actor: float, training: bool
) -> Placement:
    if training and resources.gpus:
        all_gpus = sum(machine.gpus for machine in machines)
        actors = max(1, int(all_gpus * MEASURING_SHARE / gpus_per_actor))
    else:
        actors = sum(_times(machine.gpus, gpus_per_actor) for machine in machines)
    cpus = int(sum(machine.cpus for machine in machines))
    placement = _place_actors(machines, min(actors, cpus), 0, gpus_per_actor, resources)
    if training and not placement.cohorts:
        raise BadInput(
            f"resources.gpus = {resources.gpus:g}: with resources.measure_gpus = {gpus_per_actor:g} "
            "no machine has that left"
        )
    return placement


def _measure_on_cluster_cpus(machines: Sequence[Machine], resources: ResourcesConfig) -> Placement:
    running_cpus = sum(machine.cpus for machine in machines if machine.node is not None)
    actors = max(1, int(running_cpus * MEASURING_SHARE))
    placement = _place_actors(machines, actors, 1, 0, resources)
    if placement.cohorts:
        return placement
    return Placement(_count_cohorts(machines, resources), (None,) * actors)  # actors share the CPUs of cohorts


def _check_fits(resources: ResourcesConfig, machines: Sequence[Machine], address: str | None) -> None:
    where = "the largest machine of the cluster" if address else "this machine"
    most_cpus = max(machine.cpus for machine in machines)
    most_gpus = max(machine.gpus for machine in machines)
    for name, most in (("cpus", most_cpus), ("gpus", most_gpus), ("measure_gpus", most_gpus)):
        requested = getattr(resources, name)
        if requested is not None and requested > most:
            raise BadInput(f"resources.{name} = {requested:g}: {where} has {most:g}")


def _place_actors(
    machines: Sequence[Machine], actors: int, cpus: float, gpus: float, resources: ResourcesConfig
) -> Placement:
    """Place actors one after the other, each where it costs the fewest cohorts, as many as fit."""
    left = list(machines)
    nodes: list[str | None] = []
    for _ in range(actors):
        index = _cheapest_machine(left, cpus, gpus, resources)
        if index is None:
            break
        left[index] = _without(left[index], cpus, gpus)
        nodes.append(left[index].node)
    return Placement(_count_cohorts(left, resources), tuple(nodes), cpus, gpus)


def _cheapest_machine(machines: Sequence[Machine], cpus: float, gpus: float, resources: ResourcesConfig) -> int | None:
    """Return the index of the machine on which an actor costs the fewest cohorts; None if it fits on none."""
    best: int | None = None
    least_lost = 0
    for index, machine in enumerate(machines):
        if machine.cpus < cpus or machine.gpus < gpus:
            continue
        if cpus and machine.node is None:  # it does not run yet, and actors on CPUs start at once
            continue
        lost = _count_cohorts([machine], resources) - _count_cohorts([_without(machine, cpus, gpus)], resources)
        if best is None or lost < least_lost:
            best = index
            least_lost = lost
    return best


def _without(machine: Machine, cpus: float, gpus: float) -> Machine:
    return machine._replace(cpus=machine.cpus - cpus, gpus=machine.gpus - gpus)


def _count_cohorts(machines: Sequence[Machine], resources: ResourcesConfig) -> int:
    """Return how many cohorts train at once, each on one machine."""
    total = 0
    for machine in machines:
        fitting = _times(machine.cpus, resources.cpus)
        if resources.gpus:
            fitting = min(fitting, _times_on_gpus(machine.gpus, resources.gpus))
        total += fitting
    return total


def _times_on_gpus(available: float, size: float) -> int:
    """Return how often a number of GPUs fits, where no part of one is on two GPUs.

    >>> _times_on_gpus(2, 0.4), _times_on_gpus(1.5, 0.5), _times_on_gpus(4, 2)
    (4, 3, 2)
    """
    if size >= 1:
        return _times(available, size)
    whole = int(available + 1e-9)
    return whole * _times(1, size) + _times(available - whole, size)


def _times(available: float, size: float) -> int:
    """Return how often a size fits, where 0.1 fits 10 times into 1 whatever the rounding."""
    return int(available / size + 1e-9)
