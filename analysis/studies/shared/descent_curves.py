"""Models of growing size with their risks and norms, for the study of double descent (Belkin et al. 2018)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.kernel_machine import fit_kernel_machine
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.nearest import nearest_in_ratio
from benevolent.analysis.studies.shared import network_outputs
from benevolent.analysis.studies.shared.findings import Sweeps
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.optimization.losses import targets
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.scores import predicted

#: Part of the threshold at which weight reuse ends in a control.
EARLY = 2 / 3


class Curve(NamedTuple):
    """Models of one kind, of several sizes.

    Attributes:
        title: name of the kind.
        table: one row per model: `size`, `seed`, `train_loss`, `train_error`, `test_loss`, `test_error`; of random
            features `norm`, of the coefficients, and `kernel_norm`, of the function in the kernel's space.
        threshold: size at which models can fit every training example.
    """

    title: str
    table: pd.DataFrame
    threshold: float


class KernelLimit(NamedTuple):
    """Squared risk, zero-one risk and norm of the kernel machine that random features approach."""

    loss: float
    error: float
    norm: float


def model_curves(results: Sweeps) -> dict[str, Curve]:
    """Return the curves of all kinds of models.

    Returns:
        `features`; `reuse`, networks that reuse weights up to the size nearest to the threshold, and are drawn beyond
        it, as in the source; `forests`; networks that reuse no weights, `fresh` and, with noisy labels, `noisy`; and
        networks whose weight reuse ends `early`, at `EARLY` of the threshold, or goes `on`, without drawn ones.
    """
    fresh, noisy = _network_curves(results["networks"])
    reused = _with_parameters(results["reuse"])
    sizes = pd.Index(sorted(reused["size"].unique()))
    end = nearest_in_ratio(sizes, fresh.threshold)
    early = reuse_up_to(EARLY * fresh.threshold, reused, fresh)
    return {
        "features": _features_curve(results["features"]),
        "reuse": reuse_up_to(end, reused, fresh)._replace(title="Networks with weight reuse"),
        "forests": _forests_curve(results["forests"]),
        "fresh": fresh,
        "noisy": noisy,
        "early": early._replace(title="Networks whose weight reuse ends early"),
        "on": fresh._replace(title="Networks that reuse weights at every size", table=reused),
    }


def reuse_up_to(size: float, reused: pd.DataFrame, fresh: Curve) -> Curve:
    """Return networks that reuse weights up to a number of parameters, and drawn ones beyond it."""
    last = reused["size"] <= size
    beyond = fresh.table["size"] > reused.loc[last, "size"].max()
    return fresh._replace(table=pd.concat([reused[last], fresh.table[beyond]]))


def _features_curve(results: Results) -> Curve:
    table = results.table()
    frequencies = table["model.features"] / 2
    # The kernel is the mean over frequencies of cos cos + sin sin.
    kernel_norm = table["distance_from_init"] * np.sqrt(frequencies)
    columns = {"size": table["model.features"], "norm": table["distance_from_init"], "kernel_norm": kernel_norm}
    return Curve("Random features", table.assign(**columns), int(table["data.train_size"].iloc[0]))


def _forests_curve(results: Results) -> Curve:
    table = results.table()
    leaves = table["model.trees"] * table["model.leaves"]
    return Curve("Random forest", table.assign(size=leaves), forest_threshold(table))


def forest_threshold(table: pd.DataFrame) -> int:
    """Return the smallest number of leaves at which single trees have train error 0 in all seeds.

    Args:
        table: one row per forest, with `model.trees`, `model.leaves` and `train_error`.

    Returns:
        the largest number of leaves if no tree fits.
    """
    one_tree = rows_with(table, "model.trees", 1)
    largest_errors = one_tree.groupby("model.leaves")["train_error"].max()
    fits = largest_errors.index[largest_errors == 0]
    return int(fits.min() if len(fits) else largest_errors.index.max())


def _network_curves(results: Results) -> tuple[Curve, Curve]:
    table = _with_parameters(results)
    is_clean = table["data.label_corruption"] == 0
    config = network_outputs.example_config(results)
    threshold = config.data.train_size * data.describe(config.data).classes
    fresh = Curve("Networks without weight reuse", table[is_clean], threshold)
    noisy = Curve("Networks without weight reuse, noisy labels", table[~is_clean], threshold)
    return fresh, noisy


def _with_parameters(results: Results) -> pd.DataFrame:
    """Return the table of a sweep with the number of parameters as `size`."""
    table = results.table()
    sizes = {}
    for run_id, width in zip(table["run_id"], table["model.width"], strict=True):
        if width not in sizes:
            sizes[width] = _parameter_count(results.config(run_id))
    return table.assign(size=table["model.width"].map(sizes))


def _parameter_count(config: RunConfig) -> int:
    built = built_network.for_run(config, data.describe(config.data))
    return sum(shape.numel() for shape in built.shapes.values())


def kernel_limit(results: Results) -> KernelLimit:
    """Return what the random features of a sweep approach, fitted to the same examples."""
    run_id = str(results.runs["run_id"].iloc[0])
    config = results.config(run_id)
    inputs, labels = network_outputs.examples(results, run_id, "train")
    test_inputs, test_labels = network_outputs.examples(results, run_id, "test")
    classes = data.describe(config.data).classes
    machine = fit_kernel_machine(inputs, targets(labels, classes), config.model.bandwidth)  # type: ignore[attr-defined]
    outputs = machine(test_inputs)
    loss = (outputs - targets(test_labels, classes)).square().sum(1).mean() / 2
    error = (predicted(outputs) != test_labels).double().mean()
    return KernelLimit(loss.item(), error.item(), machine.norm)
