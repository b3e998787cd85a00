"""Whether of a perceptron and a convolutional network the one whose bias takes the shorter path generalises better."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.canvas import WIDTH_INCHES, Encoding, log_if_wide
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies.bias import CURVES, curves, identity_finding, progress
from analysis.studies.study import Answer, Finding, decided

CLOSE, SHARE = 1e-4, 2 / 3
#: Where the last quarter of training begins, as a part of all epochs.
LATE = 0.75

RULE = f"""
Identity: as in the other studies of this source, to {CLOSE:g}. Steadiness: in at least two thirds of the seeds the
architecture whose bias takes the shorter mean path per step in the last quarter of training has the lower test loss at
the end. Reported beside it and not part of the claim: the same of the mean Lipschitz constant at the end, and the
ratio of the two architectures in path and test loss.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    table = pd.concat([_late(runs).assign(architecture=name) for name, runs in results.items()])
    wide = table.pivot_table(index="seed", columns="architecture", values=["late_path", "test_loss", "lipschitz_mean"])
    first, second = results
    ratios = {name: wide[name][first] / wide[name][second] for name in ("late_path", "lipschitz_mean", "test_loss")}
    agree = np.sign(np.log(ratios["late_path"])) == np.sign(np.log(ratios["test_loss"]))
    steeper = np.sign(np.log(ratios["lipschitz_mean"])) == np.sign(np.log(ratios["test_loss"]))
    shown = ", ".join(f"{label} {ratios[name].median():.2f}" for name, label in zip(ratios, _LABELS, strict=True))
    findings = [
        *(
            found._replace(claim=f"{name}: {found.claim}")
            for name, found in ((name, identity_finding(runs, CLOSE)) for name, runs in results.items())
        ),
        Finding(
            "the architecture with the shorter path in the last quarter of training has the lower test loss",
            decided(bool(agree.mean() >= SHARE)),
            f"{int(agree.sum())} of {len(agree)} seeds; median ratios {first} / {second}: {shown}; by the mean "
            f"Lipschitz constant at the end {int(steeper.sum())} of {len(steeper)}",
            "the steadier one; no number in the sources that we have",
        ),
    ]
    rows = pd.concat([progress(runs).assign(architecture=name) for name, runs in results.items()])
    plates = [
        plate(
            "curves",
            "Losses and the bias of a perceptron and a convolutional network",
            "Medians over seeds and their range against epochs; losses in nats.",
            functools.partial(curves, rows, "architecture", [name for name in CURVES if name != "bias_increment_sum"]),
        ),
        plate(
            "seeds",
            "Test loss against the bias's path in the last quarter of training",
            "Each point is a network, lines join the two architectures of a seed: the claim says that they rise.",
            functools.partial(_seeds, table),
        ),
    ]
    means = table.groupby("architecture")[["train_loss", "test_loss", "test_error"]].mean()
    notes = [
        "Means over seeds at the end: "
        + "; ".join(
            f"{name}: train loss {row['train_loss']:.2g}, test loss {row['test_loss']:.3g}, test error "
            f"{row['test_error']:.4f}"
            for name, row in means.iterrows()
        )
        + "."
    ]
    return Answer(findings, plates, table, notes)


_LABELS = ("path", "Lipschitz constant", "test loss")


def _late(runs: Results) -> pd.DataFrame:
    """The table at the end, with the mean path per step in the last quarter of training, `late_path`."""
    table = runs.table()
    sums = progress(runs).query("name == 'bias_increment_sum' and epoch >= 1")
    ends = table.set_index("run_id")["epoch"]
    quarter = sums[sums["epoch"] == LATE * sums["run_id"].map(ends)].set_index("run_id")["value"]
    steps = (1 - LATE) * table["step"]
    return table.assign(late_path=(table["bias_increment_sum"] - table["run_id"].map(quarter)) / steps)


def _seeds(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES / 2, 2.6), layout="constrained")
    panel = figure.subplots()
    for _, pair in table.groupby("seed"):
        panel.plot(pair["late_path"], pair["test_loss"], color="#9aa5b1", linewidth=0.7, zorder=1)
    encoding = Encoding.of("architecture", table["architecture"])
    for colour, marker, chosen in encoding.groups(table["architecture"]):
        rows = table[chosen]
        panel.scatter(rows["late_path"], rows["test_loss"], s=24, color=colour, marker=marker, zorder=2)
    panel.set(xlabel="path per step in the last quarter, ‖Δb‖ / αε", ylabel="test loss (nats)")
    log_if_wide(panel, "x", table["late_path"].to_numpy())
    encoding.legend(figure)
    return figure
