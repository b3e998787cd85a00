"""Whether of a perceptron and a convolutional network the one whose bias takes the shorter path generalizes better."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, AxisPalette, log_if_wide, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, decided
from benevolent.analysis.studies.shared.bias_path import CURVES, curves, identity_finding, probability_slopes, progress

CLOSE, SHARE = 1e-4, 2 / 3
#: Where the last quarter of training begins, as a part of all epochs.
LATE = 0.75

RULE = f"""
Identity: as in the other studies of this source, to {CLOSE:g}. Steadiness: in at least two thirds of the seeds the
architecture whose bias takes the shorter mean path per step in the last quarter of training has the lower test loss at
the end; once with the path of the probability, which is the source's output, computed from checkpoints, and once with
that of the logit, which is ours.
"""

#: What is compared between the two architectures of a seed: column, and name.
PATHS = {"probability_path": "path of the probability", "logit_path": "path of the logit"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    table = pd.concat([_late(runs).assign(architecture=name) for name, runs in results.items()], ignore_index=True)
    findings = []
    for name, runs in results.items():
        found = identity_finding(runs, CLOSE)
        findings.append(found._replace(claim=f"{name}: {found.claim}"))
    findings += [_steadier(table, [*results], column, label) for column, label in PATHS.items()]
    rows = pd.concat([progress(runs).assign(architecture=name) for name, runs in results.items()])
    plates = [
        render_figure(
            "curves",
            "Losses and the bias of a perceptron and a convolutional network",
            "Medians over seeds and their range against epochs; losses in nats.",
            functools.partial(curves, rows, "architecture", [name for name in CURVES if name != "bias_increment_sum"]),
        ),
        render_figure(
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


def _steadier(table: pd.DataFrame, pair: Sequence[str], column: str, label: str) -> Finding:
    first, second = pair
    wide = table.pivot_table(index="seed", columns="architecture", values=[column, "test_loss"])
    path, loss = (wide[name][first] / wide[name][second] for name in (column, "test_loss"))
    agree = np.sign(np.log(path)) == np.sign(np.log(loss))
    return Finding(
        f"{label}: the architecture with the shorter one in the last quarter of training has the lower test loss",
        decided(bool(agree.mean() >= SHARE)),
        f"{int(agree.sum())} of {len(agree)} seeds; median ratio {first} / {second}: path {path.median():.2f}, test "
        f"loss {loss.median():.2f}",
        "the steadier one; no number in the sources that we have" if column == "probability_path" else "",
        guess="the better network has the larger logits, and moves further; its probabilities, near 0 and 1, do not",
    )


def _late(runs: Results) -> pd.DataFrame:
    """The table at the end, with the mean paths per step in the last quarter of training."""
    table = runs.table()
    sums = progress(runs).query("name == 'bias_increment_sum'")
    end = table.set_index("run_id")["epoch"]
    quarter = sums[sums["epoch"] == LATE * sums["run_id"].map(end)].set_index("run_id")["value"]
    slopes = probability_slopes(runs)
    late = slopes[slopes["epoch"] >= LATE * slopes["run_id"].map(end)].groupby("run_id")["value"].mean()
    logit = (table["bias_increment_sum"] - table["run_id"].map(quarter)) / ((1 - LATE) * table["step"])
    return table.assign(logit_path=logit, probability_path=table["run_id"].map(late))


def _seeds(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    encoding = AxisPalette.of("architecture", table["architecture"])
    for panel, (column, label) in zip(figure.subplots(1, 2, sharey=True), PATHS.items(), strict=True):
        for _, pair in table.groupby("seed"):
            panel.plot(pair[column], pair["test_loss"], color="#9aa5b1", linewidth=0.7, zorder=1)
        for color, marker, chosen in encoding.groups(table["architecture"]):
            panel.scatter(*table.loc[chosen, [column, "test_loss"]].to_numpy().T, s=24, color=color, marker=marker)
        panel.set(xlabel=f"{label} per step, last quarter")
        log_if_wide(panel, "x", table[column].to_numpy())
        log_if_wide(panel, "y", table["test_loss"].to_numpy())
    figure.axes[0].set_ylabel("test loss (nats)")
    encoding.legend(figure)
    return figure
