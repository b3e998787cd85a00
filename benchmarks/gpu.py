"""What does a GPU make of stacks? Runs per minute of two networks, K at once, by each program of a step.

    python benchmarks/gpu.py [--seconds 400] [--arithmetic full] [--cpu]

A 64-64-64-10 MLP on digits, and the 3-layer conv net of Liao et al. 2018 on CIFAR-10 (random images where CIFAR-10 is
missing); SGD with momentum, batches of 32, dynamics recorded. `eager` launches every operation, `recorded` replays a
CUDA graph of a step, `compiled` has compiled logits in it; `jax` is the same training by `vmap` and `scan`, without
dynamics, where JAX is installed. `serial` trains one plain module after the other.

The peak is that of one large product in the same arithmetic. `host` is the part of the time in which the host launches
work: near 100% it is the limit. `busy` is the utilization that the driver reports (needs `nvidia-ml-py`).

A row that the time does not allow is left out with a line. On a GPU the print is also written to
`benchmarks/results/gpu-<device>.txt`. With `--cpu` every path runs at tiny size, which measures nothing.
"""

import argparse
import copy
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent / ".import"))  # a copy of the repository need not be installed

import gpu_jax

from benevolent.analysis.measures import measure_stack
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network, recorded_step
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.built_network import is_out_of_memory
from benevolent.trainables.stack.kernel_choice import SHARE, choose_kernel, memory_bytes, step_bytes
from benevolent.trainables.stack.kernel_names import Kernel, KernelChoice, Program
from benevolent.trainables.stack.programs import Programs
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.segment import Segment

BATCH = 32
PROGRAMS: tuple[Program, ...] = ("eager", "recorded", "compiled")
#: A training step is about three forward passes: the backward pass differentiates by inputs and by parameters.
FORWARDS = 3
HEADER = (
    f"{'program':10} {'K':>5} {'at once':>7} {'ms/step':>9} {'runs/min':>10} {'x serial':>9} {'of peak':>8} "
    f"{'host':>5} {'busy':>5} {'MiB':>8}"
)


class Case(NamedTuple):
    """A network, its data, and the steps of a run."""

    name: str
    model: dict
    data: dict
    shape: tuple[int, ...]
    run_steps: int


MLP = Case("MLP 64-64-64-10 on digits", {"width": 64}, {"train_size": 1280, "test_size": 320}, (64,), 2_000)
CONV = Case(
    "3-layer conv net on CIFAR-10",
    {"family": "puzzles_cnn"},
    {"name": "cifar10", "train_size": 6400, "test_size": 10},
    (3, 32, 32),
    31_250,  # 20 epochs of 50,000 examples
)


class Scale(NamedTuple):
    """Sizes: numbers of networks, steps and seconds of a row at most, side of a product, networks that are measured."""

    networks: tuple[int, ...]
    steps: int
    row_seconds: float
    side: int
    measured: int


FULL = Scale((1, 8, 32, 128, 512, 2048, 8192), 200, 4.0, 8192, 64)
TINY = Scale((2,), 2, 1.0, 64, 2)


class Clock:
    """The time that is left, and the work of a device."""

    def __init__(self, seconds: float, device: torch.device) -> None:
        self.end = time.perf_counter() + seconds
        self.device = device
        self.busy = float("nan")

    def left(self) -> float:
        """Seconds until the benchmark should end."""
        return self.end - time.perf_counter()

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object]) -> tuple[float, float]:
        """Time of some work, and of the host for launching it."""
        self.wait()
        start = time.perf_counter()
        work()
        launched = time.perf_counter() - start
        self._read_utilization()
        self.wait()
        return time.perf_counter() - start, launched

    def _read_utilization(self) -> None:
        if self.device.type != "cuda":
            return
        try:
            self.busy = torch.cuda.utilization(self.device) / 100
        except (ImportError, RuntimeError):  # no library of the driver
            self.busy = float("nan")


