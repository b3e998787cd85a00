"""Columns of a table that were not judged, in few lines."""

from collections.abc import Iterable, Mapping

from benevolent.analysis.formatting import printable

#: Names in a line; the rest is counted.
SHOWN_NAMES = 6


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """Return a line for each reason why columns were not judged, with the first columns that it is about.

    Args:
        left_out: column -> reason, or "reason: detail"; columns with one reason share a line.

    >>> left_out_lines({"optimizer": "text: 'sgd' in row 0", "gap": "test data", "host": "text: 'a' in row 4"})
    ["text: optimizer ('sgd' in row 0), host ('a' in row 4)", 'test data: gap']
    """
    columns: dict[str, list[str]] = {}
    for name, text in left_out.items():
        reason, _, detail = text.partition(": ")
        shown = f"{name} ({detail})" if detail else name
        columns.setdefault(reason, []).append(printable(shown))
    return [f"{reason}: {shortened_list(names)}" for reason, names in columns.items()]


def shortened_list(names: Iterable[object]) -> str:
    """Return the first names of a list as text, and how many more there are.

    >>> shortened_list(range(9))
    '0, 1, 2, 3, 4, 5 and 3 more'
    """
    texts = [str(name) for name in names]
    shown = ", ".join(texts[:SHOWN_NAMES])
    more = len(texts) - SHOWN_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown
