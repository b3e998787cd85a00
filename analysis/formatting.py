"""Numbers, durations and names as text, the same way on every page, in every table and in every figure."""

import math
from collections.abc import Mapping

import numpy as np

from benevolent.trainables.store.statuses import Status

MINUS = "−"  # the typographic minus sign, as wide as a plus
MISSING = "–"
#: Statuses that are not plain words.
_STATUS_TEXTS: Mapping[str, str] = {Status.LIMIT: "reached the training limit", Status.TO_DO: "not trained yet"}


def number(value: object, digits: int = 2, signed: bool = False) -> str:
    """Return a number as text, a dash where it is missing or infinite.

    >>> number(-0.256), number(0.5, signed=True), number(float("nan"))
    ('−0.26', '+0.50', '–')
    """
    if not isinstance(value, int | float | np.number) or not math.isfinite(value):
        return MISSING
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}f}".replace("-", MINUS)


def probability(value: object) -> str:
    """Return a p-value or q-value as text.

    >>> probability(0.00001), probability(0.042)
    ('<0.001', '0.042')
    """
    text = number(value, 3)
    return "<0.001" if text == "0.000" else text


def interval(low: float, high: float, digits: int = 2) -> str:
    """Return an interval as text, empty if an end is missing.

    >>> interval(-0.5, 0.25), interval(float("nan"), 1)
    ('[−0.50, 0.25]', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def mean_and_deviation(mean: object, deviation: object) -> str:
    """Return a mean and its standard deviation as text, with two digits of the deviation; a dash where missing.

    >>> mean_and_deviation(0.06932, 0.01007), mean_and_deviation(0.06932, float("nan")), mean_and_deviation(3.0, 0.0)
    ('0.069 ± 0.010', '0.06932', '3')
    """
    if not isinstance(mean, int | float | np.number) or not math.isfinite(mean):
        return MISSING
    if not isinstance(deviation, int | float | np.number) or not deviation > 0 or not math.isfinite(deviation):
        return f"{mean:.4g}".replace("-", MINUS)
    digits = 1 - math.floor(math.log10(deviation))
    if digits < 0 or digits > 6:
        return f"{mean:.4g} ± {deviation:.2g}".replace("-", MINUS)
    return f"{number(mean, digits)} ± {number(deviation, digits)}"


def quantity(number: int, noun: str) -> str:
    """Return a number of things as text, the noun in the plural where it must be.

    >>> quantity(1, "cohort"), quantity(1200, "run"), quantity(0, "existing file")
    ('1 cohort', '1,200 runs', '0 existing files')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a time span as text in a unit that keeps it short.

    >>> duration(84.2), duration(4000), duration(5400), duration(8 * 86400)
    ('84 s', '67 min', '1.5 h', '8.0 d')
    """
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 3 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"


def in_words(name: str) -> str:
    """Return a column's name as words.

    >>> in_words("test_loss")
    'test loss'
    """
    return name.replace("_", " ")


def status_text(status: str) -> str:
    """Return a run's status, or any other reason why a run is left out, in plain words.

    >>> status_text("limit"), status_text("diverged")
    ('reached the training limit', 'diverged')
    """
    return _STATUS_TEXTS.get(status, status)


def counts_text(counts: Mapping[str, int]) -> str:
    """Return counts of runs by status as text.

    >>> counts_text({"converged": 1200, "limit": 5})
    '1,200 converged, 5 reached the training limit'
    """
    return ", ".join(f"{count:,} {status_text(status)}" for status, count in counts.items())


def printable(text: object) -> str:
    r"""Replace control characters, so that text from data cannot steer a terminal or break a document.

    >>> printable("loss\x1b[31m")
    'loss�[31m'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))
