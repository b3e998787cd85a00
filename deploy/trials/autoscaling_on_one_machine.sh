#!/bin/bash
# Tries a sweep on a cluster that grows and shrinks: Ray's own autoscaler, with a provider whose machines are processes on
# this one. The head has no GPU, and every cohort asks for one, so that machines are started for cohorts and stopped after
# them. Ray counts those GPUs, but there are none: the cohorts train on CPUs.
#
#   deploy/trials/autoscaling_on_one_machine.sh VENV    # with this project's extras `cluster` and `dev`
#
# Needs root and Linux. All of it runs in namespaces of its own: `ray stop` would stop every Ray that it sees.
set -euo pipefail
if [ "${1:-}" != inside ]; then
    exec unshare --pid --fork --kill-child --mount --mount-proc "$0" inside "$(realpath "$1")"
fi
export PATH=$2/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{home,ray,cpus} /tmp/ray
mount --bind "$work/ray" /tmp/ray   # where Ray notes the addresses of its clusters
export HOME=$work/home TERM=dumb RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_ENDPOINT_URL=http://127.0.0.1:5998
cd "$HOME"

moto_server --host 127.0.0.1 --port 5998 > "$work/moto" 2>&1 &
until python - 2> /dev/null <<'BUCKET'; do sleep 1; done
from urllib.request import Request, urlopen
urlopen(Request("http://127.0.0.1:5998/my-results", method="PUT"))
BUCKET

cat > ray_bootstrap_config.yaml <<'CLUSTER'   # where `ray up` leaves it on a head
cluster_name: trial
max_workers: 2
idle_timeout_minutes: 0.2
upscaling_speed: 4.0
provider:
  type: fake_multinode
  use_node_id_as_ip: true   # its machines share an address
  disable_node_updaters: true
  disable_launch_config_check: true
available_node_types:
  ray.head.default: {resources: {CPU: 1}, node_config: {}, max_workers: 0}
  gpu: {resources: {CPU: 1, GPU: 1}, node_config: {}, min_workers: 0, max_workers: 2}
head_node_type: ray.head.default
auth: {}
docker: {}
file_mounts: {}
cluster_synced_files: []
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
head_start_ray_commands: []
worker_start_ray_commands: []
CLUSTER
cat > my-sweep.yaml <<'SWEEP'
name: my-sweep
base:
  data: {train_size: 400, validation_size: 50, test_size: 100}
  model: {depth: 2}
  stop: {train_loss: null, max_epochs: 200}
grid: {model.width: [8, 16, 24, 32]}
seeds: 2
record: {measures: [parameter_norm]}
resources: {gpus: 1}
SWEEP
cat > "$work/cpus/sitecustomize.py" <<'CPUS'
"""Has every process train on the CPU where Ray has given it a GPU."""
import sys
from importlib.machinery import PathFinder


class OnCpus:
    def find_spec(name, path=None, target=None):
        if name != "benevolent.trainables.training.ray_worker":
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def execute_and_replace(module):
            execute(module)
            module.assigned_device = lambda share: "cpu"

        spec.loader.exec_module = execute_and_replace
        return spec


sys.meta_path.insert(0, OnCpus)
CPUS
export PYTHONPATH=$work/cpus${PYTHONPATH:+:$PYTHONPATH}
cat > machines.py <<'MACHINES'
"""Prints how many machines there are beside the head, whenever that changes, until the sweep is done and none is."""
import time
from pathlib import Path

import ray

ray.init("auto", log_to_driver=False, logging_level="ERROR")
start = time.monotonic()
before = 0
while before or not Path("done").exists():
    alive = sum(node["Alive"] for node in ray.nodes()) - 1
    if alive != before:
        print(f"[{time.monotonic() - start:.0f} s: {alive} machines beside the head]", flush=True)
    before = alive
    time.sleep(0.5)
MACHINES

RAY_enable_autoscaler_v2=0 AUTOSCALER_UPDATE_INTERVAL_S=1 RAY_FAKE_CLUSTER=1 ray start --head --num-cpus=1 \
    --dashboard-host=127.0.0.1 --autoscaling-config="$HOME/ray_bootstrap_config.yaml" > "$work/start" 2>&1
python machines.py 2> "$work/machines" &
machines=$!
echo '$ bth run my-sweep.yaml --address auto --out s3://my-results/my-sweep'
bth run my-sweep.yaml --address auto --out s3://my-results/my-sweep
touch "done"
wait "$machines"
echo
echo '$ bth status s3://my-results/my-sweep'
bth status s3://my-results/my-sweep
