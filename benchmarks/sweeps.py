"""One small sweep for every family of networks and every intervention, on real data: `python benchmarks/sweeps.py`.

Each is run as `bth run` does it, report included, and printed as one line; the process fails if a run does, if one is
missing, or if a network of real data is no better than chance where it should be. Names as arguments run only those.
"""

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from torch import nn

from analysis.results import load_results
from orchestrator.session import session
from orchestrator.spec import SweepSpec
from orchestrator.sweep import run_sweep
from trainables.models import MODELS

Sweep = dict[str, Any]


class Small(nn.Module):
    """A user's own network, with a normalisation that no batched layer knows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(784, 32), nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Images `(N, 1, 28, 28)` -> `(N, 10)`."""
        return self.last(self.norm(self.first(inputs.flatten(1))).tanh())


MNIST = {"name": "mnist", "train_size": 500, "validation_size": 100, "test_size": 500}
FASHION = MNIST | {"name": "fashion_mnist"}
CIFAR = MNIST | {"name": "cifar10"}
SMALL = {"pool": 2}
STEPS = {"lr": 0.05, "momentum": 0.9, "batch_size": 50}
STOP = {"train_loss": 0.05, "max_epochs": 4}
MLP = {"family": "mlp", "width": 32}
TICKETS = {"fraction": 0.5, "rounds": 2, "method": "layer_magnitude", "output_rate": 0.5}


def sweep(data: Sweep, model: Sweep, grid: Sweep | None = None, list_: list[Sweep] | None = None, **base: Any) -> Sweep:
    """A sweep of two seeds."""
    values = {"data": data, "model": model, "optimizer": STEPS, "stop": STOP} | base
    return {"base": values, "grid": grid or {}, "list": list_ or [], "seeds": 2}


FAMILIES: dict[str, Sweep] = {
    "mlp": sweep(MNIST, MLP, {"model.batch_norm": ["none", "plain", "noisy"]}),
    "linear": sweep(MNIST, {"family": "linear"}),
    "deep_linear": sweep(MNIST | SMALL, {"family": "deep_linear", "depth": 4}, init={"scheme": "orthogonal"}),
    "lenet_300_100": sweep(FASHION, {"family": "lenet_300_100"}),
    "lenet5": sweep(FASHION, {"family": "lenet5"}),
    "frankle_conv": sweep(CIFAR, {"family": "frankle_conv", "width": 8, "units": 32}, {"model.depth": [2, 4, 6]}),
    "vgg": sweep(CIFAR, {"family": "vgg", "width": 8}, {"model.batch_norm": ["none", "plain"]}),
    "resnet": sweep(CIFAR, {"family": "resnet", "depth": 8, "width": 8}),
    "preact_resnet": sweep(CIFAR, {"family": "preact_resnet", "depth": 8, "width": 8}),
    "puzzles_cnn": sweep(CIFAR, {"family": "puzzles_cnn", "filters": 8, "stride": 2, "padding": 2}),
    "puzzles_bn": sweep(CIFAR, {"family": "puzzles_bn", "width": 8}),
    "narrow_cnn": sweep(CIFAR, {"family": "narrow_cnn"}),
    "arpit_cnn": sweep(FASHION, {"family": "arpit_cnn", "width": 16}),
    "loukas_cnn": sweep(
        MNIST | {"classes": [[3], [6]], "train_size": 200},
        {"family": "loukas_cnn", "width": 8},
        loss={"name": "logistic"},
        optimizer=STEPS | {"lr": 0.01},
    ),
    "xord": sweep(
        {"name": "xord", "train_size": 100, "validation_size": 50, "test_size": 500},
        {"family": "xord", "filters": 20},
        loss={"name": "hinge"},
    ),
    "random_features": sweep(MNIST, {"family": "random_features", "features": 400}, {"model.bandwidth": [0.01, 0.1]}),
    "module": sweep(MNIST, {"family": "module", "path": "sweeps:Small"}),
}
INTERVENTIONS: dict[str, Sweep] = {
    "draws": sweep(MNIST, MLP, {"init.scheme": ["kaiming", "xavier", "orthogonal"], "init.scale": [0.5, 1]}),
    "first weight": sweep(MNIST, MLP, {"init.first": [None, 5.0]}),
    "label corruption": sweep(FASHION, MLP, {"data.label_corruption": [0, 0.5], "data.corruption": ["swap"]}),
    "pixels": sweep(CIFAR | SMALL, MLP, {"data.pixels": ["none", "permuted", "shuffled", "gaussian"]}),
    "pretraining": sweep(MNIST, MLP, {"pretrain.label_corruption": [0.0, 1.0]}, pretrain={"epochs": 2}),
    "pruning in rounds": sweep(MNIST, MLP, {"prune.rounds": [1, 2, 3]}, prune=TICKETS),
    "pruning, controls": sweep(MNIST, MLP, {"prune.control": ["ticket", "reinit", "random_mask"]}, prune=TICKETS),
    "pruning, rewinds": sweep(
        FASHION, MLP, {"prune.rewind": ["init", "train", "none"]}, prune={"fraction": 0.5}, pretrain={"epochs": 1}
    ),
    "pruning, Adam, BatchNorm": sweep(
        CIFAR, FAMILIES["puzzles_bn"]["base"]["model"], prune=TICKETS, optimizer={"name": "adam", "lr": 0.003}
    ),
    "resets": sweep(MNIST, MLP, {"reset.layers": [[1], [2], [3]], "reset.to": ["init", "random", 0, 1]})
    | {"record": {"measure_at": "checkpoints"}},
    "start from a run": sweep(
        MNIST,
        MLP,
        list_=[
            {"init.scheme": "kaiming"},
            {"init.scheme": "run", "init.source": {"data.label_corruption": 1.0}},
            {"init.scheme": "run", "init.source": {"data.label_corruption": 1.0}, "init.edit": "shrink"},
        ],
    ),
    "start from k-means": sweep(
        FAMILIES["xord"]["base"]["data"],
        {"family": "xord", "filters": 2},
        loss={"name": "hinge"},
        list_=[{"init.scheme": "kaiming"}, {"init.scheme": "kmeans", "init.source": {"model.filters": 40}}],
    ),
    "subspaces": sweep(
        MNIST,
        MLP,
        {"subspace.dimension": [50, 400], "subspace.projection": ["dense", "sparse", "fastfood"]},
        optimizer={"name": "adam", "lr": 0.02, "batch_size": 50},
    ),
    "losses": sweep(
        MNIST | {"classes": "odd_even"},
        MLP,
        {"loss.name": ["cross_entropy", "logistic", "squared", "hinge"]},
        optimizer=STEPS | {"lr": 0.02},
    ),
    "real targets": sweep(
        {"name": "frequency", "train_size": 100, "validation_size": 30, "test_size": 30},
        {"family": "mlp", "first": "identity", "width": 32, "depth": 4},
        {"data.frequency": [0.25, 1.0]},
        loss={"name": "squared"},
        optimizer={"lr": 0.001, "batch_size": 1},
    ),
    "schedules": sweep(FASHION, MLP, {"optimizer.decay": [1.0, 0.5], "optimizer.name": ["sgd"]}),
    "full batches": sweep(MNIST, MLP, {"optimizer.batch_size": [50, "full"]}, stop={"max_epochs": 20}),
    "stops": sweep(MNIST, MLP, {"stop.train_error": [0.3, 0.1], "stop.max_steps": [15, 1000]}),
}


