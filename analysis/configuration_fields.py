"""Columns of a table that are fields of a run's configuration."""

import functools

from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import SECTIONS, RunConfig

#: Beginnings of the names of parameters in the tables of trackers: MLflow, Weights & Biases.
TRACKER_PARAMETERS = ("params.", "tags.", "config.")


def is_configuration_field(name: str) -> bool:
    """Tell if a column is a dotted field of a run's configuration, or a parameter in the table of a tracker.

    >>> [is_configuration_field(name) for name in ("model.width", "params.lr", "model.norm", "metrics.path_norm")]
    [True, True, False, False]
    """
    return name in _configuration_fields() or name.startswith(TRACKER_PARAMETERS)


def is_in_configuration(name: str) -> bool:
    """Tell if a column belongs to a section of a run's configuration, also by a field of somebody's own model.

    >>> [is_in_configuration(name) for name in ("model.my_own_field", "metrics.path_norm")]
    [True, False]
    """
    section, dot, _ = name.partition(".")
    return bool(dot) and section in SECTIONS


@functools.cache
def _configuration_fields() -> frozenset[str]:
    """Return every dotted field of the configurations that the project knows itself."""
    names = set()
    for section, default in RunConfig():
        models = MODEL_CONFIGS.values() if section == "model" else [type(default)]
        for model in models:
            fields = getattr(model, "model_fields", {})
            names |= {f"{section}.{field}" for field in fields}
    return frozenset(names)
