"""Findings of the study `layers-equal` on residual networks: which of their layers are critical."""

from collections.abc import Sequence

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.layers_equal_tables import difference_to_others, drops_by_layer
from benevolent.analysis.studies.shared.seed_means import show_interval

#: Claims of the findings.
BLOCKS = StudyClaim(
    "In a residual network the first layers of residual blocks are the critical ones",
    "the first layer of each block",
    "trained on few images, every layer has become a part of the function",
)
FITTED_BLOCKS = StudyClaim(
    "The first layers of blocks are so with statistics of BatchNorm computed anew, too",
    explanation=BLOCKS.explanation,
    kind="ours",
)
STAGES = StudyClaim(
    "Layers that begin a residual network or a stage of it cost more than others",
    explanation=BLOCKS.explanation,
    kind="ours",
)


def blocks_finding(rows: pd.DataFrame, firsts: Sequence[int]) -> Finding:
    """Ask whether the first layers of residual blocks cost more than the other layers of blocks.

    Args:
        rows: of the layers of blocks.
        firsts: numbers of the first layers.
    """
    return _cost_more(BLOCKS, rows, firsts, "drop", "others of blocks")


def fitted_blocks_finding(rows: pd.DataFrame, firsts: Sequence[int]) -> Finding:
    """Ask the same with the statistics of BatchNorm computed anew; arguments as of `blocks_finding`."""
    return _cost_more(FITTED_BLOCKS, rows, firsts, "fitted_reset_drop", "others of blocks")


def stages_finding(rows: pd.DataFrame, starts: Sequence[int]) -> Finding:
    """Ask whether the layers that begin the network or a stage cost more than all others."""
    return _cost_more(STAGES, rows, starts, "drop", "others")


def _cost_more(claim: StudyClaim, rows: pd.DataFrame, layers: Sequence[int], column: str, others: str) -> Finding:
    difference = difference_to_others(rows, layers, column)
    compared = f"layers {', '.join(map(str, layers))} less {others}"
    evidence = f"{compared} {show_interval(difference, '+.3f')}; {drops_by_layer(rows, column)}"
    return claim.decide(difference.low > 0, evidence)
