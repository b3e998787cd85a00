"""What a cohort in training says of itself."""

from dataclasses import dataclass, field


@dataclass
class Progress:
    """Where a cohort is, for the live display and for whoever measures its parameters."""

    phase: str
    epoch: int
    runs: int
    runs_done: int
    train_loss: float
    done: bool
    parameter_files: list[str] = field(default_factory=list)
