#!/bin/bash
# Tries `bth run` from a wheel, in an environment that has nothing else of this project, far from the checkout.
#
#   deploy/trials/wheel_in_an_empty_environment.sh VENV     # an environment with this project's dependencies
#
# Nothing is downloaded: the new environment sees the packages of VENV, but not this project, which it has from the wheel.
# Any user, any system.
set -euo pipefail
project=$(realpath "$(dirname "$0")/../..")
venv=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH
export TERM=dumb RAY_USAGE_STATS_ENABLED=0   # lines instead of bars that move

without_folders() { sed "s#$work#/home/you#g; s#$project#project#g; s#$venv#venv#g"; }
show() { echo; echo "\$ $*" | without_folders; "$@" 2>&1 | without_folders; }

# The wheel, built in a copy of the checkout.
mkdir "$work/checkout"
(cd "$project" && git ls-files -z | tar --create --null --files-from -) | tar --extract --directory "$work/checkout"
cd "$work/checkout"
"$venv/bin/python" -c 'from setuptools.build_meta import build_wheel; build_wheel("..")' > "$work/build" 2>&1
cd "$work"
rm -rf checkout

# The environment: `site.addsitedir` is not used, so that the .pth file of an editable install in VENV does not act.
"$venv/bin/python" -m venv empty
site=$(empty/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/dependencies.pth"
export PATH=$work/empty/bin:$PATH
python -c 'import benevolent' 2> /dev/null && { echo "this project is importable without its wheel"; exit 1; }
show pip install --quiet --no-index --no-deps --disable-pip-version-check benevolent-*.whl

cat > my-sweep.yaml <<'SWEEP'
name: my-sweep
base:
  data: {train_size: 400, validation_size: 50, test_size: 100}
  stop: {train_loss: null, max_epochs: 20}
grid: {model.width: [8, 16], init.scale: [1, 2]}
seeds: 4
record: {measures: [parameter_norm, path_norm]}
SWEEP
show python -c 'import benevolent; print(benevolent.__file__)'
show cat my-sweep.yaml
show bth run my-sweep.yaml
show bth measure results/my-sweep --measures l1_norm
show bth measure results/my-sweep --measures l1_norm
show bth status results/my-sweep
show python -c 'from benevolent import load_results; print(load_results("results/my-sweep").table().shape)'
