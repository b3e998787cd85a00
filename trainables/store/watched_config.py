"""The part of a manifest about a run that `watch` has recorded: its configuration, its seed, and its user's config."""

import math
from collections.abc import Mapping
from typing import Any

from benevolent.trainables.config.identity import is_id
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.table_schemas import PARTS

#: Columns of a table of runs that follow from others.
DERIVED = ("configuration", "lineage", "replicate", "parent", "teacher", "gap", "loss_gap")
#: Integers of tables have 64 bits.
LARGEST_INTEGER = 2**63 - 1


def config_value(name: object, value: Any) -> bool | int | float | str:
    """Return a value of a configuration as a plain number, text or truth value.

    Raises:
        BadInput: the value is something else, or its name is that of a column of every table of runs.
    """
    if not isinstance(name, str) or not name:
        raise BadInput(f"config: {name!r}; expected names that are text")
    if name == "seed":
        raise BadInput("config: 'seed' is given apart, watch(..., seed=...)")
    if name in PARTS["runs"].names or name in DERIVED:
        raise taken_name(name)
    is_single = getattr(value, "ndim", None) == 0
    plain = value.item() if is_single else value
    if isinstance(plain, float) and not math.isfinite(plain):
        raise BadInput(f"config: {name!r} is {plain}; expected a finite number")
    if not isinstance(plain, bool | int | float | str):
        raise BadInput(f"config: {name!r} is of type {type(value).__name__}; expected a number, text, true or false")
    if isinstance(plain, int) and abs(plain) > LARGEST_INTEGER:
        raise BadInput(f"config: {name!r} is an integer of more than 64 bits; give a float or a text")
    if not (_is_unicode(name) and _is_unicode(str(plain))):
        raise BadInput(f"config: {name!r}: {plain!r:.40} is no text that can be written in UTF-8")
    return plain


def _is_unicode(text: str) -> bool:
    """Return False for text with an unpaired surrogate, as Python reads names of files that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def taken_name(name: str) -> BadInput:
    """Return the error of a name in a configuration that is that of a column of the results."""
    return BadInput(f"config: {name!r} is the name of a column of the results; give another")


def seed_value(seed: Any) -> int:
    """Return a seed; raise `BadInput` if it is no integer of 64 bits."""
    if not isinstance(seed, int) or isinstance(seed, bool) or abs(seed) > LARGEST_INTEGER:
        raise BadInput(f"seed: {seed!r:.40}; expected an integer of 64 bits")
    return seed


def check_watched_values(values: Mapping[str, Any]) -> None:
    """Refuse what `WatchedRun` does not write as the values of a run in its manifest.

    Raises:
        BadInput: the id of the configuration is none, or the seed or the config is not one that `watch` takes.
    """
    configuration = values.get("configuration")
    if not isinstance(configuration, str) or not is_id(configuration):
        raise BadInput(f"configuration: {configuration!r:.40} is no id")
    seed_value(values.get("seed"))
    config = values.get("config")
    if not isinstance(config, dict):
        raise BadInput(f"config: {config!r:.40} is no mapping")
    for name, value in config.items():
        config_value(name, value)
