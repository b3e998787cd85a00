"""Progress of a cohort in training."""

from dataclasses import dataclass, field


@dataclass
class Progress:
    """Position of a cohort, for the live display and for what measures its parameters.

    Attributes:
        phase: name of the present phase.
        epoch: of it, the present one in part.
        runs: of the cohort.
        runs_done: runs that have ended.
        train_loss: mean over the running runs when it was evaluated last; NaN if it never was.
        done: True if all runs have ended.
        parameter_files: written since the last report, as paths in the cohort's folder.
        warnings: lines for the user, each reported once.
        saved: parts of the tables that have been written, by earlier attempts too.
    """

    phase: str
    epoch: float
    runs: int
    runs_done: int
    train_loss: float
    done: bool
    parameter_files: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    saved: int = 0
