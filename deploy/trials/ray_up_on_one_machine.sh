#!/bin/bash
# Tries `ray up`, `ray exec` and `ray down` on this machine: an ssh server on the loopback device stands for a cloud's
# machine, and a server with the API of S3 for a bucket. The setup and start commands, the files that are copied and the
# token are those of cluster.yaml; the provider is `local`.
#
#   deploy/trials/ray_up_on_one_machine.sh VENV SPEC
#
# VENV is an environment with this project's extras `cluster` and `dev`, and uv. The machine's ~/venv begins as a copy of
# it, so that only what it lacks is downloaded. Needs root, Linux, and Debian's packages openssh-server and rsync.
# Processes and mounts are in namespaces of their own: `ray stop` would stop every Ray that it sees.
set -euo pipefail
project=$(realpath "$(dirname "$0")/../..")
if [ "${1:-}" != inside ]; then
    exec unshare --pid --fork --kill-child --mount --mount-proc "$0" inside "$(realpath "$1")" "$(realpath "$2")"
fi
venv=$2 spec=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
laptop=$work/laptop machine=$work/machine   # two homes
mkdir -p "$laptop/.ssh" "$machine"/{.ssh,.local/bin} "$work"/{ray,bin} /tmp/ray /run/sshd
mount --bind "$work/ray" /tmp/ray           # where Ray notes the addresses of its clusters
sed "s#^\(root:.*\):/root:#\1:$machine:#" /etc/passwd > "$work/passwd"
mount --bind "$work/passwd" /etc/passwd     # the ssh server takes the home from here

# The machine.
ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$laptop/.ssh/key"
cp "$laptop/.ssh/key.pub" "$machine/.ssh/authorized_keys"
"$(command -v sshd)" -f /dev/null -o Port=2222 -o ListenAddress=127.0.0.1 -o HostKey="$work/host_key" \
    -o StrictModes=no -o PermitRootLogin=yes -o PidFile="$work/sshd.pid"
cp --archive --link "$venv" "$machine/venv"
grep --recursive --files-with-matches --null "^#!$venv/bin" "$machine/venv/bin" \
    | xargs --null sed --in-place "1s#^.*#\#!$machine/venv/bin/python#"
cp "$(PATH=$venv/bin:$PATH command -v uv)" "$machine/.local/bin/uv"
cat > "$machine/.bashrc" <<'ENVIRONMENT'
# In a cloud, the machine's role gives access to the bucket.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_ENDPOINT_URL=http://127.0.0.1:5999
export TERM=dumb   # lines instead of bars that move
ENVIRONMENT
export -p | grep --extended-regexp ' (SSL_CERT_FILE|UV_[A-Z_]+)=' >> "$machine/.bashrc" || true   # of this network
echo '. ~/.bashrc' > "$machine/.profile"

# The bucket.
export HOME=$laptop PATH=$work/bin:$venv/bin:$PATH
# shellcheck source=/dev/null
source "$machine/.bashrc"
moto_server --host 127.0.0.1 --port 5999 > "$work/moto" 2>&1 &
until python - 2> /dev/null <<'BUCKET'; do sleep 1; done
from urllib.request import Request, urlopen
urlopen(Request("http://127.0.0.1:5999/my-results", method="PUT"))
BUCKET

# The laptop: cluster.yaml with another provider.
printf '#!/bin/sh\nexec /usr/bin/ssh -o Port=2222 -o StrictHostKeyChecking=no -o LogLevel=ERROR "$@"\n' > "$work/bin/ssh"
chmod +x "$work/bin/ssh"
cd "$project"
python - "$work/cluster.yaml" "$laptop/.ssh/key" <<'CLUSTER'
import sys
from pathlib import Path
from ruamel.yaml import YAML
yaml = YAML(typ="safe")
cluster = yaml.load(Path("cluster.yaml"))
for key in ("available_node_types", "head_node_type", "max_workers"):
    del cluster[key]
cluster["provider"] = {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []}
cluster["auth"] = {"ssh_user": "root", "ssh_private_key": sys.argv[2]}
yaml.dump(cluster, Path(sys.argv[1]))
CLUSTER
cp "$spec" "$work/my-sweep.yaml"
cd "$project"

without_folders() { sed --unbuffered "s#$machine#/home/ubuntu#g; s#$work/##g; s#$project#project#g; s#\r##; s#\x1b\[[0-9;?]*[A-Za-z]##g"; }
show() { echo; echo "\$ $*" | without_folders; "$@" 2>&1 | without_folders; }
export RAY_USAGE_STATS_ENABLED=0 RAY_UP_enable_autoscaler_v2=0
quiet=(--log-style pretty --log-color false)
unset RAY_AUTH_MODE
ray get-auth-token --generate > /dev/null 2>&1
show ray up "${quiet[@]}" --yes "$work/cluster.yaml"
show ray rsync-up "${quiet[@]}" "$work/cluster.yaml" "$work/my-sweep.yaml" "$machine/my-sweep.yaml"
show ray exec "${quiet[@]}" "$work/cluster.yaml" 'bth run my-sweep.yaml --address auto --out s3://my-results/my-sweep'
show ray exec "${quiet[@]}" "$work/cluster.yaml" \
    'RAY_AUTH_MODE=disabled ray status 2>&1 | grep --only-matching "AuthenticationError: .*incorrect"'
show ray down "${quiet[@]}" --yes "$work/cluster.yaml"
show bth status s3://my-results/my-sweep
echo
echo "processes of Ray that are left: $(pgrep --count --full 'raylet|gcs_server' || true)"
