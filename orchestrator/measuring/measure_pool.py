"""Ray actors that measure files of parameters as they appear."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benevolent.analysis.measures.measured_together import networks_together
from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob
from benevolent.analysis.measures.on_checkpoints import MeasuredFile, measure_file
from benevolent.orchestrator.estimates.prices import SECONDS_PER_MEASURE
from benevolent.orchestrator.training.placement import Placement
from benevolent.orchestrator.training.retries import Retries, describe, is_loss
from benevolent.orchestrator.training.wall_time import SECONDS_OF_A_PART
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.malloc import MEASURING_BYTES
from benevolent.trainables.training.ray_worker import assigned_device, configure_process, receive_datasets


class MeasureActor:
    """Measure files of parameters, one at a time, on one thread or on this actor's share of a GPU."""

    def __init__(self, gpus: float, trust: bool, data_references: Mapping[str, ray.ObjectRef]) -> None:
        configure_process(1, MEASURING_BYTES)
        receive_datasets(data_references)
        self.trust = trust
        self.device = assigned_device(gpus)

    def measure(self, results: str, job: MeasureJob) -> MeasuredFile:
        """Write the rows of a job in a results folder."""
        return measure_file(Folder(results), job, self.trust, self.device)


class MeasurePool:
    """A queue of measure jobs, and the actors that work it off.

    Actors that take nothing of Ray's CPUs and GPUs start when there is work: trials and actors then never wait for
    each other, and the operating system shares the cores. Actors that take some all start at once, before the trials,
    so that Ray keeps their part free.

    Args:
        placement: the node of each actor, and its share of CPUs and GPUs.
        trust: allow modules that the results name to be imported.
        data_references: data sets in Ray's object store, by name, for machines that lack their files.

    Attributes:
        submitted: number of jobs so far, after the split.
        done: number of jobs that succeeded.
        errors: a line, or a traceback, for each job that failed.
    """

    def __init__(
        self,
        placement: Placement,
        trust: bool = False,
        data_references: Mapping[str, ray.ObjectRef] | None = None,
    ) -> None:
        self.placement = placement
        self.trust = trust
        self.data_references = data_references or {}
        self.submitted = 0
        self.done = 0
        self.errors: list[str] = []
        self._measured: list[tuple[str, int]] = []
        self._open: Counter[str] = Counter()  # jobs of each cohort that are not done, or in which a measure failed
        self._written: defaultdict[str, list[str]] = defaultdict(list)  # files of measures of each cohort
        self._submitted_files: set[tuple[str, str, str]] = set()
        self._queue: deque[tuple[str, MeasureJob]] = deque()
        self._retries = Retries()
        self._running: dict[ray.ObjectRef, tuple[ray.actor.ActorHandle, tuple[str, MeasureJob]]] = {}
        self._idle: list[ray.actor.ActorHandle] = []
        self._free_nodes = list(placement.actors)  # an actor is still to be started on each
        self._node_of: dict[ray.actor.ActorHandle, str | None] = {}
        if placement.cpus or placement.gpus:
            self._idle = [self._start_actor() for _ in placement.actors]

    def submit(self, existing: ExistingMeasures, job: MeasureJob | None) -> None:
        """Queue a job, if its file was not submitted before; the next command retries failures.

        Args:
            existing: the measures in the job's results folder.
            job: of a file; None is ignored. If it is long, it is split, so that several actors can work on it.
        """
        if job is None:
            return
        results = existing.results.uri
        file = (results, job.cohort_id, job.parameter_file)
        if file in self._submitted_files:
            return
        self._submitted_files.add(file)
        together = networks_together(on_gpu=self.placement.gpus > 0)
        most = int(SECONDS_OF_A_PART / (len(job.measures) * SECONDS_PER_MEASURE))
        for part in existing.split(job, together, most):
            self.submitted += 1
            self._open[job.cohort_id] += 1
            self._queue.append((results, part))

    def poll(self, timeout: float = 0) -> None:
        """Collect finished jobs and give idle actors new ones.

        Args:
            timeout: seconds to wait for a job to finish, at most.
        """
        if self._running:
            ready, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout)
            for reference in ready:
                self._collect(reference)
        while self._idle or self._free_nodes:
            queued = self._next_job()
            if queued is None:
                break
            actor = self._idle.pop() if self._idle else self._start_actor()
            reference = actor.measure.remote(*queued)
            self._running[reference] = (actor, queued)

    @property
    def busy(self) -> bool:
        """True while a job is queued or running."""
        return bool(self._queue or self._running)

    @property
    def running(self) -> int:
        """Number of jobs that are being worked on."""
        return len(self._running)

    def measured_files(self, cohort_id: str) -> list[str] | None:
        """Return the files that a cohort's jobs have written; None while one is not done, or if a measure failed."""
        return None if self._open[cohort_id] else self._written[cohort_id]

    def take_measured(self) -> list[tuple[str, int]]:
        """Return the cohort and the number of networks of each job that has succeeded since the last call."""
        measured = self._measured
        self._measured = []
        return measured

    def _next_job(self) -> tuple[str, MeasureJob] | None:
        """Take the first job that need not wait from the queue; None if there is none."""
        for queued in self._queue:
            if not self._retries.seconds_to_wait(_key(queued)):
                self._queue.remove(queued)
                return queued
        return None

    def _collect(self, reference: ray.ObjectRef) -> None:
        actor, queued = self._running.pop(reference)
        try:
            measured: MeasuredFile = ray.get(reference)
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayActorError):
                self._free_nodes.append(self._node_of.pop(actor))
            else:
                self._idle.append(actor)
            if is_loss(error):
                self._try_again(queued, error)
            elif not _counts(queued):
                self.submitted -= 1
                self._open[queued[1].cohort_id] -= 1
            else:
                cause = getattr(error, "cause", None)
                self.errors.append(str(cause if isinstance(cause, BadInput) else error))  # that needs no traceback
        else:
            self._idle.append(actor)
            self.done += 1
            cohort_id = queued[1].cohort_id
            if not measured.errors:
                self._open[cohort_id] -= 1
            self._written[cohort_id].append(queued[1].output)
            self._measured.append((cohort_id, measured.networks))

    def _try_again(self, queued: tuple[str, MeasureJob], error: ray.exceptions.RayError) -> None:
        """Put a job whose actor was lost back in front, or give it up."""
        key = _key(queued)
        if self._retries.may_try_again(key, error):
            self._queue.appendleft(queued)
            return
        results, job = queued
        times = f"{self._retries.losses[key]} times"
        file = f"{results}/{paths.cohort(job.cohort_id)}/{job.parameter_file}"
        self.errors.append(f"{file} was not measured: {describe(error)}, {times}")

    def _start_actor(self) -> Any:
        node = self._free_nodes.pop()
        cpus = self.placement.cpus
        gpus = self.placement.gpus
        strategy: Any = "DEFAULT" if cpus or gpus else "SPREAD"
        if node:
            strategy = NodeAffinitySchedulingStrategy(node, soft=True)  # elsewhere if that machine is lost
        actor_class = ray.remote(MeasureActor).options(
            num_cpus=cpus,
            num_gpus=gpus,
            scheduling_strategy=strategy,
        )
        actor: Any = actor_class.remote(gpus, self.trust, self.data_references)
        self._node_of[actor] = node
        return actor


def _counts(queued: tuple[str, MeasureJob]) -> bool:
    """Return False for a file of an attempt that another one has followed: that one writes the same networks again."""
    results, job = queued
    return CohortFiles(Folder(results), job.cohort_id).attempt.counts(job.parameter_file)


def _key(queued: tuple[str, MeasureJob]) -> str:
    results, job = queued
    return f"{results} {job.output}"
