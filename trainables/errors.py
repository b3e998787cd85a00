"""`BadInput`, the one exception for input that cannot be used, and what its messages have in common."""

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator

#: Errors of a full disk, of a used up quota, and of a file larger than a user may write.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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


def damaged(place: str, reason: object) -> BadInput:
    """Return the error of a file that is not as this project writes it.

    Args:
        place: the path of the file, or its URI.
        reason: the first thing that is wrong with it.

    >>> str(damaged("results/provenance.json", "expected a list"))
    'results/provenance.json: damaged or not a file of this project (expected a list)'
    """
    return BadInput(f"{place}: damaged or not a file of this project ({reason})")


def full_disk(error: BaseException | None) -> OSError | None:
    """Return the error of `FULL` that has led to an error; None if none has.

    >>> full_disk(RuntimeError("another")), full_disk(OSError(errno.ENOSPC, "full"))
    (None, OSError(28, 'full'))
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__  # `cause`: of Ray's errors
    return None


def one_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none.

    >>> one_line(ValueError("sizes differ" + chr(10) + "at layer 3")), one_line(KeyError())
    ('sizes differ', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


#: Names that an error line lists, at most.
NAMES_LISTED = 12


def did_you_mean(word: object, allowed: Iterable[str], see: str = "", meant: str | None = None) -> str:
    """Return the end of an error line: the name that is probably meant, and the allowed ones if they are few.

    Args:
        word: the unknown name.
        allowed: the names that exist.
        see: a command that lists them, said in place of many names.
        meant: the name that is meant, if that is known; by default the most similar one, if one is similar.

    >>> did_you_mean("widht", ["width", "depth"])
    "; did you mean 'width'? allowed: depth, width"
    >>> did_you_mean("widht", ["width", *map(str, range(20))], see="bth list fields model")
    "; did you mean 'width'? `bth list fields model` shows all"
    """
    names = sorted(map(str, allowed))
    if meant is None:
        meant = next(iter(difflib.get_close_matches(str(word), names, n=1)), None)
    suggestion = f"; did you mean '{meant}'?" if meant else ";"
    return f"{suggestion} {_listed(names, see)}"


def _listed(names: list[str], see: str) -> str:
    if len(names) <= NAMES_LISTED:
        return f"allowed: {', '.join(names)}"
    if see:
        return f"`{see}` shows all"
    shown = names[: NAMES_LISTED - 1]
    return f"allowed: {', '.join(shown)} and {len(names) - len(shown)} more"
