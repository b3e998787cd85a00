"""Placement: cohorts that train at once, and the machines of the actors that measure."""

import sys

import pytest

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.training import placement
from benevolent.orchestrator.training.placement import Machine, Placement, place_work
from benevolent.trainables.errors import BadInput


@pytest.fixture
def machines(monkeypatch):
    """`machines((cpus, gpus), ...)`: of a cluster, or of this machine."""

    def there(*sizes: tuple[float, float], later: tuple[float, float] | None = None) -> None:
        found = [Machine(f"node{index}", *size) for index, size in enumerate(sizes)]
        found += [Machine(None, *later)] if later else []
        monkeypatch.setattr(placement, "_machines", lambda address: found)
        monkeypatch.setattr(placement, "machine_cpus", lambda: int(sizes[0][0]))

    return there


def test_a_ray_that_does_not_tell_the_limits_of_its_autoscaler_is_warned_of(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray._private.state", None)
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "NodeID": "a", "Resources": {"CPU": 4}}])
    with pytest.warns(UserWarning, match="autoscaler may still start are not counted"):
        assert place_work(ResourcesConfig(), "auto").cohorts == 3  # one CPU measures


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


def test_actors_share_cpus_if_no_cohort_would_fit_beside_them(machines):
    machines((4, 0))
    assert place_work(ResourcesConfig(cpus=4), "auto") == Placement(1, (None,))


def test_machines_of_the_autoscaler_count(machines):
    machines((8, 0), later=(32, 4))
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


def test_ray_still_has_the_private_function_that_tells_the_limits_of_its_autoscaler():
    from ray._private.state import GlobalState

    assert callable(GlobalState.get_max_resources_from_cluster_config)
