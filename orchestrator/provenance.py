"""Provenance of results: versions, commit, data and hardware of each invocation that planned cohorts."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benevolent.trainables import data, plugins
from benevolent.trainables.config.identity import ALGORITHM_VERSION
from benevolent.trainables.errors import damaged
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest

#: Packages whose versions are kept: those that compute results, or write them.
PACKAGES = ("benevolent", "torch", "ray", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn")


def add_entry(results: Folder, cohorts: Sequence[Manifest]) -> None:
    """Append an entry about new cohorts to `provenance.json`.

    Args:
        results: the results folder.
        cohorts: the new cohorts.
    """
    entry = provenance(cohorts)
    entry["cohort_ids"] = [cohort.cohort_id for cohort in cohorts]
    results.write_json(paths.PROVENANCE, [*read_entries(results), entry])


def read_entries(results: Folder) -> list[dict[str, Any]]:
    """Return the entry of each invocation that planned cohorts, the newest last.

    Raises:
        BadInput: the file is damaged.
    """
    if not results.exists(paths.PROVENANCE):
        return []
    entries = results.read_json(paths.PROVENANCE)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        path = f"{results.uri}/{paths.PROVENANCE}"
        raise damaged(path, "expected a list of mappings")
    return entries


def provenance(cohorts: Sequence[Manifest]) -> dict[str, Any]:
    """Return what it takes to make the results of cohorts again, as JSON.

    `data` holds the checksums of every data set, one for each of its splits.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        versions[name] = _version(name)
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(),
        "versions": versions,
        "algorithm": ALGORITHM_VERSION,
        "plugins": plugins.named(),
        "git_commit": git_commit(),
        "data": _checksums(cohorts),
        "hardware": _hardware(),
    }


def command_line() -> str:
    """Return the command of this process, quoted for a shell."""
    return shlex.join(["bth", *sys.argv[1:]])


def git_commit() -> str:
    """Return the commit of this package's code; `no checkout` if it is installed."""
    package = Path(__file__).resolve().parent
    if not (package.parent / ".git").exists():
        return "no checkout"
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=package, capture_output=True, text=True, check=False)
    return git.stdout.strip() or "unknown"


def _checksums(cohorts: Sequence[Manifest]) -> dict[str, list[str]]:
    checksums: dict[str, list[str]] = {}
    for config in {cohort.data for cohort in cohorts}:
        checksums.setdefault(config.name, []).append(data.load(config).checksum)
    return {name: sorted(values) for name, values in checksums.items()}


def _hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "cpus": machine_cpus(), "gpus": gpus}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
