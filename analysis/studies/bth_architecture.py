"""Compare a perceptron and a convolutional network: the one whose bias takes the shorter path, and the better one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.bias_figures import CURVE_TITLES, draw_curves
from benevolent.analysis.studies.shared.bias_path import identity_finding, probability_slopes, recorded_progress
from benevolent.analysis.studies.shared.drawing import GRAY, axis_palette, draw_networks, new_figure, use_log_scales
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.tables import rows_with

#: Largest relative error of the identity.
TOLERANCE = 1e-4
#: The claim must be true in at least two of three seeds.
LEAST_SEEDS = 2
OF_SEEDS = 3
#: Fraction of all epochs after which the last quarter of training begins.
LATE = 0.75

RULE = f"""
Steadiness: in at least {LEAST_SEEDS}/{OF_SEEDS} of the seeds, the architecture whose bias takes the shorter mean path
per step in the last {1 - LATE:.0%} of training has the lower test loss at the end. The source's path is that of the
probability, its output, computed from checkpoints; ours is that of the logit.

Identity: as in the other studies of this source, to {TOLERANCE:g}.
"""

EXPLANATION = (
    "the better network has the larger logits, so its bias moves further, while its probabilities are near 0 and 1 and "
    "change little"
)
#: Claims on the paths of the probability, which is the source's output, and of the logit, which is ours.
CLAIMS = {
    "probability_path": StudyClaim(
        "The architecture that is trained more steadily has the lower test loss",
        "abstract: good training behavior can be a useful bias towards good generalization",
        EXPLANATION,
    ),
    "logit_path": StudyClaim(
        "The architecture whose logit takes the shorter path has the lower test loss",
        explanation=EXPLANATION,
        kind="ours",
    ),
}
#: Columns compared between the two architectures of a seed, with their names.
PATHS = {"probability_path": "path of the probability", "logit_path": "path of the logit"}


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    late = [_late_paths(runs).assign(architecture=name) for name, runs in results.items()]
    table = pd.concat(late, ignore_index=True)
    progress = pd.concat([recorded_progress(runs).assign(architecture=name) for name, runs in results.items()])
    findings = [_steadiness(table, [*results], column) for column in CLAIMS]
    findings += [identity_finding(runs, TOLERANCE, name.upper()) for name, runs in results.items()]
    curves = [name for name in CURVE_TITLES if name != "bias_increment_sum"]
    curves_figure = render_figure(
        "curves",
        "Losses and the bias of a perceptron and a convolutional network",
        "Medians over seeds and their range against epochs; losses in nats.",
        draw_curves,
        progress,
        "architecture",
        curves,
    )
    seeds_figure = render_figure(
        "seeds",
        "Test loss against the path of the bias in the last quarter of training",
        "Each point is a network; lines join the two architectures of a seed. They rise where the steadier one has the "
        "lower test loss.",
        _draw_seeds,
        table,
    )
    figures = [curves_figure, seeds_figure]
    return StudyAnswer(findings, figures, table, [_describe_ends(table)])


def _steadiness(table: pd.DataFrame, architectures: Sequence[str], column: str) -> Finding:
    first, second = architectures
    by_seed = table.pivot_table(index="seed", columns="architecture", values=[column, "test_loss"])
    path = by_seed[column][first] / by_seed[column][second]
    loss = by_seed["test_loss"][first] / by_seed["test_loss"][second]
    agree = np.sign(np.log(path)) == np.sign(np.log(loss))
    medians = f"path {path.median():.2f}, test loss {loss.median():.2f}"
    evidence = f"{int(agree.sum())} of {len(agree)} seeds; median ratio {first} / {second}: {medians}"
    return CLAIMS[column].decide(bool(agree.mean() >= LEAST_SEEDS / OF_SEEDS), evidence)


def _late_paths(runs: Results) -> pd.DataFrame:
    """Return the table at the end of training, with the mean paths per step in the last quarter."""
    table = runs.table()
    end = table.set_index("run_id")["epoch"]
    sums = recorded_progress(runs).query("name == 'bias_increment_sum'")
    at_late = rows_with(sums, "epoch", LATE * sums["run_id"].map(end)).set_index("run_id")["value"]
    late_sum = table["bias_increment_sum"] - table["run_id"].map(at_late)
    late_steps = (1 - LATE) * table["step"]
    slopes = probability_slopes(runs)
    late_slopes = slopes[slopes["epoch"] >= LATE * slopes["run_id"].map(end)]
    probability_path = late_slopes.groupby("run_id")["value"].mean()
    return table.assign(logit_path=late_sum / late_steps, probability_path=table["run_id"].map(probability_path))


def _describe_ends(table: pd.DataFrame) -> str:
    ends = []
    means = table.groupby("architecture")[["train_loss", "test_loss", "test_error"]].mean()
    for name, row in means.iterrows():
        losses = f"train loss {row['train_loss']:.2g}, test loss {row['test_loss']:.3g}"
        ends.append(f"{name}: {losses}, test error {row['test_error']:.4f}")
    return f"Means over seeds at the end: {'; '.join(ends)}."


def _draw_seeds(table: pd.DataFrame) -> Figure:
    figure = new_figure(2.6)
    panels = figure.subplots(1, len(PATHS), sharey=True)
    for panel, (column, label) in zip(panels, PATHS.items(), strict=True):
        for _, pair in table.groupby("seed"):
            panel.plot(pair[column], pair["test_loss"], color=GRAY, linewidth=0.7, zorder=1)
        draw_networks(panel, table, column, "test_loss", "architecture", size=24)
        panel.set(xlabel=f"{label} per step, last quarter")
        use_log_scales(panel, table, column, "test_loss")
    panels[0].set_ylabel("test loss (nats)")
    axis_palette("architecture", table["architecture"]).legend(figure)
    return figure
