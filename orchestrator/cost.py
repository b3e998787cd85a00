"""What a network costs: arithmetic, memory and disk, counted without training it."""

import functools
import math
import sys
import time
from dataclasses import dataclass

import torch
from torch import nn

from trainables import data, least_squares, network
from trainables.config import OptimizerConfig, RunConfig, SubspaceConfig
from trainables.models import ModelConfig
from trainables.models.forest import Forest, grow, work_per_example
from trainables.stack import pairs_at_once

#: A training step against one forward pass: the backward pass differentiates by inputs and by parameters.
STEP_PER_FORWARD = 3
#: Copies of the parameters besides the optimiser's: themselves, gradient, initialisation, start of the phase.
COPIES = 4
#: What a step costs beside its arithmetic, in dispatches of a matrix product of one number: of itself, and for each
#: tensor that it trains. Of stacks of 1 and 20 networks with 2 to 9 layers, in batches of one example.
CALLS_PER_STEP, CALLS_PER_TENSOR = 300, 60
#: What `tree_rate` grows: trees, on so many examples at most.
TREES_TRIED, TREE_EXAMPLES = 2, 2000
#: Rows of all tables per run and recorded epoch, and bytes of one in compressed parquet; both rough.
ROWS_PER_EPOCH, BYTES_PER_ROW = 40, 8


@dataclass(frozen=True)
class Workload:
    """One network on one example; `flops` and `activations` (values kept) are those of a forward pass.

    Of a forest, `flops` are operations of growing it, and `parameters` the numbers of its nodes.
    """

    parameters: int
    tensors: int
    flops: int
    activations: int
    bytes_per_value: int
    train_size: int
    matrix: tuple[int, int]

    def epoch_flops(self, checks: int = 1) -> int:
        """Of one epoch: its steps, and the loss on the training split as often as the stop rule looks at it."""
        return (STEP_PER_FORWARD + checks) * self.flops * self.train_size

    @property
    def calls_per_step(self) -> int:
        """Of a stack of such networks, however many: dispatches of products that take as long as all but arithmetic."""
        return CALLS_PER_STEP + CALLS_PER_TENSOR * self.tensors

    def stack_bytes(self, networks: int, optimizer: OptimizerConfig) -> int:
        """Memory of a stack while it trains: parameters, their copies, optimiser state and activations."""
        state = 2 if optimizer.name == "adam" else int(optimizer.momentum > 0)
        training = (
            2 * networks * optimizer.examples_per_step(self.train_size)
        )  # each activation of a batch, and its gradient
        evaluating = min(networks * self.train_size, pairs_at_once(self.activations))
        values = networks * self.parameters * (COPIES + state) + self.activations * max(training, evaluating)
        return values * self.bytes_per_value

    def subspace_bytes(self, subspace: SubspaceConfig, seeds: int) -> int:
        """Memory of the matrices that runs train through, one for each seed; see `trainables.subspace`."""
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


def workload(config: RunConfig) -> Workload:
    """The cost of a run's network on its data, each built and tried once.

    Raises:
        BadInput: the data set or the network of the run cannot be used.
    """
    config.check_loss()
    included = {"data", "model", "precision", "loss", "optimizer"}
    of_no_weight = {"data": {"label_corruption"}, "optimizer": set(OptimizerConfig.model_fields) - {"name"}}
    return _workload(config.model_dump_json(include=included, exclude=of_no_weight))


def steps(config: RunConfig) -> int:
    """Of a run that ends at its limits."""
    per_epoch = config.steps_per_epoch
    return sum(min(phase.max_epochs * per_epoch, phase.max_steps or sys.maxsize) for phase in config.phases)


