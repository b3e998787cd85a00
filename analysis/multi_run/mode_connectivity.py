"""Loss along a path between two networks, and the barrier on it (Garipov et al. 2018; Frankle et al. 2020).

path = linear_path(first, second)                      # or fit_curve(first, second, inputs, labels)
table = loss_along_path(path, {"train": (inputs, labels)})
barrier(table["train_loss"])
barrier(loss_between_runs(results, run_id, other_run_id, curved=True)["test_error"])
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.examples import Examples, load_examples, network_outputs
from benevolent.analysis.multi_run.fitted_curves import find_loss, fit_curve
from benevolent.analysis.multi_run.parameter_path import ParameterPath, State, linear_path
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.scores import mistakes


def loss_along_path(
    path: ParameterPath,
    splits: Mapping[str, Examples],
    *,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    points: int = 31,
) -> pd.DataFrame:
    """Compute loss and error at equal steps along a path.

    Args:
        path: path between two networks.
        splits: inputs `(N, *input_shape)` and labels `(N,)` by name; `train`, or the first split if there is none of
            that name, gives the statistics of BatchNorm.
        loss: a name in `trainables.optimization.losses.LOSSES`.
        margin: of the hinge loss.
        points: number of positions, ends included; Frankle et al. 2020 take 30 steps, hence 31.

    Returns:
        Index `t` from 0 to 1; columns `<split>_loss` (mean) and `<split>_error` (fraction of wrong examples; mean
        absolute error of real targets).

    Raises:
        BadInput: an unknown loss, no split, or fewer than two points.
    """
    function = find_loss(loss, margin).function
    if points < 2 or not splits:
        raise BadInput(f"points = {points}, {len(splits)} splits: expected at least two points and one split")
    for_statistics = splits.get("train", next(iter(splits.values())))[0]
    positions = np.linspace(0, 1, points)
    rows = []
    for t in positions.tolist():
        module = path.network(t, for_statistics)
        row = {}
        for name, (inputs, labels) in splits.items():
            logits = network_outputs(module, inputs)
            losses, _ = function(logits, labels)
            row[f"{name}_loss"] = losses.double().mean().item()
            row[f"{name}_error"] = mistakes(logits, labels).mean().item()
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(positions, name="t"))


@checked_arguments
def loss_between_runs(
    results: Results,
    first: str,
    second: str,
    *,
    curved: bool = False,
    points: int = 31,
    **fit_options: int | float,
) -> pd.DataFrame:
    """Compute loss and error along the path between two runs, on all splits of the first one and with its loss.

    Args:
        results: the results that hold both.
        first: id of a run.
        second: id of another run of the same architecture.
        curved: follow the curve fitted to the training split instead of the straight line.
        points: number of positions.
        fit_options: `steps`, `lr`, `batch_size`, `random_seed` of `fit_curve`; the batch size is the run's own by
            default.

    Returns:
        See `loss_along_path`.

    Raises:
        BadInput: no such run, its parameters were not kept, or different architectures.
    """
    config = results.config(first)
    second_config = results.config(second)
    architecture = set(config.model.identity_lines("model", shared_only=True).values())  # not dropout: it may differ
    differences = architecture ^ set(second_config.model.identity_lines("model", shared_only=True).values())
    if differences:
        raise BadInput(f"runs {first} and {second} differ in {', '.join(sorted(differences))}; no path joins them")
    start = results.network(first)
    end = results.network(second)
    splits = load_examples(results, first)
    trained = built_network.for_run(config, data.describe(config.data)).shapes
    for name, value in start.named_parameters():
        value.requires_grad_(name in trained)
    loss: dict[str, Any] = {"loss": config.loss.name, "margin": config.loss.margin}
    if curved:
        options: dict[str, Any] = {"batch_size": config.optimizer.examples_per_step(config.data.seen_size)}
        inputs, labels = splits["train"]
        masks = _union_of_masks(results.masks(first), results.masks(second))
        path = fit_curve(start, end, inputs, labels, masks=masks, **loss | options | fit_options)
    else:
        path = linear_path(start, end)
    return loss_along_path(path, splits, points=points, **loss)


def _union_of_masks(first: State, second: State) -> State:
    """Return masks that are False where both networks are pruned; a network without a mask is not pruned."""
    return {name: mask | second[name] for name, mask in first.items() if name in second}


def barrier(values: pd.Series) -> float:
    """Height of a path over the chord of its ends: max_t v(t) - ((1 - t) v(0) + t v(1)); at least 0.

    Sources: Frankle et al. 2020, "Linear mode connectivity and the lottery ticket hypothesis", section 2, and Draxler
    et al. 2018 compare the highest loss or error with that of the ends; over the chord, ends that differ are not a
    barrier by themselves.

    Args:
        values: a column of `loss_along_path`, indexed by t from 0 to 1; NaN anywhere gives NaN.

    >>> barrier(pd.Series([0.2, 0.9, 0.4], index=[0.0, 0.5, 1.0]))
    0.6
    """
    t = values.index.to_numpy(dtype=float)
    v = values.to_numpy(dtype=float)
    chord = (1 - t) * v[0] + t * v[-1]
    return float(np.max(v - chord))
