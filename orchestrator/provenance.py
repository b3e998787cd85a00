"""Where results come from: versions, commit, data and hardware."""

import os
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
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest

PACKAGES = ("benevolent", "torch", "ray", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn")


def add_entry(results: Folder, cohorts: Sequence[Manifest]) -> None:
    """Note where new cohorts come from, after the entries of the cohorts that were there before.

    Args:
        results: the results folder.
        cohorts: the new ones.
    """
    ids = [cohort.cohort_id for cohort in cohorts]
    results.write_json(paths.PROVENANCE, [*entries(results), provenance(cohorts) | {"cohort_ids": ids}])


def entries(results: Folder) -> list[dict[str, Any]]:
    """What is known of each invocation that planned cohorts, newest last.

    Raises:
        BadInput: the file is damaged.
    """
    if not results.exists(paths.PROVENANCE):
        return []
    found = results.read_json(paths.PROVENANCE)
    found = found if isinstance(found, list) else [found]
    if not all(isinstance(entry, dict) for entry in found):
        raise BadInput(
            f"{results.uri}/{paths.PROVENANCE}: damaged or not a file of this project (entries are mappings)"
        )
    return found


def provenance(cohorts: Sequence[Manifest]) -> dict[str, Any]:
    """What it takes to make the same results again, as JSON; `data`: the checksums of every data set and split."""
    checksums: dict[str, list[str]] = {}
    for config in {cohort.data for cohort in cohorts}:
        checksums.setdefault(config.name, []).append(data.load(config).checksum)
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "algorithm": ALGORITHM_VERSION,
        "plugins": plugins.named(),
        "git_commit": commit(),
        "data": {name: sorted(found) for name, found in checksums.items()},
        "hardware": {"machine": platform.machine(), "cpus": len(os.sched_getaffinity(0)), "gpus": gpus},
    }


def command() -> str:
    """The command that was given, as a shell takes it."""
    return shlex.join(["bth", *sys.argv[1:]])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """The commit of this code, if it runs from a checkout."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return "no checkout"
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
