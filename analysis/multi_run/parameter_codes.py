"""Two-part codes: the parameters of a network first, then the labels that they leave in doubt.

Source: Blier and Ollivier 2018, section 3.1. With b bits for each of the P parameters a network sends n labels in

    L = b P + sum_i -log2 p_theta(y_i | x_i)

bits. A network that was trained in a random subspace is given by its d coordinates there, since sender and receiver can
draw its start and the subspace from the same seed (section 3.1; Li et al. 2018, section 1): then P is d.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.measures.measured_network import two_class_logits
from benevolent.analysis.multi_run.examples import Examples, load_examples, network_outputs, require_classes
from benevolent.analysis.multi_run.grouping import paired_by_replicate
from benevolent.analysis.multi_run.label_codes import label_bits
from benevolent.analysis.results import Results
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput

#: Bits of a number that is sent as it is.
WHOLE = 32


@checked_arguments
def two_part_code(results: Results, runs: pd.DataFrame, precisions: Sequence[int] = (WHOLE,)) -> pd.DataFrame:
    """Compute the two-part code of the training labels of each run; the formula is at the top of this module.

    Args:
        results: the results that hold the runs, with their final parameters.
        runs: rows of `results.runs`, which have ended.
        precisions: b, numbers of bits. With fewer than 32 the numbers of each tensor are rounded (`rounded`), and its
            two ends cost 32 bits each.

    Returns:
        A row per run and precision: `run_id`, `seed` (see `paired_by_replicate`), `numbers`, P or d; `precision`;
        `parameter_bits`; `label_bits`; `bits`, their sum; `uniform_bits`, n log2 K; and `ratio` of these two.

    Raises:
        BadInput: targets that are not classes, or fewer than 32 bits for a run in a subspace, whose coordinates there
            are not kept.
    """
    rows = []
    for run_id, seed in paired_by_replicate(runs)[["run_id", "seed"]].itertuples(index=False):
        require_classes(results, run_id)
        examples = load_examples(results, run_id, ["train"])["train"]
        for precision in precisions:
            row = _code_of_run(results, run_id, examples, precision)
            rows.append({"run_id": run_id, "seed": seed} | row)
    return pd.DataFrame(rows)


def _code_of_run(results: Results, run_id: str, examples: Examples, precision: int) -> dict[str, Any]:
    """Compute the row of one run at one precision."""
    dimension = results.config(run_id).subspace.dimension
    if dimension is not None and precision < WHOLE:
        raise BadInput(f"run {run_id}: precision = {precision}: numbers in a subspace are sent with {WHOLE} bits")
    network = results.network(run_id)
    tensors = list(network.parameters())
    numbers = dimension or sum(tensor.numel() for tensor in tensors)
    parameter_bits = precision * numbers
    if precision < WHOLE:
        round_parameters(network, precision)
        parameter_bits += 2 * WHOLE * len(tensors)
    inputs, labels = examples
    logits = two_class_logits(network_outputs(network, inputs))
    row: dict[str, Any] = {"numbers": numbers, "precision": precision, "parameter_bits": parameter_bits}
    row["label_bits"] = label_bits(logits, labels)
    row["bits"] = parameter_bits + row["label_bits"]
    row["uniform_bits"] = len(labels) * math.log2(logits.shape[1])
    row["ratio"] = row["bits"] / row["uniform_bits"]
    return row


@torch.no_grad()
def round_parameters(network: nn.Module, precision: int) -> None:
    """Round every parameter of a network in place, see `rounded`."""
    for tensor in network.parameters():
        tensor.copy_(rounded(tensor, precision))


def rounded(tensor: Tensor, precision: int) -> Tensor:
    """Round numbers to the nearest of `2**precision` evenly spaced values between their smallest and their largest.

    Args:
        tensor: of any shape.
        precision: bits of each number.

    >>> rounded(torch.tensor([0.0, 1.2, 2.9, 6.0]), 2)
    tensor([0., 2., 2., 6.])
    """
    low = tensor.min()
    width = tensor.max() - low
    if not width:
        return tensor.clone()
    steps = 2**precision - 1
    places = ((tensor - low) / width * steps).round()
    return low + places / steps * width
