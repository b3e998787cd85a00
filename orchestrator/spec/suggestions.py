"""Ends of error lines about unknown keys of a sweep: what was probably meant, written as it goes into the sweep."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from benevolent.trainables.config.common_names import meant_field
from benevolent.trainables.errors import did_you_mean

#: Characters of a value that a suggestion repeats, at most.
VALUE_CHARACTERS = 40


def suggest_for_sweep(key: str, value: Any, keys: Collection[str], fields: Collection[str]) -> str:
    """Return the end of a line about an unknown key at the top of a sweep.

    Args:
        key: unknown.
        value: given for it.
        keys: of a sweep.
        fields: of a run, dotted.

    >>> suggest_for_sweep("learning_rate", 0.1, ["base", "grid"], ["optimizer.lr"])
    "; did you mean 'base: {optimizer: {lr: 0.1}}'? allowed: base, grid"
    >>> suggest_for_sweep("learning_rate", [1, 2], ["base", "grid"], ["optimizer.lr"])
    "; did you mean 'grid: {optimizer.lr: [1, 2]}'? allowed: base, grid"
    """
    meant = meant_field(key, [*keys, *fields, "record.measures", "judging.outcomes", "resources.gpus"])
    if meant and meant in fields:
        is_axis = isinstance(value, list)
        meant = f"grid: {{{meant}: {_text(value)}}}" if is_axis else f"base: {{{_nested(meant, value)}}}"
    elif meant and "." in meant:
        meant = _nested(meant, value)
    return did_you_mean(key, keys, meant=meant)


def suggest_for_base(key: str, value: Any, sections: Collection[str], fields: Collection[str]) -> str:
    """Return the end of a line about an unknown section; arguments as in `suggest_for_sweep`.

    >>> suggest_for_base("network", {"width": 8}, ["model"], ["model.family"])
    "; did you mean 'model'? allowed: model"
    >>> suggest_for_base("learning_rate", 0.1, ["model", "optimizer"], ["optimizer.lr"])
    "; did you mean 'optimizer: {lr: 0.1}'? allowed: model, optimizer"
    """
    meant = meant_field(key, [*sections, *fields])
    if meant and isinstance(value, Mapping):
        meant = meant.partition(".")[0]
    elif meant and "." in meant:
        meant = _nested(meant, value)
    return did_you_mean(key, sections, meant=meant)


def suggest_for_axis(field: str, fields: Collection[str]) -> str:
    """Return the end of a line about an unknown field of an axis.

    >>> suggest_for_axis("optimizer.learning_rate", ["optimizer.lr", "optimizer.name"])
    "; did you mean 'optimizer.lr'? allowed: optimizer.lr, optimizer.name"
    """
    section = field.partition(".")[0]
    in_section = [name for name in fields if name.partition(".")[0] == section]
    meant = meant_field(field, in_section) or meant_field(field, fields)
    see = f"bth list fields {section}" if in_section else "bth list fields"
    return did_you_mean(field, in_section or fields, see, meant)


def _nested(field: str, value: Any) -> str:
    """Return a dotted field with a value as nested YAML.

    >>> _nested("optimizer.lr", 0.1), _nested("precision", "float64")
    ('optimizer: {lr: 0.1}', 'precision: float64')
    """
    section, _, name = field.partition(".")
    return f"{section}: {{{name}: {_text(value)}}}" if name else f"{section}: {_text(value)}"


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= VALUE_CHARACTERS else "..."
