"""What a network costs: arithmetic, memory and disk, counted without training it."""

import functools
import math
import sys
from dataclasses import dataclass

import torch

from benevolent.trainables import data
from benevolent.trainables.config.model import ModelConfig
from benevolent.trainables.config.optimization import OptimizerConfig
from benevolent.trainables.config.pruning import SubspaceConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.models.forest import Forest, work_per_example
from benevolent.trainables.stack import network
from benevolent.trainables.stack.module_structure import LayerCall, forward_calls
from benevolent.trainables.stack.stack import pairs_at_once
from benevolent.trainables.training import least_squares

#: A training step against one forward pass: the backward pass differentiates by inputs and by parameters.
STEP_PER_FORWARD = 3
#: Copies of the parameters besides the optimizer's: themselves, gradient, initialization, start of the phase.
COPIES = 4
#: Rows of all tables per run and recorded epoch, and bytes of one in compressed parquet; both rough.
ROWS_PER_EPOCH, BYTES_PER_ROW = 40, 8


@dataclass(frozen=True)
class NetworkCost:
    """One network on one example; `flops` and `activations` (values kept) are those of a forward pass.

    Of a forest, `flops` are operations of growing it, and `parameters` the numbers of its nodes.
    """

    parameters: int
    flops: int
    activations: int
    bytes_per_value: int
    train_size: int

    def epoch_flops(self, checks: int = 1) -> int:
        """Of one epoch: its steps, and the loss on the training split as often as the stop rule looks at it."""
        return (STEP_PER_FORWARD + checks) * self.flops * self.train_size

    def stack_bytes(self, networks: int, optimizer: OptimizerConfig) -> int:
        """Memory of a stack while it trains: parameters, their copies, optimizer state and activations."""
        state = 2 if optimizer.name == "adam" else int(optimizer.momentum > 0)
        training = (
            2 * networks * optimizer.examples_per_step(self.train_size)
        )  # each activation of a batch, and its gradient
        evaluating = min(networks * self.train_size, pairs_at_once(self.activations))
        values = networks * self.parameters * (COPIES + state) + self.activations * max(training, evaluating)
        return values * self.bytes_per_value

    def subspace_bytes(self, subspace: SubspaceConfig, seeds: int) -> int:
        """Memory of the matrices that runs train through, one for each seed; see `trainables.stack.subspace`."""
        if subspace.dimension is None:
            return 0
        size, dimension = self.parameters, subspace.dimension
        per_seed = {
            "dense": size * dimension * self.bytes_per_value,
            # About sqrt(D) entries a column, each with two indices, in the matrix and in its transpose.
            "sparse": int(2 * dimension * size**0.5 * (self.bytes_per_value + 2 * 8)),
            # Gains and signs, a permutation and its inverse, of the next power of two.
            "fastfood": 2 * (1 << (max(size, dimension) - 1).bit_length()) * (self.bytes_per_value + 8),
        }
        return seeds * per_seed[subspace.projection]

    def disk_bytes(self, records: int) -> int:
        """What one run leaves that was recorded so often: parameters and rows of tables."""
        return records * (self.parameters * self.bytes_per_value + ROWS_PER_EPOCH * BYTES_PER_ROW)


def network_cost(config: RunConfig) -> NetworkCost:
    """The cost of a run's network on its data, each built and tried once.

    Raises:
        BadInput: the data set or the network of the run cannot be used.
    """
    config.check_loss()
    included = {"data", "model", "precision", "loss", "optimizer"}
    of_no_weight = {"data": {"label_corruption"}, "optimizer": set(OptimizerConfig.model_fields) - {"name"}}
    return _network_cost(config.model_dump_json(include=included, exclude=of_no_weight))


def training_flops(config: RunConfig) -> int:
    """Arithmetic of a run that ends at its limits."""
    per_epoch = config.steps_per_epoch
    checks = -(-per_epoch // (config.stop.check_every_steps or per_epoch))
    steps = sum(min(phase.max_epochs * per_epoch, phase.max_steps or sys.maxsize) for phase in config.phases)
    return steps * network_cost(config).epoch_flops(checks) // per_epoch


@functools.lru_cache(maxsize=4096)
def _network_cost(fields: str) -> NetworkCost:
    config = RunConfig.model_validate_json(fields)
    task = data.describe(config.data)  # reads no file: a sweep can be planned before its data are fetched
    built = network.for_run(config, task)
    module = built.module
    if config.optimizer.name == "least_squares":
        least_squares.parts(module)
    flops = sum(map(_flops_of, forward_calls(module, torch.zeros(1, *task.input_shape))))
    if isinstance(module, Forest):
        flops = work_per_example(module, _tried(config.model, math.prod(task.input_shape)))
    tensors: list[torch.Tensor] = [*module.parameters()] or [*module.buffers()]
    return NetworkCost(
        parameters=sum(map(torch.numel, tensors)),
        flops=flops,
        activations=built.activations(task.input_shape),
        bytes_per_value=8 if config.precision == "float64" else 4,
        train_size=config.data.train_size,
    )


def _flops_of(call: LayerCall) -> int:
    """Count the operations of one layer: each row of a weight takes part in as many outputs as there are positions."""
    outputs = call.output_shape.numel()
    weights = [weight for weight in call.layer.parameters() if weight.ndim >= 2]
    return sum(2 * weight.numel() * outputs // weight.shape[0] for weight in weights)


def _tried(model: ModelConfig, features: int) -> int:
    """Features that a split of a tree chooses from."""
    asked = model.max_features  # type: ignore[attr-defined]
    return max(1, int(features**0.5 if asked == "sqrt" else asked * features))
