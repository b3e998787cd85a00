"""Loss sensitivities of training examples along the training of runs, which is unrolled (Arpit et al. 2017)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.multi_run.batch_loss import STREAM
from benevolent.analysis.multi_run.loss_sensitivity import StackExamples, loss_sensitivity
from benevolent.analysis.multi_run.stored_tensors import stored_tensors
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.network import Network
from benevolent.trainables.training.example_order import training_orders

#: Largest distance between the end of the unrolled steps and that of the run, as a fraction of the distance
#: that the run moved.
LARGEST_DEVIATION = 0.01


@checked_arguments
def loss_sensitivity_table(results: Results, every: int) -> pd.DataFrame:
    """Return the loss sensitivities of all runs of a sweep, whose own training is unrolled in float64.

    Args:
        results: of runs of one phase of plain SGD, which are small enough to be unrolled.
        every: steps between two t.

    Returns:
        A row per run, t and training example: `run_id`, `step`, `example`, `sensitivity`.

    Raises:
        BadInput: the steps do not end where the run did, because it was not trained by plain SGD; a layer has no
            batched form, draws random numbers, or has statistics.
    """
    parts = []
    for _, runs in results.runs.groupby("cohort_id", sort=False):
        run_ids = runs["run_id"].tolist()
        configs = [results.config(run_id) for run_id in run_ids]
        examples = _examples_of(configs)
        batches = _batches_of(configs)
        times = range(every, len(batches) + 1, every)
        start = _parameters(results, run_ids, examples.network, step=0)
        rates = torch.tensor([config.optimizer.lr for config in configs])
        unrolled = loss_sensitivity(examples, start, rates, batches, times)
        end = _parameters(results, run_ids, examples.network)
        _check_end(run_ids, start, end, unrolled.parameters)
        parts += _tables(run_ids, times, unrolled.sensitivities)
    return pd.concat(parts, ignore_index=True)


def _examples_of(configs: Sequence[RunConfig]) -> StackExamples:
    """Return the training examples of runs of one cohort, in float64."""
    config = configs[0]
    dataset = data.load(config.data, config.precision)
    built = built_network.for_run(config, dataset)
    if built.batched is None or built.stateful or built.buffers.shapes:
        raise BadInput("loss sensitivity: needs layers in batched form without dropout, statistics and fixed weights")
    phases = [run.phases[-1] for run in configs]
    inputs = data.inputs_of(dataset, configs, "train", 0, phases[0].name)
    labels = data.labels_of(dataset, configs, phases, "train", 0)
    networks, count = labels.shape
    everything = torch.arange(count).expand(networks, count)
    ((points, targets),) = list(Batches(inputs, labels, everything, count, 0))
    draws = StackGenerator([run.seed for run in configs], f"{STREAM}/augmentation", 0)
    points = data.augmented(points, config.data.augment, draws, inputs.border)
    return StackExamples(built, torch.zeros(networks, 0), points.double(), targets, config.loss)


def _batches_of(configs: Sequence[RunConfig]) -> list[Tensor]:
    """Return the positions of the examples of every step of runs of one cohort, `(K, n)` each."""
    config = configs[0]
    phase = config.phases[-1]
    seeds = [run.seed for run in configs]
    count = config.data.train_size
    batches: list[Tensor] = []
    for epoch in range(phase.max_epochs):
        order = training_orders(seeds, phase.name, epoch, count)
        batches += order.split(config.optimizer.examples_per_step(count), 1)
    return batches


def _parameters(results: Results, run_ids: Sequence[str], built: Network, step: int | None = None) -> Tensor:
    """Return the parameters `(K, P)` of runs at a step, by default where they stopped, in float64."""
    tensors = {}
    for name in built.shapes:
        stored = stored_tensors(results, name, step)
        tensors[name] = torch.stack([stored[run_id] for run_id in run_ids]).double()
    return built.parameters.rows(tensors)


def _check_end(run_ids: Sequence[str], start: Tensor, end: Tensor, unrolled: Tensor) -> None:
    """Refuse runs that did not take the unrolled steps."""
    deviations = (unrolled - end).norm(dim=1) / (end - start).norm(dim=1)
    for run_id, deviation in zip(run_ids, deviations.tolist(), strict=True):
        if not deviation <= LARGEST_DEVIATION:
            raise BadInput(
                f"run {run_id}: steps of plain SGD end elsewhere (off by {deviation:.2g} of the distance that the run "
                "moved); the loss sensitivity needs one phase of SGD that takes all of its epochs, without momentum, "
                "weight decay, schedule or changes of the inputs"
            )


def _tables(run_ids: Sequence[str], times: Sequence[int], sensitivities: Tensor) -> list[pd.DataFrame]:
    """Return a table per run of sensitivities `(T, K, N)`."""
    examples = np.arange(sensitivities.shape[2])
    tables = []
    for place, run_id in enumerate(run_ids):
        for time, values in zip(times, sensitivities[:, place], strict=True):
            columns = {"run_id": run_id, "step": time, "example": examples, "sensitivity": values.numpy()}
            tables.append(pd.DataFrame(columns))
    return tables
