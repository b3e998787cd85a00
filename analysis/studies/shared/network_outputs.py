"""Outputs of trained networks on their data, for studies that need more than the tables hold."""

from torch import Tensor

from benevolent.analysis.multi_run import examples as run_examples
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack.scores import predicted

#: Data sets as papers spell them.
DATA_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


def example_config(results: Results) -> RunConfig:
    """Return the configuration of one run of a sweep, for what all its runs share."""
    return results.config(str(results.runs["run_id"].iloc[0]))


def data_name(results: Results) -> str:
    """Return the name of the data set of a sweep."""
    return example_config(results).data.name


def data_title(name: str) -> str:
    """Return the name of a data set as papers spell it.

    >>> data_title("fashion_mnist"), data_title("digits")
    ('Fashion-MNIST', 'digits')
    """
    return DATA_TITLES.get(name, name)


def class_count(results: Results) -> int:
    """Return the number of classes in the data of a sweep."""
    return data.describe(example_config(results).data).classes


def examples(results: Results, run_id: str, split: str) -> run_examples.Examples:
    """Return the inputs `(N, ...)` and labels `(N,)` of a split in the run's last phase."""
    return run_examples.load_examples(results, run_id, [split])[split]


def outputs(results: Results, run_id: str, split: str, step: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the logits `(N, C)` in float64 of a run's network and the labels `(N,)` of a split.

    Args:
        results: with the run.
        run_id: of the run.
        split: `train`, `validation` or `test`.
        step: of a checkpoint in the last phase; by default the network where its training stopped.
    """
    inputs, labels = examples(results, run_id, split)
    return run_examples.network_outputs(results.network(run_id, step), inputs).double(), labels


def predictions(results: Results, run_id: str, split: str, step: int | None = None) -> Tensor:
    """Return the classes `(N,)` that a run's network predicts on a split; arguments as in `outputs`."""
    logits, _ = outputs(results, run_id, split, step)
    return predicted(logits)
