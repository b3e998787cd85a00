"""Random forests: scikit-learn grows the trees, a torch module holds and evaluates them."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Forest(nn.Module):
    """Regression trees with several outputs, their mean; nothing in it is trained by gradients.

    Buffers, one row per tree and one column per node, node 0 being the root: `feature` that a node asks for,
    `threshold` that it compares with, the nodes `left` (not above it) and `right`; a leaf is its own `left`. `value`
    `(trees, nodes, outputs)` is given out at leaves. Unused nodes of small trees are zero.

    >>> Forest(trees=2, leaves=3, outputs=1)(torch.ones(4, 5)).tolist()
    [[0.0], [0.0], [0.0], [0.0]]
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor

    def __init__(self, trees: int, leaves: int, outputs: int) -> None:
        super().__init__()
        nodes = 2 * leaves - 1
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, nodes))
        self.register_buffer("value", torch.zeros(trees, nodes, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the mean of the trees `(N, outputs)` at inputs `(N, ...)`, summed in scikit-learn's order."""
        numbers = inputs.flatten(1).float()  # the trees were grown on float32 too
        total = self.value.new_zeros(len(inputs), self.value.shape[2])
        for tree, value in enumerate(self.value):
            total += value[self._leaves(tree, numbers)]
        return total / len(self.value)

    def _leaves(self, tree: int, numbers: Tensor) -> Tensor:
        """Return the leaf `(N,)` of one tree that each row `(N, D)` reaches."""
        threshold = self.threshold[tree]
        left = self.left[tree]
        node = torch.zeros(len(numbers), dtype=torch.int64, device=numbers.device)
        while True:
            feature = self.feature[tree][node]
            tested = numbers.gather(1, feature.unsqueeze(1)).squeeze(1)
            is_leaf = left[node] == node
            goes_left = (tested <= threshold[node]) | is_leaf
            next_node = torch.where(goes_left, left[node], self.right[tree][node])
            if torch.equal(next_node, node):
                return node
            node = next_node

    def hold(self, trees: list[Any]) -> None:
        """Copy the fitted trees of scikit-learn (each an estimator's `tree_`)."""
        for row, tree in enumerate(trees):
            count = tree.node_count
            is_leaf = tree.children_left < 0
            own_index = np.arange(count)
            columns = {
                "left": np.where(is_leaf, own_index, tree.children_left),
                "right": np.where(is_leaf, own_index, tree.children_right),
                "feature": np.where(is_leaf, 0, tree.feature),
                "threshold": np.where(is_leaf, np.float32(0), _float32(tree.threshold)),
                "value": tree.value[:, :, 0],
            }
            for name, column in columns.items():
                buffer = self.get_buffer(name)
                buffer[row, :count] = torch.from_numpy(column)


def _float32(thresholds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return thresholds as float32, rounded down, so that the same float32 numbers are at most the threshold."""
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)


def grow(
    forest: Forest, inputs: Tensor, targets: Tensor, max_features: str | float, bootstrap: bool, seed: int
) -> None:
    """Grow the trees of a forest.

    Args:
        forest: its buffers are filled.
        inputs: `(N, ...)`.
        targets: `(N, outputs)`.
        max_features: see `random_forest`.
        bootstrap: see `random_forest`.
        seed: of scikit-learn's generator; with the same one, a forest of more trees begins with the same trees.
    """
    from sklearn.ensemble import RandomForestRegressor

    trees, nodes = forest.left.shape
    leaves = (nodes + 1) // 2
    grown = RandomForestRegressor(
        n_estimators=trees,
        max_leaf_nodes=leaves,
        max_features=max_features,
        bootstrap=bootstrap,
        random_state=seed,
    )
    goals = targets.double().cpu().numpy()
    if goals.shape[1] == 1:
        goals = goals[:, 0]
    numbers = inputs.flatten(1).float().cpu().numpy()
    grown.fit(numbers, goals)
    forest.hold([tree.tree_ for tree in grown.estimators_])


def work_per_example(forest: Forest, tried: int) -> int:
    """Estimate the operations to grow a forest, per example: one per tree, level, and feature that a split tries."""
    trees, nodes = forest.left.shape
    levels = math.ceil(math.log2(nodes + 1))
    return tried * trees * levels
