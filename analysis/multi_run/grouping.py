"""Rows of a table of runs, group by group: each group gives one value of a statistic of several runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables.errors import BadInput

#: Values of the axes that tell a group from the others.
Levels = dict[str, Any]


#: The field of a section that a sweep varies, for error lines.
FIELDS_OF_SECTIONS = {"subspace": "subspace.dimension", "reset": "reset.layers", "prune": "prune.fraction"}


def groups_of_runs(
    table: pd.DataFrame, axes: Sequence[str], within: Sequence[str]
) -> Iterator[tuple[Levels, pd.DataFrame]]:
    """Iterate over the groups of a table.

    Args:
        table: one row per run.
        axes: columns that tell groups apart; without any there is one group.
        within: columns that tell the runs of a group apart.

    Yields:
        The values of a group's axes, and its runs.

    Raises:
        BadInput: a column is absent, or two runs of a group agree in all columns of `within`.
    """
    require_columns(table, [*axes, *within], "column")
    groups: Any = [((), table)]
    if axes:
        groups = table.groupby(list(axes), dropna=False)
    for levels, runs in groups:
        _require_distinct(runs, within)
        yield dict(zip(axes, levels, strict=True)), runs


def groups_with_reference(
    table: pd.DataFrame, axes: Sequence[str], within: Sequence[str], reference: "pd.Series[bool]", section: str
) -> Iterator[tuple[Levels, pd.DataFrame, pd.DataFrame]]:
    """Iterate over the groups of runs that set a section of the configuration, each with the runs that do not set it.

    Args:
        table: one row per run.
        axes: columns that tell groups apart. Those of the section itself do not apply to reference runs.
        within: columns that tell the runs of a group apart; reference runs of a group differ in their seed only.
        reference: (n,) mask of the runs that do not set the section.
        section: name of the section, such as `prune`.

    Yields:
        The values of a group's axes, its reference runs, and its runs that set the section.

    Raises:
        BadInput: a column is absent, runs of a group are not told apart, or a group lacks either kind of runs.
    """
    require_columns(table, [*axes, *within], "column")
    if reference.all():
        field = FIELDS_OF_SECTIONS.get(section, f"{section}.*")
        raise BadInput(
            f"{section}: no run of the table sets it; needs a sweep over {field}, as grid: {{{field}: [...]}}"
        )
    shared_axes = [axis for axis in axes if not axis.startswith(f"{section}.")]
    for levels, runs in groups_of_runs(table[~reference], axes, within):
        matching = table[reference]
        for axis in shared_axes:
            matching = matching[_equals(matching[axis], levels[axis])]
        if matching.empty:
            values = ", ".join(f"{axis} = {levels[axis]}" for axis in shared_axes)
            place = f" at {values}" if values else ""
            raise BadInput(
                f"{section}: no run without it to compare with{place}; results.table(parents=True) adds parent runs"
            )
        _require_distinct(matching, ["seed"])
        yield levels, matching, runs


def paired_by_replicate(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose column `seed` has the number of the replicate, where the table has a column `replicate`.

    Independent replicates of two configurations have no seed in common; those of one number are then taken together.
    With shared seeds the number of a replicate is its seed.

    >>> paired_by_replicate(pd.DataFrame({"seed": [931, 17], "replicate": [0, 0]}))["seed"].tolist()
    [0, 0]
    """
    return table.assign(seed=table["replicate"]) if "replicate" in table else table


def _equals(column: "pd.Series", value: object) -> "pd.Series[bool]":
    """Return which values are equal to a value; missing values are equal to each other."""
    return column.isna() if pd.isna(value) else column == value


def _require_distinct(runs: pd.DataFrame, within: Sequence[str]) -> None:
    """Refuse two runs of a group that agree in all of the columns `within`."""
    repeated = runs[runs.duplicated(list(within), keep=False)]
    if repeated.empty:
        return
    groups = repeated.groupby(list(within), dropna=False, sort=False)
    _, pair = next(iter(groups))
    fields = []
    for name in pair:
        if "." in str(name) and pair[name].nunique(dropna=False) > 1:
            fields.append(str(name))
    hint = "they differ in no field: drop duplicates"
    if fields:
        hint = f"they differ in {', '.join(fields)}: name it in axes"
    raise BadInput(f"{len(pair)} runs of one group have the same {', '.join(within)}; {hint}")
