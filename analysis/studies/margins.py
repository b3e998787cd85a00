"""Whether the inverse of the normalised margin orders networks by test error."""

import functools
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from analysis import statistics as st
from analysis.figures.canvas import INK, WIDTH_INCHES
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.outputs import outputs
from analysis.studies.study import Answer, Finding, between, decided

AXIS, LEAST, MORE = "init.std", 0.6, 0.1

RULE = f"""
Over networks that fit every training example. The inverse margin is one over the 10th percentile of the training
margins, divided by the product of Frobenius norms or of spectral norms. Orders: Spearman's rank correlation with test
error is at least {LEAST}, and the lower end of its 95% interval over initialisation scales is above 0, for either
norm. Beyond the norm: the correlation by Frobenius norms exceeds that of the norm product alone by {MORE}, with the
lower end of the interval of the difference above 0; otherwise the margin, which networks of one loss share, adds
nothing to the norm.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    table = normalised.fitted(results["networks"])
    names = {"Frobenius": "margin_p10_frobenius", "spectral": "margin_p10_spectral"}
    table = table.assign(**{f"inverse_{name}": 1 / table[name] for name in names.values()})
    findings = [
        normalised.ordered(
            f"the inverse margin over the product of {words} norms orders networks by test error",
            table,
            f"inverse_{name}",
            "test_error",
            [AXIS],
            LEAST,
            "appendix J: rises",
        )
        for words, name in names.items()
    ]
    gain = st.bootstrap(
        table,
        lambda rows: (
            st.spearman(rows["inverse_margin_p10_frobenius"], rows["test_error"])
            - st.spearman(rows["log_frobenius_product"], rows["test_error"])
        ),
        [AXIS],
        resamples=normalised.RESAMPLES,
    )
    findings.append(
        Finding(
            "the margin says more than the norm product alone",
            decided(gain.value >= MORE and gain.low > 0),
            f"difference of Spearman's correlations {between(gain)}",
            guess="networks that were trained to one loss have about one margin, and its quotient by the norm product "
            "says what the norm product says",
        )
    )
    one = table.loc[table[AXIS] == table[AXIS].median(), "run_id"].iloc[0]
    rho = float(np.exp(table.loc[table["run_id"] == one, "log_frobenius_product"].iloc[0]))
    largest = outputs(results["networks"], one, "test")[0].amax(1).numpy()
    figures = [
        plate(
            "margins",
            "Test error against the inverse normalised margin",
            "Each point is a network; colours are the standard deviation of the initial weights.",
            functools.partial(
                normalised.draw_pairs,
                table,
                AXIS,
                [(f"inverse_{name}", "test_error") for name in names.values()],
                {"test_error": "fraction"},
            ),
        ),
        plate(
            "largest-outputs",
            "The largest output on test examples, as trained and normalised",
            f"Of one network (initial standard deviation {table[AXIS].median():g}); in figure 20 of the source, on "
            "MNIST, the means are 60.56 (deviation 16.21) and 0.0267 (0.0071).",
            functools.partial(_histograms, largest, rho),
        ),
    ]
    notes = [
        f"The largest output of that network has mean {largest.mean():.2f} and deviation {largest.std():.2f}, "
        f"normalised {(largest / rho).mean():.4f} and {(largest / rho).std():.4f}."
    ]
    return Answer(findings, figures, table, notes)


def _histograms(largest: np.ndarray, rho: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    panels = (("as trained", largest), ("divided by the product of norms", largest / rho))
    for axes, (title, values) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.hist(values, bins=40, color="#9aa5b1", edgecolor=INK, linewidth=0.3)
        axes.set(xlabel=f"largest output, {title}", ylabel="test examples")
    return figure
