"""Seconds and memory of `measure_network` on deep networks, and of the norms of convolutions against scipy.

    python benchmarks/deep.py [--parts convolutions resnet18 resnet50 vit_b_16] [--images 8] [--threads 2]
                              [--seconds 100] [--measures default]

ResNet-18 on images of 64 x 64, ResNet-50 and ViT-B/16 on images of 224 x 224: torchvision's, with random weights in
eval mode and 1,000 classes. Every network has a process of its own, so that its peak memory is its own, and a budget of
seconds; measures for which it does not suffice are counted as skipped. Times are wall-clock times.

Convolutions have random weights, and their times are of the processor. scipy's ARPACK finds an eigenvalue of the same
A^T A in float64, until its residual is within the same tolerance, from one start vector.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torchvision
from kernels import processor
from rich.console import Console
from rich.table import Table
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn
from torch.nn import functional

from benevolent.analysis import measure_network
from benevolent.analysis.measures.linear_maps import convolution_norm, norm_tolerance

#: Networks, by their names in `torchvision.models`, and the side of their images.
SIDES = {"resnet18": 64, "resnet50": 224, "vit_b_16": 224}
CONVOLUTIONS = "convolutions"
#: Of a network's time, above which a measure has a line of its own.
SHARE = 0.01


class Convolution(NamedTuple):
    """A convolution of random weights; `against_scipy`: False where scipy would take minutes."""

    channels: int
    filters: int
    kernel: int
    stride: int
    side: int
    against_scipy: bool


CASES = (
    Convolution(64, 64, 3, 1, 56, True),
    Convolution(3, 64, 7, 2, 224, True),
    Convolution(512, 512, 3, 1, 7, True),
    Convolution(64, 128, 3, 1, 112, False),
    Convolution(64, 64, 3, 1, 224, False),
)


class Measured(NamedTuple):
    """Table of one network, its seconds in all, and the peak memory of its process in GB."""

    table: pd.DataFrame
    seconds: float
    peak_gb: float


def measured(name: str, images: int, threads: int, seconds: float, measures: list[str]) -> Measured:
    """Measure a network of torchvision; to be called in a process of its own."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = torchvision.models.get_model(name).eval()
    inputs = torch.randn(images, 3, SIDES[name], SIDES[name])
    labels = torch.arange(images)
    started = time.perf_counter()
    table = measure_network(network, inputs, labels, measures=measures, seconds=seconds, progress=True)
    taken = time.perf_counter() - started
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured(table, taken, peak_kb * 1024 / 1e9)


def networks(names: list[str], arguments: argparse.Namespace) -> list[Table]:
    """Tables of networks: their totals, and the seconds of their measures."""
    totals = Table("network", "images", "seconds", "peak GB", "statuses", title="measure_network")
    measures = Table("network", "measure", "seconds", title="Seconds by measure; of several that share one, the first")
    context = multiprocessing.get_context("spawn")
    for name in names:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            given = (name, arguments.images, arguments.threads, arguments.seconds, arguments.measures)
            result = pool.submit(measured, *given).result()
        side = SIDES[name]
        counts = result.table["status"].str.partition(":")[0].value_counts()
        statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
        images = f"{arguments.images} of {side} x {side}"
        totals.add_row(name, images, f"{result.seconds:.1f}", f"{result.peak_gb:.2f}", statuses)
        for measure, row in result.table.sort_values("seconds", ascending=False).iterrows():
            if row["seconds"] >= SHARE * result.seconds:
                skipped = " (skipped)" if row["status"].startswith("skipped") else ""
                measures.add_row(name, f"{measure}{skipped}", f"{row['seconds']:.2f}")
    return [totals, measures]


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Value and seconds of processor of a call."""
    started = time.process_time()
    value = function()
    return value, time.process_time() - started


def scipy_norm(case: Convolution, weight: torch.Tensor) -> float:
    """The norm of a convolution by ARPACK in float64."""
    shape = (1, case.channels, case.side, case.side)
    settings = {"stride": case.stride, "padding": case.kernel // 2}
    rest = (case.side + 2 * settings["padding"] - case.kernel) % case.stride

    def product(vector: np.ndarray) -> np.ndarray:
        inputs = torch.from_numpy(vector).view(shape)
        outputs = functional.conv2d(inputs, weight, **settings)
        return functional.conv_transpose2d(outputs, weight, output_padding=rest, **settings).flatten().numpy()

    size = case.channels * case.side**2
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    tolerance = 2 * norm_tolerance((case.channels, case.side, case.side))
    (squared,) = eigsh(operator, k=1, which="LA", tol=tolerance, v0=start, return_eigenvectors=False)
    return float(squared) ** 0.5


def convolutions() -> Table:
    """Norms of convolutions: seconds of ours and of scipy."""
    title = "Operator norms of convolutions, seconds of processor"
    table = Table("convolution", "ours, s", "scipy, s", "", "difference", title=title)
    for case in CASES:
        torch.manual_seed(0)
        settings = {"stride": case.stride, "padding": case.kernel // 2, "bias": False}
        conv = nn.Conv2d(case.channels, case.filters, case.kernel, **settings)
        weight = conv.weight.detach().double()
        shape = (case.channels, case.side, case.side)
        ours, seconds = timed(lambda: convolution_norm(conv, weight, shape).item())  # noqa: B023 - called at once
        name = f"{case.channels} to {case.filters}, {case.kernel} x {case.kernel} / {case.stride}, on {case.side}"
        if not case.against_scipy:
            table.add_row(name, f"{seconds:.2f}", "", "", "")
            continue
        theirs, their_seconds = timed(lambda: scipy_norm(case, weight))  # noqa: B023 - called at once
        difference = f"{abs(ours - theirs) / theirs:.0e}"
        table.add_row(name, f"{seconds:.2f}", f"{their_seconds:.2f}", f"{their_seconds / seconds:.1f}x", difference)
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = [CONVOLUTIONS, *SIDES]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=100.0, help="budget of each network")
    parser.add_argument("--measures", nargs="+", default=["default"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console = Console(width=120)
    if CONVOLUTIONS in arguments.parts:
        console.print(convolutions())
    names = [name for name in SIDES if name in arguments.parts]
    if names:
        for table in networks(names, arguments):
            console.print(table)
    console.print(f"torch {torch.__version__}, {arguments.threads} threads, on {processor()}")


if __name__ == "__main__":
    main()
