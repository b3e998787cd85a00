"""One small sweep for every family of networks and every intervention, on real data: `python benchmarks/sweeps.py`.

All of a kind are run as one sweep, as `bth run` does it, report included. A line for each says how many runs, seconds
of training, the mean test error and how the runs ended; the process fails if a run does or is missing. Names as
arguments run only those.
"""

import argparse
import io
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from typing import Any

import pandas as pd
import torch
from kernels import processor
from rich.console import Console
from torch import nn

from benevolent.analysis.results import load_results
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import run_sweep
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import SYNTHETIC
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.models import MODELS
from benevolent.trainables.models.weight_edits import EDITS
from benevolent.trainables.store.statuses import ENDED, Status

Sweep = dict[str, Any]


class Small(nn.Module):
    """A user's own network, with a normalization that no batched layer knows."""

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
METHODS = ["redraw", "swap"]
DRAWN = {"train_size": 200, "validation_size": 50, "test_size": 200}
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
    "zhang_alexnet": sweep(CIFAR | {"crop": 2}, {"family": "zhang_alexnet", "width": 8}),
    "zhang_inception": sweep(CIFAR | {"crop": 8}, {"family": "zhang_inception", "width": 2}),
    "arpit_cnn": sweep(CIFAR | {"crop": 2}, {"family": "arpit_cnn", "width": 16}),
    "nakkiran_cnn": sweep(MNIST | SMALL, {"family": "nakkiran_cnn", "width": 8, "units": 100}),
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
    "random_forest": sweep(
        MNIST,
        {"family": "random_forest", "leaves": 100},
        {"model.trees": [2, 8]},
        loss={"name": "squared"},
        optimizer={},
        stop={"train_loss": None},
    ),
    "module": sweep(MNIST, {"family": "module", "path": "sweeps:Small"}),
}
INTERVENTIONS: dict[str, Sweep] = {
    "draws": sweep(
        MNIST,
        MLP,
        {"init.scheme": ["kaiming", "xavier", "xavier_normal", "orthogonal", "torch"], "init.scale": [0.5, 1]},
    ),
    "first weight": sweep(MNIST, MLP, {"init.first": [None, 5.0]}),
    "edits": sweep(MNIST, MLP, {"init.edit": [*EDITS], "init.amount": [0.5, 0.9]}),
    "label corruption": sweep(FASHION, MLP, {"data.label_corruption": [0, 0.5], "data.corruption": ["swap"]}),
    "corrupted held-out labels": sweep(
        FASHION | {"label_corruption": 0.5}, MLP, {"data.corrupt_test": [False, True], "data.corruption": METHODS}
    ),
    "pixels": sweep(CIFAR | SMALL, MLP, {"data.pixels": ["none", "permuted", "shuffled", "gaussian"]}),
    "pixels of some": sweep(CIFAR | SMALL | {"pixels": "shuffled"}, MLP, {"data.pixels_fraction": [0.25, 1.0]}),
    "synthetic tasks": sweep(DRAWN, MLP, {"data.name": ["sinusoid", "staircase"], "data.fresh": [False, True]}),
    "label noise": sweep(DRAWN, MLP, {"data.name": ["disk", "sparse_linear"], "data.noise": [0.1, 0.4]}),
    "hard test": FAMILIES["xord"] | {"grid": {"data.hard_test": [False, True]}},
    "dropout": sweep(CIFAR, FAMILIES["frankle_conv"]["base"]["model"], {"model.dropout": [0.0, 0.2, 0.5]}),
    "margin": FAMILIES["xord"] | {"grid": {"loss.margin": [0.5, 1, 5]}},
    "augmentation": sweep(
        CIFAR | {"crop": 2},
        FAMILIES["puzzles_cnn"]["base"]["model"],
        {"data.augment": ["none", "shift_flip", "window"]},
    ),
    "pretraining": sweep(MNIST, MLP, {"pretrain.label_corruption": [0.0, 1.0]}, pretrain={"epochs": 2}),
    "pretraining, wrong labels": sweep(
        MNIST, MLP, {"pretrain.corruption": METHODS}, pretrain={"epochs": 2, "label_corruption": 1.0}
    ),
    "pruning in rounds": sweep(MNIST, MLP, {"prune.rounds": [1, 2, 3]}, prune=TICKETS),
    "pruning, controls": sweep(MNIST, MLP, {"prune.control": ["ticket", "reinit", "random_mask"]}, prune=TICKETS),
    "pruning, draws of controls": sweep(
        MNIST, MLP, {"prune.control": ["reinit", "random_mask"], "prune.draw": [0, 1, 2]}, prune=TICKETS
    ),
    "pruning, rates": sweep(
        CIFAR, FAMILIES["frankle_conv"]["base"]["model"], prune=TICKETS | {"conv_rate": 0.5, "fraction": 0.2}
    ),
    "pruning, rewinds": sweep(
        FASHION, MLP, {"prune.rewind": ["init", "train", "none"]}, prune={"fraction": 0.5}, pretrain={"epochs": 1}
    ),
    "pruning, Adam, BatchNorm": sweep(
        CIFAR, FAMILIES["puzzles_bn"]["base"]["model"], prune=TICKETS, optimizer={"name": "adam", "lr": 0.003}
    ),
    "resets": sweep(MNIST, MLP, {"reset.layers": [[1], [2], [3]], "reset.to": ["init", "random", 0, 1]}),
    "start from a run": sweep(
        MNIST,
        MLP,
        list_=[
            {"init.scheme": "kaiming"},
            {"init.scheme": "run", "init.source": {"data.label_corruption": 1.0}},
            {
                "init.scheme": "run",
                "init.source": {"data.label_corruption": 1.0},
                "init.edit": "shrink",
                "init.amount": 0.5,
            },
        ],
    ),
    "start from a checkpoint": sweep(
        MNIST, MLP, {"init.at": [0, 1, 2, None]}, init={"scheme": "run", "source": {"optimizer.lr": 0.1}}
    ),
    "labels from a run": sweep(
        MNIST,
        MLP | {"width": 8},
        list_=[
            {"labels.held_out": False},
            {"labels.source": {"model.width": 128}, "labels.held_out": True},
            {"labels.source": {"model.family": "lenet5"}},
        ],
    ),
    "labels from a checkpoint": sweep(
        MNIST, MLP | {"width": 8}, {"labels.at": [1, 2, None]}, labels={"source": {"model.width": 128}}
    ),
    "start from a narrower run": sweep(
        MNIST,
        {"family": "mlp", "depth": 2},
        init={"scheme": "reuse", "std": 0.1, "bias_std": 0.1},
        list_=[{"model.width": 2 * w, "init.source": {"model.width": w}} for w in (8, 16)],
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
    "least squares": sweep(
        MNIST,
        {"family": "random_features"},
        {"model.features": [100, 400, 2000]},
        loss={"name": "squared"},
        optimizer={"name": "least_squares"},
        stop={"train_loss": None},
    ),
    "schedules": sweep(FASHION, MLP, {"optimizer.decay": [0.9, 0.5], "optimizer.decay_every": [1, 2]}),
    "weight decay": sweep(
        FASHION,
        MLP,
        {"optimizer.weight_decay": [0.0, 0.01], "optimizer.name": ["sgd", "adam"]},
        optimizer={"lr": 0.003, "batch_size": 50},
    ),
    "schedules of points, clipped": sweep(
        FASHION,
        MLP,
        {"optimizer.between": ["hold", "linear", "geometric"], "optimizer.clip": [None, 0.1]},
        optimizer=STEPS | {"schedule": [[0, 0.2], [2, 1], [3, 0.1]]},
    ),
    "full batches": sweep(MNIST, MLP, {"optimizer.batch_size": [50, "full"]}, stop={"max_epochs": 20}),
    "stops": sweep(MNIST, MLP, {"stop.train_error": [0.3, 0.1], "stop.max_steps": [15, 1000]}),
    "snapshots": sweep(MNIST, MLP, {"stop.snapshot_loss": [None, 0.5, 1.0]}),
    "stops within an epoch": sweep(MNIST, MLP, {"stop.train_error": [0.3, 0.1], "stop.check_every_steps": [None, 3]}),
}


def points(values: Sweep) -> list[dict[str, Any]]:
    """Every configuration of a sweep as one point of a list: dotted fields and their values."""
    base = {f"{part}.{field}": value for part, fields in values["base"].items() for field, value in fields.items()}
    grid = [dict(zip(values["grid"], chosen, strict=True)) for chosen in itertools.product(*values["grid"].values())]
    return [base | one | two for one in grid for two in values["list"] or [{}]]


#: What is recorded of every run.
RECORD = {"measures": ["path_norm"], "measure_at": "checkpoints", "early_stop": True}


def untried() -> set[str]:
    """What has no sweep: of the families, the edits, the synthetic tasks, and the fields that may differ in a stack."""
    sweeps = [*FAMILIES.values(), *INTERVENTIONS.values()]
    tried = {(field, str(value)) for values in sweeps for point in points(values) for field, value in point.items()}
    names = {"model.family": MODELS, "init.edit": EDITS, "data.name": SYNTHETIC}
    wanted = {(field, name) for field, registry in names.items() for name in registry}
    sections = [(name, part) for name, part in RunConfig() if isinstance(part, Section)]
    per_run = {
        f"{name}.{field}" for name, part in sections for field in type(part).model_fields.keys() - part.shared_fields()
    }
    return {" = ".join(one) for one in wanted - tried} | (per_run - {field for field, _ in tried})


def together(sweeps: dict[str, Sweep]) -> dict[str, str]:
    """Run several sweeps as one, which starts workers once, and print a line of each; what is wrong, by name."""
    listed = [point for values in sweeps.values() for point in points(values)]
    unique = list({json.dumps(point, sort_keys=True): point for point in listed}.values())
    spec = SweepSpec.parse(
        {"name": "benchmark", "record": RECORD, "list": unique, "seeds": 2, "inert_axes": "collapse"}
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = run_sweep(spec, folder, Console(file=io.StringIO()))
        runs = load_results(folder).runs.set_index("run_id")
    for name, values in sweeps.items():
        own = SweepSpec.parse({"name": "benchmark", "record": RECORD, **values})
        describe(name, own, runs)
    seconds = time.perf_counter() - start
    print(f"{'together':26} {len(runs):3} runs {seconds:6.1f} s, from nothing to the report, workers included\n")
    sys.stdout.flush()
    wrong = dict.fromkeys(done.failures, Status.FAILED)
    for name, values in sweeps.items():
        own = SweepSpec.parse({"name": "benchmark", "record": RECORD, **values})
        if line := problem(own, runs):
            wrong[name] = line
    return wrong


def describe(name: str, spec: SweepSpec, runs: pd.DataFrame) -> None:
    """Print the line of a sweep, and one for each of its configurations."""
    own = runs.reindex([run.run_id for run in spec.runs()])
    parents = {before.run_id for run in spec.runs() for before in run.ancestors} - set(own.index)
    counts = ", ".join(
        f"{count} {status}" for status, count in sorted(Counter(own["status"].fillna("missing")).items())
    )
    seconds = runs.reindex([*own.index, *parents])["seconds"].sum()
    print(
        f"{name:26} {len(own):3} runs + {len(parents):2} {seconds:6.1f} s  "
        f"test error {own['test_error'].mean():.3f}  {counts}"
    )
    axes = [axis for axis in spec.axis_names if axis in own]
    for point, group in own.groupby(axes, dropna=False) if axes else ():
        shown = ", ".join(f"{axis}={_short(value)}" for axis, value in zip(axes, point, strict=True))
        print(f"    {shown:84} {group['test_error'].mean():.3f}")


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def problem(spec: SweepSpec, runs: pd.DataFrame) -> str | None:
    """What is wrong with a sweep's runs, if something is."""
    own = runs.reindex([run.run_id for run in spec.runs()])
    if bad := set(own["status"].fillna("missing")) - set(ENDED):
        return f"status {sorted(bad)}"
    if own["test_error"].isna().any():
        return "no test error"
    networks = own[own["model.family"] != "random_forest"]
    return None if networks["test_early_stop_error"].notna().all() else "no test error at the lowest validation loss"


def main() -> None:
    """Run all sweeps, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    names = parser.parse_args().names
    assert not untried(), f"without a sweep: {sorted(untried())}"
    wrong = {}
    with ray_cluster(None):
        for sweeps in (FAMILIES, INTERVENTIONS):
            chosen = {name: values for name, values in sweeps.items() if not names or name in names}
            wrong |= together(chosen) if chosen else {}
    print(f"torch {torch.__version__}, {machine_cpus()} cores of {processor()}")
    for name, line in wrong.items():
        print(f"FAILED {name}: {line}", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
