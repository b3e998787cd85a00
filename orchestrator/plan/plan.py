"""The plan of a sweep: a table of its runs and one of its cohorts, made once for each invocation.

    spec --expand--> Plan: runs, cohorts --> plan/*.parquet, a manifest for every new cohort

Planning makes a `RunConfig` for each distinct combination of fields that a compatibility rule or an estimate reads, and
none for every run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benevolent.orchestrator.estimates.memory import input_bytes
from benevolent.orchestrator.estimates.network_cost import training_flops
from benevolent.orchestrator.plan.checks import check_arithmetic, check_configurations
from benevolent.orchestrator.plan.cohorts import HeldRuns, RunArrays, form_cohorts
from benevolent.orchestrator.plan.configurations import NONE, Configurations, grouped
from benevolent.orchestrator.plan.section_table import Codes, Column, encode
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import SECTIONS, RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.manifest import Manifest, ManifestRun

#: Runs that a sweep may have: beyond, planning takes minutes and gigabytes.
MAX_RUNS = 10_000_000


@dataclass(frozen=True)
class Plan:
    """The runs and cohorts of a sweep.

    Attributes:
        runs: one row per run, those that the sweep names first: `run_id`, `configuration` (the id without the seed),
            `lineage` (the configuration at the root: follow the parent where there is one, else the teacher),
            `replicate`, `seed`, `role` (`run`; or `parent`: no axis names it, and others start or learn from it),
            `cohort_id`, `parent` and `teacher` (run ids, or missing), `generation` (how many runs must be trained one
            after the other before it), `flops` (arithmetic if it ends at its limits), and every dotted field as
            `RunConfig.flat` gives it. Most columns are categorical, so that a million runs fit into memory.
        cohorts: one row per cohort in the order to start them: `cohort_id`, `generation`, `runs`, `flops`, `waits_for`
            (ids of cohorts), `record` (JSON) and `new` (no manifest has it yet).
        kind: for every run, the position in `examples` of a run that costs the same and can share its cohort.
        examples: the configurations of these runs.
        arrays: what cohorts were formed by.
        configurations: the runs without their seeds, as codes.
    """

    runs: pd.DataFrame
    cohorts: pd.DataFrame
    kind: Codes = field(repr=False)
    examples: Sequence[RunConfig] = field(repr=False)
    arrays: RunArrays = field(repr=False)
    configurations: Configurations = field(repr=False)

    @property
    def is_new(self) -> "pd.Series[bool]":
        """For every run, if its cohort is new: the run is still to be trained."""
        new = self.cohorts.loc[self.cohorts["new"], "cohort_id"]
        return self.runs["cohort_id"].isin(new)

    @property
    def new_data_sets(self) -> list[str]:
        """The names of the data sets that new cohorts read."""
        return sorted(self.runs.loc[self.is_new, "data.name"].unique())

    def new_manifests(self) -> list[Manifest]:
        """Return the manifests of the new cohorts, in the order to start them."""
        new = self.cohorts[self.cohorts["new"]]
        rows_of = self.runs.groupby("cohort_id", observed=True).indices
        return [
            self._manifest(cohort_id, rows_of[cohort_id], waits_for, record)
            for cohort_id, waits_for, record in zip(new["cohort_id"], new["waits_for"], new["record"], strict=True)
        ]

    def _manifest(self, cohort_id: str, rows: Codes, waits_for: list[str], record: str) -> Manifest:
        seeds = self.configurations.seeds
        runs = []
        for row in rows.tolist():
            values = self.configurations.values(row // len(seeds), seeds[row % len(seeds)])
            runs.append(ManifestRun(self.runs["run_id"].iat[row], self.runs["role"].iat[row], values))
        return Manifest(cohort_id, tuple(runs), tuple(waits_for), RecordConfig.model_validate_json(record))


def expand(spec: SweepSpec, held: HeldRuns | None = None, slots: int = 1) -> Plan:
    """Make the plan of a sweep.

    Args:
        spec: the sweep.
        held: runs that have a place in the results folder.
        slots: cohorts that can train at once.

    Raises:
        BadInput: values that do not go together, an axis without effect, a data set or network that cannot be used, or
            too many runs.
    """
    asked = spec.record.while_training
    configurations = configurations_of(spec)
    check_configurations(configurations, asked)
    check_arithmetic(configurations, spec.resources.gpus)
    kinds, examples, costs = _kinds(configurations)
    inputs = [input_bytes(example) for example in examples]
    keys = encode(example.cohort_key for example in examples).codes
    groups, _ = grouped([keys[kinds], configurations.generation], len(configurations))
    count = len(configurations.seeds)
    arrays = RunArrays(
        run_ids=configurations.run_ids,
        group=groups.repeat(count),
        generation=configurations.generation.repeat(count),
        flops=np.array(costs)[kinds].repeat(count),
        input_set=_run_positions(configurations.codes["data"], count),  # inputs are drawn from the seed
        input_bytes=np.array(inputs)[kinds].repeat(count),
        parent=_run_positions(configurations.parent, count),
        teacher=_run_positions(configurations.teacher, count),
    )
    cohort_ids, cohort_codes, cohorts = form_cohorts(arrays, asked, held or HeldRuns(), slots, spec.resources)
    cohort = pd.Categorical.from_codes(cohort_codes, cohort_ids)
    runs = _runs_table(configurations, arrays, cohort)
    return Plan(runs, cohorts, kinds.repeat(count), examples, arrays, configurations)


def configurations_of(spec: SweepSpec) -> Configurations:
    """Return the configurations of a sweep, each section valid, but not checked for sections that do not go together.

    Raises:
        BadInput: values that are not valid, an axis without effect, or too many runs.
    """
    seeds = spec.seed_values
    if spec.axes.size * len(seeds) > MAX_RUNS:
        raise BadInput(f"{spec.axes.size:,} configurations x {len(seeds):,} seeds; allowed: {MAX_RUNS:,} runs")
    return Configurations(spec.axes, seeds, collapse=spec.inert_axes == "collapse")


def _kinds(configurations: Configurations) -> tuple[Codes, list[RunConfig], list[int]]:
    """Group configurations whose runs cost the same and can share a cohort.

    Returns:
        the kind of every configuration; an example of each kind; and the flops of one run of it.
    """
    columns = []
    for name in SECTIONS:
        shared = encode(configurations.tables[name].shared_texts).codes
        columns.append(shared[configurations.codes[name]])
    columns += [configurations.codes[name] for name in ("prune", "reset", "stop")]  # they decide the phases
    kinds, first = grouped(columns, len(configurations))
    examples, costs = [], []
    for row in first.tolist():
        example = configurations.config(row)
        try:
            costs.append(training_flops(example))
        except BadInput as error:
            raise BadInput(configurations.located(str(error), row)) from None
        examples.append(example)
    return kinds, examples, costs


def _run_positions(relatives: Codes, seeds: int) -> Codes:
    """Return the position of the relative of every run, which has the run's seed."""
    first = relatives.astype(np.int64).repeat(seeds) * seeds
    seed = np.tile(np.arange(seeds), len(relatives))
    return np.where(first < 0, NONE, first + seed)


