"""A run without its seed, put together from validated sections.

Validation, identity and what may share a cohort are local to a section of `RunConfig`: a sweep that validates
each section's combinations once can name a million runs without making a million `RunConfig`s.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.run import RunConfig, parent_sections, run_id, teacher_sections
from benevolent.trainables.errors import BadInput

#: What a configuration is made of, in the order in which `run_id` sees it: every field of a run but its seed.
PARTS = tuple(sorted(RunConfig.model_fields.keys() - {"seed"}))


class Part(NamedTuple):
    """One section (or scalar field) of a run: the lines that tell it from the default one, and how to make it.

    `shared_lines` leaves out the fields in which the runs of one cohort may differ.
    """

    lines: str
    shared_lines: str
    make: Callable[[], Any]

    @property
    def value(self) -> Any:
        """The section itself, validated."""
        return self.make()


def make_part(name: str, value: Any) -> Part:
    """The part of a run that has this value in field `name`."""
    if not isinstance(value, Section):
        return Part(f"{name}={value}", f"{name}={value}", lambda: value)
    lines, shared_lines = value.identity(name), value.identity(name, shared_only=True)
    return Part("\n".join(lines), "\n".join(shared_lines), lambda: value)


class Configuration(NamedTuple):
    """A run without its seed.

    Attributes:
        parts: in the order of `PARTS`.
        located: puts the place in the sweep before a line that refuses the run.
    """

    parts: tuple[Part, ...]
    located: Callable[[str], str] = str

    @property
    def lines(self) -> tuple[str, ...]:
        """Equal for configurations that train the same networks."""
        return tuple([part.lines for part in self.parts])

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal only for configurations of the same cohort key, with phases of the same length, that fit alike.

        Of what may differ in a cohort these decide it: all of the sections that make phases, and of the others
        whatever is not a number, `init.at` and `labels.at`. A rule of `trainables.compatibility` may ask whether another such
        number is given, not which it is.
        """
        deciding = [self.parts[index].lines for index in _DECIDING]
        others = [_without_numbers(self.parts[index].lines) for index in _OTHERS]
        return (*deciding, *others, *[part.shared_lines for part in self.parts])

    @property
    def before(self) -> "tuple[Configuration, ...]":
        """Whose networks must be there, of the same seed: this one's start from them, or are labeled by them.

        Raises:
            BadInput: a source does not give a run.
        """
        if all(not self.parts[index].lines for index in _STARTING):
            return ()  # as in most of a large sweep: without making a section
        found = []
        for by, find in (("init", parent_sections), ("labels", teacher_sections)):
            try:
                changes = find(lambda name: self.parts[PARTS.index(name)].value)
            except BadInput as error:
                raise BadInput(self.located(str(error))) from None
            if changes is not None:
                found.append(self._with(changes, f"{by}.source: " if by in changes else ""))
        return tuple(found)

    def _with(self, changes: Mapping[str, Any], by: str) -> "Configuration":
        """The configuration with other sections; lines about it begin with what named it, if a field did."""
        parts = list(self.parts)
        for name, value in changes.items():
            parts[PARTS.index(name)] = make_part(name, value)
        return Configuration(tuple(parts), lambda line: self.located(f"{by}{line}"))

    @property
    def ancestors(self) -> "tuple[Configuration, ...]":
        """All that must be there before, each once; as `RunConfig.ancestors`."""
        return tuple({each.lines: each for one in self.before for each in (one, *one.ancestors)}.values())

    def run_id(self, seed: int) -> str:
        """`self.run(seed).run_id`, without making the run."""
        return run_id([part.lines for part in self.parts if part.lines], seed)

    def run(self, seed: int) -> RunConfig:
        """The run of one seed."""
        values = {name: part.value for name, part in zip(PARTS, self.parts, strict=True)}
        return RunConfig(**values, seed=seed)


_STARTING = tuple(PARTS.index(name) for name in ("init", "labels", "prune", "reset"))
_DECIDING = tuple(PARTS.index(name) for name in ("prune", "reset", "stop"))
_SECTIONS = {name: type(value) for name, value in RunConfig() if isinstance(value, Section)}
#: The other sections with fields that may differ in a cohort.
_OTHERS = tuple(
    index
    for index, name in enumerate(PARTS)
    if index not in _DECIDING and (kind := _SECTIONS.get(name)) and kind.shared_fields() != kind.model_fields.keys()
)


@functools.lru_cache(maxsize=2**16)
def _without_numbers(lines: str) -> str:
    """The lines of a section, those of numbers without the number; but a rule asks at which epoch a source is.

    >>> _without_numbers("init.scale=2").splitlines(), _without_numbers('init.scheme="orthogonal"').splitlines()
    (['init.scale'], ['init.scheme="orthogonal"'])
    """
    return re.sub(r"(?<!init\.at)(?<!labels\.at)=-?\d[^\n]*", "", lines)
