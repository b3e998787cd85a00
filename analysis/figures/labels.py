"""Text inside figures: axis labels, names and values."""

import numpy as np
import pandas as pd

from benevolent.analysis.formatting import MISSING, printable


def short_label(text: object, limit: int = 40) -> str:
    r"""Return text that is safe and short enough to draw: no mathtext, no control characters.

    Args:
        text: any object; its ``str`` is used.
        limit: longest text in characters; longer text ends in an ellipsis.

    >>> short_label("cost in $ and $")
    'cost in \\$ and \\$'
    """
    plain = printable(text)
    shortened = plain if len(plain) <= limit else plain[: limit - 1] + "…"
    return shortened.replace("$", r"\$")


def axis_label(name: str, unit: str = "") -> str:
    """Return an axis label: a column's name in words, and its unit.

    >>> axis_label("test_loss", "nats")
    'test loss (nats)'
    """
    words = short_label(name.replace("_", " "))
    return f"{words} ({short_label(unit)})" if unit else words


def format_value(value: object) -> str:
    """Return the value of a configuration field as short text, a dash where there is none.

    >>> format_value(0.5), format_value(2.0), format_value("init"), format_value(None)
    ('0.5', '2', 'init', '–')
    """
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
