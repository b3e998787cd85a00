"""The configurations of a sweep, as a table of codes: which value of each section a configuration has.

A million runs are a few integer arrays. Sections are validated once for each of their distinct values, and the
configurations that others start from or learn from (parents and teachers) are rows behind those that the sweep names.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.orchestrator.plan.section_table import Codes, SectionTable
from benevolent.orchestrator.spec.axes import Axes, section_of
from benevolent.orchestrator.spec.effects import why_equal
from benevolent.trainables.config.identity import configuration_id, run_id
from benevolent.trainables.config.run import SECTIONS, RunConfig, parent_sections, sections_of_source, source_section
from benevolent.trainables.errors import BadInput

#: In the arrays of relatives: the configuration has none.
NONE = -1


class Changes(NamedTuple):
    """Configurations that need a relative, and the sections in which it differs from them.

    Attributes:
        rows: of the configurations.
        codes: for each section that differs, the code of the relative of every row.
        prefix: what precedes an error line about the relative.
    """

    rows: Codes
    codes: Mapping[str, Codes]
    prefix: str = ""


class Configurations:
    """The configurations of a sweep, and those that they need.

    Args:
        axes: of the sweep.
        seeds: of every configuration.
        collapse: leave out configurations that train the same run as an earlier one, instead of refusing them.

    Raises:
        BadInput: values that do not go together, or two points that train the same run.

    Attributes:
        tables: the values of each section.
        codes: for each section, the code of every configuration's value `(N,)`.
        ids: of the configurations.
        run_ids: of the runs: those of all seeds of the first configuration, then of the second, and so on.
        named: the number of configurations that the sweep names; the others are their parents and teachers.
        parent: row of the configuration that each one starts from, or `NONE` `(N,)`.
        teacher: row of the configuration that labels the inputs of each one, or `NONE` `(N,)`.
    """

    def __init__(self, axes: Axes, seeds: Sequence[int], collapse: bool) -> None:
        self.axes = axes
        self.seeds = list(seeds)
        self.tables: dict[str, SectionTable] = {}
        self.codes: dict[str, Codes] = {}
        for name in SECTIONS:
            self._cross(name)
        self.ids = self._configuration_ids(self.codes)
        self._point = self._distinct_points(collapse)
        self.run_ids = self._run_ids(self.codes)
        self.named = len(self)
        self._needed_by: list[tuple[int, str]] = []  # for each relative: a row that needs it, and the prefix
        self.parent, self.teacher = self._add_relatives()

    def __len__(self) -> int:
        return len(self.ids)

    # ---- the cross product

    def _cross(self, name: str) -> None:
        """Make the values of a section for all combinations of its axes, and the code of every configuration."""
        axes = self.axes.axes_of_section[name]
        shape = self.axes.shape
        choices = itertools.product(*(range(shape[axis]) for axis in axes))
        self.tables[name] = SectionTable(name, (self.axes.section(name, choice) for choice in choices))
        codes = np.zeros(self.axes.size, np.int32)
        for axis in axes:
            codes = codes * shape[axis] + self._points_of_axis(axis)
        self.codes[name] = codes

    def _points_of_axis(self, axis: int) -> Codes:
        """Return the point that each row of the cross product has on an axis; the last axis varies fastest."""
        shape = self.axes.shape
        repeats = int(np.prod(shape[axis + 1 :], dtype=np.int64))
        points = np.arange(shape[axis], dtype=np.int32).repeat(repeats)
        return np.tile(points, self.axes.size // len(points))

    def _distinct_points(self, collapse: bool) -> Codes:
        """Leave each configuration there once, and return the rows of the cross product that stay.

        Raises:
            BadInput: a configuration is there twice, and that is not to be collapsed.
        """
        repeated = pd.Series(self.ids).duplicated().to_numpy()
        if repeated.any() and not collapse:
            row = int(repeated.argmax())
            earlier = self.ids.index(self.ids[row])
            points, earlier_points = self._points_of_row(row), self._points_of_row(earlier)
            raise BadInput(why_equal(self.axes, points, earlier_points))
        kept = np.flatnonzero(~repeated)
        if repeated.any():
            self.codes = {name: codes[kept] for name, codes in self.codes.items()}
            self.ids = [self.ids[row] for row in kept]
        return kept

    def _points_of_row(self, row: int) -> list[int]:
        """Return the point on every axis of a row of the cross product."""
        return [int(point) for point in np.unravel_index(row, self.axes.shape)]

    # ---- identity

    def _texts(self, codes: Mapping[str, Codes]) -> Iterator[tuple[str, ...]]:
        """Yield the identity texts of the sections of every configuration."""
        columns = []
        for name in SECTIONS:
            texts = self.tables[name].texts
            columns.append(map(texts.__getitem__, codes[name].tolist()))
        return zip(*columns, strict=True)

    def _configuration_ids(self, codes: Mapping[str, Codes]) -> list[str]:
        return [configuration_id(texts) for texts in self._texts(codes)]

    def _run_ids(self, codes: Mapping[str, Codes]) -> list[str]:
        run_ids = []
        for texts in self._texts(codes):
            text = ("".join(texts),)
            for seed in self.seeds:
                run_ids.append(run_id(text, seed))
        return run_ids

    # ---- parents and teachers

    def _add_relatives(self) -> tuple[Codes, Codes]:
        """Append the parents and teachers of all configurations, then theirs, and so on; return their rows."""
        parents = []
        teachers = []
        rows = np.arange(len(self))
        while len(rows):
            last = len(self)
            parents.append(self._rows_of_relatives(rows, self._parents_of(rows)))
            teachers.append(self._rows_of_relatives(rows, self._sources_of(rows, "labels")))
            rows = np.arange(last, len(self))
        return np.concatenate(parents), np.concatenate(teachers)

    def _parents_of(self, rows: Codes) -> Iterator[Changes]:
        """Yield the parents of configurations; see `parent_sections`."""
        resets = self._has(rows, "reset", lambda reset: bool(reset.layers))
        prunes = self._has(rows, "prune", lambda prune: prune.prunes) & ~resets
        for name, needing in (("reset", rows[resets]), ("prune", rows[prunes])):
            if len(needing):
                codes = self._mapped(name, needing, functools.partial(_parent_section, name))
                yield Changes(needing, {name: codes})
        yield from self._sources_of(rows[~resets & ~prunes], "init")

    def _sources_of(self, rows: Codes, by: str) -> Iterator[Changes]:
        """Yield the runs that `<by>.source` names."""
        asking = rows[self._has(rows, by, lambda section: section.source is not None)]
        codes = self.codes[by][asking]
        for code in np.unique(codes):
            needing = asking[codes == code]
            source = self.tables[by].values[code].source
            try:
                changed = {
                    name: self._mapped(name, needing, functools.partial(source_section, by, source, name))
                    for name in sections_of_source(by, source)
                }
            except BadInput as error:
                raise BadInput(self.located(str(error), needing[0])) from None
            yield Changes(needing, changed, f"{by}.source: ")

    def _has(self, rows: Codes, name: str, condition: Callable[[Any], bool]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return for every row if the value of a section meets a condition."""
        met = np.array([condition(value) for value in self.tables[name].values])
        return met[self.codes[name][rows]]

    def _mapped(self, name: str, rows: Codes, function: Callable[[Any], Any]) -> Codes:
        """Return the codes of what a function makes of the values of a section; each is made once."""
        table = self.tables[name]
        distinct, inverse = np.unique(self.codes[name][rows], return_inverse=True)
        new = [table.code_of(function(table.values[code])) for code in distinct]
        return np.array(new, np.int32)[inverse]

    def _rows_of_relatives(self, rows: Codes, all_changes: Iterator[Changes]) -> Codes:
        """Return the row of the relative of every row, or `NONE`; relatives that are not there yet are appended."""
        relatives = np.full(len(self), NONE, np.int32)
        for changes in all_changes:
            relatives[changes.rows] = self._found_or_appended(changes)
        return relatives[rows]

    def _found_or_appended(self, changes: Changes) -> Codes:
        codes = {name: self.codes[name][changes.rows] for name in SECTIONS} | dict(changes.codes)
        ids = self._configuration_ids(codes)
        new = []
        for position, identity in enumerate(ids):
            if identity not in self._row_of:
                self._row_of[identity] = len(self.ids)
                self.ids.append(identity)
                self._needed_by.append((int(changes.rows[position]), changes.prefix))
                new.append(position)
        new_codes = {name: codes[name][new] for name in SECTIONS}
        self.run_ids += self._run_ids(new_codes)
        self.codes = {name: np.concatenate([self.codes[name], new_codes[name]]) for name in SECTIONS}
        return np.array([self._row_of[identity] for identity in ids], np.int32)

    @functools.cached_property
    def _row_of(self) -> dict[str, int]:
        return {identity: row for row, identity in enumerate(self.ids)}

    # ---- what the plan asks

    def located(self, line: str, row: int) -> str:
        """Return an error line about a configuration, preceded by the place in the sweep that gives its field."""
        while row >= self.named:
            row, prefix = self._needed_by[row - self.named]
            line = f"{prefix}{line}"
        return self.axes.located(line, self._points_of_row(self._point[row]))

    def value(self, row: int, name: str) -> Any:
        """Return a section of a configuration."""
        return self.tables[name].values[self.codes[name][row]]

    def config(self, row: int) -> RunConfig:
        """Return the first run of a configuration."""
        return RunConfig(**{name: self.value(row, name) for name in SECTIONS}, seed=self.seeds[0])

    def values(self, row: int, seed: int) -> dict[str, Any]:
        """Return the nested values of a run as JSON has them."""
        return {name: self.tables[name].dump(self.codes[name][row]) for name in SECTIONS} | {"seed": seed}

    def codes_of(self, field: str) -> Codes:
        """Return integers that are equal where configurations agree in a field.

        Args:
            field: dotted, or a section; `parent.` or `teacher.` before it asks for that relative's.
        """
        for relation, relatives in (("parent", self.parent), ("teacher", self.teacher)):
            if field.startswith(f"{relation}."):
                codes = self.codes_of(field.removeprefix(f"{relation}."))
                return np.where(relatives == NONE, NONE, codes[relatives])
        name = section_of(field)
        if field == name:
            return self.codes[name]
        return self.tables[name].column(field).codes[self.codes[name]]

    @functools.cached_property
    def generation(self) -> Codes:
        """Return the number of runs that must be trained one after the other before each configuration `(N,)`."""
        generation = np.zeros(len(self), np.int32)
        while True:
            latest = np.full(len(self), NONE, np.int32)
            for relatives in (self.parent, self.teacher):
                of_relative = np.where(relatives == NONE, NONE, generation[relatives])
                latest = np.maximum(latest, of_relative)
            if (latest + 1 == generation).all():
                return generation
            generation = latest + 1

    @functools.cached_property
    def root(self) -> Codes:
        """The row of the root of each configuration's lineage: follow the parent, else the teacher `(N,)`."""
        rows = np.arange(len(self))
        step = np.where(self.parent != NONE, self.parent, self.teacher)
        step = np.where(step != NONE, step, rows)
        while (step[step] != step).any():
            step = step[step]
        return step


def grouped(columns: Sequence[Codes], size: int) -> tuple[Codes, Codes]:
    """Return the group of each of `size` rows, and the first row of every group, in order of appearance.

    Args:
        columns: integers `(size,)`; rows that agree in all of them are one group.
        size: the number of rows.

    >>> [part.tolist() for part in grouped([np.array([5, 7, 5]), np.array([-1, -1, -1])], 3)]
    [[0, 1, 0], [0, 1]]
    """
    groups = np.zeros(size, np.int64)
    for column in columns:
        if size and column.min() != column.max():
            groups = pd.factorize(groups * (int(column.max()) + 2) + column + 1)[0]
    first = np.flatnonzero(~pd.Series(groups).duplicated().to_numpy())
    return groups, first


def _parent_section(name: str, section: Any) -> Any:
    """Return the section of the parent of a run that is reset or pruned."""
    sections = {"reset": RunConfig.model_fields["reset"].default, name: section}
    changed = parent_sections(sections)
    assert changed is not None
    return changed[name]
