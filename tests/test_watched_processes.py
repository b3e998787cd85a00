"""`watch` in two processes that train one network together, against one process with all examples."""

import os

import pytest
import torch
from test_watched_loops import COMPARED, STEPS, batches, perceptron, sgd
from torch import distributed, multiprocessing, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import init_device_mesh

from benevolent import watch
from benevolent.trainables.errors import BadInput


def train(module, examples=slice(None), accumulated=1):
    """Train on some examples of every batch, and return the last statistics."""
    optimizer = sgd(module)
    with watch(module, optimizer, STEPS) as path:
        for inputs, labels in batches():
            optimizer.zero_grad()
            losses = 0.0
            for part in torch.arange(len(labels))[examples].chunk(accumulated):
                loss = nn.functional.cross_entropy(module(inputs[part]), labels[part]) / accumulated
                loss.backward()
                losses += loss.item()
            optimizer.step()
            path.step(losses)
    return path.table.iloc[-1][list(COMPARED)].to_dict()


def refusal(module, **options) -> str:
    with pytest.raises(BadInput) as refused:
        watch(module, sgd(module), STEPS, **options)
    return str(refused.value)


def work(rank: int, folder: str) -> None:
    """Train half of the examples, in one of two processes, and save what was recorded."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    half = slice(6 * rank, 6 * rank + 6)
    parallel = nn.parallel.DistributedDataParallel
    found = {
        "statistics": train(parallel(perceptron()), half),
        "accumulated": train(parallel(perceptron()), half, accumulated=2),
        "alone": refusal(perceptron()),
        "sum": refusal(parallel(perceptron()), reduction="sum"),
        "shards": refusal(fully_shard(perceptron(), mesh=init_device_mesh("cpu", (2,)))),
    }
    torch.save(found, os.path.join(folder, f"{rank}.pt"))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_statistics_of_two_processes_are_those_of_all_examples(tmp_path):
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    expected = train(perceptron())
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2))
    assert first == second
    assert first["statistics"] == pytest.approx(expected, rel=1e-9)
    assert first["accumulated"] == pytest.approx(expected, rel=1e-9)
    assert first["alone"].startswith("watch: Sequential in one of 2 processes; expected the DistributedDataParallel")
    assert first["sum"].startswith("reduction: 'sum', and DistributedDataParallel averages over processes")
    assert first["shards"].startswith("watch: parameter '0.weight' is a DTensor; expected a plain tensor")
