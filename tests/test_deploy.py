"""The files in deploy/: valid, alike where they should be, with the token on and versions fixed."""

import copy
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import kuberay_schema
import pytest
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.spec import yaml_text

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted([*DEPLOY.glob("*.sbatch"), *DEPLOY.rglob("*.sh")])


def yaml_of(name: str) -> dict:
    return yaml_text.loads((ROOT / name).read_text())


def test_ray_accepts_the_cluster_file_for_google_cloud():
    validate_config(prepare_config(yaml_of("deploy/cluster-gcp.yaml")))


def test_the_cluster_on_google_cloud_starts_like_the_one_on_aws():
    aws, gcp = yaml_of("cluster.yaml"), yaml_of("deploy/cluster-gcp.yaml")
    own = {"provider", "auth", "available_node_types", "setup_commands"}
    assert {key: value for key, value in aws.items() if key not in own} == {
        key: value for key, value in gcp.items() if key not in own
    }
    assert [line.removesuffix(" google-api-python-client") for line in gcp["setup_commands"]] == aws["setup_commands"]
    assert aws["available_node_types"].keys() == gcp["available_node_types"].keys()
    for name, kind in aws["available_node_types"].items():
        other = gcp["available_node_types"][name]
        assert {key: value for key, value in kind.items() if key != "node_config"} == {
            key: value for key, value in other.items() if key != "node_config"
        }


def test_machines_with_gpus_on_google_cloud_are_not_moved():
    types = yaml_of("deploy/cluster-gcp.yaml")["available_node_types"]
    with_gpu = [kind["node_config"] for kind in types.values() if kind["resources"]["GPU"]]
    assert len(with_gpu) == 2
    assert all(config["scheduling"]["onHostMaintenance"] == "TERMINATE" for config in with_gpu)


def test_the_ray_job_has_the_fields_of_kuberay():
    jsonschema.validate(yaml_of("deploy/rayjob.yaml"), kuberay_schema.RAY_JOB)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda job: job["spec"].update(shutdownAfterJobFinished=True), "shutdownAfterJobFinished"),
        (lambda job: job["spec"]["rayClusterSpec"].pop("headGroupSpec"), "headGroupSpec"),
        (lambda job: job["spec"]["rayClusterSpec"]["authOptions"].update(mode="tokens"), "tokens"),
        (lambda job: job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(replicas="4"), "'4'"),
        (lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"].update(port=1), "1"),
    ],
)
def test_a_mistake_in_the_ray_job_is_found(change, complaint):
    job = copy.deepcopy(yaml_of("deploy/rayjob.yaml"))
    change(job)
    with pytest.raises(jsonschema.ValidationError, match=complaint):
        jsonschema.validate(job, kuberay_schema.RAY_JOB)


def test_the_ray_job_runs_a_command_that_exists_and_requires_the_token():
    spec = yaml_of("deploy/rayjob.yaml")["spec"]
    program, command, sweep, *options = shlex.split(spec["entrypoint"])
    cluster = spec["rayClusterSpec"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    mounted = head["containers"][0]["volumeMounts"][0]["mountPath"]
    assert (program, command, Path(sweep).parent.as_posix()) == ("bth", "run", mounted)
    help_text = CliRunner().invoke(app, ["run", "--help"]).output
    assert all(option in help_text for option in options if option.startswith("--"))
    assert cluster["authOptions"]["mode"] == "token"
    assert spec["shutdownAfterJobFinishes"]


def test_every_package_that_the_project_names_has_one_version_in_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["cluster"]]
    asked = [Requirement(line) for line in lines]
    constraints = (DEPLOY / "constraints.txt").read_text().splitlines()[1:]
    fixed = dict(line.split("==") for line in constraints)
    assert {requirement.name for requirement in asked} == fixed.keys()
    assert all(requirement.specifier.contains(fixed[requirement.name]) for requirement in asked)
    assert yaml_of("deploy/rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == fixed["ray"]
    assert re.search(r"^FROM python:3\.\d+\.\d+-", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_the_lines_of_the_readme_are_those_that_were_tried_on_one_machine():
    section = (ROOT / "README.md").read_text().partition("## On a cluster\n")[2].partition("\n## ")[0]
    lines = [" ".join(shlex.split(line)) for line in section.splitlines() if line.startswith("    ")]
    printed = (DEPLOY / "trials/ray_up.txt").read_text()
    commands = re.findall(r"^\$ (.*)$", printed, re.MULTILINE)
    tried = [re.sub(r" --(log-style pretty|log-color false|yes)", "", command) for command in commands]
    assert [command for command in tried if "RAY_AUTH_MODE=disabled" not in command] == lines


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_bash(script):
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--exclude=SC1091", script], check=True)


STAND_IN = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $1" in
    "scontrol show") printf 'node1\\nnode2\\n' ;;
    squeue*) echo "$STATE" ;;
    srun*) exit "${ENDS_WITH:-0}" ;;
esac
"""


@pytest.fixture
def slurm(tmp_path):
    """Run the batch script with stand-ins for Slurm's commands: what it calls, and what it leaves at home."""
    for name in ("srun", "scontrol", "squeue"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/activate").touch()

    def call(*arguments: str, ends_with: int = 0, **job: str) -> list[str]:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "CALLS": str(tmp_path / "calls")}
        script = ["bash", DEPLOY / "slurm.sbatch", *arguments]
        environment |= {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8", "ENDS_WITH": str(ends_with)}
        assert subprocess.run(script, env=environment | job).returncode == ends_with
        assert list((tmp_path / ".ray").iterdir()) == []
        return (tmp_path / "calls").read_text().splitlines()

    return call


def test_a_job_on_one_node_starts_its_own_ray(slurm):
    calls = slurm("my.yaml", "--out", "/shared/my", SLURM_JOB_NUM_NODES="1")
    assert calls == ["srun --cpus-per-task=8 bth run my.yaml --out /shared/my"]


def test_a_job_on_several_nodes_starts_ray_on_all_of_them(slurm):
    calls = slurm("my.yaml", SLURM_JOB_NUM_NODES="2", SLURM_JOB_NODELIST="node[1-2]")
    assert calls == [
        "scontrol show hostnames node[1-2]",
        "srun --cpus-per-task=8 ray symmetric-run --address node1:20007 --min-nodes 2 --num-cpus 8 --num-gpus 0 "
        "--include-dashboard false -- bth run my.yaml --address auto",
    ]


@pytest.mark.parametrize(
    ("ends_with", "state", "requeued"),
    [(143, "RUNNING", True), (143, "COMPLETING", False), (2, "RUNNING", False)],
    ids=["preempted", "cancelled", "refused"],
)
def test_a_job_goes_back_into_the_queue_if_it_was_preempted(slurm, ends_with, state, requeued):
    calls = slurm("my.yaml", ends_with=ends_with, SLURM_JOB_NUM_NODES="1", STATE=state)
    assert ("scontrol requeue 7" in calls) == requeued
