"""How a cohort of random forests is grown: the same tables as of networks, and no dynamics.

Every run is grown at once and written as one part of every table, so what is there is done, and there is no state.
"""

import time
from typing import Any

import torch

from benevolent.trainables import data
from benevolent.trainables.models.forest import Forest, grow
from benevolent.trainables.rng import generator
from benevolent.trainables.stack import network
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, finished_runs
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.losses import LOSSES, mistakes, summary, targets
from benevolent.trainables.training.progress import Progress
from benevolent.trainables.training.rows import Rows

#: Where every run ends.
PLACE: dict[str, Any] = {"phase": "train", "step": 1, "epoch": 1}


class ForestTraining:
    """One cohort of forests: `advance` it until it is done. The arguments are those of `CohortTraining`."""

    def __init__(self, results: Folder, cohort_id: str, device: str = "cpu", save_every_seconds: float = 20) -> None:
        self.files, self.manifest = CohortFiles(results, cohort_id), Manifest.read(results, cohort_id)
        self.folder, self.device, self.rows = self.files.folder, device, Rows()
        done = set(finished_runs(results, cohort_id))
        self.left = [config for config in self.manifest.configs if config.run_id not in done]
        self.part = len(self.folder.names("runs"))  # every part has a row in `runs`, written last
        self.files.delete_parts_from(self.part)
        self.new_files = self.files.parameter_files()
        self.loss = float("nan")

    def advance(self, seconds: float = 1.0) -> Progress:
        """Grow forests for about so many seconds, or to the end."""
        end = time.monotonic() + seconds
        while self.left and time.monotonic() < end:
            self._grow()
        runs = len(self.manifest.configs)
        new, self.new_files = self.new_files, []
        return Progress("train", 1, runs, runs - len(self.left), self.loss, not self.left, new)

    @torch.no_grad()
    def _grow(self) -> None:
        config, start = self.left[0], time.perf_counter()
        (phase,), loss = config.phases, LOSSES[config.loss.name]
        dataset = data.load(config.data, config.precision, self.device)
        inputs = {name: data.inputs_of(dataset, [config], name) for name in dataset.splits}
        labels = {name: data.labels_of(dataset, [config], [phase], name)[0] for name in dataset.splits}
        built = network.for_run(config, dataset)
        forest = built.module.to(getattr(torch, config.precision))
        assert isinstance(forest, Forest)
        forest.to(self.device)
        given, seed = config.model.model_dump(), int(generator(config.seed, "forest").integers(2**32))
        goals = targets(labels["train"], built.outputs)
        grow(forest, inputs["train"].rows()[0], goals, given["max_features"], given["bootstrap"], seed)
        for name, own in labels.items():
            predicted = forest(inputs[name].rows()[0])
            losses, wrong = loss.function(predicted, own, None)[0].double(), mistakes(predicted, own)
            outcomes = summary(losses.unsqueeze(0), wrong.unsqueeze(0))
            self.rows.add_outcomes([config.run_id], PLACE["phase"], PLACE["step"], name, outcomes)
            if name == "train":
                self.loss, reached = float(outcomes["loss"]), phase.reached(outcomes)
        status = Status.CONVERGED if reached else Status.LIMIT
        about = {"run_id": config.run_id, **PLACE, "path_length_from_init": 0.0, "status": status}
        self.rows.final.append((forest.state_dict(), {}, about))
        self.rows.add_run(self.manifest, config, status, PLACE, time.perf_counter() - start)
        self.rows.write(self.files, self.part)
        self.new_files.append(paths.final(self.part))
        self.part += 1
        self.left = self.left[1:]
