"""Placement: cohorts that train at once, and the machines of the actors that measure."""

import json
from pathlib import Path

import pytest

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.training import placement
from benevolent.orchestrator.training.machines import Machine, find_machines, machines_to_come
from benevolent.orchestrator.training.placement import Placement, describe_wait, place_work
from benevolent.trainables.errors import BadInput

ROOT = Path(__file__).parents[1]


@pytest.fixture
def machines(monkeypatch):
    """`machines((cpus, gpus), ...)`: of a cluster, or of this machine."""

    def there(*sizes: tuple[float, float], later: tuple[tuple[float, float], ...] = ()) -> None:
        found = [Machine(f"node{index}", *size) for index, size in enumerate(sizes)]
        found += [Machine(None, *size) for size in later]
        monkeypatch.setattr(placement, "find_machines", lambda address: found)
        monkeypatch.setattr(placement, "machine_cpus", lambda: int(sizes[0][0]))

    return there


def test_actors_take_no_cpus_on_one_machine(machines):
    machines((4, 0))
    assert place_work(ResourcesConfig(cpus=2), None) == Placement(2, (None,) * 4)


@pytest.mark.parametrize(
    ("sizes", "resources", "cohorts", "nodes"),
    [
        ([(16, 1)], {"gpus": 0.75, "measure_gpus": 0.25}, 1, ["node0"]),
        ([(16, 1)], {"gpus": 0.25, "measure_gpus": 0.25}, 3, ["node0"]),
        ([(64, 8)], {"gpus": 1, "measure_gpus": 0.25}, 7, ["node0"] * 4),
        ([(64, 8)], {"gpus": 1, "measure_gpus": 1}, 7, ["node0"]),
        ([(8, 1), (8, 1)], {"gpus": 1, "measure_gpus": 0.125}, 1, ["node0"] * 2),
        ([(8, 1)] * 8, {"gpus": 1, "measure_gpus": 0.125}, 7, ["node0"] * 8),
        ([(8, 1), (8, 2)], {"gpus": 0.5, "measure_gpus": 0.125}, 5, ["node0"] * 3),
        ([(8, 4)], {"measure_gpus": 0.5}, 8, ["node0"] * 8),  # nothing trains on GPUs
        ([(4, 4)], {"measure_gpus": 0.01}, 4, ["node0"] * 4),  # no more actors than CPUs
        ([(8, 0), (8, 0)], {"cpus": 7}, 2, ["node0", "node1"]),
        ([(8, 0), (8, 0)], {"cpus": 8}, 1, ["node0"] * 2),
        ([(8, 0), (8, 0)], {"cpus": 4}, 3, ["node0"] * 2),
    ],
)
def test_actors_go_where_they_cost_the_fewest_cohorts(machines, sizes, resources, cohorts, nodes):
    machines(*sizes)
    placed = place_work(ResourcesConfig(**resources), "auto")
    assert (placed.cohorts, sorted(placed.actors)) == (cohorts, nodes)
    assert placed.gpus == resources.get("measure_gpus", 0)


@pytest.mark.parametrize(
    ("sizes", "gpus", "cohorts", "nodes"),
    [
        ([(16, 1)], 1, 1, ["node0"]),
        ([(16, 1)], 0.25, 4, ["node0"]),
        ([(64, 8)], 1, 8, ["node0"]),
        ([(8, 2), (8, 2), (8, 0)], 0.5, 8, ["node0", "node1"]),
    ],
)
def test_by_default_a_part_of_a_gpu_measures_beside_cohorts_and_costs_none(machines, sizes, gpus, cohorts, nodes):
    machines(*sizes)
    placed = place_work(ResourcesConfig(gpus=gpus), "auto")
    assert (placed.cohorts, list(placed.actors), placed.gpus) == (cohorts, nodes, 0.125)
    decided = ResourcesConfig(gpus=gpus).decided()
    assert decided.gpus * round(1 / gpus) + placed.gpus == 1
    on_cpus = place_work(ResourcesConfig(gpus=gpus, measure_gpus=0), "auto")
    assert on_cpus.gpus == 0 and ResourcesConfig(gpus=gpus, measure_gpus=0).decided().gpus == gpus


