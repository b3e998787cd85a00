"""Networks that saw different subsets, and what they show about the value of single examples."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.multi_run import Answers, answers_of_runs, influence, memorization, train_on_examples
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.network_outputs import example_config
from benevolent.trainables import data
from benevolent.trainables.rng import RandomStream

#: Groups of networks that have nothing in common but the data: each gives an estimate of its own.
GROUPS = 5


@dataclass(frozen=True, eq=False)
class SubsetNetworks:
    """The answers of R networks of one configuration.

    Attributes:
        results: of the sweep.
        train: answers to the N training examples.
        test: answers to the M test examples.
        group: `(R,)`, from 0 to `GROUPS` - 1.
    """

    results: Results
    train: Answers
    test: Answers
    group: np.ndarray

    @classmethod
    def load(cls, results: Results) -> "SubsetNetworks":
        """Collect the answers of all networks of a sweep."""
        runs = results.runs.sort_values("replicate")
        run_ids = runs["run_id"].tolist()
        train = answers_of_runs(results, run_ids, "train")
        test = answers_of_runs(results, run_ids, "test")
        return cls(results, train, test, np.arange(len(run_ids)) % GROUPS)

    @property
    def memorization(self) -> np.ndarray:
        """The memorization `(N,)` of the training examples, estimated from all networks."""
        return memorization(self.train.seen, self.train.right)

    @property
    def influence(self) -> np.ndarray:
        """The influence `(N, M)` of training on test examples, estimated from all networks."""
        return influence(self.train.seen, self.test.right)

    @property
    def halves(self) -> tuple[Tensor, Tensor]:
        """Positions of the networks of two halves."""
        order = torch.arange(len(self.group))
        return order[order % 2 == 0], order[order % 2 == 1]

    def memorization_by_group(self) -> list[np.ndarray]:
        """Return the memorization `(N,)` that each group of networks gives alone."""
        values = []
        for group in range(GROUPS):
            rows = torch.from_numpy(self.group == group)
            values.append(memorization(self.train.seen[rows], self.train.right[rows]))
        return values

    def chance_by_group(self) -> list[np.ndarray]:
        """Return the same for networks whose subsets were exchanged, so that no example has been seen by intent.

        Each network is given the subset of the next one of its group. What is left is the error of the estimate.
        """
        values = []
        for group in range(GROUPS):
            rows = torch.from_numpy(self.group == group)
            exchanged = self.train.seen[rows].roll(1, dims=0)
            values.append(memorization(exchanged, self.train.right[rows]))
        return values

    def influence_in(self, rows: Tensor) -> np.ndarray:
        """Return the influence `(N, M)` estimated from some networks."""
        return influence(self.train.seen[rows], self.test.right[rows])

    @property
    def gap(self) -> tuple[float, float]:
        """The mean memorization, and the accuracy on seen minus that on unseen training examples."""
        seen = self.train.seen
        right = self.train.right
        gap = right[seen].double().mean() - right[~seen].double().mean()
        return float(np.nanmean(self.memorization)), float(gap)


def accuracy_without(networks: SubsetNetworks, thresholds: list[float], repeats: int) -> pd.DataFrame:
    """Train networks without the examples memorized at least so much, and without as many others.

    Args:
        networks: that say how much each example is memorized.
        thresholds: of memorization, from high to low.
        repeats: networks of each kind; those of one number share their seed.

    Returns:
        One row per network: `threshold`, `removed` (number of examples), `which` (`memorized`, `random`, or `classes`,
        random ones with the labels of the memorized ones; `none` once, with threshold NaN), `seed` and `accuracy`.
    """
    values = networks.memorization
    labels = networks.train.labels[0].numpy()
    orders = [RandomStream(repeat, "removed").permutation(len(values)) for repeat in range(repeats)]
    nothing = np.array([], dtype=int)
    rows = [_trained(networks, [nothing] * repeats, "none", np.nan)]
    for threshold in thresholds:
        memorized = np.flatnonzero(values >= threshold)
        at_random = [order[: len(memorized)] for order in orders]
        of_classes = [_of_the_same_labels(order, labels, labels[memorized]) for order in orders]
        rows += [
            _trained(networks, [memorized] * repeats, "memorized", threshold),
            _trained(networks, at_random, "random", threshold),
            _trained(networks, of_classes, "classes", threshold),
        ]
    return pd.concat(rows, ignore_index=True)


def _of_the_same_labels(order: np.ndarray, labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the first examples of an order that have, class by class, as many labels as are wanted."""
    parts = []
    for label, count in zip(*np.unique(wanted, return_counts=True), strict=True):
        of_class = order[labels[order] == label]
        parts.append(of_class[:count])
    return np.concatenate(parts) if parts else np.array([], dtype=int)


def _trained(networks: SubsetNetworks, removed: list[np.ndarray], which: str, threshold: float) -> pd.DataFrame:
    config = example_config(networks.results)
    everything = np.arange(config.data.train_size)
    kept = np.stack([np.setdiff1d(everything, some) for some in removed])
    # Seeds that no run of the sweep has: its networks decide what is removed.
    first = 2**40
    seeds = [first + repeat for repeat in range(len(removed))]
    outcomes = train_on_examples(config, seeds, torch.from_numpy(kept))
    table = pd.DataFrame(
        {"threshold": threshold, "removed": len(removed[0]), "which": which, "seed": range(len(seeds))}
    )
    return table.assign(accuracy=1 - outcomes["error"].numpy())


def influential_pairs(networks: SubsetNetworks, least_memorization: float, least_influence: float) -> pd.DataFrame:
    """List the pairs of a memorized training example and a test example that it helps.

    Args:
        networks: with their answers.
        least_memorization: of the training example.
        least_influence: of it on the test example.

    Returns:
        One row per pair, the most influential first: `train` and `test`, positions; `memorization`, `influence`;
        `same_class`; `nearer`, the fraction of the class of the training example that is nearer to the test example in
        pixels (Euclidean), from 0; `nearest`, True if no training example at all is nearer.
    """
    values = networks.memorization
    effects = networks.influence
    chosen = (values >= least_memorization)[:, None] & (effects >= least_influence)
    train, test = np.nonzero(chosen)
    labels = networks.train.labels[0].numpy()
    test_labels = networks.test.labels[0].numpy()
    distances = _distances(networks)
    own_distances = distances[train, test]
    nearer = [_nearer_part(distances[:, j], labels, int(i)) for i, j in zip(train, test, strict=True)]
    pairs = pd.DataFrame({"train": train, "test": test, "memorization": values[train]})
    pairs["influence"] = effects[train, test]
    pairs["same_class"] = labels[train] == test_labels[test]
    pairs["nearer"] = np.array(nearer, dtype=float)
    pairs["nearest"] = own_distances <= distances.min(0)[test]
    return pairs.sort_values("influence", ascending=False, ignore_index=True)


def _distances(networks: SubsetNetworks) -> np.ndarray:
    """Return the Euclidean distances `(N, M)` in pixels between training and test examples."""
    config = example_config(networks.results)
    dataset = data.load(config.data, config.precision)
    return torch.cdist(dataset.train.inputs.flatten(1), dataset.test.inputs.flatten(1)).numpy()


def _nearer_part(distances: np.ndarray, labels: np.ndarray, example: int) -> float:
    """Return the fraction of the other examples of a class that are nearer than one of them; NaN without others."""
    is_other = labels == labels[example]
    is_other[example] = False
    others = distances[is_other]
    return float((others < distances[example]).mean()) if len(others) else np.nan
