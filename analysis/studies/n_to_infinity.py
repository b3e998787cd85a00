"""Train on more and more examples, with natural and with random labels, and follow the gap of train and test."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.drawing import DARK_GRAY, draw_mean_and_range, new_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.network_outputs import class_count
from benevolent.analysis.studies.shared.normalized_loss_findings import INTERVAL_RULE, order_finding
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval
from benevolent.analysis.studies.shared.tables import Tables

AXIS = "data.train_size"
#: Rank correlation, downward, of the number of examples and a gap.
LEAST_FALL = 0.8
#: Largest ratio of the gap of errors with the most examples to that with the fewest.
LARGEST_RATIO = 0.5
#: Sweeps by their labels.
NATURAL = "natural"
RANDOM = "random"

RULE = f"""
Gaps are absolute differences of train and test; claims on them are asked of natural and of random labels alike.

Closes: Spearman's rank correlation of the number of examples with the gap of normalized losses is at most
-{LEAST_FALL}, and the upper end of its 95% interval below 0. The same is asked of the gap of errors, and of the
relative gap. The relative gap is the gap of normalized losses over log C minus the normalized train loss (C classes),
since outputs so small make all losses those of chance, whatever a network knows.

By half: the gap of errors at the largest number of examples is at most {LARGEST_RATIO} of that at the smallest, in the
mean over seeds.

Test error, for natural labels: Spearman's rank correlation with the number of examples is at most -{LEAST_FALL}, and
the upper end of its interval below 0.

