"""`StoredRun`: a run as a results folder has it, of which only those sections are read that are asked for."""

import functools
import json
from collections.abc import Mapping
from typing import Any, Self

from benevolent.trainables.config.run import SECTIONS, RunSections, parse_section

#: Distinct sections that a process keeps: the runs of a cohort share most of theirs.
SECTIONS_KEPT = 4096


class StoredRun(RunSections):
    """A run whose values were validated when it was planned.

    A section is validated when it is first asked for, and once for all runs that have it.

    Args:
        values: nested values of a `RunConfig` as JSON has them.

    >>> run = StoredRun({"data": {"name": "mnist"}, "seed": 3})
    >>> run.data.name, run.seed, run.optimizer.lr
    ('mnist', 3, 0.05)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.seed = values.get("seed", 0)

    def __getattr__(self, name: str) -> Any:
        """Read a section, and keep it."""
        if name not in SECTIONS:
            raise AttributeError(name)
        section = _section(name, json.dumps(self._values.get(name, {}), sort_keys=True))
        setattr(self, name, section)
        return section

    def _changed(self, sections: Mapping[str, Any] | None) -> Self | None:
        if sections is None:
            return None
        changed = type(self)(self._values)
        read_already = {name: vars(self)[name] for name in SECTIONS if name in vars(self)}
        vars(changed).update(read_already | dict(sections))
        return changed


@functools.lru_cache(maxsize=SECTIONS_KEPT)
def _section(name: str, text: str) -> Any:
    return parse_section(name, json.loads(text))
