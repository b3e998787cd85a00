"""What trained networks say of their data, for studies that ask more than the tables hold."""

from torch import Tensor

from benevolent.analysis.multi_run.examples import Examples, load_examples, network_outputs
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.training.losses import predicted


def data_name(results: Results) -> str:
    """The data set of a sweep."""
    return results.config(str(results.runs["run_id"].iloc[0])).data.name


def classes(results: Results) -> int:
    """How many classes the data of a sweep have."""
    return data.describe(results.config(str(results.runs["run_id"].iloc[0])).data).classes


def examples(results: Results, run_id: str, split: str) -> Examples:
    """The inputs `(N, ...)` and labels `(N,)` of a split, as the run's last phase has them."""
    return load_examples(results, run_id, [split])[split]


def outputs(results: Results, run_id: str, split: str, step: int | None = None) -> tuple[Tensor, Tensor]:
    """The logits `(N, C)` in float64 of a run's network, where it ended or at a step, and the labels `(N,)`."""
    inputs, labels = examples(results, run_id, split)
    return network_outputs(results.network(run_id, step), inputs).double(), labels


def answers(results: Results, run_id: str, split: str, step: int | None = None) -> Tensor:
    """The classes `(N,)` that it sees."""
    return predicted(outputs(results, run_id, split, step)[0])