class Networks:
    """K networks of a case near one initialization, ready to train."""

    def __init__(self, case: Case, runs: int, examples: tuple[Tensor, Tensor], arithmetic: str) -> None:
        inputs, labels = examples
        optimizer = {"lr": 0.05, "momentum": 0.9, "batch_size": BATCH, "arithmetic": arithmetic}
        config = RunConfig.parse({"model": case.model, "optimizer": optimizer})
        network = built_network.build(config.model, case.shape, 10, arithmetic)
        values = {name: value.float()[None] for name, value in network.initial(config.init, 0).items()}
        row = network.parameters.rows(values).to(inputs.device)
        parameters = row * (1 + 0.01 * torch.randn(runs, 1, device=inputs.device))
        buffers = network.buffers.rows(values).to(inputs.device).repeat(runs, 1)
        self.stack = Stack(network, [config] * runs, StackState.begin(parameters, buffers))
        self.stack.start_phase()
        self.inputs = Inputs(inputs[None], torch.zeros(runs, dtype=torch.long, device=inputs.device), inputs.dtype)
        self.labels = labels.expand(runs, -1)
        self.programs = Programs()

    def at_once(self) -> int:
        """Networks that fit into one stack."""
        free = SHARE * memory_bytes(self.labels.device)
        return max(1, min(len(self.stack), int(free / step_bytes(self.stack, self.inputs, BATCH))))

    def train(self, steps: int, choice: KernelChoice) -> None:
        """Train for some steps."""
        runs = len(self.stack)
        device = self.labels.device
        order = torch.randint(self.labels.shape[1], (runs, steps * BATCH), device=device)
        batches = Batches(self.inputs, self.labels, order, BATCH, epoch=0)
        generator = StackGenerator([0] * runs, "benchmark", 0, device)
        segment = Segment(self.stack, batches, 0, steps, choice, generator, self.programs)
        segment.train(steps)
        segment.close()


def load_examples(case: Case, device: torch.device, tiny: bool) -> tuple[Tensor, Tensor]:
    """Inputs and labels on the device."""
    name = case.data.get("name", "digits")
    if not tiny and (name == "digits" or data.is_present(name)):
        split = data.load(DataConfig.parse(case.data), "float32", str(device)).train
        return split.inputs.reshape(-1, *case.shape), split.labels
    print(f"random inputs instead of {name}")
    count = 64 if tiny else case.data["train_size"]
    return torch.randn(count, *case.shape, device=device), torch.randint(0, 10, (count,), device=device)


