"""Where runs start: from drawn weights, or from what other runs, of the same seed, have left."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.config import RunConfig
from trainables.errors import BadInput
from trainables.interventions import centres, magnitude_mask, random_mask
from trainables.manifest import Manifest
from trainables.network import Network
from trainables.storage import CohortFiles, Folder

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Saved:
    """A network at some step: parameters and buffers, the path behind them, and how its run ended (if it has)."""

    tensors: Tensors
    path_length: float
    status: str | None = None


@dataclass(frozen=True)
class Start(Saved):
    """Where a run starts; `mask` is 0 for the weights that it lacks, None if it has all."""

    mask: Tensors | None = None


class Origins:
    """The starts of a cohort's runs.

    Args:
        results: the results folder.
        manifest: of the cohort.
        network: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest, network: Network) -> None:
        self.network = network
        self.folders = [CohortFiles(results, cohort_id).folder for cohort_id in manifest.waits_for]

    def initial(self, config: RunConfig, stream: str = "init") -> Tensors:
        """Parameters and buffers of a run at its initialisation, in float64 where they are drawn."""
        init = config.init
        if init.source is None:
            return self.network.initial(init, config.seed, stream)
        dense = [config, *config.ancestors]
        source = next(one for one in dense if not one.reset.layers and not one.prune.prunes).parent
        assert source is not None
        found = self._ends[source.run_id].tensors
        if init.scheme == "kmeans":
            return centres(found, {**self.network.shapes, **self.network.buffers.shapes}, init.scale, config.seed)
        for name, shape in {**self.network.shapes, **self.network.buffers.shapes}.items():
            if name not in found or found[name].shape != shape:
                raise BadInput(f"init.source: a network of other tensors ({name} of shape {tuple(shape)} is missing)")
        return found

    def start(self, config: RunConfig) -> Start:
        """Where a run's first own step starts."""
        parent = config.parent
        if parent is None or not (config.prune.prunes or config.reset.layers):
            return Start(self.initial(config), 0.0)
        end = self._ends[parent.run_id]
        if end.status == "diverged":  # so has what is cut from it, though its parameters may still be finite
            lost = {name: torch.full_like(value, torch.nan) for name, value in end.tensors.items()}
            mask = {name: torch.ones_like(value) for name, value in lost.items()} if config.prune.prunes else None
            return Start(lost, end.path_length, end.status, mask)
        return self._reset(config, end) if config.reset.layers else self._pruned(config, end)

    def _pruned(self, config: RunConfig, end: Saved) -> Start:
        prune, dense = config.prune, next(one for one in config.ancestors if not one.prune.prunes)
        trained = {name: end.tensors[name] for name in self.network.shapes}
        mask = magnitude_mask(trained, prune)
        if prune.control == "random_mask":
            mask = random_mask(mask, config.seed, prune.rounds)
        if prune.control != "ticket":
            start = Saved(self.initial(config, f"init/{prune.control}"), 0.0)
        elif prune.rewind == "init":
            start = Saved(self.initial(config), 0.0)
        else:
            start = end if prune.rewind == "none" else self._at(dense.run_id, "train-00000000")
        return Start(start.tensors, start.path_length, end.status, mask)

    def _reset(self, config: RunConfig, end: Saved) -> Start:
        """The end of a run, with the parameters of some layers from elsewhere."""
        to, parent = config.reset.to, config.parent
        assert parent is not None
        if to == "init":
            other = self.initial(config)
        elif to == "random":
            other = self.initial(config, "init/reset")
        else:
            steps = -(-config.data.train_size // config.optimizer.examples_per_step(config.data.train_size))
            other = self._at(parent.run_id, f"{parent.phases[-1].name}-{to * steps:08d}").tensors
        layers = self.network.layers
        if max(config.reset.layers) > len(layers):
            raise BadInput(f"reset.layers = {config.reset.layers}: the network has {len(layers)} layers with weights")
        mixed = dict(end.tensors)
        for name in (name for number in config.reset.layers for name in layers[number - 1]):
            kept = end.tensors[name] != 0 if config.prune.prunes and end.tensors[name].ndim >= 2 else 1
            mixed[name] = other[name].to(mixed[name]) * kept
        return Start(mixed, end.path_length, end.status)

    @functools.cached_property
    def _ends(self) -> Mapping[str, Saved]:
        """The last networks of all runs that the cohort waits for, by run_id."""
        return self._read("final", "")

    def _at(self, run_id: str, stem: str) -> Saved:
        """A network at a checkpoint.

        Raises:
            BadInput: that checkpoint was not kept.
        """
        found = self._read("checkpoints", stem)
        if run_id not in found:
            raise BadInput(f"run {run_id}: no checkpoint {stem} was kept; see record.epochs and record.measure_at")
        return found[run_id]

    @functools.cache  # noqa: B019 (lives as long as the start of one cohort)
    def _read(self, kind: str, stem: str) -> Mapping[str, Saved]:
        found: dict[str, Saved] = {}
        for folder in self.folders:
            for name in folder.names(kind):
                if name.startswith(stem):
                    tensors, about = folder.read_tensors(f"{kind}/{name}")
                    ended = about.get("status", [None] * len(about["run_id"]))
                    for row, run_id in enumerate(about["run_id"]):
                        own = {key: value[row] for key, value in tensors.items()}
                        found[run_id] = Saved(own, about["path_length_from_init"][row], ended[row])
        return found


def stacked(networks: list[Tensors]) -> Tensors:
    """The tensors of K networks as one set with a leading axis K."""
    return {name: torch.stack([one[name] for one in networks]) for name in networks[0]} if networks else {}
