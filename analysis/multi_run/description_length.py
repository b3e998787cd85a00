"""Prequential description length: bits to send labels, given inputs, when networks learn along the way.

Source: Blier and Ollivier 2018, "The description length of deep learning models". The prequential code sends the first
t_1 labels as they are, log2 K bits each, trains on them, sends the next block with the network's probabilities, trains
again on all labels sent so far, and so on:

    L = t_1 log2 K + sum_s sum_{t_s < i <= t_{s+1}} -log2 p_{theta(t_s)}(y_i | x_i)
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn import functional

from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.multi_run.examples import Examples, load_examples, network_outputs, require_classes
from benevolent.analysis.multi_run.grouping import groups_of_runs, paired_by_replicate
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import ENDED

#: Logits `(N, K)` and the labels `(N,)` of the same examples.
Predictions = tuple[Tensor, Tensor]


def description_length(
    results: Results,
    axes: Sequence[str] = (),
    *,
    runs: pd.DataFrame | None = None,
    temperature: bool = True,
) -> pd.DataFrame:
    """Compute the prequential code of the training labels of the largest run of a sweep over `data.train_size`.

    A smaller training split is a part of a larger one if `data.validation_size` and `data.split_seed` are equal; each
    network sees the next block normalized as its own training split was. Corrupted labels are drawn anew for each size;
    then each network has learned other wrong labels than are sent, and the bits are the average length of such a code
    (`nested` is False), not the length of one that could be decoded.

    Args:
        results: the results that hold the runs, with their final parameters.
        axes: columns that tell groups of runs apart.
        runs: rows of `results.runs` to use; by default all runs that have ended.
        temperature: scale each network's logits with `fit_inverse_temperature` on its validation split. If False,
            logits are used as they are, or replaced by the uniform code if they are no better than it on the validation
            split. Without a validation split logits are always used as they are. If training labels are corrupted,
            held-out ones should be too (`data.corrupt_test`): a scale for true labels costs bits on wrong ones.

    Returns:
        A row per group and seed: its axes; `seed` (see `paired_by_replicate`); `bits`; `uniform_bits`, n log2 K;
        `ratio` of the two; `parameter_bits`: bits in excess of the log-loss of the largest run on the same n labels,
        the information in its parameters; `examples`, n; `blocks`, number of networks that sent one; `nested`.

    Raises:
        BadInput: a group with one training size, targets that are not classes, splits that are not parts of each other,
            or two runs that differ in something that `axes` does not name.
    """
    table = results.runs if runs is None else runs
    require_columns(table, ["run_id", "status", "seed", "data.train_size"], "column")
    table = paired_by_replicate(table[table["status"].isin(ENDED)])
    rows = []
    for levels, group in groups_of_runs(table, [*axes, "seed"], ["data.train_size"]):
        run_ids = group.sort_values("data.train_size")["run_id"].tolist()
        if len(run_ids) < 2:
            raise BadInput(f"run {run_ids[0]}: its group has a single data.train_size; needs a sweep over two or more")
        rows.append(levels | _code_of_runs(results, run_ids, temperature))
    return pd.DataFrame(rows)


def _code_of_runs(results: Results, run_ids: Sequence[str], temperature: bool) -> dict[str, float | int | bool]:
    """Compute the code sent by runs in ascending order of their training size; the last one's labels are sent."""
    largest = run_ids[-1]
    require_classes(results, largest)
    for run_id in run_ids:
        if results.config(run_id).data.subset < 1:
            raise BadInput(f"run {run_id}: data.subset draws examples of its own; needs data.subset: 1")
    all_examples = load_examples(results, largest, ["train"])["train"]
    all_inputs, all_labels = all_examples
    sizes = [results.config(run_id).data.train_size for run_id in run_ids]
    blocks = []
    validation = []
    nested = True
    for i, run_id in enumerate(run_ids[:-1]):
        block = slice(sizes[i], sizes[i + 1])
        network = results.network(run_id)
        inputs, same_labels = _inputs_seen_by(results, run_id, all_examples)
        nested = nested and same_labels
        outputs = network_outputs(network, inputs[block])
        blocks.append((two_class_logits(outputs), all_labels[block]))
        if results.config(run_id).data.validation_size:
            held_out, labels = load_examples(results, run_id, ["validation"])["validation"]
            validation.append((two_class_logits(network_outputs(network, held_out)), labels))
    bits = prequential_bits(sizes[0], blocks, validation or None, temperature)
    classes = blocks[0][0].shape[1]
    uniform_bits = sizes[-1] * math.log2(classes)
    final_logits = two_class_logits(network_outputs(results.network(largest), all_inputs))
    row: dict[str, Any] = {"bits": bits, "uniform_bits": uniform_bits}
    row["ratio"] = bits / uniform_bits
    row["parameter_bits"] = bits - label_bits(final_logits, all_labels)
    row["examples"] = sizes[-1]
    row["blocks"] = len(blocks)
    row["nested"] = nested
    return row


