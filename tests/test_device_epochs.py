"""An epoch on a device: nothing is read from it within a step, and nothing is sent to it.

No GPU is needed: tensors on torch's device `meta` have shapes, but no numbers, and what asks for a number fails.
"""

import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network, layers
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.running_stack import RunningStack

RUNS, EXAMPLES, BATCH = 3, 40, 4
CNN = {"family": "puzzles_cnn", "filters": 2, "kernel": 3}
NORMED = {"family": "puzzles_bn"}
MODULE = {"family": "module", "path": "test_training:Residual", "arguments": {"width": 5}}


#: Functions that make a tensor of numbers of the host, and those that give it numbers of a tensor.
SENDING = {torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy}
READING = {getattr(torch.Tensor, name) for name in ("item", "tolist", "numpy", "__bool__", "__int__", "__float__")}


class HostFunctions(TorchFunctionMode):
    """Count calls of functions that move numbers between a device and the host."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self.counts = counts

    def __torch_function__(self, func, types, args=(), kwargs=None):
        of_device = bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
        self.counts["sent"] += func in SENDING and not of_device
        self.counts["read"] += of_device and func in READING
        return func(*args, **(kwargs or {}))


class HostOperations(TorchDispatchMode):
    """Count operations that move numbers between a device and the host."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        given = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        to = torch.device(kwargs.get("device") or "cpu").type
        if name == "_to_copy" and given == {"meta"} and kwargs.get("device") and to == "cpu":
            self.counts["read"] += 1
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if len(given) > 1 or (name == "_to_copy" and given == {"cpu"} and to == "meta"):
            self.counts["sent"] += 1
        return func(*args, **kwargs)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what is `read` from the device `meta` and `sent` to it."""
    counts: Counter[str] = Counter()
    with HostFunctions(counts), HostOperations(counts):
        yield counts


def host_work(model: dict, choice: KernelChoice, steps: int, optimizer: dict, data: dict, more: dict) -> Counter[str]:
    """Train some steps, with dynamics; return what was read and sent."""
    shape = (64,) if model.get("family") in (None, "module") else (1, 8, 8)
    sections = {"model": model, "optimizer": optimizer | {"batch_size": BATCH}, "data": data, **more}
    configs = [RunConfig.parse({"seed": seed, **sections}) for seed in range(RUNS)]
    network = built_network.build(MODEL_CONFIGS[model.get("family", "mlp")].parse(model), shape, 10)
    assert choice.kernel in network.kernels
    device = torch.device("meta")
    parameters = torch.zeros(RUNS, network.parameters.width, device=device)
    state = StackState.begin(parameters, torch.zeros(RUNS, network.buffers.width, device=device))
    labels = torch.zeros(RUNS, EXAMPLES, dtype=torch.long, device=device)
    dataset = types.SimpleNamespace(train=types.SimpleNamespace(labels=labels))
    running = RunningStack(network, dataset, configs, state)
    running.stack.start_phase()
    images = torch.zeros(1, EXAMPLES, *shape, device=device)
    slot = torch.zeros(RUNS, dtype=torch.long, device=device)
    running.inputs["train"] = Inputs(images, slot, torch.float32)
    running.labels["train"] = labels
    generator = StackGenerator([config.seed for config in configs], "layers", 0, device)
    with counted() as counts:
        running.open_epoch(labels, BATCH, 0, generator)
        running.begin_segment(0, steps, choice).train(steps)
        running.end_segment()
    return counts


def check(model: dict, choice: KernelChoice, optimizer: dict | None = None, data: dict | None = None, **more) -> None:
    """Steps more of an epoch are no transfers more, and its loss is all that is read."""
    few = host_work(model, choice, 1, optimizer or {}, data or {}, more)
    many = host_work(model, choice, 3, optimizer or {}, data or {}, more)
    assert few == many
    assert many["read"] == 1


@pytest.mark.parametrize("program", ["eager", "recorded"])
@pytest.mark.parametrize(
    ("model", "kernel"),
    [
        ({"width": 5}, "batched"),
        ({"width": 5}, "loop"),
        ({"width": 5, "dropout": 0.2}, "batched"),
        ({"width": 5, "depth": 2, "batch_norm": "noisy"}, "batched"),
        (CNN, "batched"),
        (CNN, "matmul"),
        (NORMED, "channels_last"),
        (MODULE, "vmap"),
    ],
)
def test_no_step_of_any_kernel_waits_for_the_host(model, kernel, program):
    check(model, KernelChoice(kernel, 2, program=program))  # stacks of two runs and of one


def test_dropout_of_a_layer_sends_no_rate():
    inputs = torch.ones(2, 3, 4, device="meta")
    draws = StackGenerator([0, 1], "layers", 0, "meta")
    with counted() as counts:
        layers.dropout(nn.Dropout(0.3), {}, inputs, Mode(True, draws))
    assert not counts.total()


def test_loops_over_modules_that_draw_read_no_seeds_from_the_device():
    check({"width": 5, "dropout": 0.2}, KernelChoice("loop", 2))


@pytest.mark.parametrize("program", ["eager", "recorded"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"momentum": 0.9, "weight_decay": 1e-3, "clip": 1.0},
        {"name": "adam"},
        {"arithmetic": "bf16"},
    ],
)
def test_no_step_of_any_optimizer_waits_for_the_host(optimizer, program):
    check({"width": 5}, KernelChoice("batched", RUNS, program=program), optimizer)


@pytest.mark.parametrize("projection", ["dense", "fastfood"])
def test_no_step_in_a_subspace_waits_for_the_host(projection):
    check({"width": 5}, KernelChoice("batched", RUNS), subspace={"dimension": 4, "projection": projection})


@pytest.mark.parametrize("program", ["eager", "recorded"])
def test_no_augmentation_waits_for_the_host(program):
    check(CNN, KernelChoice("batched", 2, program=program), data={"augment": "shift_flip"})


@pytest.mark.parametrize(
    "work",
    [
        lambda numbers: numbers.cpu(),
        lambda numbers: numbers + torch.tensor([1.0], device="meta"),
        lambda numbers: numbers[torch.tensor([0])],
        lambda numbers: numbers + torch.ones(2).to("meta"),
    ],
)
def test_work_of_the_host_is_counted(work):
    with counted() as counts:
        work(torch.ones(2, device="meta"))
    assert counts.total() >= 1


@pytest.mark.parametrize("work", [torch.Tensor.tolist, torch.Tensor.nonzero, lambda numbers: bool(numbers[0] > 0)])
def test_questions_for_numbers_are_counted_or_fail(work):
    with counted() as counts:
        try:
            work(torch.ones(2, device="meta"))
        except (RuntimeError, NotImplementedError):
            return
    assert counts["read"]
