"""Results folders on a cluster: one that a machine does not share is refused before anything starts."""

import os
import time
import uuid
from pathlib import Path

from benevolent.trainables.errors import BadInput

#: Seconds until a new file is seen everywhere; network file systems remember for a while what was not there.
SECONDS_UNTIL_SEEN = 5.0
ALLOWED = "allowed: s3://BUCKET/PATH, or a folder of a file system that all machines mount at the same path"


def check_shared(folder: Path, more_machines: bool) -> None:
    """Refuse a folder on a disk that not all machines of the connected cluster share.

    A file is written into the folder, or into the one above it that exists, every machine is asked for it, and it is
    removed. Machines that do not run yet cannot be asked: a folder on this machine's system disk is not theirs.

    Args:
        folder: of the results.
        more_machines: True if an autoscaler may still start machines.

    Raises:
        BadInput: a machine does not see the folder, or this process may not write there.
    """
    existing = next(above for above in (folder, *folder.parents) if above.exists())
    if more_machines and existing.stat().st_dev == Path("/").stat().st_dev:
        raise BadInput(f"{folder}: on this machine's own disk, which machines that start later do not see; {ALLOWED}")
    marker = existing / f".{uuid.uuid4().hex}"
    try:
        marker.touch()
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        blind = machines_without(marker)
    finally:
        marker.unlink()
    if blind:
        raise BadInput(f"{folder}: machine {blind[0]} of the cluster does not see this folder; {ALLOWED}")


def machines_without(file: Path) -> list[str]:
    """Return the addresses of the machines of the connected cluster that do not see a file."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    answers = []
    for node in alive:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ask = ray.remote(_sees).options(num_cpus=0, scheduling_strategy=there)
        answers.append(ask.remote(str(file)))
    seen = ray.get(answers)
    return sorted(node["NodeManagerAddress"] for node, sees in zip(alive, seen, strict=True) if not sees)


def _sees(file: str) -> bool:
    give_up = time.monotonic() + SECONDS_UNTIL_SEEN
    while not os.path.exists(file):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True