def flops(config: RunConfig) -> int:
    """Arithmetic of a run that ends at its limits."""
    per_epoch = config.steps_per_epoch
    checks = -(-per_epoch // (config.stop.check_every_steps or per_epoch))
    return steps(config) * workload(config).epoch_flops(checks) // per_epoch


@functools.lru_cache(maxsize=4096)
def _workload(fields: str) -> Workload:
    config = RunConfig.model_validate_json(fields)
    task = data.describe(config.data)  # reads no file: a sweep can be planned before its data are fetched
    module = network.for_run(config, task).module
    if config.optimizer.name == "least_squares":
        least_squares.parts(module)
    activations = flops = 0

    def count(layer: nn.Module, inputs: object, output: object) -> None:
        nonlocal activations, flops
        if isinstance(output, torch.Tensor) and not isinstance(layer, nn.Flatten):
            activations += output.numel()
            # Each row of a weight takes part in as many outputs as there are positions (1 in a linear layer).
            weights = (weight for weight in layer.parameters() if weight.ndim >= 2)
            flops += sum(2 * weight.numel() * output.numel() // weight.shape[0] for weight in weights)

    for part in module.modules():
        if not any(True for _ in part.children()):
            part.register_forward_hook(count)
    with torch.no_grad():
        module(torch.zeros(1, *task.input_shape))
    if isinstance(module, Forest):
        flops = work_per_example(module, _tried(config.model, math.prod(task.input_shape)))
    tensors: list[torch.Tensor] = [*module.parameters()] or [*module.buffers()]
    largest = max(tensors, key=torch.numel)
    return Workload(
        parameters=sum(map(torch.numel, tensors)),
        tensors=len([*module.parameters()]),
        flops=flops,
        activations=activations + math.prod(task.input_shape),
        bytes_per_value=8 if config.precision == "float64" else 4,
        train_size=config.data.train_size,
        matrix=(largest.shape[0], largest[0].numel()),
    )


def _tried(model: ModelConfig, features: int) -> int:
    """Features that a split of a tree chooses from."""
    asked = model.max_features  # type: ignore[attr-defined]
    return max(1, int(features**0.5 if asked == "sqrt" else asked * features))


def tree_rate(config: RunConfig) -> float:
    """Operations per second of growing a forest, as `Workload` counts them, measured here and now.

    A few trees are grown on random labels of random numbers of which four in five are zero, as in images of digits.

    Args:
        config: of the forest.
    """
    import sklearn.ensemble  # noqa: F401  # which `grow` does too, and it takes longer than the trees

    forest, task = config.model, data.describe(config.data)
    examples, features = min(config.data.train_size, TREE_EXAMPLES), math.prod(task.input_shape)
    trees = Forest(TREES_TRIED, forest.leaves, max(1, task.classes))  # type: ignore[attr-defined]
    draw = torch.Generator().manual_seed(0)
    inputs = torch.rand(examples, features, generator=draw).mul_(5).sub_(4).clamp_(min=0)
    labels = torch.randint(trees.value.shape[2], (examples,), generator=draw)
    targets = nn.functional.one_hot(labels, trees.value.shape[2])
    start = time.perf_counter()
    grow(trees, inputs, targets, forest.max_features, forest.bootstrap, 0)  # type: ignore[attr-defined]
    return examples * work_per_example(trees, _tried(forest, features)) / (time.perf_counter() - start)


def call_seconds() -> float:
    """Of one dispatch of a product of single numbers, measured here and now."""
    return matmul_seconds(1, 1, (1, 1), 0.05)


#: Matrix products of one stretch in `matmul_rate`.
PRODUCTS = 8


def matmul_rate(networks: int, batch: int, matrix: tuple[int, int], seconds: float = 0.3) -> float:
    """Floating-point operations per second of batched matrix products on one thread, measured here and now.

    Args:
        networks: K, matrices multiplied at once.
        batch: N, rows of each `(N, in)` factor.
        matrix: `(out, in)` of the other factor.
        seconds: for how long to measure.
    """
    return 2 * networks * batch * math.prod(matrix) / matmul_seconds(networks, batch, matrix, seconds)


def matmul_seconds(networks: int, batch: int, matrix: tuple[int, int], seconds: float) -> float:
    """Of one such product.

    The best of several short stretches counts: what else the machine does is not a property of the sweep.
    """
    rows, columns = matrix
    inputs, weights = torch.ones(networks, batch, columns), torch.ones(networks, columns, rows)
    outputs = torch.bmm(inputs, weights)
    threads, best, end = torch.get_num_threads(), float("inf"), time.perf_counter() + seconds
    torch.set_num_threads(1)
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.bmm(inputs, weights, out=outputs)
        best = min(best, time.perf_counter() - start)
    torch.set_num_threads(threads)
    return best / PRODUCTS