def printed(name: str, values: Sweep) -> str | None:
    """Run one sweep and print its line; what is wrong with it, if something is."""
    spec = SweepSpec.parse({"name": "benchmark", "record": {"measures": ["path_norm"]}, **values})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = run_sweep(spec, folder, Console(file=io.StringIO()))
        runs = load_results(folder).runs
    seconds, own = time.perf_counter() - start, runs[runs["role"] == "run"]
    axes = [axis for axis in spec.axis_names if axis in runs]
    counts = ", ".join(f"{count} {status}" for status, count in sorted(Counter(runs["status"]).items()))
    print(f"{name:26} {len(runs):3} runs {seconds:6.1f} s  test error {own['test_error'].mean():.3f}  {counts}")
    for point, group in own.groupby(axes, dropna=False) if len(axes) else ():
        shown = ", ".join(f"{axis}={_short(value)}" for axis, value in zip(axes, point, strict=True))
        print(f"    {shown:82} {group['test_error'].mean():.3f}")
    sys.stdout.flush()
    return _wrong(done.failures, spec, runs, own)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wrong(failures: list[str], spec: SweepSpec, runs: pd.DataFrame, own: pd.DataFrame) -> str | None:
    if failures:
        return "; ".join(failures)
    if set(own["run_id"]) != {run.run_id for run in spec.runs()}:
        return "runs are missing"
    ended = {"converged", "limit", "diverged"}
    return None if set(runs["status"]) <= ended else f"status {sorted(set(runs['status']) - ended)}"


def main() -> None:
    """Run all sweeps, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    names = parser.parse_args().names
    assert FAMILIES.keys() == MODELS.keys(), "every family has a sweep"
    wrong = {}
    with session(None):
        for name, values in (FAMILIES | INTERVENTIONS).items():
            if (not names or name in names) and (line := printed(name, values)):
                wrong[name] = line
    for name, line in wrong.items():
        print(f"FAILED {name}: {line}", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
