"""The configurations of a sweep, as a table of codes: which value of each section a configuration has.

A million runs are a few integer arrays. Sections are validated once for each of their distinct values, and the
configurations that others start from or learn from (parents and teachers) are rows behind those that the sweep names.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benevolent.orchestrator.plan.lineages import NONE, all_share_roots, roots, rows_by_lineage
from benevolent.orchestrator.plan.relatives import Changes, Relatives
from benevolent.orchestrator.plan.section_table import Codes, SectionTable
from benevolent.orchestrator.spec.axes import Axes, section_of
from benevolent.orchestrator.spec.effects import why_equal
from benevolent.orchestrator.spec.replicates import Replicates
from benevolent.trainables.config.identity import configuration_id, family_revision, run_id
from benevolent.trainables.config.identity_arrays import replicate_seeds
from benevolent.trainables.config.run import SECTIONS, RunConfig
from benevolent.trainables.errors import BadInput

#: Configurations whose texts are made at once.
TEXTS_AT_ONCE = 2**14


class Configurations:
    """The configurations of a sweep, and those that they need.

    Args:
        axes: of the sweep.
        replicates: of every configuration.
        collapse: leave out configurations that train the same run as an earlier one, instead of refusing them.

    Raises:
        BadInput: values that do not go together, or two points that train the same run.

    Attributes:
        tables: the values of each section.
        codes: for each section, the code of every configuration's value `(N,)`.
        ids: of the configurations, as numbers `(N,)`. A configuration that trains with the seeds of several lineages
            has a row for each.
        lineages: ids of the configurations at the roots, whose seeds each row trains with `(N,)`.
        seeds: of the n runs of every row `(N, n)`.
        run_ids: of the runs, as numbers `(N n,)`: those of the first row, then of the second, and so on.
        named: the number of configurations that the sweep names; the others are their parents and teachers.
        parent: row of the configuration that each one starts from, or `NONE` `(N,)`.
        teacher: row of the configuration that labels the inputs of each one, or `NONE` `(N,)`.
    """

    def __init__(self, axes: Axes, replicates: Replicates, collapse: bool) -> None:
        self.axes = axes
        self.replicates = replicates
        self.tables: dict[str, SectionTable] = {}
        self.codes: dict[str, Codes] = {}
        for name in SECTIONS:
            self._cross(name)
        self.ids = self._configuration_ids(self.codes)
        self._point = self._distinct_points(collapse)
        self.named = len(self)
        self._needed_by: list[tuple[int, str]] = []  # for each relative: a row that needs it, and the prefix
        self._first_row = np.arange(len(self))  # of the configuration, before those of several lineages are repeated
        self.parent, self.teacher = self._add_relatives()
        root = roots(self.parent, self.teacher)
        self.lineages = self.ids[root]
        if not (replicates.shared or all_share_roots(root, self.parent, self.teacher)):
            self._repeat_for_lineages()
        self.seeds = self._make_seeds()
        self.run_ids = self._make_run_ids()

    def __len__(self) -> int:
        return len(self.ids)

    # ---- the cross product

    def _cross(self, name: str) -> None:
        """Make the values of a section for all combinations of its axes, and the code of every configuration."""
        axes = self.axes.axes_of_section[name]
        shape = self.axes.shape
        choices = itertools.product(*(range(shape[axis]) for axis in axes))
        self.tables[name] = SectionTable(name, (self.axes.section(name, choice) for choice in choices))
        codes = np.broadcast_to(np.zeros(1, np.int32), self.axes.size)  # without axes it takes no memory
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
            earlier = int((self.ids == self.ids[row]).argmax())
            points, earlier_points = self._points_of_row(row), self._points_of_row(earlier)
            raise BadInput(why_equal(self.axes, points, earlier_points))
        kept = np.flatnonzero(~repeated)
        if repeated.any():
            self.codes = {name: codes[kept] for name, codes in self.codes.items()}
            self.ids = self.ids[kept]
        return kept

    def _points_of_row(self, row: int) -> list[int]:
        """Return the point on every axis of a row of the cross product."""
        return [int(point) for point in np.unravel_index(row, self.axes.shape)]

    # ---- identity

    def _texts(self, codes: Mapping[str, Codes]) -> Iterator[str]:
        """Yield the identity of every configuration, as text."""
        size = len(codes[SECTIONS[0]])
        for start in range(0, size, TEXTS_AT_ONCE):
            columns = []
            for name in SECTIONS:
                texts = self.tables[name].texts
                columns.append(map(texts.__getitem__, codes[name][start : start + TEXTS_AT_ONCE].tolist()))
            yield from map("".join, zip(*columns, strict=True))

    def _configuration_ids(self, codes: Mapping[str, Codes]) -> Codes:
        ids = map(configuration_id, self._texts(codes))
        return np.fromiter(ids, np.uint64, len(codes[SECTIONS[0]]))

    def _make_seeds(self) -> Codes:
        numbers = self.replicates.numbers
        if self.replicates.shared:
            return np.broadcast_to(np.array(numbers, np.int64), (len(self), len(numbers)))
        code, lineages = pd.factorize(self.lineages)
        return replicate_seeds(lineages, self.replicates.numbers)[code]

    def _make_run_ids(self) -> Codes:
        rows = zip(self._texts(self.codes), self.seeds, self._revisions().tolist(), strict=True)
        ids = (run_id(text, seed, revision) for text, seeds, revision in rows for seed in seeds.tolist())
        return np.fromiter(ids, np.uint64, self.seeds.size)

    def _revisions(self) -> Codes:
        """Return the revisions of the model families of every configuration and its ancestors, added up `(N,)`."""
        families = np.array([family_revision(model) for model in self.tables["model"].values], np.int32)
        own = families[self.codes["model"]]
        revisions = own
        while True:
            of_ancestors = np.zeros(len(self), np.int32)
            for relatives in (self.parent, self.teacher):
                of_ancestors += np.where(relatives == NONE, 0, revisions[relatives])
            if (own + of_ancestors == revisions).all():
                return revisions
            revisions = own + of_ancestors

    # ---- parents and teachers

    def _add_relatives(self) -> tuple[Codes, Codes]:
        """Append the parents and teachers of all configurations, then theirs, and so on; return their rows."""
        parents = []
        teachers = []
        rows = np.arange(len(self))
        while len(rows):
            last = len(self)
            relatives = Relatives(self.tables, self.codes, self.located)
            parents.append(self._rows_of_relatives(rows, relatives.parents_of(rows)))
            teachers.append(self._rows_of_relatives(rows, relatives.sources_of(rows, "labels")))
            rows = np.arange(last, len(self))
        return np.concatenate(parents), np.concatenate(teachers)

    def _rows_of_relatives(self, rows: Codes, all_changes: Iterator[Changes]) -> Codes:
        """Return the row of the relative of every row, or `NONE`; relatives that are not there yet are appended."""
        relatives = np.full(len(self), NONE, np.int32)
        for changes in all_changes:
            relatives[changes.rows] = self._found_or_appended(changes)
        return relatives[rows]

    def _found_or_appended(self, changes: Changes) -> Codes:
        codes = {name: self.codes[name][changes.rows] for name in SECTIONS} | dict(changes.codes)
        ids = self._configuration_ids(codes)
        rows = pd.Index(self.ids).get_indexer(ids)
        missing = np.flatnonzero(rows == NONE)
        number, new_ids = pd.factorize(ids[missing])
        rows[missing] = len(self) + number
        new = missing[~pd.Series(number).duplicated().to_numpy()]
        if len(new):
            self._needed_by += [(row, changes.prefix) for row in changes.rows[new].tolist()]
            self._first_row = np.arange(len(self) + len(new))
            self.ids = np.concatenate([self.ids, new_ids])
            self.codes = {name: np.concatenate([self.codes[name], codes[name][new]]) for name in SECTIONS}
        return rows

    def _repeat_for_lineages(self) -> None:
        """Give every configuration a row for each lineage with whose seeds it must train."""
        rows = rows_by_lineage(self.parent, self.teacher, self.named)
        self.lineages = self.ids[rows.root]
        self.parent = rows.parent
        self.teacher = rows.teacher
        self._first_row = rows.configuration
        self.ids = self.ids[rows.configuration]
        self.codes = {name: codes[rows.configuration] for name, codes in self.codes.items()}

    # ---- what the plan asks

    def located(self, line: str, row: int) -> str:
        """Return an error line about a configuration, preceded by the place in the sweep that gives its field."""
        row = int(self._first_row[row])
        while row >= self.named:
            row, prefix = self._needed_by[row - self.named]
            line = f"{prefix}{line}"
        return self.axes.located(line, self._points_of_row(self._point[row]))

    def value(self, row: int, name: str) -> Any:
        """Return a section of a configuration."""
        return self.tables[name].values[self.codes[name][row]]

    def config(self, row: int) -> RunConfig:
        """Return the first run of a configuration."""
        return RunConfig(**{name: self.value(row, name) for name in SECTIONS}, seed=int(self.seeds[row, 0]))

    def values(self, run: int) -> dict[str, Any]:
        """Return the nested values of a run as JSON has them."""
        row = run // len(self.replicates.numbers)
        sections = {name: self.tables[name].dump(self.codes[name][row]) for name in SECTIONS}
        return sections | {"seed": int(self.seeds.flat[run])}

    @property
    def is_repeated(self) -> Codes:
        """For every row, if it is a configuration of the sweep that trains with the seeds of another lineage `(N,)`."""
        return (np.arange(len(self)) >= self.named) & (self._first_row < self.named)

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
