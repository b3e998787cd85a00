"""`BadInput`, the one exception for input that cannot be used, and what its messages have in common."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class BadInput(ValueError):
    """Bad input from a user: one clear line that says what, where and what is allowed.

    The command line prints the line and exits with code 2; every other exception is an internal error and
    keeps its traceback.
    """


@contextlib.contextmanager
def located_in(place: str) -> Iterator[None]:
    """Begin the lines of bad input that come up inside with a place, such as a file or the name of a sweep.

    >>> with located_in("my-sweep"):
    ...     raise BadInput("base.optimizer.lr: missing")
    Traceback (most recent call last):
    ...
    benevolent.trainables.errors.BadInput: my-sweep: base.optimizer.lr: missing
    """
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from None


def one_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none.

    >>> one_line(ValueError("sizes differ" + chr(10) + "at layer 3")), one_line(KeyError())
    ('sizes differ', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """Return the end of an error line: the nearest allowed name, if any is near, and all of them.

    >>> did_you_mean("widht", ["width", "depth"])
    "; did you mean 'width'? allowed: depth, width"
    """
    names = sorted(map(str, allowed))
    nearest = difflib.get_close_matches(str(word), names, n=1)
    suggestion = f"; did you mean '{nearest[0]}'?" if nearest else ";"
    return f"{suggestion} allowed: {', '.join(names)}"
