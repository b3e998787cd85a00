"""Ray actors that measure parameters as they land."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benevolent.analysis.measures.on_checkpoints import ExistingMeasures, MeasureJob, measure_file
from benevolent.orchestrator.training.placement import Placement
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.ray_worker import assigned_device, receive


class MeasureActor:
    """Measures files of parameters, one at a time, on one thread or on the GPU that Ray gives it a share of."""

    def __init__(self, results: str, gpus: float, trust: bool, shared: Mapping[str, ray.ObjectRef]) -> None:
        torch.set_num_threads(1)
        receive(shared)
        self.results, self.trust, self.device = Folder(results), trust, assigned_device(gpus)

    def measure(self, job: MeasureJob) -> int:
        """How many networks were measured."""
        return measure_file(self.results, job, self.trust, self.device)


class MeasurePool:
    """A queue of files to measure, worked off by actors.

    Args:
        results: the results folder.
        room: where actors are, and what each takes of Ray's CPUs and GPUs. Nothing on one machine: then a trial never
            waits for an actor nor an actor for a trial, and the operating system shares the cores. With more, all
            actors start at once, and Ray keeps what is theirs from the trials.
        trust: allow modules that the results name to be imported.
        shared: data sets in Ray's object store, for machines that have not got their files.
    """

    def __init__(
        self,
        results: Folder,
        room: Placement,
        trust: bool = False,
        shared: Mapping[str, ray.ObjectRef] | None = None,
    ) -> None:
        self.results, self.room, self.trust = results, room, trust
        self.shared = shared or {}
        self.queue: deque[MeasureJob] = deque()
        self.running: dict[ray.ObjectRef, ray.actor.ActorHandle] = {}
        self.idle: list[ray.actor.ActorHandle] = []
        self.free = list(room.actors)  # machines where one is still to be started
        self.homes: dict[ray.actor.ActorHandle, str | None] = {}
        self.submitted = self.done = 0
        self.errors: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        if room.cpus or room.gpus:  # taken before the trials take them
            self.idle = [self._start() for _ in room.actors]

    def submit(self, job: MeasureJob | None) -> None:
        """Have a file measured, unless that was asked before: what fails is tried again by the next command."""
        if job is None or (job.cohort_id, job.parameter_file) in self.asked:
            return
        self.asked.add((job.cohort_id, job.parameter_file))
        self.submitted += 1
        self.queue.append(job)

    def poll(self, timeout: float = 0) -> None:
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
                    self.free.append(self.homes.pop(actor))  # it died for good, most likely of this file
                    self.errors.append(str(error))
                except ray.exceptions.RayError as error:
                    self.idle.append(actor)
                    cause = getattr(error, "cause", None)  # a damaged file is one line, anything else a traceback
                    self.errors.append(str(cause if isinstance(cause, BadInput) else error))
        while self.queue and (self.idle or self.free):
            actor = self.idle.pop() if self.idle else self._start()
            self.running[actor.measure.remote(self.queue.popleft())] = actor

    @property
    def busy(self) -> bool:
        """Whether anything is still to be measured."""
        return bool(self.queue or self.running)

    def _start(self) -> Any:
        cpus, gpus, node = self.room.cpus, self.room.gpus, self.free.pop()
        strategy: Any = "DEFAULT" if cpus or gpus else "SPREAD"  # what takes nothing goes everywhere
        if node:  # where room was counted for it; elsewhere if that machine is lost
            strategy = NodeAffinitySchedulingStrategy(node, soft=True)
        options = ray.remote(MeasureActor).options(
            num_cpus=cpus, num_gpus=gpus, scheduling_strategy=strategy, max_restarts=2, max_task_retries=2
        )
        actor: Any = options.remote(self.results.uri, gpus, self.trust, self.shared)
        self.homes[actor] = node
        return actor


def unmeasured(
    measured: ExistingMeasures, cohort_ids: Sequence[str], measures: Sequence[str] | None, checkpoints: bool
) -> list[MeasureJob]:
    """The files of parameters that lack measures, and which.

    Args:
        measured: what is there.
        cohort_ids: of which cohorts.
        measures: what `select` takes.
        checkpoints: whether checkpoints are measured, or only the parameters at each run's end.
    """
    jobs = [
        measured.missing(cohort_id, name, measures)
        for cohort_id in cohort_ids
        for name in CohortFiles(measured.results, cohort_id).parameter_files()
        if checkpoints or paths.is_final(name)
    ]
    return [job for job in jobs if job]
