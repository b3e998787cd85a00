"""What trained networks say of their data, for studies that ask more than the tables hold."""

import torch
from torch import Tensor

from analysis.results import Results
from trainables import data
from trainables.losses import predicted

#: Examples at once.
ROWS = 1000


def examples(results: Results, run_id: str, split: str) -> tuple[Tensor, Tensor]:
    """The inputs `(N, ...)` and labels `(N,)` of a split, as the run's last phase has them."""
    config = results.config(run_id)
    dataset = data.load(config.data, config.precision)
    inputs = data.inputs_of(dataset, [config], split).rows()[0]
    return inputs, data.labels_of(dataset, [config], [config.phases[-1]], split)[0]


@torch.no_grad()
def outputs(results: Results, run_id: str, split: str, step: int | None = None) -> tuple[Tensor, Tensor]:
    """The logits `(N, C)` in float64 of a run's network, where it ended or at a step, and the labels `(N,)`."""
    inputs, labels = examples(results, run_id, split)
    network = results.network(run_id, step)
    return torch.cat([network(part) for part in inputs.split(ROWS)]).double(), labels


def answers(results: Results, run_id: str, split: str, step: int | None = None) -> Tensor:
    """The classes `(N,)` that it sees."""
    return predicted(outputs(results, run_id, split, step)[0])