def forward_flops(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Arithmetic of one forward pass of one example: a weight takes part in a product at every position."""
    counts = []

    def count(layer: nn.Module, inputs: object, output: Tensor) -> None:
        weights = [weight for weight in layer.parameters() if weight.ndim >= 2]
        counts.extend(2 * weight.numel() * output.numel() // len(weight) for weight in weights)

    layers = [layer for layer in module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        module(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def peak_flops(arithmetic: str, clock: Clock, side: int) -> float:
    """Floating-point operations per second of one large product."""
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    left = torch.randn(side, side, device=clock.device, dtype=dtype)
    right = torch.randn(side, side, device=clock.device, dtype=dtype)
    times = [clock.seconds(lambda: left @ right)[0] for _ in range(4)]
    return 2 * side**3 / min(times[1:])


def serial_seconds(case: Case, module: nn.Module, examples: tuple[Tensor, Tensor], clock: Clock, steps: int) -> float:
    """Seconds of one step of one plain module."""
    inputs, labels = examples
    module = copy.deepcopy(module).to(clock.device).train().requires_grad_()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)

    def train() -> None:
        for _ in range(steps):
            batch = torch.randint(len(inputs), (BATCH,), device=clock.device)
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimizer.step()

    train()
    return clock.seconds(train)[0] / steps


class Benchmark:
    """All rows of a case; prints them as they are measured."""

    def __init__(self, case: Case, scale: Scale, clock: Clock, arithmetic: str, show: Callable[[str], None]) -> None:
        self.case = case
        self.scale = scale
        self.clock = clock
        self.arithmetic = arithmetic
        self.show = show
        self.examples = load_examples(case, clock.device, scale is TINY)
        few = Networks(case, min(32, scale.networks[-1]), self.examples, arithmetic)
        self.module = few.stack.network.module
        self.kernel: Kernel = choose_kernel(few.stack, few.inputs, few.labels, BATCH).kernel
        self.flops = FORWARDS * BATCH * forward_flops(self.module, case.shape)
        self.peak = peak_flops(arithmetic, clock, scale.side)
        self.serial = serial_seconds(case, self.module, self.examples, clock, scale.steps)

    def run(self, seconds: float) -> None:
        """Print the rows, for so many seconds at most."""
        end = time.perf_counter() + seconds
        self.show(f"\n{self.case.name}, {self.arithmetic}, kernel {self.kernel}; peak {self.peak / 1e12:.2f} TFLOP/s")
        self.show(f"serial: {self.serial * 1e3:.3f} ms per step, {self._runs_per_minute(self.serial):.2f} runs/min")
        self.show(HEADER)
        before: dict[str, float] = {}
        for runs in self.scale.networks:
            for program in (*PROGRAMS, "jax"):
                expected = before.get(program, 0.0)
                if time.perf_counter() + expected > end:
                    self.show(f"{program:10} {runs:5} left out: {end - time.perf_counter():.0f} s are left")
                    continue
                start = time.perf_counter()
                self._row(program, runs)
                before[program] = time.perf_counter() - start

    def _row(self, program: str, runs: int) -> None:
        if self.clock.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.clock.device)
        try:
            at_once, seconds, host = self._jax(runs) if program == "jax" else self._stack(program, runs)
        except (RuntimeError, ImportError) as error:
            why = "out of memory" if is_out_of_memory(error) else " ".join(str(error).split())[:80]
            self.show(f"{program:10} {runs:5} {why}")
            return
        memory = torch.cuda.max_memory_allocated(self.clock.device) / 2**20 if self.clock.device.type == "cuda" else 0
        per_run = seconds / runs
        self.show(
            f"{program:10} {runs:5} {at_once:7} {seconds * 1e3:9.3f} {self._runs_per_minute(per_run):10.2f} "
            f"{self.serial / per_run:9.1f} {self.flops / per_run / self.peak:8.1%} {host:5.0%} "
            f"{self.clock.busy:5.0%} {memory:8.0f}"
        )

    def _stack(self, program: Program, runs: int) -> tuple[int, float, float]:
        """Networks at once, seconds of a step of all, and the host's part in them."""
        networks = Networks(self.case, runs, self.examples, self.arithmetic)
        choice = KernelChoice(self.kernel, networks.at_once(), program=program)
        networks.train(2, choice)
        one = self.clock.seconds(lambda: networks.train(2, choice))[0] / 2
        steps = max(2, min(self.scale.steps, int(self.scale.row_seconds / one)))
        seconds, launched = self.clock.seconds(lambda: networks.train(steps, choice))
        return choice.size, seconds / steps, launched / seconds

    def _jax(self, runs: int) -> tuple[int, float, float]:
        steps = self.scale.steps
        inputs, labels = (tensor.cpu().numpy() for tensor in self.examples)
        seconds = gpu_jax.step_seconds(inputs, labels, runs, BATCH, steps, self.scale.row_seconds)
        return runs, seconds, float("nan")

    def _runs_per_minute(self, seconds_per_step: float) -> float:
        return 60 / (self.case.run_steps * seconds_per_step)


def measures_per_second(scale: Scale, clock: Clock) -> str:
    """A line about the default measures of a stack of MLPs."""
    networks = Networks(MLP, scale.measured, load_examples(MLP, clock.device, True), "full")
    tensors = {name: value for name, value in networks.stack.tensors.items() if name in networks.stack.network.shapes}
    inputs, labels = networks.inputs.stored[0], networks.labels[0]
    splits = {"train": (inputs, labels), "test": (inputs, labels)}

    def measure() -> None:
        nonlocal rows
        rows = len(measure_stack(networks.stack.network, tensors, tensors, splits))

    rows = 0
    measure()
    seconds, _ = clock.seconds(measure)
    return f"\ndefault measures of {scale.measured} MLPs at once: {rows / seconds:.0f} values per second"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, and keep them if a GPU was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=400.0, help="time for everything")
    parser.add_argument("--arithmetic", choices=["full", "tf32", "bf16"], default="full")
    parser.add_argument("--cpu", action="store_true", help="run every path at tiny size on the CPU")
    options = parser.parse_args(arguments)
    if not (options.cpu or torch.cuda.is_available()):
        print(f"benchmarks/gpu.py: torch {torch.__version__} sees no GPU on this machine; nothing was measured")
        return 0
    device = torch.device("cpu" if options.cpu else "cuda:0")
    scale = TINY if options.cpu else FULL
    clock = Clock(options.seconds, device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.arithmetic == "tf32"
    name = "CPU, tiny sizes: no GPU was measured" if options.cpu else torch.cuda.get_device_name(device)
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    if options.cpu:
        recorded_step.BACKEND = "aot_eager"  # the compiler without generated code, which takes a minute
    show(f"{name}, torch {torch.__version__}, batches of {BATCH}")
    for case, share in ((MLP, 0.45), (CONV, 0.95)):
        Benchmark(case, scale, clock, options.arithmetic, show).run(share * clock.left())
    show(measures_per_second(scale, clock))
    if not options.cpu:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        (Path(__file__).parent / "results" / f"gpu-{slug}.txt").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
