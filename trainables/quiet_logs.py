"""Silence of a library's log for a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_log(name: str, level: int) -> Iterator[None]:
    """Let the logger of a library pass on only messages of a level or above it, within the context.

    Args:
        name: of the logger.
        level: such as `logging.ERROR`.

    >>> with quiet_log("ray.tune", logging.CRITICAL):
    ...     logging.getLogger("ray.tune").warning("a cohort has failed")
    """
    logger = logging.getLogger(name)
    kept = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(kept)