def _runs_table(configurations: Configurations, arrays: RunArrays, cohort: pd.Categorical) -> pd.DataFrame:
    size, seeds = len(configurations), len(configurations.seeds)
    is_parent = np.arange(size) >= configurations.named
    run_ids = pd.Series(arrays.run_ids, dtype="str")
    ids = pd.Series(configurations.ids, dtype="str")
    columns: dict[str, Any] = {
        "run_id": run_ids,
        "configuration": ids.repeat(seeds).reset_index(drop=True),
        "lineage": ids[configurations.root].repeat(seeds).reset_index(drop=True),
        "replicate": np.tile(np.arange(seeds), size),
        "seed": np.tile(np.array(configurations.seeds, np.int64), size),
        "role": pd.Categorical.from_codes(is_parent.astype(np.int8).repeat(seeds), ["run", "parent"]),
        "cohort_id": cohort,
        "parent": _taken(run_ids, arrays.parent),
        "teacher": _taken(run_ids, arrays.teacher),
        "generation": arrays.generation,
        "flops": arrays.flops,
    }
    for name in RunConfig.model_fields:
        if name in SECTIONS:
            for field_name, column in configurations.tables[name].columns.items():
                codes = column.codes[configurations.codes[name]]
                columns[field_name] = _categorical(Column(codes, column.categories), seeds)
    columns["optimizer.batch_size"] = _categorical(_batch_sizes(configurations), seeds)
    return pd.DataFrame(columns)


def _taken(run_ids: "pd.Series[str]", positions: Codes) -> Any:
    """Return the run at every position; missing where there is none."""
    if (positions == NONE).all():
        return pd.Series(None, index=run_ids.index, dtype="str")
    return run_ids.array.take(positions, allow_fill=True)


def _categorical(column: Column, repeats: int) -> pd.Categorical:
    """Return a column of configurations as one of runs, each value so many times in a row."""
    present = [value for value in column.categories if value is not None]
    if len({type(value) for value in present}) > 1:
        present = [str(value) for value in present]  # families of networks have a field of one name and several types
    distinct = list(dict.fromkeys(present))
    code_of = dict(zip(distinct, range(len(distinct)), strict=True))
    texts = iter(present)
    new_codes = [-1 if value is None else code_of[next(texts)] for value in column.categories]
    smallest = np.min_scalar_type(-max(1, len(distinct)))
    return pd.Categorical.from_codes(np.array(new_codes, smallest)[column.codes].repeat(repeats), distinct)


def _batch_sizes(configurations: Configurations) -> Column:
    """Return the examples of a step of every configuration as numbers; see `OptimizerConfig.examples_per_step`."""
    fields = ("optimizer.batch_size", "optimizer.name", "data.train_size")
    groups, first = grouped([configurations.codes_of(name) for name in fields], len(configurations))
    sizes = []
    for row in first.tolist():
        optimizer, data = (configurations.value(row, name) for name in ("optimizer", "data"))
        sizes.append(optimizer.examples_per_step(data.train_size))
    column = encode(sizes)
    return Column(column.codes[groups], column.categories)
