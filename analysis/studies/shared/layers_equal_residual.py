"""Findings of the study `layers-equal` on residual networks: which of their layers are critical."""

from collections.abc import Sequence

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.layers_equal_tables import difference_to_others, drops_by_layer
from benevolent.analysis.studies.shared.seed_means import show_interval


def blocks_finding(rows: pd.DataFrame, firsts: Sequence[int], column: str) -> Finding:
    """Ask whether the first layers of residual blocks cost more than the other layers of blocks.

    Args:
        rows: of the layers of blocks.
        firsts: numbers of the first layers.
        column: the drop in accuracy.
    """
    difference = difference_to_others(rows, firsts, column)
    is_control = column != "drop"
    claim = "In a residual network the first layers of residual blocks are the critical ones"
    if is_control:
        claim = "The first layers of blocks are so with statistics of BatchNorm computed anew, too"
    return Finding(
        claim,
        decide(difference.low > 0),
        f"layers {', '.join(map(str, firsts))} less others of blocks {show_interval(difference, '+.3f')}; "
        f"{drops_by_layer(rows, column)}",
        "" if is_control else "the first layer of each block",
        explanation="trained on few images, every layer has become a part of the function",
        kind="ours" if is_control else "paper",
    )


def stages_finding(rows: pd.DataFrame, starts: Sequence[int]) -> Finding:
    """Ask whether the layers that begin the network or a stage cost more than all others."""
    difference = difference_to_others(rows, starts, "drop")
    return Finding(
        "Layers that begin a residual network or a stage of it cost more than others",
        decide(difference.low > 0),
        f"layers {', '.join(map(str, starts))} less others {show_interval(difference, '+.3f')}; "
        f"{drops_by_layer(rows, 'drop')}",
        explanation="trained on few images, every layer has become a part of the function",
        kind="ours",
    )
