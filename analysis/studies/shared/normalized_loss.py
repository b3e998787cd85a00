"""Normalized losses of networks and the lines through them, for the studies of Liao et al. 2018.

The normalized loss is the cross-entropy of a network's outputs divided by a norm rho of the network.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from benevolent.analysis import statistics as st
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared.network_outputs import outputs
from benevolent.trainables.rng import generator

#: How often norms are dealt out among the networks.
DEALS = 200
#: Logits `(n, C)` and labels `(n,)` of networks, by split.
Outputs = Mapping[str, Sequence[tuple[Tensor, Tensor]]]


def fitted_networks(results: Results) -> pd.DataFrame:
    """Return the rows of the networks that make no error on their training examples."""
    return results.table().query("train_error == 0").reset_index(drop=True)


def loss_line(table: pd.DataFrame, normalized: bool = True) -> LinearFit:
    """Fit the line of test loss on train loss, normalized or as trained."""
    prefix = "normalized_" if normalized else ""
    return st.linear_fit(table[f"{prefix}train_loss"], table[f"{prefix}test_loss"])


def line_r2(losses: pd.DataFrame) -> float:
    """Return R2 of the line of normalized test loss on normalized train loss."""
    return loss_line(losses).r2


def network_outputs(results: Results, table: pd.DataFrame) -> Outputs:
    """Return logits `(n, C)` and labels `(n,)` of networks by split, in the order of the table's rows."""
    found = {}
    for split in ("train", "test"):
        found[split] = [outputs(results, run_id, split) for run_id in table["run_id"]]
    return found


def normalized_losses(networks: Outputs, norms: np.ndarray) -> pd.DataFrame:
    """Return the losses of networks' logits divided by their norms `(N,)`, one row per network.

    Columns are `normalized_train_loss` and `normalized_test_loss`.
    """
    columns = {}
    for split, rows in networks.items():
        losses = []
        for (logits, labels), norm in zip(rows, norms, strict=True):
            losses.append(functional.cross_entropy(logits / norm, labels).item())
        columns[f"normalized_{split}_loss"] = losses
    return pd.DataFrame(columns)


def deal_norms(networks: Outputs, norms: np.ndarray) -> list[pd.DataFrame]:
    """Return normalized losses with the norms `(N,)` dealt out among the networks at random, `DEALS` times.

    Train and test loss of a network still share one norm.
    """
    rng = generator(0, "studies/norms")
    return [normalized_losses(networks, rng.permutation(norms)) for _ in range(DEALS)]


def partial_rank_correlation(table: pd.DataFrame, x: str, y: str, given: str) -> float:
    """Return the partial rank correlation of two columns given a third; 0 if nothing is left of one of them."""
    correlation = st.partial_rank_correlation(table, x, y, [given])
    return 0.0 if np.isnan(correlation) else correlation
