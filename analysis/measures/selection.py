"""Selection of measures: by name, by the name of a set, or by the import path of a user's own measure."""

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import replace

from benevolent.analysis.column_names import DRAW, is_test_derived
from benevolent.analysis.measures.corrupted_tests import CORRUPTED_TESTS
from benevolent.analysis.measures.measure import Measure, name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.trainables.data.corrupted_images import ALL_CORRUPTIONS
from benevolent.trainables.errors import BadInput

#: Names of sets of measures: those that are computed without being asked for, and all of `MEASURES`.
DEFAULT = "default"
ALL = "all"


def select(names: Sequence[str] | None, where: str = "measures") -> list[Measure]:
    """Return the measures of these names, each once, in this order.

    Args:
        names: names in `MEASURES`; `default`, `all` and `test_corruptions` for sets; `package.module:attribute` for a
            user's own function of a `MeasuredNetwork`, or `Measure`, which is imported. `sharpness#2` is the second
            draw of a measure that draws random numbers, `#2` that of all those named before. None is `["default"]`.
        where: the names come from, to begin an error line with.

    Raises:
        BadInput: an unknown name; a path that cannot be imported, is not a function, or has the name of another
            measure.

    >>> [measure.name for measure in select(["path_norm", "sharpness"])]
    ['path_norm', 'sharpness']
    >>> [measure.name for measure in select(["path_norm", "sharpness", "#2"])]
    ['path_norm', 'sharpness', 'sharpness#2']
    """
    chosen: dict[str, Measure] = {}
    for name in [DEFAULT] if names is None else names:
        for measure in _measures_named(name, list(chosen.values()), where):
            same_name = chosen.setdefault(measure.name, measure)
            if same_name.import_path != measure.import_path:
                raise BadInput(
                    f"{where}: {measure.import_path!r} and {same_name.selector!r} have the same name, {measure.name!r}"
                )
    return list(chosen.values())


def _measures_named(name: str, before: Sequence[Measure], where: str) -> list[Measure]:
    """Return the measures that a name stands for; `before` are those that other names stand for."""
    base, sign, draw = name.partition(DRAW)
    if not sign:
        return _first_draws(name, where)
    if not draw.isdecimal() or int(draw) < 2:
        raise BadInput(f"{where}: {name!r}: further draws have the numbers 2, 3, ...")
    measures = _first_draws(base, where) if base else [measure for measure in before if measure.stochastic]
    for measure in measures:
        if not measure.stochastic:
            raise BadInput(f"{where}: {name!r}: {measure.name} draws no random numbers")
    return [replace(measure, draw=int(draw)) for measure in measures if measure.draw == 1]


def _first_draws(name: str, where: str) -> list[Measure]:
    if name == ALL:
        return list(MEASURES.values())
    if name == DEFAULT:
        return [measure for measure in MEASURES.values() if not measure.opt_in]
    if name == ALL_CORRUPTIONS:
        return list(CORRUPTED_TESTS.values())
    if ":" in name:
        return [_imported(name, where)]
    known = MEASURES | CORRUPTED_TESTS
    if name not in known:
        nearest = difflib.get_close_matches(name, [*known, DEFAULT, ALL, ALL_CORRUPTIONS], n=1)
        suggestion = f"; did you mean {nearest[0]!r}?" if nearest else ";"
        raise BadInput(f"{where}: {name!r} is unknown{suggestion} `bth list measures` shows all")
    return [known[name]]


def _imported(path: str, where: str) -> Measure:
    """Import a user's own measure; a plain function is assumed to read the training split."""
    module, _, attribute = path.partition(":")
    try:
        imported = getattr(importlib.import_module(module), attribute)
        if not callable(imported) and not isinstance(imported, Measure):
            raise TypeError(f"{attribute} is neither a function nor a Measure")
    except Exception as error:
        raise BadInput(
            f"{where}: {path!r}: {type(error).__name__}: {error}; expected package.module:function"
        ) from error
    name = name_from_path(path)
    if name in MEASURES | CORRUPTED_TESTS:
        raise BadInput(f"{where}: {path!r} has the name of a built-in measure, {name!r}: rename it")
    measure = imported
    if not isinstance(measure, Measure):
        measure = Measure(imported, 1, "train", f"user's own measure, {path}")
    if measure.split == "test" and not is_test_derived(name):
        raise BadInput(
            f"{where}: {path!r} reads the test split, so it cannot be a predictor: its name must contain `test`"
        )
    return replace(measure, import_path=path)