{INTERVAL_RULE}.
"""

LOSS_GAP_CLOSES = "the gap of the normalized losses closes with more examples"
ERROR_GAP_CLOSES = "the gap of the errors closes with more examples"
RELATIVE_GAP_CLOSES = "the relative gap of the normalized losses closes with more examples"
#: Possible explanations if a gap of natural, or of random, labels does not close.
NOT_ENOUGH = "networks of this size fit all these examples, and the test error has not fallen enough yet"
STILL_FITS = "a network of this size still fits so many random labels, while its test error is that of chance"
#: Claims by labels and gap.
CLOSES = {
    (NATURAL, "loss_gap"): StudyClaim(
        LOSS_GAP_CLOSES, "figure 19: the gap converges to zero, but very slowly", NOT_ENOUGH
    ),
    (NATURAL, "error_gap"): StudyClaim(ERROR_GAP_CLOSES, "figure 1 a: the gap seems to converge to zero", NOT_ENOUGH),
    (NATURAL, "relative_gap"): StudyClaim(RELATIVE_GAP_CLOSES, explanation=NOT_ENOUGH, kind="ours"),
    (RANDOM, "loss_gap"): StudyClaim(
        LOSS_GAP_CLOSES, "figure 19: the gap converges to zero, but very slowly", STILL_FITS
    ),
    (RANDOM, "error_gap"): StudyClaim(ERROR_GAP_CLOSES, "figure 1 b: the gap seems to converge to zero", STILL_FITS),
    (RANDOM, "relative_gap"): StudyClaim(RELATIVE_GAP_CLOSES, explanation=STILL_FITS, kind="ours"),
}

HALVES = "the gap of the errors closes at least by half"

#: Claims that the gap of errors halves, by labels.
HALVED = {
    NATURAL: StudyClaim(HALVES, explanation=NOT_ENOUGH, kind="ours"),
    RANDOM: StudyClaim(HALVES, explanation=STILL_FITS, kind="ours"),
}

ERROR_FALLS = StudyClaim("Natural labels: the test error falls with more examples", kind="ours")


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    tables = {labels: _with_gaps(results[labels]) for labels in (NATURAL, RANDOM)}
    findings = []
    for labels, table in tables.items():
        subject = f"{labels.capitalize()} labels"
        for (asked, column), claim in CLOSES.items():
            if asked == labels:
                findings.append(order_finding(claim.about(subject), table, AXIS, column, LEAST_FALL, sign=-1))
        findings.append(_halves(HALVED[labels].about(subject), table))
    findings.append(order_finding(ERROR_FALLS, tables[NATURAL], AXIS, "test_error", LEAST_FALL, sign=-1))
    examples_figure = render_figure(
        "examples",
        "Errors and losses against the number of examples",
        "Means over seeds with their range; test solid, train dashed. The dotted line is one example per "
        "parameter. Losses as trained, and of outputs divided by the product of norms.",
        _draw_examples,
        tables,
    )
    gaps_figure = render_figure(
        "gaps",
        "The gap between train and test against the number of examples",
        "Means over seeds with their range; natural labels solid, random ones dashed. In the middle, the gap of "
        "normalized losses as a fraction of how far the normalized train loss is below that of chance.",
        _draw_gaps,
        tables,
    )
    numbers = pd.concat([table.assign(labels=labels) for labels, table in tables.items()])
    return StudyAnswer(in_order(findings), [examples_figure, gaps_figure], numbers)


def _with_gaps(runs: Results) -> pd.DataFrame:
    """Return the table of a sweep with a column for each of `GAPS`."""
    table = runs.table()
    below_chance = np.log(class_count(runs)) - table["normalized_train_loss"]
    loss_gap = (table["normalized_test_loss"] - table["normalized_train_loss"]).abs()
    error_gap = (table["test_error"] - table["train_error"]).abs()
    return table.assign(loss_gap=loss_gap, relative_gap=loss_gap / below_chance, error_gap=error_gap)


def _halves(claim: StudyClaim, table: pd.DataFrame) -> Finding:
    fewest = table[AXIS].min()
    most = table[AXIS].max()

    def ratio(rows: pd.DataFrame) -> float:
        gaps = rows.groupby(AXIS)["error_gap"].mean().reindex([fewest, most])
        with np.errstate(divide="ignore", invalid="ignore"):  # no ratio without a gap at the fewest examples
            return float(np.divide(gaps[most], gaps[fewest]))

    estimate = mean_over_seeds(table, ratio)
    shown = show_interval(estimate, ".2f")
    evidence = f"ratio of the gap with {most:,} examples to that with {fewest:,} {shown}"
    return claim.decide(estimate.value <= LARGEST_RATIO, evidence)


def _draw_examples(tables: Tables) -> Figure:
    figure = new_figure(7.6)
    panels = figure.subplots(3, 2, sharex=True)
    outcomes = (
        ("{}_error", "error (fraction)", "linear"),
        ("{}_loss", "loss as trained (nats)", "log"),
        ("normalized_{}_loss", "normalized loss (nats)", "linear"),
    )
    for (labels, table), column in zip(tables.items(), panels.T, strict=True):
        for panel, (outcome, label, scale) in zip(column, outcomes, strict=True):
            draw_mean_and_range(panel, table, AXIS, outcome.format("test"), "-o", INK, "test")
            draw_mean_and_range(panel, table, AXIS, outcome.format("train"), "--s", DARK_GRAY, "train")
            panel.axvline(table["parameter_count"].iloc[0], color=DARK_GRAY, linestyle=":", linewidth=1)
            panel.set(xscale="log", ylabel=label, yscale=scale)
        column[0].set_title(f"{labels} labels", loc="left")
        column[0].legend()
        column[-1].set_xlabel("training examples")
    return figure


def _draw_gaps(tables: Tables) -> Figure:
    figure = new_figure(2.6)
    gaps = {
        "loss_gap": "gap of normalized losses (nats)",
        "relative_gap": "relative gap of normalized losses",
        "error_gap": "gap of errors (fraction)",
    }
    panels = figure.subplots(1, len(gaps))
    for panel, (column, label) in zip(panels, gaps.items(), strict=True):
        draw_mean_and_range(panel, tables[NATURAL], AXIS, column, "-o", INK, "natural labels")
        draw_mean_and_range(panel, tables[RANDOM], AXIS, column, "--s", DARK_GRAY, "random labels")
        panel.set(xscale="log", yscale="log", xlabel="training examples", ylabel=label)
    panels[0].legend()
    return figure
