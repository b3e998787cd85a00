"""Growing of a cohort of random forests: the same tables as of networks, and no dynamics.

Every run is grown at once and written as one part of every table, so what is there is done, and there is no state.
"""

import time
from typing import Any

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.models.forest import Forest, grow
from benevolent.trainables.optimization.losses import LOSSES, targets
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.scores import example_scores, summary
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.progress import Progress
from benevolent.trainables.training.rows import Rows

#: Phase, step and epoch at which every run ends.
END: dict[str, Any] = {"phase": "train", "step": 1, "epoch": 1}


class ForestTraining:
    """One cohort of forests: `start` it, then `advance` it until it is done.

    Args:
        results: the results folder; the cohort's manifest is in it.
        cohort_id: id of the cohort.
        device: a torch device.
    """

    def __init__(self, results: Folder, cohort_id: str, device: str = "cpu") -> None:
        self.results = results
        self.files = CohortFiles(results, cohort_id)
        self.manifest = Manifest.read(results, cohort_id)
        self.device = device
        self.rows = Rows()
        self.to_grow: list[RunConfig] = []
        self.part = 0
        self.new_files: list[str] = []
        self.loss = float("nan")

    def start(self) -> None:
        """Begin an attempt at the runs that are still to be grown, if there are any."""
        numbers = [paths.part_number(name) for name in self.files.names("runs")]
        while self.part in numbers:  # every part has a row in `runs`, written last; one may have been deleted
            self.part += 1
        done: set[str] = set()
        for part in self.files.parts("runs")[: self.part]:
            done.update(part["run_id"].to_pylist())
        self.to_grow = [config for config in self.manifest.configs if config.run_id not in done]
        if self.to_grow:
            self.files.begin_attempt(self.files.parts_before(self.part))
        self.new_files = self.files.parameter_files()

    def advance(self, seconds: float = 1.0) -> Progress:
        """Grow forests for about so many seconds, one at least, or to the end."""
        end = time.monotonic() + seconds
        while self.to_grow:
            self._grow(self.to_grow.pop(0))
            if time.monotonic() > end:
                break
        runs = len(self.manifest.configs)
        new_files = self.new_files
        self.new_files = []
        return Progress(
            "train", 1, runs, runs - len(self.to_grow), self.loss, not self.to_grow, new_files, saved=self.part
        )

    def advance_epoch(self) -> Progress:
        """Grow one forest."""
        return self.advance(0)

    @torch.no_grad()
    def _grow(self, config: RunConfig) -> None:
        start = time.perf_counter()
        (phase,) = config.phases
        dataset = data.load(config.data, config.precision, self.device)
        inputs = {name: data.inputs_of(dataset, [config], name).rows()[0] for name in dataset.splits}
        labels = {name: data.labels_of(dataset, [config], [phase], name)[0] for name in dataset.splits}
        forest = self._fitted(config, dataset, inputs["train"], labels["train"])
        reached = False
        for split in labels:
            outcomes = _outcomes(config, forest(inputs[split]), labels[split])
            self.rows.add_outcomes([config.run_id], END["phase"], END["step"], split, outcomes)
            if split == "train":
                self.loss = float(outcomes["loss"])
                reached = bool(phase.reached(outcomes))
        status = Status.CONVERGED if reached else Status.LIMIT
        about = {"run_id": config.run_id, **END, "path_length_from_init": 0.0, "status": status}
        self.rows.add_final(forest.state_dict(), {}, about)
        self.rows.add_run(self.manifest, config, status, END, time.perf_counter() - start)
        self.files.check_latest()
        self.rows.write(self.files, self.part)
        self.new_files.append(paths.final(self.part, self.files.attempt.name))
        self.part += 1

    def _fitted(self, config: RunConfig, dataset: data.Dataset, inputs: Tensor, labels: Tensor) -> Forest:
        built = built_network.for_run(config, dataset)
        forest = built.module.to(getattr(torch, config.precision))
        assert isinstance(forest, Forest)
        forest.to(self.device)
        model = config.model.model_dump()
        seed = int(RandomStream(config.seed, "forest").integers(0, 2**31))
        goals = targets(labels, built.outputs)
        grow(forest, inputs, goals, model["max_features"], model["bootstrap"], seed)
        return forest


def _outcomes(config: RunConfig, predicted: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return loss, its variance and error `(1,)` of one forest on a split."""
    scores = example_scores(predicted.unsqueeze(0), labels.unsqueeze(0), LOSSES[config.loss.name])
    return summary(scores)
