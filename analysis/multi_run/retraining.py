"""Networks of a configuration trained anew, on training examples of one's choice."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.kernel_choice import choose_kernel
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.example_order import training_orders
from benevolent.trainables.training.initial_state import stacked
from benevolent.trainables.training.running_stack import RunningStack, Tensors


def train_on_examples(config: RunConfig, seeds: Sequence[int], positions: Tensor) -> Tensors:
    """Train K networks as runs of a configuration are trained, each on its own examples.

    A run with `data.subset` is what comes out for its seed and its `data.subset_positions`. So a network can be trained
    without examples that other runs have shown to matter.

    Args:
        config: of the runs; one phase of a given number of epochs. Its `data.subset` is not looked at.
        seeds: K, of initialization, order of examples and interventions.
        positions: `(K, n)`, the examples of each network in the training split.

    Returns:
        outcomes on the test split, such as `loss` and `error`, each `(K,)`.

    Raises:
        BadInput: runs that start from others, that stop by a target, or that are solved in one step.
    """
    _check(config)
    plain = config.data.model_copy(update={"subset": 1.0})
    configs = [config.model_copy(update={"data": plain, "seed": seed}) for seed in seeds]
    dataset = data.load(plain, config.precision)
    running = _begin(configs, dataset)
    labels = running.labels["train"].gather(1, positions)
    running.labels["train"] = labels
    running.inputs["train"] = replace(running.inputs["train"], subset=positions)
    seen = positions.shape[1]
    batch_size = config.optimizer.examples_per_step(seen)
    choice = choose_kernel(running.stack, running.inputs["train"], labels, batch_size)
    (phase,) = config.phases
    for epoch in range(phase.max_epochs):
        generator = StackGenerator(seeds, f"layers/{phase.name}", epoch)
        order = training_orders(seeds, phase.name, epoch, seen)
        running.open_epoch(order, batch_size, epoch, generator)
        steps = -(-seen // batch_size)
        running.begin_segment(0, steps, choice).train(steps)
        running.end_segment()
        running.close_epoch()
    return running.evaluate("test", choice.kernel)


def _check(config: RunConfig) -> None:
    """Refuse configurations whose training is more than epochs of steps from drawn weights."""
    (last, *earlier) = reversed(config.phases)
    if earlier or config.parent is not None or config.teacher is not None or config.solved or config.data.fresh:
        raise BadInput("train_on_examples: needs one phase of steps from drawn weights, on data that do not change")
    if last.has_target or last.snapshot_loss is not None or last.max_steps is not None:
        raise BadInput("train_on_examples: needs stop: {train_loss: null} and max_epochs alone")


def _begin(configs: list[RunConfig], dataset: data.Dataset) -> RunningStack:
    """Return the networks at their initialization, with the whole training split."""
    first = configs[0]
    built = built_network.for_run(first, dataset)
    drawn = stacked([built.initial(config.init, config.seed) for config in configs])
    state = StackState.begin(built.parameters.rows(drawn), built.buffers.rows(drawn))
    dtype = getattr(torch, first.precision)
    running = RunningStack(built, dataset, configs, state.map(lambda rows: rows.to(dtype)))
    running.stack.start_phase()
    running.dynamics.next_phase()
    phases = [config.phases[-1] for config in configs]
    running.load_splits(["train", "test"], phases, 0)
    return running
