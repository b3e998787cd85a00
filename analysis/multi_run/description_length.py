"""Prequential description length: bits to send labels, given inputs, when networks learn along the way.

Source: Blier and Ollivier 2018, "The description length of deep learning models". The prequential code sends the first
t_1 labels as they are, log2 K bits each, trains on them, sends the next block with the network's probabilities, trains
again on all labels sent so far, and so on:

    L = t_1 log2 K + sum_s sum_{t_s < i <= t_{s+1}} -log2 p_{theta(t_s)}(y_i | x_i)
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.multi_run.examples import Examples, load_examples, network_outputs, require_classes
from benevolent.analysis.multi_run.grouping import groups_of_runs, paired_by_replicate
from benevolent.analysis.multi_run.label_codes import label_bits, validated_scale
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import ENDED


@checked_arguments
def description_length(
    results: Results,
    axes: Sequence[str] = (),
    *,
    runs: pd.DataFrame | None = None,
    temperature: bool = True,
) -> pd.DataFrame:
    """Compute the prequential code of the training labels of the largest run of a sweep over `data.train_size`.

    Args:
        results: as for `prequential_blocks`, with the other arguments.
        axes: columns that tell groups of runs apart.
        runs: rows of `results.runs` to use; by default all runs that have ended.
        temperature: scale each network's logits on its validation split.

    Returns:
        A row per group and seed: its axes; `seed` (see `paired_by_replicate`); `bits`; `uniform_bits`, n log2 K;
        `ratio` of the two; `parameter_bits`: bits in excess of the log-loss of the largest run on the same n labels,
        the information in its parameters; `examples`, n; `blocks`, number of networks that sent one; `nested`.

    Raises:
        BadInput: as `prequential_blocks`.
    """
    sent = prequential_blocks(results, axes, runs=runs, temperature=temperature)
    rows = []
    for levels, blocks in groups_of_runs(sent, [*axes, "seed"], ["learned"]):
        first, last = blocks.iloc[[0, -1]].to_dict("records")
        bits_per_label = first["uniform_bits"] / first["labels"]
        bits = first["learned"] * bits_per_label + blocks["bits"].sum()
        uniform_bits = last["learned"] * bits_per_label
        row: dict[str, Any] = {"bits": bits, "uniform_bits": uniform_bits}
        row["ratio"] = bits / uniform_bits
        row["parameter_bits"] = bits - last["kept_bits"]
        row["examples"] = last["learned"]
        row["blocks"] = len(blocks) - 1
        row["nested"] = bool(blocks["nested"].all())
        rows.append(levels | row)
    return pd.DataFrame(rows)


@checked_arguments
def prequential_blocks(
    results: Results,
    axes: Sequence[str] = (),
    *,
    runs: pd.DataFrame | None = None,
    temperature: bool = True,
) -> pd.DataFrame:
    """Compute what each network of a prequential code costs, for the labels of the largest run.

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
        A row per network, in order of size in its group and seed: the axes; `seed` (see `paired_by_replicate`);
        `learned`, number of labels it was trained on; `labels`, number of those that it sends, 0 of the last network;
        `bits`, their code; `raw_bits`, with the logits as they are; `uniform_bits`, with log2 K bits for each;
        `kept_bits`, log-loss of the labels it was trained on; `nested`: it was trained on labels that were sent.

    Raises:
        BadInput: a group with one training size, targets that are not classes, splits that are not parts of each other,
            or two runs that differ in something that `axes` does not name.
    """
    table = results.runs if runs is None else runs
    require_columns(table, ["run_id", "status", "seed", "data.train_size"], "column")
    table = paired_by_replicate(table[table["status"].isin(ENDED)])
    if table["data.train_size"].nunique() < 2:
        raise BadInput(
            "data.train_size: all runs have the same; needs a sweep over it, as grid: {data.train_size: [...]}"
        )
    rows = []
    for levels, group in groups_of_runs(table, [*axes, "seed"], ["data.train_size"]):
        run_ids = group.sort_values("data.train_size")["run_id"].tolist()
        if len(run_ids) < 2:
            raise BadInput(f"run {run_ids[0]}: its group has a single data.train_size; needs a sweep over two or more")
        rows += [levels | row for row in _blocks_of_runs(results, run_ids, temperature)]
    return pd.DataFrame(rows)


def _blocks_of_runs(results: Results, run_ids: Sequence[str], temperature: bool) -> list[dict[str, Any]]:
    """Compute the blocks sent by runs in ascending order of their training size; the last one's labels are sent."""
    largest = run_ids[-1]
    require_classes(results, largest)
    for run_id in run_ids:
        if results.config(run_id).data.subset < 1:
            raise BadInput(f"run {run_id}: data.subset draws examples of its own; needs data.subset: 1")
    all_examples = load_examples(results, largest, ["train"])["train"]
    sizes = [results.config(run_id).data.train_size for run_id in run_ids]
    rows = []
    for run_id, size, next_size in zip(run_ids, sizes, [*sizes[1:], sizes[-1]], strict=True):
        rows.append(_block_of_run(results, run_id, slice(size, next_size), all_examples, temperature))
    return rows


def _block_of_run(
    results: Results, run_id: str, block: slice, all_examples: Examples, temperature: bool
) -> dict[str, Any]:
    """Compute the row of one network, which sends a block of all examples."""
    seen = _examples_seen_by(results, run_id, all_examples)
    network = results.network(run_id)
    inputs = seen.inputs[: block.stop]
    outputs = two_class_logits(network_outputs(network, inputs))
    sent = outputs[block]
    labels = all_examples[1][block]
    scale = 1.0
    if len(labels) and results.config(run_id).data.validation_size:
        held_out, held_out_labels = load_examples(results, run_id, ["validation"])["validation"]
        scale = validated_scale(two_class_logits(network_outputs(network, held_out)), held_out_labels, temperature)
    row: dict[str, Any] = {"learned": block.start, "labels": len(labels)}
    row["bits"] = label_bits(sent, labels, scale)
    row["raw_bits"] = label_bits(sent, labels)
    row["uniform_bits"] = len(labels) * math.log2(outputs.shape[1])
    row["kept_bits"] = label_bits(outputs[: block.start], seen.labels)
    row["nested"] = seen.nested
    return row


class _SeenExamples(NamedTuple):
    """Examples of the largest run as a smaller one sees them.

    Attributes:
        inputs: of the largest run, normalized as the smaller one does.
        labels: that the smaller run was trained on.
        nested: True if these are the first of the largest run's labels.
    """

    inputs: Tensor
    labels: Tensor
    nested: bool


def _examples_seen_by(results: Results, run_id: str, all_examples: Examples) -> _SeenExamples:
    """Return the examples of the largest run as a smaller run sees them."""
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
    return _SeenExamples(all_inputs, labels, same_labels)


def _normalize_by_first(inputs: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Scale inputs to mean 0 and deviation 1 over the first n examples; of images, channel by channel."""
    over = (0, 2, 3) if inputs.ndim == 4 else tuple(range(inputs.ndim))
    first = inputs[:n].double()
    mean = first.mean(over, keepdim=True)
    deviation = first.std(over, correction=0, keepdim=True)
    return ((inputs.double() - mean) / deviation).to(dtype)
