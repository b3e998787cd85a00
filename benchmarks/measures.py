"""Seconds per network and measure: `measure_stack` against a loop that computes every measure from scratch.

    python benchmarks/measures.py [--networks 30] [--width 128] [--examples 1000]

On one thread. The loop uses the same formulas one network and one measure at a time, so it shares nothing.
The last line is what plain autograd costs: one Jacobian per example and class.
`--chunk` sets how many activations go through `vmap` together, to find the value of `evaluate.CHUNK`.
"""

import argparse
import time

import torch
from torch import Tensor, nn

from analysis.measures import MEASURES, evaluate, measure_stack
from trainables import models
from trainables.config import InitConfig
from trainables.network import Network


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--model", choices=["mlp", "puzzles_cnn"], default="mlp")
    parser.add_argument("--chunk", type=int, default=evaluate.CHUNK["cpu"])
    options = parser.parse_args()
    evaluate.CHUNK["cpu"] = options.chunk
    torch.set_num_threads(1)

    stack = make_stack(options.model, options.networks, options.width, options.examples)
    measure_stack(*slice_of(stack, 0))  # the first backward pass of a process imports for seconds
    started = time.perf_counter()
    table = measure_stack(*stack)
    total = (time.perf_counter() - started) / options.networks
    alone = {name: seconds(lambda name=name: measure_stack(*slice_of(stack, 0), [name])) for name in MEASURES}
    print(f"{options.networks} {options.model} networks, {options.examples} examples, ms per network")
    print(f"{'measure':24}{'stack':>10}{'loop':>10}")
    for name, mean in table.groupby("name", sort=False)["seconds"].mean().items():
        print(f"{name:24}{mean * 1e3:10.2f}{alone[str(name)] * 1e3:10.2f}")
    print(f"{'all':24}{total * 1e3:10.2f}{sum(alone.values()) * 1e3:10.2f}")
    print(f"{'Jacobians per example':34}{per_example_jacobians(stack) * 1e3:10.2f}")
    print("statuses:", table["status"].value_counts().to_dict())


Stack = tuple[Network, dict[str, Tensor], dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]


def make_stack(model: str, networks: int, width: int, examples: int) -> Stack:
    """Networks at initialisation and random data; the initial parameters are those of other seeds."""
    shape = (64,) if model == "mlp" else (1, 28, 28)
    module = models.mlp(shape, 10, width=width) if model == "mlp" else models.puzzles_cnn(shape, 10)
    network = Network(module)

    def drawn(seeds: range) -> dict[str, Tensor]:
        each = [network.initial(InitConfig(), seed) for seed in seeds]
        return {name: torch.stack([one[name] for one in each]).float() for name in network.shapes}

    draw = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(examples, *shape, generator=draw), torch.arange(examples) % 10
    splits = {"train": (inputs, labels), "test": (inputs[: examples // 2], labels[: examples // 2])}
    return network, drawn(range(networks)), drawn(range(networks, 2 * networks)), splits


def slice_of(stack: Stack, position: int) -> Stack:
    """One network of a stack, as a stack of one."""
    network, parameters, initial, splits = stack
    part = slice(position, position + 1)
    return (
        network,
        {k: v[part] for k, v in parameters.items()},
        {k: v[part] for k, v in initial.items()},
        splits,
    )


def per_example_jacobians(stack: Stack) -> float:
    """Seconds for the Jacobians of one network by `torch.autograd.functional`, from the first 50 examples."""
    network, parameters, _, splits = stack
    nn.utils.vector_to_parameters(
        torch.cat([value[0].flatten() for value in parameters.values()]), network.module.parameters()
    )
    inputs = splits["train"][0]
    each = seconds(
        lambda: [torch.autograd.functional.jacobian(network.module, example[None]) for example in inputs[:50]]
    )
    return each / 50 * len(inputs)


def seconds(function: object, repeats: int = 3) -> float:
    """The least of a few timings."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()  # type: ignore[operator]
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
