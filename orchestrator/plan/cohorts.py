"""Cohorts: which runs train together, and which cohorts wait for which."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benevolent.orchestrator.plan.memory import fitting_runs, largest_cohort
from benevolent.orchestrator.plan.section_table import Codes, encode
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.trainables.config.identity import id_text
from benevolent.trainables.config.record import RecordConfig

#: Runs of a cohort at most: a larger stack is hardly faster, and a cohort that fails takes fewer runs with it.
MAX_COHORT_RUNS = 128
#: The same on a GPU, where a step of thousands of small networks takes as long as one of a few.
MAX_GPU_COHORT_RUNS = 8192
#: Cohorts wanted for every slot, so that slots end at about the same time.
COHORTS_PER_SLOT = 2
#: The same on a GPU, where two cohorts of half the size would take twice as long as one.
GPU_COHORTS_PER_SLOT = 1
#: Runs below which a stack no longer pays.
MIN_COHORT_RUNS = 16


@dataclass(frozen=True)
class ExistingRuns:
    """Runs that are in cohorts of a results folder already.

    Attributes:
        cohort_of_run: `run_id -> cohort_id` of runs whose cohort records what is asked now; they are not planned again.
        records: `run_id -> record` of all runs. If others are trained again, they record that too, so that nothing
            that could be read before is lost.
    """

    cohort_of_run: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, RecordConfig] = field(default_factory=dict)


def cohort_sizes(
    runs: int,
    total: int,
    slots: int,
    size: int | None = None,
    max_size: int = MAX_COHORT_RUNS,
    per_slot: int = COHORTS_PER_SLOT,
) -> list[int]:
    """Return the nearly equal sizes of the cohorts of a group of runs.

    Args:
        runs: in the group.
        total: runs in all groups.
        slots: cohorts that can train at once.
        size: runs of a cohort as the user asks for (`resources.cohort_size`); the other arguments are then not used.
        max_size: runs of a cohort at most.
        per_slot: cohorts wanted for every slot.

    >>> cohort_sizes(240, 240, slots=2), cohort_sizes(20, 20, slots=8), cohort_sizes(10, 10, slots=1, size=4)
    ([60, 60, 60, 60], [20], [4, 3, 3])
    """
    if size:
        cohorts = math.ceil(runs / size)
    else:
        wanted = max(MIN_COHORT_RUNS, math.ceil(total / (per_slot * slots)))
        cohorts = max(math.ceil(runs / max_size), runs // wanted, 1)
    small, larger = divmod(runs, cohorts)
    return [small + 1] * larger + [small] * (cohorts - larger)


def cohort_id(run_ids: Iterable[str], record: RecordConfig | None = None) -> str:
    """Return 16 hexadecimal digits: a hash of the sorted ids of a cohort's runs, and of a record other than default."""
    lines = record.identity_lines("record").values() if record else []
    return hashlib.sha256("\n".join([*sorted(run_ids), *lines]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RunArrays:
    """Arrays about all runs, from which cohorts are formed.

    Attributes:
        run_ids: of the runs, as numbers `(R,)`.
        group: runs of one group may share a cohort `(R,)`.
        generation: number of runs that must be trained one after the other before each `(R,)`.
        flops: arithmetic of each `(R,)`.
        input_set: runs that read the same inputs of their own, or share all inputs, agree in it `(R,)`.
        input_bytes: memory of the inputs that runs of other sets do not share `(R,)`.
        state_bytes: memory that each takes from the start of its cohort to the end, in a stack or not `(R,)`.
        parent: position of the run that each starts from, or -1 `(R,)`.
        teacher: position of the run that labels its inputs, or -1 `(R,)`.
    """

    run_ids: Codes
    group: Codes
    generation: Codes
    flops: np.ndarray[Any, np.dtype[np.int64]]
    input_set: Codes
    input_bytes: np.ndarray[Any, np.dtype[np.int64]]
    state_bytes: np.ndarray[Any, np.dtype[np.int64]]
    parent: Codes
    teacher: Codes

    def set_bytes(self, runs: Codes) -> list[int]:
        """Return the memory of each distinct set of inputs that only some of these runs share."""
        if not self.input_bytes.any():
            return []
        sets = pd.Series(self.input_bytes[runs]).groupby(self.input_set[runs]).first()
        return [int(size) for size in sets if size]


def form_cohorts(
    runs: RunArrays, asked: RecordConfig, existing: ExistingRuns, slots: int, resources: ResourcesConfig
) -> tuple[list[str], Codes, pd.DataFrame]:
    """Divide runs into cohorts; those that are in one already stay there.

    Args:
        runs: of the sweep.
        asked: the records of the sweep.
        existing: runs that are in a cohort already.
        slots: cohorts that can train at once.
        resources: of a cohort.

    Returns:
        the ids of the cohorts; the position in them of the cohort of every run; and the table of cohorts in the order
        to start them: parents first, then the costliest first.
    """
    ids, codes = _kept_cohorts(runs.run_ids, existing.cohort_of_run)
    kept = len(ids)
    first_runs = runs.run_ids[_first_rows(codes, kept)]
    cohort_records = [existing.records.get(run_id, asked) for run_id in map(id_text, first_runs.tolist())]
    new = np.flatnonzero(codes < 0)
    records, record_of = _records_of(runs.run_ids, new, asked, existing.records)
    on_gpu = resources.gpus > 0
    per_slot = GPU_COHORTS_PER_SLOT if on_gpu else COHORTS_PER_SLOT
    keys = pd.Series(runs.group[new].astype(np.int64) * len(records) + record_of)
    for positions in keys.groupby(keys, sort=False).indices.values():
        members = new[np.sort(positions)]
        record = records[record_of[positions[0]]]
        most = fitting_runs(int(runs.state_bytes[members].max()), resources) if on_gpu else MAX_COHORT_RUNS
        largest = largest_cohort(runs.set_bytes(members), resources, min(most, MAX_GPU_COHORT_RUNS))
        for size in cohort_sizes(len(members), len(new), slots, resources.cohort_size, largest, per_slot):
            cohort = members[:size]
            members = members[size:]
            codes[cohort] = len(ids)
            ids.append(cohort_id(map(id_text, runs.run_ids[cohort].tolist()), record))
            cohort_records.append(record)
    table = _table(runs, ids, codes)
    table["record"] = [record.model_dump_json() for record in cohort_records]
    table["new"] = np.arange(len(ids)) >= kept
    order = table.assign(cost=-table["flops"]).sort_values(["generation", "cost", "cohort_id"]).index
    return ids, codes, table.loc[order].reset_index(drop=True)


def _kept_cohorts(run_ids: Codes, cohort_of_run: Mapping[str, str]) -> tuple[list[str], Codes]:
    """Return the ids of the cohorts that some of the runs are in, and for every run the position of its own, or -1."""
    if not cohort_of_run:
        return [], np.full(len(run_ids), -1, np.int32)
    column = encode(cohort_of_run.get(run_id) for run_id in map(id_text, run_ids.tolist()))
    ids = [name for name in column.categories if name is not None]
    code_of = {name: code for code, name in enumerate(ids)}
    codes = np.array([code_of.get(name, -1) for name in column.categories], np.int32)
    return ids, codes[column.codes]


def _first_rows(codes: Codes, count: int) -> Codes:
    """Return the first run of every cohort that is kept."""
    first = pd.Series(np.arange(len(codes))).groupby(codes).first()
    return first.reindex(range(count)).to_numpy()


def _records_of(
    run_ids: Codes, new: Codes, asked: RecordConfig, existing: Mapping[str, RecordConfig]
) -> tuple[list[RecordConfig], Codes]:
    """Return the distinct records of the runs to be planned, and which of them each run keeps."""
    records = [asked]
    codes = np.zeros(len(new), np.int32)
    if existing:
        for position, run_id in enumerate(map(id_text, run_ids[new].tolist())):
            if run_id in existing:
                record = asked.union(existing[run_id])
                if record not in records:
                    records.append(record)
                codes[position] = records.index(record)
    return records, codes


def _table(runs: RunArrays, ids: list[str], codes: Codes) -> pd.DataFrame:
    by_cohort = pd.DataFrame({"generation": runs.generation, "flops": runs.flops}).groupby(codes)
    table = by_cohort.agg(generation=("generation", "max"), runs=("flops", "size"), flops=("flops", "sum"))
    table.insert(0, "cohort_id", ids)
    members = by_cohort.indices
    table["waits_for"] = [_waits_for(runs, ids, codes, members[cohort]) for cohort in range(len(ids))]
    return table


def _waits_for(runs: RunArrays, ids: list[str], codes: Codes, members: Codes) -> list[str]:
    """Return the cohorts of the parents and teachers of some runs, of theirs, and so on."""
    cohorts: set[str] = set()
    relatives = (runs.parent, runs.teacher)
    while len(members):
        needed = np.concatenate([relative[members] for relative in relatives])
        needed = needed[needed >= 0]
        if not len(needed):
            break
        members = np.unique(needed)
        cohorts.update(ids[code] for code in np.unique(codes[members]))
    return sorted(cohorts)
