"""Ray actors that measure parameters as they land."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import ray
import torch

from analysis.measuring import measure_parameters, measures_path
from trainables.errors import BadInput
from trainables.storage import CohortFiles, Folder


class MeasureActor:
    """Measures files of parameters, one at a time, on one thread."""

    def __init__(self, results: str, measures: Sequence[str] | None, trust: bool) -> None:
        torch.set_num_threads(1)
        self.results, self.measures, self.trust = Folder(results), measures, trust

    def measure(self, cohort_id: str, parameters: str) -> int:
        """How many networks were measured."""
        return measure_parameters(self.results, cohort_id, parameters, self.measures, self.trust)


class MeasurePool:
    """A queue of files to measure, worked off by actors.

    Args:
        results: the results folder.
        measures: names, or None for all.
        actors: how many.
        cpus: what each takes of Ray's CPUs. Zero on one machine: then a trial never waits for an actor nor an actor
            for a trial, and the operating system shares the cores. With more, all actors start at once, and Ray keeps
            their CPUs from the trials.
        trust: allow modules that the results name to be imported.
    """

    def __init__(
        self, results: Folder, measures: Sequence[str] | None, actors: int, cpus: float, trust: bool = False
    ) -> None:
        self.results, self.measures, self.size, self.cpus, self.trust = results, measures, actors, cpus, trust
        self.queue: deque[tuple[str, str]] = deque()
        self.running: dict[ray.ObjectRef, ray.actor.ActorHandle] = {}
        self.idle: list[ray.actor.ActorHandle] = []
        self.started = self.submitted = self.done = 0
        self.errors: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        if cpus:  # taken before the trials take them
            self.idle = [self._start() for _ in range(actors)]

    def submit(self, cohort_id: str, parameters: str) -> None:
        """Have a file measured, unless that was asked before or its measures are there."""
        if (cohort_id, parameters) in self.asked or self.measures == []:
            return
        self.asked.add((cohort_id, parameters))
        if not self.results.exists(measures_path(cohort_id, parameters, self.measures)):
            self.submitted += 1
            self.queue.append((cohort_id, parameters))

    def pump(self, timeout: float = 0) -> None:
        """Take in what is finished, and give idle actors work; waits at most `timeout` seconds for something."""
        if self.running:
            ready, _ = ray.wait(list(self.running), num_returns=1, timeout=timeout)
            for ref in ready:
                actor = self.running.pop(ref)
                try:
                    ray.get(ref)
                    self.idle.append(actor)
                    self.done += 1
                except ray.exceptions.RayActorError as error:
                    self.started -= 1  # it died for good, most likely of this file: the others get a new actor
                    self.errors.append(str(error))
                except ray.exceptions.RayError as error:
                    self.idle.append(actor)
                    cause = getattr(error, "cause", None)  # a damaged file is one line, anything else a traceback
                    self.errors.append(str(cause if isinstance(cause, BadInput) else error))
        while self.queue and (self.idle or self.started < self.size):
            actor = self.idle.pop() if self.idle else self._start()
            self.running[actor.measure.remote(*self.queue.popleft())] = actor

    @property
    def busy(self) -> bool:
        """Whether anything is still to be measured."""
        return bool(self.queue or self.running)

    def _start(self) -> Any:
        self.started += 1
        options = ray.remote(MeasureActor).options(
            num_cpus=self.cpus, scheduling_strategy="SPREAD", max_restarts=2, max_task_retries=2
        )
        return options.remote(self.results.uri, self.measures, self.trust)


def unmeasured(
    results: Folder, cohort_ids: Sequence[str], measures: Sequence[str] | None, checkpoints: bool
) -> list[tuple[str, str]]:
    """The (cohort_id, file) pairs of parameters that lack these measures.

    Args:
        results: the results folder.
        cohort_ids: of which cohorts.
        measures: names, or None for all.
        checkpoints: whether checkpoints are measured, or only the parameters at each run's end.
    """
    return [
        (cohort_id, name)
        for cohort_id in cohort_ids
        for name in CohortFiles(results, cohort_id).parameter_files()
        if measures != []
        and (checkpoints or name.startswith("final/"))
        and not results.exists(measures_path(cohort_id, name, measures))
    ]
