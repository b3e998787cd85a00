"""What trained networks say of their data, for studies that ask more than the tables hold."""

import torch
from torch import Tensor

from analysis.results import Results
from trainables import data

#: Examples at once.
ROWS = 1000


@torch.no_grad()
def outputs(results: Results, run_id: str, split: str) -> tuple[Tensor, Tensor]:
    """The logits `(N, C)` in float64 of a run's network, and the labels `(N,)` as the run's last phase has them."""
    config = results.config(run_id)
    dataset = data.load(config.data, config.precision)
    inputs = data.inputs_of(dataset, [config], split).rows()[0]
    labels = data.labels_of(dataset, [config], [config.phases[-1]], split)[0]
    network = results.network(run_id)
    return torch.cat([network(part) for part in inputs.split(ROWS)]).double(), labels
