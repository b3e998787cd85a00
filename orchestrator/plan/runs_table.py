"""The table of the runs of a plan."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from benevolent.orchestrator.plan.cohorts import RunArrays
from benevolent.orchestrator.plan.configurations import Configurations, grouped
from benevolent.orchestrator.plan.section_table import Codes, Column, encode
from benevolent.trainables.config.identity_arrays import id_texts
from benevolent.trainables.config.run import SECTIONS, RunConfig
from benevolent.trainables.store.statuses import Role


def runs_table(configurations: Configurations, arrays: RunArrays, cohort_of_run: pd.Categorical) -> pd.DataFrame:
    """Return one row per run; see `Plan.runs`."""
    replicates = np.array(configurations.replicates.numbers, np.int64)
    count = len(replicates)
    size = len(configurations)
    is_parent = np.arange(size) >= configurations.named
    columns: dict[str, Any] = {}
    columns["run_id"] = run_ids = id_texts(arrays.run_ids)
    columns["configuration"] = id_texts(configurations.ids).repeat(count)
    columns["lineage"] = id_texts(configurations.lineages).repeat(count)
    columns["replicate"] = np.tile(replicates, size)
    columns["seed"] = configurations.seeds.ravel()
    roles = [str(Role.RUN), str(Role.PARENT)]
    columns["role"] = pd.Categorical.from_codes(is_parent.astype(np.int8).repeat(count), roles)
    columns["cohort_id"] = cohort_of_run
    columns["parent"] = _taken(run_ids, arrays.parent)
    columns["teacher"] = _taken(run_ids, arrays.teacher)
    columns["generation"] = arrays.generation
    columns["flops"] = arrays.flops
    for name in RunConfig.model_fields:
        if name in SECTIONS:
            columns |= _fields_of_section(configurations, name)
    return pd.DataFrame(columns, copy=False)


def _fields_of_section(configurations: Configurations, name: str) -> dict[str, pd.Categorical]:
    count = len(configurations.replicates.numbers)
    fields = {}
    for field, column in configurations.tables[name].columns.items():
        of_configurations = Column(column.codes[configurations.codes[name]], column.categories)
        if field == "optimizer.batch_size":
            of_configurations = _batch_sizes(configurations)
        fields[field] = _categorical(of_configurations, count)
    return fields


def _batch_sizes(configurations: Configurations) -> Column:
    """Return the examples of a step of every configuration as numbers; see `OptimizerConfig.examples_per_step`."""
    fields = ("optimizer.batch_size", "optimizer.name", "data.train_size", "data.subset")
    groups, first = grouped([configurations.codes_of(name) for name in fields], len(configurations))
    sizes = []
    for row in first.tolist():
        seen_size = configurations.value(row, "data").seen_size
        sizes.append(configurations.value(row, "optimizer").examples_per_step(seen_size))
    column = encode(sizes)
    return Column(column.codes[groups], column.categories)


def _taken(run_ids: ExtensionArray, positions: Codes) -> ExtensionArray:
    """Return the run at every position; missing where there is none."""
    return run_ids.take(positions, allow_fill=True)


def _categorical(column: Column, repeats: int) -> pd.Categorical:
    """Return a column of configurations as one of runs, each value so many times in a row; None is missing."""
    values = column.categories
    types = {type(value) for value in values if value is not None}
    if len(types) > 1:  # two families of networks have a field of one name and values of two types
        values = [None if value is None else str(value) for value in values]
    categories = list(dict.fromkeys(value for value in values if value is not None))
    code_of = {category: code for code, category in enumerate(categories)}
    smallest_type = np.min_scalar_type(-max(1, len(categories)))
    codes = np.array([code_of.get(value, -1) for value in values], smallest_type)
    if len(codes) == 1:  # most fields do not vary: one number in memory stands for all
        codes_of_runs = np.broadcast_to(codes, len(column.codes) * repeats)
    else:
        codes_of_runs = codes[column.codes].repeat(repeats)
    return pd.Categorical.from_codes(codes_of_runs, categories)
