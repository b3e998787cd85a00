"""Statuses and roles of runs, as the tables and messages spell them."""

from enum import StrEnum


class Status(StrEnum):
    """State of a run.

    Members are ordinary strings, so that they can be compared with the columns of tables and written to files.

    >>> Status.TO_DO == "to do", f"{Status.CONVERGED}"
    (True, 'converged')
    """

    CONVERGED = "converged"
    """Every target of the stop rule was met."""
    LIMIT = "limit"
    """Trained for `stop.max_epochs` or `stop.max_steps` without meeting the targets, or without having any."""
    DIVERGED = "diverged"
    """The training loss stopped being finite."""
    FAILED = "failed"
    """The run's cohort raised an error; it is retried by the next `bth run`."""
    TO_DO = "to do"
    """Planned, and not finished yet."""


#: Statuses of runs that finished, and so have a row in the table `runs`.
ENDED = (Status.CONVERGED, Status.LIMIT, Status.DIVERGED)
#: Statuses of runs that have no results.
UNFINISHED = (Status.FAILED, Status.TO_DO)


class Role(StrEnum):
    """Reason why a run is in a plan; members are ordinary strings."""

    RUN = "run"
    """An axis of the sweep names it."""
    PARENT = "parent"
    """No axis names it, or not with this seed: other runs start from it, or have labels from it."""


#: Beginning of the status of a measure that raised an error.
MEASURE_ERROR = "error"
