"""Which measures: by name, by the name of a set, or by the import path of one's own."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.measures.measure import Measure, name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput

#: The names of sets of measures: those that are computed unasked, and those of `MEASURES`.
DEFAULT, ALL = "default", "all"


def select(names: Sequence[str] | None) -> list[Measure]:
    """The measures of these names, each once, in this order.

    Args:
        names: names in `MEASURES`; `default` and `all` for these sets; `package.module:attribute` for a function of a
            `MeasuredNetwork`, or a `Measure`, of the user's own, which is imported. None is `["default"]`.

    Raises:
        BadInput: an unknown name; a path that cannot be imported, is no function, or has the name of another measure.

    >>> [measure.name for measure in select(["path_norm", "sharpness"])]
    ['path_norm', 'sharpness']
    """
    chosen: dict[str, Measure] = {}
    for name in [DEFAULT] if names is None else names:
        for measure in _named(name):
            if chosen.setdefault(measure.name, measure).path != measure.path:
                raise BadInput(f"measures: {measure.path!r} has the name of another one, {measure.name!r}")
    return list(chosen.values())


def _named(name: str) -> list[Measure]:
    if name in (DEFAULT, ALL):
        return [measure for measure in MEASURES.values() if name == ALL or not measure.opt_in]
    if ":" in name:
        return [_own(name)]
    if name not in MEASURES:
        raise BadInput(f"measures: {name!r} is unknown" + did_you_mean(name, [*MEASURES, DEFAULT, ALL]))
    return [MEASURES[name]]


def _own(path: str) -> Measure:
    """The user's own measure; of a plain function nothing is known, so it is taken to read the training split."""
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        if not callable(found) and not isinstance(found, Measure):
            raise TypeError(f"{attribute} is no function and no Measure")
    except Exception as error:
        raise BadInput(
            f"measures: {path!r}: {type(error).__name__}: {error}; expected package.module:function"
        ) from error
    if name_from_path(path) in MEASURES:
        raise BadInput(f"measures: {path!r} has the name of a measure that is there, {name_from_path(path)!r}")
    measure = found if isinstance(found, Measure) else Measure(found, 1, "train", f"the user's own, {path}")
    if measure.split == "test" and not is_test_derived(name_from_path(path)):
        raise BadInput(
            f"measures: {path!r} reads the test split, so its name needs the word `test`: it is no predictor"
        )
    return replace(measure, path=path)
