"""Set-up of a process that Ray has started: its threads, memory, data sets, and share of a GPU."""

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import ray
import threadpoolctl
import torch

from benevolent.trainables import data
from benevolent.trainables.training.malloc import keep_freed_memory

#: Number of `prctl` that sets the signal which a process gets when its parent ends (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Make the system kill this worker when Ray's process on this machine ends; else it would go on for seconds.

    A driver that is killed takes that process with it. Nothing is set where the parent is another, as in tests.
    """
    parent = Path(f"/proc/{os.getppid()}/comm")
    if parent.exists() and parent.read_text().strip() == "raylet":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def configure_process(cpus: float, free_bytes: int) -> None:
    """Set what holds for the whole life of a process that trains or measures: threads, and what memory it keeps."""
    end_with_parent()
    threads = max(1, int(cpus))
    threadpoolctl.threadpool_limits(threads)  # numpy's libraries may be loaded for another number
    torch.set_num_threads(threads)
    keep_freed_memory(free_bytes)


def receive_datasets(references: Mapping[str, ray.ObjectRef]) -> None:
    """Take data sets whose files this machine lacks from Ray's object store, where the driver has put them."""
    for name, reference in references.items():
        if not data.is_present(name):
            data.provide(name, ray.get(reference))


def assigned_device(share: float) -> str:
    """Return the device that Ray gave to this worker, and hold the worker to its share of a GPU's memory.

    A worker may see GPUs that Ray gave to others. Ray counts shares, but does not keep them apart.
    """
    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        return "cpu"
    if share < 1:
        torch.cuda.set_per_process_memory_fraction(share, "cuda:0")
    return "cuda:0"
