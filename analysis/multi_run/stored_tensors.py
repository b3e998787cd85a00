"""One tensor of every run of a sweep, for statistics that need no network around it."""

from torch import Tensor

from benevolent.analysis.results import Results
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.parameters import read_parameters


@checked_arguments
def stored_tensors(results: Results, name: str, step: int | None = None) -> dict[str, Tensor]:
    """Return one tensor of every run that has ended, by run id; each file is read once.

    Args:
        results: of one or more sweeps.
        name: of a parameter or a buffer, as in `results.network(run_id).state_dict()`.
        step: of a checkpoint in the last phase of every run; by default the place where it stopped. A run that had
            stopped before that step is left out.

    Raises:
        BadInput: a run lacks the tensor, or parameters at that step were not kept.
    """
    found: dict[str, Tensor] = {}
    for _, runs in results.runs.groupby("cohort_id", sort=False):
        folder, cohort_id, config = results.cohorts.find(str(runs["run_id"].iloc[0]))
        files = CohortFiles(folder, cohort_id)
        names = files.final_files()
        if step is not None:
            phase = config.phases[-1].name
            names = [files.checkpoint(phase, step) or paths.checkpoint(phase, step)]  # which is missing
        for path in names:
            stored = read_parameters(files.folder, path)
            if name not in stored.tensors:
                raise BadInput(f"{cohort_id}: its networks have no {name}; allowed: {', '.join(stored.tensors)}")
            found |= dict(zip(stored.run_ids, stored.tensors[name], strict=True))
    return found
