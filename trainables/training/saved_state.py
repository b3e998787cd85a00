"""State of a cohort in training, so that it goes on after a crash as if nothing had happened."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from benevolent.trainables.errors import BadInput, damaged
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.training.running_stack import STACK


@dataclass(frozen=True)
class SavedState:
    """Everything that training needs besides the manifest.

    Attributes:
        tensors: the result of `RunningStack.saved`.
        run_ids: of the runs that still train, in the order of the tensors' rows.
        phase_index: number of the present phase.
        step: steps made in it.
        epoch: number of the epoch that is going on; None between epochs.
        segment: within that epoch, first step, step after the last, and next step of what is being trained; None
            between segments.
        part: number of the next part of the tables.
        seconds: training time of each run so far.
        files: paths, in the cohort's folder, of the parts of tables and the final parameters that were written before.
    """

    tensors: dict[str, Tensor]
    run_ids: list[str]
    phase_index: int
    step: int
    epoch: int | None
    segment: tuple[int, int, int] | None
    part: int
    seconds: dict[str, float]
    files: tuple[str, ...] = ()

    def write(self, files: CohortFiles) -> None:
        """Write the state in place of an earlier one."""
        metadata: dict[str, Any] = {
            "run_ids": self.run_ids,
            "phase_index": self.phase_index,
            "step": self.step,
            "epoch": self.epoch,
            "segment": self.segment,
            "part": self.part,
            "seconds": self.seconds,
            "files": self.files,
        }
        files.folder.write_tensors(files.state_path, self.tensors, metadata)

    @classmethod
    def read(cls, files: CohortFiles) -> "SavedState":
        """Read the state back.

        Raises:
            BadInput: the file is damaged, or does not hold what this version writes.
        """
        tensors, metadata = files.folder.read_tensors(files.state_path)
        where = f"{files.folder.uri}/{files.state_path}"
        try:
            segment = metadata.pop("segment")
            written = tuple(metadata.pop("files", ()))
            state = cls(
                tensors=tensors,
                segment=None if segment is None else tuple(segment),
                files=written,
                **metadata,
            )
        except (KeyError, TypeError) as error:
            raise damaged(where, error) from None
        rows = {len(value) for name, value in tensors.items() if name.startswith(f"{STACK}/")}
        if rows != {len(state.run_ids)}:
            raise damaged(where, "it lacks runs")
        if not files.all_there(state.files):
            raise BadInput(f"{where}: files that were written before are missing")
        return state


def set_aside(files: CohortFiles) -> str:
    """Move a state that cannot be read out of the way, and return where it is now."""
    files.folder.move(files.state_path, paths.DAMAGED_STATE)
    return f"{files.folder.uri}/{paths.DAMAGED_STATE}"
