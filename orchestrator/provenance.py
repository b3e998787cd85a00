"""Where results come from: versions, commit, data and hardware."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from orchestrator.spec import SweepSpec
from trainables import data
from trainables.config import ALGORITHM_VERSION
from trainables.errors import BadInput
from trainables.storage import PROVENANCE, Folder

PACKAGES = ("benevolent", "torch", "ray", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn")


def add_entry(results: Folder, spec: SweepSpec, cohorts: Sequence[str]) -> None:
    """Note where new cohorts come from, after the entries of the cohorts that were there before.

    Args:
        results: the results folder.
        spec: the sweep as it is now.
        cohorts: the ids of the new ones.
    """
    results.write_json(PROVENANCE, [*entries(results), provenance(spec) | {"cohort_ids": [*cohorts]}])


def entries(results: Folder) -> list[dict[str, Any]]:
    """What is known of each invocation that planned cohorts, newest last.

    Raises:
        BadInput: the file is damaged.
    """
    if not results.exists(PROVENANCE):
        return []
    found = results.read_json(PROVENANCE)
    found = found if isinstance(found, list) else [found]
    if not all(isinstance(entry, dict) for entry in found):
        raise BadInput(f"{results.uri}/{PROVENANCE}: damaged or not a file of this project (entries are mappings)")
    return found


def provenance(spec: SweepSpec) -> dict[str, Any]:
    """What it takes to make the same results again, as JSON."""
    configs = {configuration.run(0).data for configuration in spec.configurations()}
    checksums = {config.name: data.load(config).checksum for config in configs}
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["bth", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "algorithm": ALGORITHM_VERSION,
        "git_commit": _commit(),
        "data": checksums,
        "hardware": {"machine": platform.machine(), "cpus": len(os.sched_getaffinity(0)), "gpus": gpus},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of this code, if it runs from a checkout."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return "no checkout"
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
