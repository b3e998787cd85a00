"""Explained information: how much of what one run knows of the labels another run explains (Nakkiran et al. 2019)."""

from typing import NamedTuple

import torch

from benevolent.analysis.multi_run.examples import load_examples, network_outputs, require_classes
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import (
    conditional_information,
    explained_information,
    mutual_information,
    null_explained_information,
)
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.scores import predicted


class ExplainedInformation(NamedTuple):
    """Information in bits between the predictions F and L of two networks and the labels Y.

    Attributes:
        information: I(F; Y).
        reference_information: I(L; Y).
        explained: mu_Y(F; L) = I(F; Y) - I(F; Y | L), the part of what F knows that L explains.
        unexplained: I(F; Y | L), what F knows beyond L.
        null: mu_Y(F; N) of a classifier N that knows as much of Y as L does and shares nothing else with F.
    """

    information: float
    reference_information: float
    explained: float
    unexplained: float
    null: float


@checked_arguments
def explained_by(
    results: Results, run_id: str, reference: str, split: str = "test", step: int | None = None
) -> ExplainedInformation:
    """Estimate how much of what a run knows of the labels a reference run explains.

    Source: Nakkiran et al. 2019, "SGD on neural networks learns functions of increasing complexity". The formulas are
    in `analysis.statistics.label_information`.

    Args:
        results: the results that hold both runs.
        run_id: id of the run with predictions F.
        reference: id of the run with predictions L, such as a linear network trained on the same data, as it ended.
        split: split whose examples are predicted; each network sees them as in its own training.
        step: of a checkpoint of F; by default as it ended.

    Raises:
        BadInput: no such run, split or checkpoint; the runs have different examples in the split; the targets are not
            classes.
    """
    require_classes(results, run_id)
    inputs, y = load_examples(results, run_id, [split])[split]
    reference_inputs, reference_y = load_examples(results, reference, [split])[split]
    if not torch.equal(y, reference_y):
        raise BadInput(f"runs {run_id} and {reference}: the labels of their {split} splits differ; needs equal splits")
    f = predicted(network_outputs(results.network(run_id, step), inputs))
    by = predicted(network_outputs(results.network(reference), reference_inputs))
    classes = data.describe(results.config(run_id).data).classes
    information = mutual_information(f, y, classes).item()
    reference_information = mutual_information(by, y, classes).item()
    explained = explained_information(f, y, by, classes).item()
    unexplained = conditional_information(f, y, by, classes).item()
    null = null_explained_information(f, y, by, classes).item()
    return ExplainedInformation(information, reference_information, explained, unexplained, null)
