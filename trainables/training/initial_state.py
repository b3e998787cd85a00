"""Where runs start: from drawn weights, or from what other runs, of the same seed, have left."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.weight_edits import find_edit
from benevolent.trainables.rng import generator
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.interventions import centers, magnitude_mask, random_mask, reused

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class SavedNetwork:
    """A network at some step: parameters and buffers, the path behind them, and how its run ended (if it has)."""

    tensors: Tensors
    path_length: float
    status: str | None = None
    step: int = 0


@dataclass(frozen=True)
class StartingPoint(SavedNetwork):
    """Where a run starts; `mask` is 0 for the weights that it lacks, None if it has all."""

    mask: Tensors | None = None


class ParentRuns:
    """What the runs have left that a cohort waits for, read when it is asked for.

    Args:
        results: the results folder.
        manifest: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest) -> None:
        self.folders = [CohortFiles(results, cohort_id).folder for cohort_id in manifest.waits_for]
        self._read = functools.cache(self._networks)  # not of the class, which would keep every cohort's networks

    def end(self, run: RunConfig) -> SavedNetwork:
        """A run as it ended."""
        return self._read("final", "")[run.run_id]

    def after(self, run: RunConfig, epochs: int) -> SavedNetwork:
        """A run after so many epochs of its last phase, or as it ended if that was before.

        Raises:
            BadInput: that checkpoint was not kept.
        """
        phase, end = run.phases[-1], self.end(run)
        step = min(epochs * run.steps_per_epoch, phase.max_steps or sys.maxsize)
        return end if end.step < step else self.at(run, f"{phase.name}-{step:08d}")

    def at(self, run: RunConfig, stem: str) -> SavedNetwork:
        """A run at a checkpoint.

        Raises:
            BadInput: that checkpoint was not kept.
        """
        found = self._read("checkpoints", stem)
        if run.run_id not in found:
            raise BadInput(f"run {run.run_id}: no checkpoint {stem} was kept; see record.epochs and record.measure_at")
        return found[run.run_id]

    def _networks(self, kind: str, stem: str) -> Mapping[str, SavedNetwork]:
        found: dict[str, SavedNetwork] = {}
        for folder in self.folders:
            for name in folder.names(kind):
                if name.startswith(stem):
                    tensors, about = folder.read_tensors(f"{kind}/{name}")
                    ended = about.get("status", [None] * len(about["run_id"]))
                    for row, run_id in enumerate(about["run_id"]):
                        own = {key: value[row] for key, value in tensors.items()}
                        path, step = about["path_length_from_init"][row], about["step"][row]
                        found[run_id] = SavedNetwork(own, path, ended[row], step)
        return found


class InitialStates:
    """The starts of a cohort's runs.

    Args:
        results: the results folder.
        manifest: of the cohort.
        network: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest, network: Network) -> None:
        self.network, self.left = network, ParentRuns(results, manifest)

    def drawn(self, config: RunConfig) -> Tensors:
        """Parameters and buffers of a run at its initialization, that of its control where it is one."""
        return self.initial(config, f"init{config.prune.stream}")

    def initial(self, config: RunConfig, stream: str = "init") -> Tensors:
        """Parameters and buffers of the dense run at its initialization, in float64 where they are drawn."""
        found, init = self._unedited(config, stream), config.init
        if init.edit is None:
            return found
        whole = {name: value.double() for name, value in found.items()}
        return whole | dict(find_edit(init.edit)(whole, init.amount, generator(config.seed, f"{stream}/edit")))

    def _unedited(self, config: RunConfig, stream: str) -> Tensors:
        init, source = config.init, config.dense.parent
        if source is None:
            return self.network.initial(init, config.seed, stream)
        if self.left.end(source).status == Status.DIVERGED:  # so has what starts from it
            return {name: torch.full(shape, torch.nan, dtype=torch.float64) for name, shape in self._shapes.items()}
        found = self.left.end(source) if init.at is None else self.left.after(source, init.at)
        if init.scheme == "kmeans":
            return centers(found.tensors, self._shapes, init.scale, config.seed, self.network.weight_parts)
        if init.scheme == "reuse":
            return reused(found.tensors, self.network.initial(init, config.seed, stream), self.network.weight_parts)
        return {name: found.tensors[name] for name in self._shapes}

    @property
    def _shapes(self) -> dict[str, torch.Size]:
        return {**self.network.shapes, **self.network.buffers.shapes}

    def start(self, config: RunConfig) -> StartingPoint:
        """Where a run's first own step starts."""
        parent = config.parent
        if parent is None or not (config.prune.prunes or config.reset.layers):
            start = self.initial(config)
            if config.teacher is not None and self.left.end(config.teacher).status == Status.DIVERGED:
                start = {name: torch.full_like(value, torch.nan) for name, value in start.items()}  # no labels, no run
            return StartingPoint(start, 0.0)
        end = self.left.end(parent)
        if end.status == Status.DIVERGED:  # so has what is cut from it, though its parameters may still be finite
            lost = {name: torch.full_like(value, torch.nan) for name, value in end.tensors.items()}
            mask = None if config.reset.layers else {name: torch.ones_like(value) for name, value in lost.items()}
            return StartingPoint(lost, end.path_length, end.status, mask=mask)
        return self._reset(config, end) if config.reset.layers else self._pruned(config, end)

    def _pruned(self, config: RunConfig, end: SavedNetwork) -> StartingPoint:
        prune, dense = config.prune, config.dense
        trained = {name: end.tensors[name] for name in self.network.shapes}
        mask = magnitude_mask(trained, prune)
        if prune.control == "random_mask":
            mask = random_mask(mask, config.seed, prune.rounds, prune.draw)
        if prune.control != "ticket" or prune.rewind == "init":
            start = SavedNetwork(self.drawn(config), 0.0)
        else:
            start = end if prune.rewind == "none" else self.left.at(dense, "train-00000000")
        return StartingPoint(start.tensors, start.path_length, end.status, mask=mask)

    def _reset(self, config: RunConfig, end: SavedNetwork) -> StartingPoint:
        """The end of a run, with the parameters of some layers from elsewhere."""
        to, parent = config.reset.to, config.parent
        assert parent is not None
        if to == "init":
            other = self.drawn(config)
        elif to == "random":
            other = self.initial(config, "init/reset")
        else:
            other = self.left.after(parent, to).tensors
        mixed, layers = dict(end.tensors), self.network.layers
        for name in (name for number in config.reset.layers for name in layers[number - 1]):
            kept = end.tensors[name] != 0 if config.prune.prunes and end.tensors[name].ndim >= 2 else 1
            mixed[name] = other[name].to(mixed[name]) * kept
        return StartingPoint(mixed, end.path_length, end.status)


def stacked(networks: list[Tensors]) -> Tensors:
    """The tensors of K networks as one set with a leading axis K."""
    return {name: torch.stack([one[name] for one in networks]) for name in networks[0]} if networks else {}
