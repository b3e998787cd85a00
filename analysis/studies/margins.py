"""Whether the inverse of the normalized margin orders networks by test error."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import INK, WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, over_seeds
from benevolent.analysis.studies.shared.outputs import data_name, outputs

AXIS, LEAST, MORE = "init.std", 0.6, 0.1
NORMS = {"Frobenius": "margin_p10_frobenius", "spectral": "margin_p10_spectral"}

RULE = f"""
Per data set, over networks that fit every training example. The inverse margin is one over the 10th percentile of the
training margins, divided by the product of Frobenius norms or of spectral norms. Orders: Spearman's rank correlation
with test error is at least {LEAST}, and the lower end of its 95% interval above 0, for either norm. Beyond the norm:
the correlation by Frobenius norms exceeds that of the norm product alone by {MORE}, with the lower end of the interval
of the difference above 0; otherwise the margin, which networks of one loss share, adds nothing to the norm.
{normalized_loss.INTERVAL_RULE}.
"""
PAPER = "appendix J: rises"


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers, notes = [], [], [], []
    for one in results.values():
        name, table = data_name(one), normalized_loss.fitted(one)
        table = table.assign(**{f"inverse_{column}": 1 / table[column] for column in NORMS.values()})
        findings += [
            normalized_loss.ordered(
                f"{name}: the inverse margin over the product of {words} norms orders networks by test error",
                table,
                f"inverse_{column}",
                "test_error",
                LEAST,
                PAPER,
                guess="networks of middling starts differ little in test error, and chance orders them",
            )
            for words, column in NORMS.items()
        ]
        findings.append(_beyond(name, table))
        numbers.append(table.assign(data=name))
        example = table.loc[table[AXIS] == table[AXIS].quantile(interpolation="lower")].iloc[0]
        rho = float(np.exp(example["log_frobenius_product"]))
        largest = outputs(one, example["run_id"], "train")[0].amax(1).numpy()
        figures += [
            render_figure(
                f"margins-{name.replace('_', '-')}",
                f"{name}: test error against the inverse normalized margin",
                "Each point is a network; colors are the standard deviation of the initial weights.",
                functools.partial(
                    normalized_loss.draw_pairs,
                    table,
                    AXIS,
                    [(f"inverse_{column}", "test_error") for column in NORMS.values()],
                    {"test_error": "fraction"},
                ),
            ),
            render_figure(
                f"largest-outputs-{name.replace('_', '-')}",
                f"{name}: the largest output on training examples, as trained and normalized",
                f"Of one network (initial standard deviation {example[AXIS]:g}); in figure 20 of the source, on "
                "MNIST, the means are 60.56 (deviation 16.21) and 0.0267 (0.0071).",
                functools.partial(_histograms, largest, rho),
            ),
        ]
        notes.append(
            f"{name}: the largest output of that network has mean {largest.mean():.2f} and deviation "
            f"{largest.std():.2f}, normalized {(largest / rho).mean():.4f} and {(largest / rho).std():.4f}."
        )
    return Answer(findings, figures, pd.concat(numbers), notes)


def _beyond(name: str, table: pd.DataFrame) -> Finding:
    gain = over_seeds(
        table,
        lambda rows: (
            st.spearman(rows["inverse_margin_p10_frobenius"], rows["test_error"])
            - st.spearman(rows["log_frobenius_product"], rows["test_error"])
        ),
    )
    return Finding(
        f"{name}: the margin says more than the norm product alone",
        decided(gain.value >= MORE and gain.low > 0),
        f"difference of Spearman's correlations {between(gain)}",
        guess="networks that were trained to one loss have about one margin, and its quotient by the norm product "
        "says what the norm product says",
    )


def _histograms(largest: np.ndarray, rho: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    panels = (("as trained", largest), ("divided by the product of norms", largest / rho))
    for axes, (title, values) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.hist(values, bins=40, color="#9aa5b1", edgecolor=INK, linewidth=0.3)
        axes.set(xlabel=f"largest output, {title}", ylabel="training examples")
    return figure
