"""Values that the user of a watched loop gives: the configuration of a run, and its outcomes."""

import json
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.stack.scores import OUTCOME_RANGES
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.store.watched_config import config_value, taken_name
from benevolent.trainables.training.dynamics_names import DYNAMICS

SPLITS = ("train", "validation", "test")
#: The outcomes that most loops know.
OUTCOMES = tuple(f"{split}_{name}" for split in SPLITS for name in ("loss", "error"))


def config_values(config: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Return the values of a configuration as plain numbers, texts and truth values.

    Raises:
        BadInput: a value is something else, or its name is that of a column of the results.
    """
    for name in config:
        if name in DYNAMICS or str(name).startswith(OUTCOMES):
            raise taken_name(name)
    return {name: config_value(name, value) for name, value in config.items()}


def identity_of_value(value: bool | int | float | str) -> str:
    """Return the text that tells a value from others; 1 and 1.0 are one value.

    >>> identity_of_value(1.0), identity_of_value(True), identity_of_value("a")
    ('1', 'true', '"a"')
    """
    is_whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if is_whole else value)


def outcome_value(name: str, value: Any, outputs: int = 0) -> float:
    """Return the value of an outcome.

    Args:
        name: of the outcome.
        value: a number, or a tensor of one.
        outputs: number of outputs of the network, if known: of one, an error may be that of real targets.

    Raises:
        BadInput: the name does not begin with that of a split, is an accuracy, or the value is no number or out of the
            outcome's range.
    """
    split, _, kind = name.partition("_")
    if split not in SPLITS or not kind:
        raise BadInput(f"{name}: no outcome{did_you_mean(name, OUTCOMES)}, and others that begin with a split")
    if kind.startswith("acc"):
        raise BadInput(f"{name}: outcomes are larger where a network is worse; give {split}_error, 1 - accuracy")
    number = value.detach() if isinstance(value, Tensor) else value
    if isinstance(number, str | bytes):
        raise BadInput(f"{name}: {type(value).__name__}; expected a number")
    try:
        plain = float(number)
    except (TypeError, ValueError, RuntimeError):
        raise BadInput(f"{name}: {type(value).__name__}; expected a number") from None
    low, high = OUTCOME_RANGES.get(kind, (-math.inf, math.inf))
    if kind == "error" and outputs == 1:
        high = math.inf  # the absolute error of real targets
    if plain < low or plain > high:
        expected = f"a number >= {low:g}" if high == math.inf else f"a number from {low:g} to {high:g}"
        hint = ", a fraction and not a percentage" if high == 1 else ""
        raise BadInput(f"{name}: {plain:g}; expected {expected}{hint}")
    return plain


def end_status(last: Mapping[str, Any], outcomes: Mapping[str, float], converged: bool) -> str:
    """Return the status of a run that has ended.

    Args:
        last: its last statistics.
        outcomes: at its end.
        converged: False if the loop ended at its limit.
    """
    losses = [value for name, value in outcomes.items() if name.endswith("_loss")]
    if not all(map(math.isfinite, [last["loss_area"], *losses])):
        return str(Status.DIVERGED)
    return str(Status.CONVERGED if converged else Status.LIMIT)
