"""The bits that describe labels, given inputs, when networks learn as they go (Blier and Ollivier 2018).

The prequential code sends the first t_1 labels as they are, log2 K bits each, trains on them, sends the next block by
the network's probabilities, trains anew on all that is known, and so on:

    L = t_1 log2 K + sum_s sum_{t_s < i <= t_{s+1}} -log2 p_{theta(t_s)}(y_i | x_i)
"""

import math
from collections.abc import Sequence

import pandas as pd
import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn import functional

from benevolent.analysis.measures.measured_network import two_class_logits
from benevolent.analysis.multi_run.grouping import studies
from benevolent.analysis.multi_run.trained import Examples, examples, outputs, require_classes
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import ENDED

#: Logits `(N, K)` and the labels `(N,)` that they are for.
Predictions = tuple[Tensor, Tensor]


def description_length(
    results: Results,
    axes: Sequence[str] = (),
    *,
    runs: pd.DataFrame | None = None,
    temperature: bool = True,
) -> pd.DataFrame:
    """The prequential code of the labels that the largest run of a sweep over `data.train_size` was trained on.

    A smaller training split is a part of a larger one where `data.validation_size` and `data.split_seed` are the same;
    each network sees the next block normalized as its own training split was. Labels that were corrupted are drawn
    anew for each size; then each network has learned from other wrong labels than are sent, and the bits are what such
    a code takes on average (`nested` is False), not the length of one that could be decoded.

    Args:
        results: that hold the runs, with their final parameters.
        axes: columns that tell studies apart.
        runs: the rows of `results.runs` that take part; by default all that have ended.
        temperature: scale each network's logits as `fitted_scale` says of its validation split. Without, logits are
            taken as they are, or where that is no better than the uniform code on the validation split, not at all.
            Without a validation split they are always taken as they are. Where training labels are corrupted, held-out
            ones should be too (`data.corrupt_test`): a scale for true labels costs bits on wrong ones.

    Returns:
        A row per study and seed: its axes; `seed`; `bits`; `uniform_bits`, n log2 K; `ratio` of the two;
        `parameter_bits`: what the bits exceed the log-loss by of the largest run on the same n labels, the information
        in its parameters; `examples`, n; `blocks`, how many networks sent one; `nested`.

    Raises:
        BadInput: a study with one training size, targets that are no classes, splits that are no parts of each other,
            or two runs that differ in something that `axes` does not name.
    """
    table = results.runs if runs is None else runs
    require_columns(table, ["run_id", "status", "seed", "data.train_size"], "column")
    table = table[table["status"].isin(ENDED)]
    rows = []
    for levels, study in studies(table, [*axes, "seed"], ["data.train_size"]):
        ids = study.sort_values("data.train_size")["run_id"].tolist()
        if len(ids) < 2:
            raise BadInput(f"run {ids[0]}: data.train_size has one value in its study; expected two or more")
        rows.append(levels | _of_runs(results, ids, temperature))
    return pd.DataFrame(rows)


def _of_runs(results: Results, ids: Sequence[str], temperature: bool) -> dict[str, float | int | bool]:
    require_classes(results, ids[-1])
    whole, blocks, validation, nested = examples(results, ids[-1], ["train"])["train"], [], [], True
    sizes = [results.config(run_id).data.train_size for run_id in ids]
    for run_id, start, stop in zip(ids, sizes, sizes[1:], strict=False):
        network, inputs, same = results.network(run_id), *_as_seen_by(results, run_id, whole)
        blocks.append((two_class_logits(outputs(network, inputs[start:stop])), whole[1][start:stop]))
        nested &= same
        if results.config(run_id).data.validation_size:
            held_out, labels = examples(results, run_id, ["validation"])["validation"]
            validation.append((two_class_logits(outputs(network, held_out)), labels))
    bits = prequential_bits(sizes[0], blocks, validation or None, temperature)
    uniform = sizes[-1] * math.log2(blocks[0][0].shape[1])
    after = label_bits(two_class_logits(outputs(results.network(ids[-1]), whole[0])), whole[1])
    about = {"bits": bits, "uniform_bits": uniform, "ratio": bits / uniform, "parameter_bits": bits - after}
    return about | {"examples": sizes[-1], "blocks": len(blocks), "nested": nested}


