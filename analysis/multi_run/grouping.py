"""The runs of a table, study by study."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables.errors import BadInput

Study = tuple[dict[str, Any], pd.DataFrame]


def studies(table: pd.DataFrame, axes: Sequence[str], within: Sequence[str]) -> Iterator[Study]:
    """Each study: the values of its axes, and its runs.

    Args:
        table: one row per run.
        axes: columns that tell studies apart; without any there is one study.
        within: columns that tell the runs of a study apart.

    Raises:
        BadInput: a column is absent, or two runs agree in all of them.
    """
    require_columns(table, [*axes, *within], "column")
    for levels, runs in table.groupby(list(axes), dropna=False) if axes else [((), table)]:
        _check_told_apart(runs, within)
        yield dict(zip(axes, levels, strict=True)), runs


def compared(
    table: pd.DataFrame, axes: Sequence[str], within: Sequence[str], plain: "pd.Series[bool]", section: str
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    """Each study of what a section of the configuration does: its axes, the runs without that, and the runs with it.

    Args:
        table: one row per run.
        axes: columns that tell studies apart. Those of the section itself do not tell the plain runs apart.
        within: columns that tell the runs with it apart; of the plain ones, seeds alone do.
        plain: which runs are without it.
        section: its name, such as `prune`.

    Raises:
        BadInput: a column is absent, runs are not told apart, or a study lacks either kind of runs.
    """
    require_columns(table, [*axes, *within], "column")
    if plain.all():
        raise BadInput(f"{section}: no run of the table sets it")
    outer = [axis for axis in axes if not axis.startswith(f"{section}.")]
    for levels, runs in studies(table[~plain], axes, within):
        own = table[plain]
        for axis in outer:
            own = own[own[axis].isna() if pd.isna(levels[axis]) else own[axis] == levels[axis]]
        if own.empty:
            named = ", ".join(f"{axis} = {levels[axis]}" for axis in outer)
            raise BadInput(f"{section}: no run without it to compare with" + (f" at {named}" if named else ""))
        _check_told_apart(own, ["seed"])
        yield levels, own, runs


def _check_told_apart(runs: pd.DataFrame, within: Sequence[str]) -> None:
    alike = runs[runs.duplicated(list(within), keep=False)]
    if len(alike):
        _, pair = next(iter(alike.groupby(list(within), dropna=False, sort=False)))
        fields = [str(name) for name in pair if "." in str(name) and pair[name].nunique(dropna=False) > 1]
        said = f"they differ in {', '.join(fields)}: name it in axes" if fields else "they differ in no field"
        raise BadInput(f"{len(pair)} runs of one study have the same {', '.join(within)}; {said}")
