"""What does a GPU make of stacks? Runs per minute of the 3-layer conv net of Liao et al. 2018 on 3 x 32 x 32 inputs.

    python benchmarks/gpu.py

Needs no Ray: torch, numpy, pydantic, pyarrow, scikit-learn, scipy, safetensors and torchvision are imported by
`trainables`. CIFAR-10 where it is there (see `bth list datasets`), else random images. K networks train by the kernel
and the stack size that the probe finds fastest. The peak is that of one large product on the same device, in the same
arithmetic. The table is also written to `benchmarks/results/gpu-<device>.txt`.
"""

import re
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / ".import"))  # a copy of the repository need not be installed

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_choice import KernelChoice, choose_kernel
from benevolent.trainables.stack.stack import Stack

NETWORKS = (1, 8, 32, 128)
TRAIN_SIZE, BATCH = 6400, 32
#: A run is 20 epochs of 50,000 examples.
EXAMPLES_PER_RUN = 1_000_000
#: A training step is about three forward passes: the backward pass differentiates by inputs and by parameters.
FORWARDS = 3


def make_stack(runs: int, arithmetic: str, device: torch.device) -> Stack:
    """Networks at their initialization."""
    optimizer = {"lr": 0.05, "momentum": 0.9, "batch_size": BATCH, "arithmetic": arithmetic}
    base = {"model": {"family": "puzzles_cnn"}, "optimizer": optimizer}
    configs = [RunConfig.parse(base | {"seed": seed}) for seed in range(runs)]
    net = built_network.build(configs[0].model, (3, 32, 32), 10)
    net.arithmetic = arithmetic
    drawn = [net.initial(config.init, config.seed) for config in configs]
    values = {name: torch.stack([one[name] for one in drawn]).float() for name in drawn[0]}
    groups = {"parameters": net.parameters.rows(values), "buffers": net.buffers.rows(values)}
    stack = Stack(net, configs, {name: rows.to(device) for name, rows in groups.items()})
    stack.start_phase()
    return stack


def examples(device: torch.device) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Inputs `(N, 3, 32, 32)` and labels, as a whole on the device, and where they are from."""
    if "cifar10" in data.READERS and data.is_present("cifar10"):
        config = RunConfig.parse({"data": {"name": "cifar10", "train_size": TRAIN_SIZE, "test_size": 10}}).data
        split = data.load(config, "float32", str(device)).train
        return split.inputs, split.labels, "CIFAR-10"
    inputs = torch.randn(TRAIN_SIZE, 3, 32, 32, device=device)
    return inputs, torch.randint(0, 10, (TRAIN_SIZE,), device=device), "random images"


def forward_flops(stack: Stack) -> int:
    """Of one example in one network: each weight takes part in as many products as there are positions."""
    flops = 0

    def count(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal flops
        flops += sum(2 * w.numel() * output.numel() // len(w) for w in layer.parameters() if w.ndim >= 2)

    module = stack.network.module
    hooks = [part.register_forward_hook(count) for part in module.modules() if not list(part.children())]
    with torch.no_grad():
        module(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return flops


def seconds_of(work, device: torch.device, repeats: int = 3) -> float:
    """The fastest of several, after one that does not count."""
    best = float("inf")
    for repeat in range(repeats + 1):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start) if repeat else best
    return best


def peak_flops(arithmetic: str, device: torch.device, side: int = 8192) -> float:
    """Floating-point operations per second of one large product."""
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: left @ right, device)


def measure(runs: int, arithmetic: str, device: torch.device, peak: float) -> str:
    """One line of the table."""
    stack = make_stack(runs, arithmetic, device)
    inputs, labels, _ = examples(device)
    shared = Inputs(inputs.unsqueeze(0), torch.zeros(runs, dtype=torch.long, device=device), inputs.dtype)
    own = labels.expand(runs, -1)
    plan: KernelChoice = choose_kernel(stack, shared, own, BATCH, steps=EXAMPLES_PER_RUN // BATCH)
    order = torch.stack([torch.randperm(TRAIN_SIZE, device=device) for _ in range(runs)])

    def epoch() -> None:
        for first, part in zip(range(0, runs, plan.size), stack.slices(plan.size), strict=True):
            rows = slice(first, first + plan.size)
            batches = Batches(shared.pick(rows), own[rows], order[rows], BATCH, epoch=0)
            part.train_epoch(batches, plan.kernel)

    torch.cuda.reset_peak_memory_stats(device)
    seconds = seconds_of(epoch, device)
    per_minute = runs * 60 / (seconds * EXAMPLES_PER_RUN / TRAIN_SIZE)
    share = FORWARDS * forward_flops(stack) * TRAIN_SIZE * runs / seconds / peak
    memory = torch.cuda.max_memory_allocated(device) / 2**20
    milliseconds = seconds / (TRAIN_SIZE / BATCH) / runs * 1e3
    return (
        f"{arithmetic:10} {runs:4} {plan.kernel + f', {plan.size} at once':28} {milliseconds:12.3f} "
        f"{per_minute:12.2f} {share:12.1%} {memory:10.0f}"
    )


def main() -> int:
    """Print the table, and keep it."""
    if not torch.cuda.is_available():
        print(f"benchmarks/gpu.py: torch {torch.__version__} sees no GPU on this machine; nothing was measured")
        return 0
    device = torch.device("cuda:0")
    name = torch.cuda.get_device_name(device)
    lines = [
        f"{name}, torch {torch.__version__}, {examples(device)[2]}; a run: {EXAMPLES_PER_RUN:,} examples in "
        f"batches of {BATCH}",
        f"{'arithmetic':10} {'K':>4} {'chosen':28} {'ms/run/step':>12} {'runs/minute':>12} "
        f"{'of the peak':>12} {'MiB':>10}",
    ]
    print(*lines, sep="\n", flush=True)
    for arithmetic in ("full", "tf32", "bf16"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
        peak = peak_flops(arithmetic, device)
        for runs in NETWORKS:
            lines.append(measure(runs, arithmetic, device, peak))
            print(lines[-1], flush=True)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    (results / f"gpu-{slug}.txt").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