def _as_seen_by(results: Results, run_id: str, whole: Examples) -> tuple[Tensor, bool]:
    """The inputs of the largest run as a smaller one would normalize them, and whether its labels are among them."""
    config, (inputs, labels) = results.config(run_id), examples(results, run_id, ["train"])["train"]
    all_inputs, n = whole[0], len(labels)
    if config.data.normalize == "split" and config.data.name not in data.SYNTHETIC:
        over = (0, 2, 3) if inputs.ndim == 4 else tuple(range(inputs.ndim))
        first = all_inputs[:n].double()
        mean, deviation = first.mean(over, keepdim=True), first.std(over, correction=0, keepdim=True)
        all_inputs = ((all_inputs.double() - mean) / deviation).to(inputs.dtype)
    same = torch.equal(labels, whole[1][:n])
    if not torch.allclose(all_inputs[:n], inputs, rtol=1e-3, atol=1e-3) or not (same or config.data.label_corruption):
        raise BadInput(
            f"run {run_id}: its {n} training examples are not the first of the largest run's; the code needs that"
        )
    return all_inputs, same


def prequential_bits(
    first: int,
    blocks: Sequence[Predictions],
    validation: Sequence[Predictions] | None = None,
    temperature: bool = True,
) -> float:
    """The length of the prequential code in bits.

    Args:
        first: t_1, how many labels are sent before there is a network.
        blocks: of each network, its logits `(n, K)` for the next block and the labels `(n,)` of that.
        validation: of each network, the same on examples that both sides know; see `description_length`.
        temperature: see there.

    >>> fair = torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)
    >>> prequential_bits(4, [fair])
    12.0
    """
    bits = first * math.log2(blocks[0][0].shape[1])
    for place, (logits, labels) in enumerate(blocks):
        scale = 1.0
        if validation is not None:
            known, answers = validation[place]
            if temperature:
                scale = fitted_scale(known, answers)
            else:
                scale = float(label_bits(known, answers) < label_bits(known, answers, 0.0))
        bits += label_bits(logits, labels, scale)
    return bits


def label_bits(logits: Tensor, labels: Tensor, scale: float = 1.0) -> float:
    """Sum of -log2 softmax(scale z)_y over examples, in bits; with scale 0 the uniform code, whatever the logits.

    Args:
        logits: z, `(N, K)`.
        labels: `(N,)` integers.
        scale: the inverse of a temperature.
    """
    z = logits.double() * scale if scale else torch.zeros_like(logits, dtype=torch.float64)
    return functional.cross_entropy(z, labels, reduction="sum").item() / math.log(2)


def fitted_scale(logits: Tensor, labels: Tensor) -> float:
    """The inverse temperature b >= 0 that fits held-out labels best; 0, the uniform code, if the logits are no help.

    Minimizes the log-loss of softmax(b z), a convex function of b (Guo et al. 2017), with one more example on which
    every label has been seen as often as any other. For two classes and logits that say only which, this is the
    estimator of Krichevsky and Trofimov, (right + 1/2) / (N + 1): where all answers are right, b stays finite.

    Args:
        logits: z, `(N, K)`; if some are not finite, they are no help.
        labels: `(N,)` integers.

    >>> z = torch.tensor([[1.0, 0.0]]).expand(7, 2)
    >>> round(1 / (1 + math.exp(-fitted_scale(z, torch.tensor([0, 0, 0, 0, 0, 1, 1])))), 6)  # 5.5 / 8
    0.6875
    """
    z = logits.double()
    if not z.isfinite().all():
        return 0.0
    own = z.gather(1, labels.unsqueeze(1)).sum() + z.mean()  # the last term: of the one example more

    def slope(scale: float) -> float:
        expected = ((scale * z).softmax(1) * z).sum(1)
        return (expected.sum() + expected.mean() - own).item()

    if slope(0.0) >= 0:
        return 0.0
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return float(brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12))