def test_cohorts_on_several_gpus_are_measured_on_cpus(machines):
    machines((8, 4))
    assert place_work(ResourcesConfig(gpus=2), "auto").gpus == 0


def test_actors_share_cpus_if_no_cohort_would_fit_beside_them(machines):
    machines((4, 0))
    assert place_work(ResourcesConfig(cpus=4), "auto") == Placement(1, (None,))


def test_machines_of_the_autoscaler_count(machines):
    machines((8, 0), later=((8, 1),) * 4)
    placed = place_work(ResourcesConfig(gpus=1, measure_gpus=0.25), "auto")
    assert (placed.cohorts, placed.actors) == (3, (None, None))
    assert place_work(ResourcesConfig(), "auto").actors == ("node0",)


@pytest.mark.parametrize(
    ("resources", "line"),
    [
        (
            {"gpus": 1, "measure_gpus": 0.25},
            "resources.gpus = 1: with resources.measure_gpus = 0.25 no machine has that",
        ),
        ({"measure_gpus": 2}, "resources.measure_gpus = 2: the largest machine of the cluster has 1"),
        ({"cpus": 9}, "resources.cpus = 9: the largest machine of the cluster has 8"),
    ],
)
def test_resources_that_no_machine_has_are_refused(machines, resources, line):
    machines((8, 1))
    with pytest.raises(BadInput, match=line):
        place_work(ResourcesConfig(**resources), "auto")


def test_the_limits_of_an_autoscaler_come_from_the_file_of_ray_up(monkeypatch, tmp_path):
    cluster = yaml_text.loads((ROOT / "cluster.yaml").read_text())
    head = {"Alive": True, "NodeID": "head", "Resources": {"CPU": 8, "node:__internal_head__": 1}}
    gone = {"Alive": False, "NodeID": "gone", "Resources": {"CPU": 8, "GPU": 1}}
    monkeypatch.setattr("ray.nodes", lambda: [head, gone])
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadInput, match=r"resources.gpus = 1: the largest machine of the cluster has 0"):
        place_work(ResourcesConfig(gpus=1), "auto")
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps(cluster))
    assert find_machines("auto") == [Machine("head", 8, 0), *[Machine(None, 8, 1)] * 8]
    assert place_work(ResourcesConfig(gpus=1), "auto").cohorts == 8
    with pytest.raises(BadInput, match=r"resources.gpus = 2: the largest machine of the cluster has 1"):
        place_work(ResourcesConfig(gpus=2), "auto")  # of eight machines with one GPU, none has two


def test_a_cluster_of_one_type_of_machine_has_nothing_to_start():
    local = {"available_node_types": {"local": {"resources": {}}}, "head_node_type": "local", "max_workers": 3}
    assert machines_to_come(local, []) == []


def test_what_is_waited_for_is_said(machines):
    machines((8, 0), (2, 1), later=((8, 1),))
    assert describe_wait(ResourcesConfig(), None) == "waiting for a worker process to start"
    fits = "waiting for a worker process to start on a machine that fits (1 of 2 do)"
    assert describe_wait(ResourcesConfig(cpus=4), "auto") == fits
    none = "waiting for a machine that fits resources.cpus = 4 and resources.gpus = 1 (0 of 2 do)"
    assert describe_wait(ResourcesConfig(cpus=4, gpus=1), "auto") == none


def test_all_gpus_measure_if_nothing_trains_or_else_all_cpus(machines):
    resources = ResourcesConfig(gpus=1, measure_gpus=0.5)
    machines((8, 2))
    assert place_work(resources, "auto", training=False).actors == ("node0",) * 4
    machines((8, 0))
    placed = place_work(resources, None, training=False)
    assert (placed.actors, placed.cpus, placed.gpus) == ((None,) * 8, 0, 0)


def test_gpus_are_a_part_of_one_or_a_whole_number():
    with pytest.raises(BadInput, match=r"resources.gpus = 1.5: expected a part of one GPU, or a whole number"):
        SweepSpec.parse({"name": "a", "resources": {"gpus": 1.5}})