def _inputs_seen_by(results: Results, run_id: str, all_examples: Examples) -> tuple[Tensor, bool]:
    """Normalize the inputs of the largest run as a smaller run does.

    Returns:
        The inputs, and True if the smaller run was trained on the first of the largest run's labels.
    """
    config = results.config(run_id)
    inputs, labels = load_examples(results, run_id, ["train"])["train"]
    all_inputs, all_labels = all_examples
    n = len(labels)
    if config.data.normalize == "split" and config.data.name not in data.SYNTHETIC:
        all_inputs = _normalize_by_first(all_inputs, n, inputs.dtype)
    same_inputs = torch.allclose(all_inputs[:n], inputs, rtol=1e-3, atol=1e-3)
    same_labels = torch.equal(labels, all_labels[:n])
    if not same_inputs or not (same_labels or config.data.label_corruption):
        raise BadInput(
            f"run {run_id}: its {n} training examples are not the first of the largest run's; needs equal "
            "data.validation_size and data.split_seed"
        )
    return all_inputs, same_labels


def _normalize_by_first(inputs: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Scale inputs to mean 0 and deviation 1 over the first n examples; of images, channel by channel."""
    over = (0, 2, 3) if inputs.ndim == 4 else tuple(range(inputs.ndim))
    first = inputs[:n].double()
    mean = first.mean(over, keepdim=True)
    deviation = first.std(over, correction=0, keepdim=True)
    return ((inputs.double() - mean) / deviation).to(dtype)


def prequential_bits(
    first: int,
    blocks: Sequence[Predictions],
    validation: Sequence[Predictions] | None = None,
    temperature: bool = True,
) -> float:
    """Length of the prequential code in bits; the formula is at the top of this module.

    Args:
        first: t_1, number of labels that are sent before there is a network.
        blocks: for each network, its logits `(n, K)` for the next block and the labels `(n,)` of that block.
        validation: for each network, the same on examples that sender and receiver know.
        temperature: see `description_length`.

    >>> fair = torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)
    >>> prequential_bits(4, [fair])
    12.0
    """
    classes = blocks[0][0].shape[1]
    bits = first * math.log2(classes)
    for i, (logits, labels) in enumerate(blocks):
        scale = 1.0
        if validation is not None:
            scale = _validated_scale(*validation[i], temperature)
        bits += label_bits(logits, labels, scale)
    return bits


def _validated_scale(logits: Tensor, labels: Tensor, temperature: bool) -> float:
    """Return the scale of logits chosen on held-out examples; without `temperature`, 1 if they help and else 0."""
    if temperature:
        return fit_inverse_temperature(logits, labels)
    helps = label_bits(logits, labels) < label_bits(logits, labels, 0.0)
    return float(helps)


def label_bits(logits: Tensor, labels: Tensor, scale: float = 1.0) -> float:
    """Sum of -log2 softmax(scale z)_y over examples, in bits.

    Args:
        logits: z, `(N, K)`.
        labels: y, `(N,)` integers.
        scale: inverse temperature; 0 gives the uniform code, whatever the logits.

    >>> label_bits(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    6.0
    """
    z = torch.zeros_like(logits, dtype=torch.float64)
    if scale:
        z = logits.double() * scale
    return functional.cross_entropy(z, labels, reduction="sum").item() / math.log(2)


def fit_inverse_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the inverse temperature b >= 0 to held-out labels; 0, the uniform code, if the logits do not help.

    Minimizes the log-loss of softmax(b z), a convex function of b (Guo et al. 2017, "On calibration of modern neural
    networks"), with one additional example on which every label is seen equally often. For two classes and logits that
    only name a class, this is the estimator of Krichevsky and Trofimov, (right + 1/2) / (N + 1): if all answers are
    right, b stays finite.

    Args:
        logits: z, `(N, K)`; if some are not finite, they do not help.
        labels: `(N,)` integers.

    >>> z = torch.tensor([[1.0, 0.0]]).expand(7, 2)
    >>> round(1 / (1 + math.exp(-fit_inverse_temperature(z, torch.tensor([0, 0, 0, 0, 0, 1, 1])))), 6)  # 5.5 / 8
    0.6875
    """
    z = logits.double()
    if not z.isfinite().all():
        return 0.0
    # both sums end with the term of the additional example
    of_labels = z.gather(1, labels.unsqueeze(1))
    observed = of_labels.sum() + z.mean()

    def slope(scale: float) -> float:
        expected = ((scale * z).softmax(1) * z).sum(1)
        return (expected.sum() + expected.mean() - observed).item()

    if slope(0.0) >= 0:
        return 0.0
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return float(brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12))
