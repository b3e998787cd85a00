"""`bth run` on a cluster: the cluster file, and a sweep over two nodes."""

import os
from collections import defaultdict
from pathlib import Path

import pytest
import ray
from ray._private.state import actors
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.cluster_utils import Cluster
from rich.console import Console

from benevolent.analysis import load_results
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import run_sweep
from benevolent.orchestrator.training import shared_folder
from benevolent.orchestrator.training.shared_folder import check_shared, machines_without
from benevolent.trainables.errors import BadInput

CLUSTER_FILE = Path(__file__).parents[1] / "cluster.yaml"
DATA_ROOT = os.environ.get("BENEVOLENT_DATA")
#: A data set in files, if it is here: the machines of the cluster have none, and receive it from the driver.
DATA_SET = "mnist" if DATA_ROOT and (Path(DATA_ROOT) / "MNIST").exists() else "digits"
SWEEP = {
    "name": "two-nodes",
    "base": {
        "data": {"name": DATA_SET, "train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 3},
    },
    "grid": {"prune.fraction": [0, 0.5]},
    "seeds": 4,
    "record": {"measures": ["parameter_norm"], "measure_at": "checkpoints"},
    "resources": {"cohort_size": 1, "cpus": 4},  # with an actor that measures, one trial fits on a node
}


@pytest.fixture(scope="module")
def cluster_file():
    return yaml_text.loads(CLUSTER_FILE.read_text())


def test_ray_accepts_the_cluster_file(cluster_file):
    validate_config(prepare_config(cluster_file))


def test_ray_refuses_a_misspelled_key(cluster_file):
    with pytest.raises(Exception, match="max_wrokers"):
        validate_config(prepare_config(cluster_file | {"max_wrokers": 2}))


def test_every_node_requires_the_token(cluster_file):
    starts = cluster_file["head_start_ray_commands"] + cluster_file["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in command for command in starts if "ray start" in command)
    assert "~/.ray/auth_token" in cluster_file["file_mounts"]


def test_the_head_has_no_gpu_and_workers_scale(cluster_file):
    types = cluster_file["available_node_types"]
    assert types[cluster_file["head_node_type"]]["resources"]["GPU"] == 0
    workers = {name: kind for name, kind in types.items() if name != cluster_file["head_node_type"]}
    assert all(kind["resources"]["GPU"] >= 1 and kind["min_workers"] < kind["max_workers"] for kind in workers.values())
    assert any("InstanceMarketOptions" in kind["node_config"] for kind in workers.values())


@pytest.fixture(scope="module")
def two_nodes():
    """Two raylets on this machine that say they have 8 CPUs each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")  # a process for each of 16 CPUs, of which few are used
        ray.shutdown()
        patch.setenv("BENEVOLENT_DATA", "/nowhere")  # the machines of the cluster have no data sets, the driver may
        node = {"num_cpus": 8, "include_dashboard": False, "object_store_memory": 100 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            cluster.add_node(num_cpus=8, object_store_memory=100 * 2**20)
            cluster.wait_for_nodes()
            patch.delenv("BENEVOLENT_DATA") if DATA_ROOT is None else patch.setenv("BENEVOLENT_DATA", DATA_ROOT)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def nodes_of_actors(address: str) -> dict[str, set[str]]:
    """The nodes on which trials and actors that measure were alive.

    Ray's public `ray.util.state.list_actors` needs the dashboard; this reads the same records.
    """
    with ray.init(address, log_to_driver=False, logging_level="ERROR"):
        nodes = defaultdict(set)
        for actor in actors().values():
            nodes["measures" if actor["ActorClassName"] == "MeasureActor" else "trials"].add(actor["Address"]["NodeID"])
        return nodes


def test_a_sweep_trains_on_both_nodes_on_the_drivers_data_and_measures_on_one(two_nodes, tmp_path):
    done = run_sweep(SweepSpec.parse(SWEEP), str(tmp_path), Console(quiet=True), two_nodes.address)
    assert (done.trained, done.failures) == (8, [])
    assert load_results(tmp_path).table()[["test_loss", "parameter_norm"]].notna().all(axis=None)
    nodes = nodes_of_actors(two_nodes.address)
    assert len(nodes["trials"]) == 2 and len(nodes["measures"]) == 1


def test_a_gpu_that_the_cluster_lacks_is_refused(two_nodes, tmp_path):
    spec = SweepSpec.parse(SWEEP | {"resources": {"gpus": 1}})
    with pytest.raises(BadInput, match="resources.gpus = 1: the largest machine of the cluster has 0"):
        run_sweep(spec, str(tmp_path / "none"), Console(quiet=True), two_nodes.address)
    assert not (tmp_path / "none").exists()


def test_every_machine_is_asked_for_a_file(two_nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "SECONDS_UNTIL_SEEN", 0)
    with ray.init(two_nodes.address, log_to_driver=False, logging_level="ERROR"):
        assert machines_without(tmp_path) == []
        assert len(machines_without(tmp_path / "none")) == 2


def test_a_folder_that_a_machine_does_not_share_is_refused(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(shared_folder, "machines_without", lambda file: asked.append(file.exists()) or ["10.0.0.2"])
    with pytest.raises(BadInput, match=r"new: machine 10.0.0.2 of the cluster does not see this folder; allowed: s3:"):
        check_shared(tmp_path / "results/new", more_machines=False)
    assert asked == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_on_the_heads_own_disk_is_refused_if_machines_start_later():
    with pytest.raises(BadInput, match="on this machine's own disk, which machines that start later do not see"):
        check_shared(Path("/nowhere/results"), more_machines=True)
