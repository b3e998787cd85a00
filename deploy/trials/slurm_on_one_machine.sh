#!/bin/bash
# Tries deploy/slurm.sbatch with a real Slurm on this machine: a controller and one node, a sweep in a low partition, a
# job in a high one that takes its place, and a sweep that takes longer than its job may. Needs root, Linux, and Debian's
# packages slurmctld, slurmd and munge.
#
#   deploy/trials/slurm_on_one_machine.sh VENV     # where this project is installed; about 10 minutes
#
# All of it runs in namespaces of its own, so that it sees, and stops, no other process.
set -euo pipefail
here=$(realpath "$(dirname "$0")/..")
if [ "${1:-}" != inside ]; then
    exec unshare --pid --fork --kill-child --mount --net --mount-proc "$0" inside "$(realpath "$1")"
fi
venv=$2
ip link set lo up
ip address add 10.9.0.1/32 dev lo   # Slurm resolves no address where there are only those of 127.*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
spec=my-sweep.yaml out=results
mkdir -p "$work"/{run,state,spool,log,tmp-ray,home} /run/munge /tmp/ray
mount --bind "$work/tmp-ray" /tmp/ray   # where Ray notes the addresses of its clusters
export HOME="$work/home" BENEVOLENT_VENV="$venv"

cat > "$work/$spec" <<'SWEEP'
name: my-sweep
base:
  data: {train_size: 400, validation_size: 50, test_size: 100}
  model: {width: 16, depth: 2}
  stop: {train_loss: null, max_epochs: 10000}
seeds: 4
record: {measures: [parameter_norm], save_every_seconds: 2}
SWEEP
cat > "$work/slurm.conf" <<CONF
ClusterName=trial
SlurmctldHost=$(hostname)(10.9.0.1)
SlurmUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/run/slurmctld.pid
SlurmdPidFile=$work/run/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MinJobAge=600
KillWait=10
NodeName=$(hostname) NodeAddr=10.9.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=low Nodes=ALL PriorityTier=1 Default=YES GraceTime=10
PartitionName=high Nodes=ALL PriorityTier=2 PreemptMode=OFF
CONF
export SLURM_CONF="$work/slurm.conf"
dd if=/dev/urandom of="$work/munge.key" bs=1 count=1024 status=none
chmod 400 "$work/munge.key"
munged --force --key-file "$work/munge.key" --log-file "$work/log/munged" --pid-file "$work/run/munged.pid" \
    --seed-file "$work/run/munged.seed" --num-threads 1
slurmctld
slurmd
until sinfo --noheader --format %T | grep --quiet idle; do sleep 1; done
sinfo

without_folders() { sed --unbuffered "s#$work/##g; s#$here#deploy#g; s#$venv/bin/##g"; }
show() { echo; echo "\$ $*" | without_folders; "$@" 2>&1 | without_folders; }
state() { squeue --noheader --job "$1" --states all --format %T; }
has_ended() { state "$1" | grep --quiet -E 'FAILED|COMPLETED|TIMEOUT|CANCELLED'; }
has_restarted() { scontrol show job "$1" | grep --quiet 'Restarts=[1-9]'; }
has_saved() { ls "$out/$1"/cohorts/*/state/state.safetensors > /dev/null 2>&1; }
submit() {   # folder, options of sbatch --, arguments of bth run
    local folder=$1 options=()
    shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    local line=(sbatch --parsable --cpus-per-task="$(nproc --all)" "${options[@]}" "$here/slurm.sbatch" "$spec"
        --out "$out/$folder" "$@")
    echo "\$ ${line[*]}" | without_folders >&2
    "${line[@]}"
}
report() {
    until has_ended "$1"; do sleep 2; done
    show scontrol show job "$1" | grep -E '^\$|JobState|Restarts'
    show cat "benevolent-$1.log"
}
cd "$work"

echo
echo "A job of a partition with higher priority takes the node:"
job=$(submit preempted --)
show squeue --me
until has_saved preempted || has_ended "$job"; do sleep 1; done
show sbatch --partition high --cpus-per-task="$(nproc --all)" --job-name urgent --output /dev/null --wrap 'sleep 5'
for _ in 1 2 3 4; do show squeue --me; sleep 4; done
report "$job"

echo
echo "A job comes near its time limit (3 minutes; here the signal comes 140 s before). Its next turn is given an hour:"
job=$(submit limited --time 3 --signal B:USR1@140 -- --set base.stop.max_epochs=25000)
until has_restarted "$job" || has_ended "$job"; do sleep 1; done
show scontrol show job "$job" | grep -E '^\$|JobState|Restarts'
show scontrol update "JobId=$job" TimeLimit=60
report "$job"
show "$venv/bin/bth" status "$out/limited"
echo
echo "tokens that are left: $(ls "$HOME/.ray")"
