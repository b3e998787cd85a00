"""Parents and teachers of configurations, as changes of the sections in which they differ from these."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from benevolent.orchestrator.plan.section_table import Codes, SectionTable
from benevolent.trainables.config.run import RunConfig, parent_sections, sections_of_source, source_section
from benevolent.trainables.errors import BadInput


class Changes(NamedTuple):
    """Configurations that need a relative, and the sections in which it differs from them.

    Attributes:
        rows: of the configurations.
        codes: for each section that differs, the code of the relative of every row.
        prefix: beginning of an error line about the relative.
    """

    rows: Codes
    codes: Mapping[str, Codes]
    prefix: str = ""


class Relatives:
    """The parents and teachers of the configurations of a sweep.

    Args:
        tables: the values of each section; those of relatives are added.
        codes: for each section, the code of every configuration's value.
        located: puts the place of a configuration in the sweep before an error line about it.
    """

    def __init__(
        self, tables: Mapping[str, SectionTable], codes: Mapping[str, Codes], located: Callable[[str, int], str]
    ) -> None:
        self.tables = tables
        self.codes = codes
        self.located = located

    def parents_of(self, rows: Codes) -> Iterator[Changes]:
        """Yield the parents of configurations; see `parent_sections`."""
        resets = self._has(rows, "reset", lambda reset: bool(reset.layers))
        prunes = self._has(rows, "prune", lambda prune: prune.prunes) & ~resets
        for name, needing in (("reset", rows[resets]), ("prune", rows[prunes])):
            if len(needing):
                codes = self._mapped(name, needing, functools.partial(_parent_section, name))
                yield Changes(needing, {name: codes})
        yield from self.sources_of(rows[~resets & ~prunes], "init")

    def sources_of(self, rows: Codes, by: str) -> Iterator[Changes]:
        """Yield the runs that `<by>.source` names; those of `labels` are teachers.

        Raises:
            BadInput: a source that does not name a valid run.
        """
        asking = rows[self._has(rows, by, lambda section: section.source is not None)]
        codes = self.codes[by][asking]
        for code in np.unique(codes):
            needing = asking[codes == code]
            source = self.tables[by].values[code].source
            changed = {}
            try:
                for name in sections_of_source(by, source):
                    changed[name] = self._mapped(name, needing, functools.partial(source_section, by, source, name))
            except BadInput as error:
                raise BadInput(self.located(str(error), int(needing[0]))) from None
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


def _parent_section(name: str, section: Any) -> Any:
    """Return the section of the parent of a run that is reset or pruned."""
    sections = {"reset": RunConfig.model_fields["reset"].default, name: section}
    changed = parent_sections(sections)
    assert changed is not None
    return changed[name]
