"""Parameters that runs start from: drawn, or taken from other runs, then pruned or reset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benevolent.trainables.config.run import RunSections
from benevolent.trainables.models.weight_edits import find_edit
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.interventions import centers, magnitude_mask, random_mask, reused, shuffled
from benevolent.trainables.training.parent_runs import ParentRuns, SavedNetwork

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class StartingPoint:
    """State of one run before its first step.

    Attributes:
        tensors: parameters and buffers, `name -> (...)`.
        path_length: of the path from the initialization.
        status: of the run that this one was made from, where it was made by pruning or resetting; else None.
        masks: of the weights, booleans, False where pruned; empty if nothing is pruned.
        is_drawn: whether the tensors are what `InitialStates.drawn` gives for the run.
    """

    tensors: Tensors
    path_length: float
    status: Status | None = None
    masks: Tensors = field(default_factory=dict)
    is_drawn: bool = False


class InitialStates:
    """The starting points of a cohort's runs.

    Args:
        results: the results folder.
        manifest: of the cohort.
        network: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest, network: Network) -> None:
        self.network = network
        self.parents = ParentRuns(results, manifest)

    def drawn(self, config: RunSections, masks: Mapping[str, Tensor]) -> Tensors:
        """Return the parameters and buffers of a run at its initialization, of its control where it is one.

        Args:
            config: of the run.
            masks: of its weights, booleans, False where pruned.
        """
        prune = config.prune
        tensors = self.initial(config, f"init{prune.stream}")
        if prune.prunes and prune.control == "shuffle":
            return shuffled(tensors, masks, config.seed, prune.rounds, prune.draw)
        return tensors

    def initial(self, config: RunSections, stream: str = "init") -> Tensors:
        """Return the parameters and buffers of the dense run at its initialization, in float64 where they are drawn."""
        tensors = self._unedited(config, stream)
        if config.init.edit is None:
            return tensors
        doubles = {name: value.double() for name, value in tensors.items()}
        edit = find_edit(config.init.edit)
        rng = RandomStream(config.seed, f"{stream}/edit")
        return doubles | dict(edit(doubles, config.init.amount, rng))

    def start(self, config: RunSections) -> StartingPoint:
        """Return the state of a run before the first step that it trains itself."""
        parent = config.parent
        pruned = config.prune.prunes
        reset = bool(config.reset.layers)
        if parent is None or not (pruned or reset):
            return self._first(config)
        end = self.parents.end(parent)
        if end.diverged:
            return self._diverged(end, pruned)
        return self._reset(config, end) if reset else self._pruned(config, end)

    def stack_state(self, configs: Sequence[RunSections], starts: Sequence[StartingPoint]) -> StackState:
        """Return the state of all runs as one stack, on the CPU and as precise as it was drawn.

        Pruned weights are zero at the initialization too, so that they have not moved.
        """
        layout = self.network.parameters
        parameters = stacked([start.tensors for start in starts])
        drawn = []
        for config, start in zip(configs, starts, strict=True):
            drawn.append(start.tensors if start.is_drawn else self.drawn(config, start.masks))
        initial = layout.rows(stacked(drawn))
        mask = None
        if any(start.masks for start in starts):
            mask = layout.rows(stacked([self._full_mask(start) for start in starts]))
            initial = initial.to(mask) * mask
        return StackState.begin(layout.rows(parameters), self.network.buffers.rows(parameters), initial, mask)

    def _full_mask(self, start: StartingPoint) -> Tensors:
        """Return ones and zeros for all parameters; ones for those that have no mask."""
        full = {}
        for name in self.network.shapes:
            ones = torch.ones_like(start.tensors[name])
            full[name] = start.masks[name].to(ones) if name in start.masks else ones
        return full

    def _first(self, config: RunSections) -> StartingPoint:
        """Return where an unpruned run starts; a run without labels, since its teacher diverged, starts diverged."""
        tensors = self.initial(config)
        if config.teacher is not None and self.parents.end(config.teacher).diverged:
            return StartingPoint(_not_a_number(tensors), 0.0)
        return StartingPoint(tensors, 0.0, is_drawn=not config.prune.prunes)

    def _unedited(self, config: RunSections, stream: str) -> Tensors:
        init = config.init
        source = config.dense.parent
        if source is None:
            return self.network.initial(init, config.seed, stream)
        if self.parents.end(source).diverged:
            return {name: torch.full(shape, torch.nan, dtype=torch.float64) for name, shape in self._shapes.items()}
        given = self.parents.end(source) if init.at is None else self.parents.after(source, init.at)
        if init.scheme == "kmeans":
            return centers(given.tensors, self._shapes, init.scale, config.seed, self.network.weight_parts)
        if init.scheme == "reuse":
            return reused(given.tensors, self.network.initial(init, config.seed, stream), self.network.weight_parts)
        return {name: given.tensors[name] for name in self._shapes}

    @property
    def _shapes(self) -> dict[str, torch.Size]:
        return {**self.network.shapes, **self.network.buffers.shapes}

    def _diverged(self, end: SavedNetwork, pruned: bool) -> StartingPoint:
        """Return the start of a run made from one that diverged: it has diverged too.

        The parameters of the parent may still be finite, so they are replaced.
        """
        masks = {}
        if pruned:
            masks = end.masks or self._unpruned(end.tensors)
        return StartingPoint(_not_a_number(end.tensors), end.path_length, end.status, masks)

    def _unpruned(self, tensors: Tensors) -> Tensors:
        return {name: torch.ones_like(tensors[name], dtype=torch.bool) for name in self._weights}

    @property
    def _weights(self) -> list[str]:
        """Names of the parameters that can be pruned."""
        return [name for name, shape in self.network.shapes.items() if len(shape) >= 2]

    def _pruned(self, config: RunSections, end: SavedNetwork) -> StartingPoint:
        prune = config.prune
        trained = {name: end.tensors[name] for name in self.network.shapes}
        all_masks = magnitude_mask(trained, prune, end.masks)
        if prune.control == "random_mask":
            all_masks = random_mask(all_masks, config.seed, prune.rounds, prune.draw)
        masks = {name: all_masks[name].bool() for name in self._weights}
        if prune.control != "ticket" or prune.rewind == "init":
            return StartingPoint(self.drawn(config, masks), 0.0, end.status, masks)
        rewound = end if prune.rewind == "none" else self.parents.checkpoint(config.dense, "train", 0)
        return StartingPoint(rewound.tensors, rewound.path_length, end.status, masks)

    def _reset(self, config: RunSections, end: SavedNetwork) -> StartingPoint:
        """Return the end of a run with the parameters of some layers taken from elsewhere; what is pruned stays so."""
        parent = config.parent
        assert parent is not None
        to = config.reset.to
        if to == "init":
            other = self.drawn(config, end.masks)
        elif to == "random":
            other = self.initial(config, "init/reset")
        else:
            other = self.parents.after(parent, to).tensors
        mixed = dict(end.tensors)
        for number in config.reset.layers:
            for name in self.network.layers[number - 1]:
                value = other[name].to(mixed[name])
                mixed[name] = value * end.masks[name] if name in end.masks else value
        return StartingPoint(mixed, end.path_length, end.status, end.masks)


def _not_a_number(tensors: Mapping[str, Tensor]) -> Tensors:
    return {name: torch.full_like(value, torch.nan) for name, value in tensors.items()}


def stacked(networks: Sequence[Mapping[str, Tensor]]) -> Tensors:
    """Stack the tensors of K networks on a leading axis K.

    >>> stacked([{"w": torch.zeros(2)}, {"w": torch.ones(2)}])["w"].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    if not networks:
        return {}
    return {name: torch.stack([network[name] for network in networks]) for name in networks[0]}
