"""Where runs start: from drawn weights, or from what other runs, of the same seed, have left."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.config import RunConfig
from trainables.edits import find
from trainables.errors import BadInput
from trainables.interventions import centres, magnitude_mask, random_mask
from trainables.manifest import Manifest
from trainables.network import Network
from trainables.storage import CohortFiles, Folder
from trainables.streams import generator

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Saved:
    """A network at some step: parameters and buffers, the path behind them, and how its run ended (if it has)."""

    tensors: Tensors
    path_length: float
    status: str | None = None
    step: int = 0


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

    def drawn(self, config: RunConfig) -> Tensors:
        """Parameters and buffers of a run at its initialisation, that of its control where it is one."""
        return self.initial(config, f"init{config.prune.stream}")

    def initial(self, config: RunConfig, stream: str = "init") -> Tensors:
        """Parameters and buffers of the dense run at its initialisation, in float64 where they are drawn."""
        found, init = self._unedited(config, stream), config.init
        if init.edit is None:
            return found
        whole = {name: value.double() for name, value in found.items()}
        return whole | dict(find(init.edit)(whole, init.amount, generator(config.seed, f"{stream}/edit")))

    def _unedited(self, config: RunConfig, stream: str) -> Tensors:
        init, source = config.init, config.dense.parent
        if source is None:
            return self.network.initial(init, config.seed, stream)
        end, shapes = self._ends[source.run_id], {**self.network.shapes, **self.network.buffers.shapes}
        if end.status == "diverged":  # so has what starts from it
            return {name: torch.full(shape, torch.nan, dtype=torch.float64) for name, shape in shapes.items()}
        if init.scheme == "kmeans":
            return centres(end.tensors, shapes, init.scale, config.seed, self.network.roles)
        return {name: end.tensors[name] for name in shapes}

    def start(self, config: RunConfig) -> Start:
        """Where a run's first own step starts."""
        parent = config.parent
        if parent is None or not (config.prune.prunes or config.reset.layers):
            return Start(self.initial(config), 0.0)
        end = self._ends[parent.run_id]
        if end.status == "diverged":  # so has what is cut from it, though its parameters may still be finite
            lost = {name: torch.full_like(value, torch.nan) for name, value in end.tensors.items()}
            mask = None if config.reset.layers else {name: torch.ones_like(value) for name, value in lost.items()}
            return Start(lost, end.path_length, end.status, mask=mask)
        return self._reset(config, end) if config.reset.layers else self._pruned(config, end)

    def _pruned(self, config: RunConfig, end: Saved) -> Start:
        prune, dense = config.prune, config.dense
        trained = {name: end.tensors[name] for name in self.network.shapes}
        mask = magnitude_mask(trained, prune)
        if prune.control == "random_mask":
            mask = random_mask(mask, config.seed, prune.rounds, prune.draw)
        if prune.control != "ticket" or prune.rewind == "init":
            start = Saved(self.drawn(config), 0.0)
        else:
            start = end if prune.rewind == "none" else self._at(dense.run_id, "train-00000000")
        return Start(start.tensors, start.path_length, end.status, mask=mask)

    def _reset(self, config: RunConfig, end: Saved) -> Start:
        """The end of a run, with the parameters of some layers from elsewhere."""
        to, parent = config.reset.to, config.parent
        assert parent is not None
        if to == "init":
            other = self.drawn(config)
        elif to == "random":
            other = self.initial(config, "init/reset")
        else:
            steps = to * -(-config.data.train_size // config.optimizer.examples_per_step(config.data.train_size))
            steps = min(steps, config.stop.max_steps or steps)
            other = self._before(parent, steps, end).tensors
        mixed, layers = dict(end.tensors), self.network.layers
        for name in (name for number in config.reset.layers for name in layers[number - 1]):
            kept = end.tensors[name] != 0 if config.prune.prunes and end.tensors[name].ndim >= 2 else 1
            mixed[name] = other[name].to(mixed[name]) * kept
        return Start(mixed, end.path_length, end.status)

    def _before(self, run: RunConfig, step: int, end: Saved) -> Saved:
        """A run at a step of its last phase, or at its end if that was before."""
        phase = run.phases[-1].name
        return end if end.step < step else self._at(run.run_id, f"{phase}-{step:08d}")

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
                        path, step = about["path_length_from_init"][row], about["step"][row]
                        found[run_id] = Saved(own, path, ended[row], step)
        return found


def stacked(networks: list[Tensors]) -> Tensors:
    """The tensors of K networks as one set with a leading axis K."""
    return {name: torch.stack([one[name] for one in networks]) for name in networks[0]} if networks else {}
