"""How few training examples matter: the loss sensitivity, through the steps of training, and its Gini coefficient."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.multi_run import loss_sensitivity_table
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.gini import gini
from benevolent.analysis.studies.shared.drawing import draw_mean_and_range, new_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.memorization_figures import NAMES, STYLES
from benevolent.analysis.studies.shared.memorization_tables import PURE, RANDX, REAL, with_kind
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Claim about each kind of noise; that about noise in place of images is the paper's.
FEW_MATTER = StudyClaim(
    "Fewer examples of real data than of {} matter to the loss",
    "section 3.2: higher Gini coefficient",
    "real images are unequal whatever their labels: some act on the loss more than others",
)


def loss_sensitivities(results: Results, every: int) -> pd.DataFrame:
    """Return the mean loss sensitivity of every training example up to each t, with its run's `kind` and `seed`.

    Columns `run_id`, `kind`, `seed`, `step` (t), `example` and `sensitivity`.

    Args:
        results: of networks that are small enough for their training to be unrolled.
        every: steps between two t.
    """
    table = loss_sensitivity_table(results, every).sort_values(["run_id", "example", "step"])
    sums = table.groupby(["run_id", "example"])["sensitivity"].cumsum()
    means = table.assign(sensitivity=sums / (table["step"] / every))
    return means.merge(with_kind(results.runs)[["run_id", "kind", "seed"]], on="run_id")


def loss_sensitivity_ginis(sensitivities: pd.DataFrame) -> pd.DataFrame:
    """Return the column `gini`, over examples, by `kind`, `seed` and `step`, from `loss_sensitivities`.

    >>> columns = {"kind": "real", "seed": 0, "step": 10, "sensitivity": [0.0, 0.0, 0.0, 1.0]}
    >>> loss_sensitivity_ginis(pd.DataFrame(columns))["gini"].tolist()
    [0.75]
    """
    groups = sensitivities.groupby(["kind", "seed", "step"])["sensitivity"]
    return groups.agg(lambda values: gini(values.to_numpy())).rename("gini").reset_index()


def few_matter_finding(ginis: pd.DataFrame, kind: str) -> Finding:
    """Compare the Gini coefficients of the loss sensitivity on real data and on noise after the last step.

    Args:
        ginis: from `loss_sensitivity_ginis`.
        kind: of noise.
    """
    last = rows_with(ginis, "step", ginis["step"].max())
    values = last.pivot(index="seed", columns="kind", values="gini")
    difference = mean_of((values[REAL] - values[kind]).tolist())
    means = f"Gini {values[REAL].mean():.2f} on real data, {values[kind].mean():.2f} on {kind}"
    claim = FEW_MATTER.naming(kind)
    if kind != RANDX:
        claim = claim.beyond_paper()
    return claim.decide(difference.low > 0, f"{means}; difference {show_interval(difference)}")


def loss_sensitivity_figure(sensitivities: pd.DataFrame, ginis: pd.DataFrame) -> RenderedFigure:
    """Draw the sorted loss sensitivities of examples, and their Gini coefficient through training."""
    return render_figure(
        "sensitivity",
        "Loss sensitivity of training examples, through the steps of training",
        "Left: mean over steps t of the L1 norm of the gradient of the training loss after t steps with respect to a "
        "training example, as a multiple of its mean over examples, from the largest to the smallest; mean over seeds. "
        "Right: its Gini coefficient over examples, mean over the t so far; lines are means over seeds, bands their "
        "range.",
        _draw_sensitivities,
        sensitivities,
        ginis,
    )


def _draw_sensitivities(sensitivities: pd.DataFrame, ginis: pd.DataFrame) -> Figure:
    figure = new_figure(2.8)
    left, right = figure.subplots(1, 2)
    last = rows_with(sensitivities, "step", sensitivities["step"].max())
    for kind in PURE:
        color, style = STYLES[kind]
        curve = _sorted_multiples(rows_with(last, "kind", kind))
        ranks = np.arange(1, len(curve) + 1)
        left.plot(ranks, curve, style, color=color, markersize=4, markevery=0.1, label=NAMES[kind])
        draw_mean_and_range(right, rows_with(ginis, "kind", kind), "step", "gini", style, color, NAMES[kind])
    left.set(xlabel="rank of the example", ylabel="loss sensitivity / mean", ylim=(0, None))
    right.set(xlabel="steps of training", ylabel="Gini coefficient", ylim=(0, 1))
    left.legend()
    return figure


def _sorted_multiples(rows: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return sensitivities over their mean, from the largest on, averaged over runs."""
    curves = []
    for _, own in rows.groupby("run_id"):
        values = np.sort(own["sensitivity"].to_numpy())[::-1]
        curves.append(values / values.mean())
    return np.mean(curves, axis=0)
