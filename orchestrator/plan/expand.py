"""Expansion of a sweep into its plan.

    spec -> Configurations (cross product, parents, teachers) -> checks -> kinds -> cohorts -> Plan

Planning makes a `RunConfig` for each distinct combination of fields that a compatibility rule or an estimate reads, and
none for every run.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.orchestrator.plan.checks import check_arithmetic, check_configurations
from benevolent.orchestrator.plan.cohorts import ExistingRuns, RunArrays, form_cohorts
from benevolent.orchestrator.plan.configurations import Configurations, grouped
from benevolent.orchestrator.plan.lineages import NONE
from benevolent.orchestrator.plan.memory import input_bytes
from benevolent.orchestrator.plan.network_cost import network_cost, training_flops
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.plan.runs_table import runs_table
from benevolent.orchestrator.plan.section_table import Codes, encode
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.run import SECTIONS, RunConfig
from benevolent.trainables.errors import BadInput

#: Runs that a sweep may have: beyond, planning takes minutes and gigabytes.
MAX_RUNS = 10_000_000


class Kinds(NamedTuple):
    """Configurations grouped so that the runs of a group cost the same and can share a cohort.

    Attributes:
        of_configuration: the kind of every configuration `(N,)`.
        examples: a run of each kind.
        flops: arithmetic of one run of each kind.
    """

    of_configuration: Codes
    examples: list[RunConfig]
    flops: Codes


def expand(spec: SweepSpec, existing: ExistingRuns | None = None, slots: int = 1) -> Plan:
    """Make the plan of a sweep.

    Args:
        spec: the sweep.
        existing: runs that are in cohorts of the results folder.
        slots: cohorts that can train at once.

    Raises:
        BadInput: values that do not go together, an axis without effect, a data set or network that cannot be used, or
            too many runs.
    """
    record = spec.record.while_training
    configurations = configurations_of(spec)
    check_configurations(configurations, spec.record)
    check_arithmetic(configurations, spec.resources.gpus)
    kinds = _kinds(configurations)
    arrays = _run_arrays(configurations, kinds)
    cohort_ids, codes, cohorts = form_cohorts(arrays, record, existing or ExistingRuns(), slots, spec.resources)
    cohort_of_run = pd.Categorical.from_codes(codes, cohort_ids)
    return Plan(
        name=spec.name,
        record=spec.record,
        runs=runs_table(configurations, arrays, cohort_of_run),
        cohorts=cohorts,
        kind=kinds.of_configuration.repeat(len(spec.replicates.numbers)),
        examples=kinds.examples,
        arrays=arrays,
        configurations=configurations,
    )


def configurations_of(spec: SweepSpec) -> Configurations:
    """Return the configurations of a sweep, each section valid, but not checked for sections that do not go together.

    Raises:
        BadInput: values that are not valid, an axis without effect, or too many runs.
    """
    replicates = spec.replicates
    count = len(replicates.numbers)
    if spec.axes.size * count > MAX_RUNS:
        raise BadInput(f"{spec.axes.size:,} configurations x {count:,} replicates; allowed: {MAX_RUNS:,} runs")
    return Configurations(spec.axes, replicates, collapse=spec.inert_axes == "collapse")


def _kinds(configurations: Configurations) -> Kinds:
    columns = []
    for name in SECTIONS:
        shared = encode(configurations.tables[name].shared_texts).codes
        columns.append(shared[configurations.codes[name]])
    for name in ("prune", "reset", "stop"):  # they decide the phases
        columns.append(configurations.codes[name])
    of_configuration, first = grouped(columns, len(configurations))
    examples = []
    flops = []
    for row in first.tolist():
        example = configurations.config(row)
        try:
            flops.append(training_flops(example))
        except BadInput as error:
            raise BadInput(configurations.located(str(error), row)) from None
        examples.append(example)
    return Kinds(of_configuration, examples, np.array(flops))


def _run_arrays(configurations: Configurations, kinds: Kinds) -> RunArrays:
    replicates = len(configurations.replicates.numbers)
    kind = kinds.of_configuration
    generation = configurations.generation
    cohort_keys = encode(example.cohort_key for example in kinds.examples).codes
    groups, _ = grouped([cohort_keys[kind], generation], len(configurations))
    flops = kinds.flops[kind]
    set_bytes = np.array([input_bytes(example) for example in kinds.examples])
    bytes_of_configuration = set_bytes[kind]
    state_bytes = np.array([network_cost(example).state_bytes(example.optimizer) for example in kinds.examples])
    return RunArrays(
        run_ids=configurations.run_ids,
        group=groups.astype(np.int32).repeat(replicates),
        generation=generation.repeat(replicates),
        flops=flops.repeat(replicates),
        input_set=_positions_of_runs(_input_sets(configurations), replicates),
        input_bytes=bytes_of_configuration.repeat(replicates),
        state_bytes=state_bytes[kind].repeat(replicates),
        parent=_positions_of_runs(configurations.parent, replicates),
        teacher=_positions_of_runs(configurations.teacher, replicates),
    )


def _input_sets(configurations: Configurations) -> Codes:
    """Return integers that are equal where configurations draw the same inputs: of one section and from one seed."""
    columns = [configurations.codes["data"]]
    if not configurations.replicates.shared:
        columns.append(pd.factorize(configurations.lineages)[0])
    return grouped(columns, len(configurations))[0]


def _positions_of_runs(rows: Codes, replicates: int) -> Codes:
    """Return for every run the position of the same replicate of another configuration, or `NONE`.

    Args:
        rows: of the other configuration of each configuration, or `NONE`.
        replicates: number of replicates of each configuration.
    """
    first = rows.astype(np.int32).repeat(replicates) * np.int32(replicates)  # at most `MAX_RUNS` and their relatives
    replicate = np.tile(np.arange(replicates, dtype=np.int32), len(rows))
    return np.where(first < 0, np.int32(NONE), first + replicate)
