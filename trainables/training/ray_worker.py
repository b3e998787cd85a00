"""What Ray gives to a process of its own: data sets, and a share of a GPU."""

from collections.abc import Mapping

import ray
import torch

from benevolent.trainables import data


def receive(shared: Mapping[str, ray.ObjectRef]) -> None:
    """Take data sets whose files this machine has not got from Ray's object store, where the driver has put them."""
    for name, reference in shared.items():
        if not data.is_present(name):
            data.provide(name, ray.get(reference))


def assigned_device(share: float) -> str:
    """The device that Ray gave to this worker, never one that it only can see; of a GPU no more than its share."""
    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        return "cpu"
    if share < 1:  # which others share: Ray counts, but does not hold them apart
        torch.cuda.set_per_process_memory_fraction(share, "cuda:0")
    return "cuda:0"
