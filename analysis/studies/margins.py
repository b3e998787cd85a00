"""Order networks by the inverse of their normalized margin, and compare with their test error."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import INK, RenderedFigure, render_figure
from benevolent.analysis.studies.shared.drawing import GRAY, new_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.network_outputs import data_name, data_title, outputs
from benevolent.analysis.studies.shared.normalized_loss import fitted_networks
from benevolent.analysis.studies.shared.normalized_loss_figures import draw_pairs
from benevolent.analysis.studies.shared.normalized_loss_findings import INTERVAL_RULE, order_finding
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval

AXIS = "init.std"
LEAST_RANK_CORRELATION = 0.6
#: Smallest difference of the rank correlations with and without the margin.
LEAST_DIFFERENCE = 0.1
#: Columns of normalized margins, by the norm.
MARGINS = {"Frobenius": "margin_p10_frobenius", "spectral": "margin_p10_spectral"}

RULE = f"""
Per data set, over networks that fit every training example. The inverse margin is one over the 10th percentile of the
training margins, divided by the product of Frobenius norms or of spectral norms.

Orders: Spearman's rank correlation with test error is at least {LEAST_RANK_CORRELATION}, and the lower end of its 95%
interval above 0, for either norm.

Beyond the norm: the correlation with Frobenius norms exceeds that of the norm product alone by {LEAST_DIFFERENCE}, with
the lower end of the interval of the difference above 0; otherwise the margin, which networks with one loss share, adds
nothing to the norm.

{INTERVAL_RULE}.
"""
#: Means and standard deviations of the largest outputs in the source.
PAPER_OUTPUTS = (
    "in figure 20 of the source, on MNIST, the means are 60.56 (standard deviation 16.21) and 0.0267 (0.0071)"
)

#: Claims by the norm of the margin.
ORDERS = {
    "Frobenius": StudyClaim(
        "the test error rises with the inverse of the margin",
        "appendix J: the error increases with the inverse of the margin",
        "networks from weights of medium size differ little in test error, so that chance orders them",
    ),
    "spectral": StudyClaim(
        "the test error rises with the inverse of the margin by spectral norms",
        explanation="networks from weights of medium size differ little in test error, so that chance orders them",
        kind="ours",
    ),
}

BEYOND_NORM = StudyClaim(
    "the margin says more about the test error than the product of norms alone",
    explanation="networks trained to one loss have almost the same margin, so that its ratio to the norm product says "
    "no more than the norm product",
    kind="ours",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    notes = []
    for runs in results.values():
        name = data_name(runs)
        title = data_title(name)
        table = fitted_networks(runs)
        for column in MARGINS.values():
            table[f"inverse_{column}"] = 1 / table[column]
        example = table.loc[table[AXIS] == table[AXIS].quantile(interpolation="lower")].iloc[0]
        logits, _ = outputs(runs, example["run_id"], "train")
        largest = logits.amax(1).numpy()
        findings += [_orders(title, table, norm) for norm in MARGINS]
        findings.append(_beyond_norm(title, table))
        figures.append(_margins_figure(name, table))
        figures.append(_outputs_figure(name, example, largest))
        numbers.append(table.assign(data=name))
        notes.append(_describe_outputs(name, example, largest))
    return StudyAnswer(in_order(findings), figures, pd.concat(numbers), notes)


def _margins_figure(name: str, table: pd.DataFrame) -> RenderedFigure:
    pairs = [(f"inverse_{column}", "test_error") for column in MARGINS.values()]
    return render_figure(
        f"margins-{name.replace('_', '-')}",
        f"{name}: test error against the inverse normalized margin",
        "Each point is a network; colors are the standard deviation of the initial weights.",
        draw_pairs,
        table,
        AXIS,
        pairs,
        {"test_error": "fraction"},
    )


def _norm_of(example: pd.Series) -> float:
    return float(np.exp(example["log_frobenius_product"]))


def _outputs_figure(name: str, example: pd.Series, largest: np.ndarray) -> RenderedFigure:
    return render_figure(
        f"largest-outputs-{name.replace('_', '-')}",
        f"{name}: the largest output on training examples, as trained and normalized",
        f"One network (initial standard deviation {example[AXIS]:g}); {PAPER_OUTPUTS}.",
        _draw_histograms,
        largest,
        _norm_of(example),
    )


def _describe_outputs(name: str, example: pd.Series, largest: np.ndarray) -> str:
    normalized = largest / _norm_of(example)
    plain = f"mean {largest.mean():.2f} and standard deviation {largest.std():.2f}"
    divided = f"{normalized.mean():.4f} and {normalized.std():.4f}"
    return f"{name}: the largest output of that network has {plain}, normalized {divided}."


def _orders(title: str, table: pd.DataFrame, norm: str) -> Finding:
    claim = ORDERS[norm].about(title)
    return order_finding(claim, table, f"inverse_{MARGINS[norm]}", "test_error", LEAST_RANK_CORRELATION)


def _beyond_norm(title: str, table: pd.DataFrame) -> Finding:
    def difference(rows: pd.DataFrame) -> float:
        with_margin = st.spearman(rows["inverse_margin_p10_frobenius"], rows["test_error"])
        norm_alone = st.spearman(rows["log_frobenius_product"], rows["test_error"])
        return with_margin - norm_alone

    gain = mean_over_seeds(table, difference)
    holds = gain.value >= LEAST_DIFFERENCE and gain.low > 0
    evidence = f"Spearman's correlation with test error is larger by {show_interval(gain)}"
    return BEYOND_NORM.about(title).decide(holds, evidence)


def _draw_histograms(largest: np.ndarray, norm: float) -> Figure:
    figure = new_figure(2.6)
    plain, normalized = figure.subplots(1, 2)
    plain.hist(largest, bins=40, color=GRAY, edgecolor=INK, linewidth=0.3)
    plain.set(xlabel="largest output, as trained", ylabel="training examples")
    normalized.hist(largest / norm, bins=40, color=GRAY, edgecolor=INK, linewidth=0.3)
    normalized.set(xlabel="largest output, divided by the product of norms", ylabel="training examples")
    return figure
