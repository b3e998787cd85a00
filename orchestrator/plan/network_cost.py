"""Cost of one network: arithmetic, memory and disk, counted without training it."""

import functools
import json
import math
import sys
from dataclasses import dataclass
from typing import Any

import torch

from benevolent.trainables import data
from benevolent.trainables.config.model import ModelConfig
from benevolent.trainables.config.optimization import OptimizerConfig
from benevolent.trainables.config.pruning import SubspaceConfig
from benevolent.trainables.config.run import RunConfig, RunSections
from benevolent.trainables.models.forest import Forest, work_per_example
from benevolent.trainables.stack import built_network, least_squares
from benevolent.trainables.stack.module_structure import forward_calls
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.stack import pairs_at_once

#: Cost of a training step in forward passes: the backward pass differentiates by inputs and by parameters.
STEP_PER_FORWARD = 3
#: Copies of the parameters besides the optimizer's: themselves, gradient, initialization, start of the phase.
PARAMETER_COPIES = 4
#: Rows of all tables per run and recorded epoch, and bytes of one row in compressed parquet; both rough.
ROWS_PER_RECORD = 40
BYTES_PER_ROW = 8
#: Bytes of an index of a sparse matrix, or of a permutation.
INDEX_BYTES = 8

#: Fields that change neither the network nor the number of its training examples.
WITHOUT_EFFECT = {
    "data": {"label_corruption", "intervention_seed"},
    "optimizer": set(OptimizerConfig.model_fields) - {"name"},
}


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network.

    Attributes:
        parameters: numbers that are trained; for a forest the numbers of its nodes.
        flops: of a forward pass of one example; for a forest the operations of growing it, per example.
        activations: values that a forward pass of one example keeps.
        bytes_per_value: 4 or 8, from the precision.
        seen_size: number of training examples that a run sees.
    """

    parameters: int
    flops: int
    activations: int
    bytes_per_value: int
    seen_size: int

    def epoch_flops(self, checks: int = 1) -> int:
        """Return the arithmetic of an epoch: its steps, and `checks` evaluations of the training loss."""
        return (STEP_PER_FORWARD + checks) * self.flops * self.seen_size

    def state_bytes(self, optimizer: OptimizerConfig) -> int:
        """Return the memory of one run in training besides that of its step: parameters, labels and their order."""
        copies = 2 * (PARAMETER_COPIES + _optimizer_slots(optimizer))  # and those of a recorded step
        return copies * self.parameters * self.bytes_per_value + 2 * self.seen_size * INDEX_BYTES

    def stack_bytes(self, networks: int, optimizer: OptimizerConfig) -> int:
        """Return the memory of a stack in training: parameters with copies and optimizer state, and activations."""
        parameter_values = networks * self.parameters * (PARAMETER_COPIES + _optimizer_slots(optimizer))
        batch = optimizer.examples_per_step(self.seen_size)
        examples_in_step = 2 * networks * batch  # each activation, and its gradient
        examples_in_evaluation = min(networks * self.seen_size, pairs_at_once(self.activations))
        activation_values = self.activations * max(examples_in_step, examples_in_evaluation)
        return (parameter_values + activation_values) * self.bytes_per_value

    def subspace_bytes(self, subspace: SubspaceConfig, seeds: int) -> int:
        """Return the memory of the matrices that runs train through, one for each seed.

        See `trainables.stack.subspace`.
        """
        if subspace.dimension is None:
            return 0
        return seeds * self._matrix_bytes(subspace.projection, subspace.dimension)

    def _matrix_bytes(self, projection: str, dimension: int) -> int:
        size = self.parameters
        if projection == "dense":
            return size * dimension * self.bytes_per_value
        if projection == "sparse":  # about sqrt(D) entries a column, and where each row begins; and the transpose
            entries = dimension * size**0.5
            row_starts = size + dimension
            return int(2 * entries * (self.bytes_per_value + INDEX_BYTES)) + row_starts * INDEX_BYTES
        # fastfood: gains and signs, a permutation and its inverse, of the next power of two
        padded_size = 1 << (max(size, dimension) - 1).bit_length()
        return 2 * padded_size * (self.bytes_per_value + INDEX_BYTES)

    def parameter_bytes(self, networks: int) -> int:
        """Return the size of the files of parameters of so many networks."""
        return networks * self.parameters * self.bytes_per_value


def table_bytes(records: int) -> int:
    """Return the size of the rows that are written at so many recorded places of runs."""
    return records * ROWS_PER_RECORD * BYTES_PER_ROW


def network_cost(config: RunSections) -> NetworkCost:
    """Return the cost of a run's network on its data; each distinct network is built and tried once.

    Raises:
        BadInput: the data set or the network of the run cannot be used.
    """
    sections = {"data": config.data, "model": config.model, "loss": config.loss, "optimizer": config.optimizer}
    fields: dict[str, Any] = {"precision": config.precision}
    for name, section in sections.items():
        fields[name] = section.model_dump(mode="json", exclude=WITHOUT_EFFECT.get(name))
    return _network_cost(json.dumps(fields))


def training_flops(config: RunConfig) -> int:
    """Return the arithmetic of a run that ends at its limits.

    Raises:
        BadInput: as `network_cost`.
    """
    steps_per_epoch = config.steps_per_epoch
    steps = 0
    for phase in config.phases:
        steps += min(phase.max_epochs * steps_per_epoch, phase.max_steps or sys.maxsize)
    checks_per_epoch = math.ceil(steps_per_epoch / (config.stop.check_every_steps or steps_per_epoch))
    return steps * network_cost(config).epoch_flops(checks_per_epoch) // steps_per_epoch


@functools.lru_cache(maxsize=4096)
def _network_cost(fields: str) -> NetworkCost:
    config = RunConfig.model_validate_json(fields)
    task = data.describe(config.data)  # reads no file: a sweep can be planned before its data are fetched
    architecture = built_network.for_run(config, task)
    module = architecture.module
    if config.optimizer.name == "least_squares":
        least_squares.parts(module)
    if isinstance(module, Forest):
        flops = work_per_example(module, _features_per_split(config.model, math.prod(task.input_shape)))
    else:
        flops = _forward_flops(architecture, task.input_shape)
    tensors: list[torch.Tensor] = [*module.parameters()] or [*module.buffers()]
    parameters = sum(tensor.numel() for tensor in tensors)
    return NetworkCost(
        parameters=parameters,
        flops=flops,
        activations=architecture.activations(task.input_shape),
        bytes_per_value=8 if config.precision == "float64" else 4,
        seen_size=config.data.seen_size,
    )


def _forward_flops(architecture: Network, input_shape: tuple[int, ...]) -> int:
    """Return the multiplications and additions of one example in all weights.

    Each row of a weight takes part in as many outputs as there are positions, 1 in a linear layer.
    """
    flops = 0
    for call in forward_calls(architecture.module, input_shape):
        for weight in call.layer.parameters():
            if weight.ndim >= 2:
                flops += 2 * weight.numel() * call.outputs // weight.shape[0]
    return flops


def _optimizer_slots(optimizer: OptimizerConfig) -> int:
    """Return how many values the optimizer keeps for each parameter."""
    if optimizer.name == "adam":
        return 2
    return 1 if optimizer.momentum > 0 else 0


def _features_per_split(model: ModelConfig, features: int) -> int:
    """Return how many features a split of a tree chooses from."""
    max_features = model.max_features  # type: ignore[attr-defined]
    share = features**0.5 if max_features == "sqrt" else max_features * features
    return max(1, int(share))
