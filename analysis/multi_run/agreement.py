"""How much of what one run knows of the labels another run explains (Nakkiran et al. 2019)."""

from typing import NamedTuple

import torch

from benevolent.analysis.multi_run.trained import examples, outputs, require_classes
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import (
    conditional_information,
    explained_information,
    mutual_information,
    null_explained_information,
)
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.losses import predicted


class Agreement(NamedTuple):
    """In bits, of predictions F and L of two networks and labels Y.

    Attributes:
        information: I(F; Y).
        reference_information: I(L; Y).
        explained: mu_Y(F; L) = I(F; Y) - I(F; Y | L), what L explains of what F knows.
        unexplained: I(F; Y | L), what F knows beyond L.
        null: mu_Y(F; N) of a classifier N that knows as much of Y as L does and shares nothing else with F.
    """

    information: float
    reference_information: float
    explained: float
    unexplained: float
    null: float


def agreement(results: Results, run_id: str, reference: str, split: str = "test", step: int | None = None) -> Agreement:
    """How much of what a run knows of the labels another run explains.

    Args:
        results: that hold both.
        run_id: of F.
        reference: the id of L, such as a linear network trained on the same data, taken as it ended.
        split: whose examples count, each network seeing them as in its own training.
        step: of a checkpoint of F; by default as it ended.

    Raises:
        BadInput: no such run, split or checkpoint; the runs do not have the same examples there; targets that are no
            classes.
    """
    require_classes(results, run_id)
    (inputs, y), (others, their_y) = (examples(results, one, [split])[split] for one in (run_id, reference))
    if not torch.equal(y, their_y):
        raise BadInput(f"runs {run_id} and {reference}: the labels of their {split} splits differ, so do the examples")
    f = predicted(outputs(results.network(run_id, step), inputs))
    by = predicted(outputs(results.network(reference), others))
    classes = data.describe(results.config(run_id).data).classes
    return Agreement(
        information=mutual_information(f, y, classes).item(),
        reference_information=mutual_information(by, y, classes).item(),
        explained=explained_information(f, y, by, classes).item(),
        unexplained=conditional_information(f, y, by, classes).item(),
        null=null_explained_information(f, y, by, classes).item(),
    )
