"""Whether Dropout makes training points cover more activation patterns, and the bound follow the gap."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, log_if_wide, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.answer import (
    MENDED,
    Answer,
    Finding,
    OverSeeds,
    between,
    decided,
    encoding,
    over_seeds,
    rank_over_seeds,
)
from benevolent.analysis.studies.shared.far_from_data import Span, network_and_inputs, plane, regions, some_different
from benevolent.trainables.rng import generator

TIMES, ORDERED, FEW, FITTED = 1.5, 0.6, 200, 0.03
#: Points of the square along a side, bounds computed per network, and draws of Dropout per training point.
SIDE, BOUNDS, DRAWS = 20, 12, 3

RULE = f"""
Far points are those of {SIDE} x {SIDE} points of the square that inputs are drawn from whose activation pattern no
training point has. Coverage: the fraction of them whose pattern is in the span of the patterns that training shows
({DRAWS} draws of Dropout at every training point), and whose bound is therefore finite, is with the highest dropout,
in the mean over seeds, at least {TIMES} times that without, and the lower end of the 95% interval of the ratio
(Student, over seeds, here as below) above 1. Not the draws alone: networks trained without Dropout, looked at with
the units left out that the highest rate would have, cover less than those trained with it, with an interval of the
difference above 0; otherwise it is leaving units out that covers, not having trained so. Bound: of at least {FEW}
finite bounds, of {BOUNDS} different patterns of a network drawn at random, none is less than the true slope by more
than 1e-6. Gap: among a seed's networks of train loss at most {FITTED} that have a finite bound, Spearman's rank
correlation of the median bound with test less train loss is at least {ORDERED} in the mean over seeds, and the lower
end of its interval above 0. Beyond the frequency: the mean over frequencies of the correlation among a seed's
networks of one frequency is positive in the mean over seeds, with the lower end of its interval above 0. Steadiness:
the largest path per step in the last ten epochs is lower at the highest dropout than without, in the mean over seeds,
with an interval of the ratio below 1.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    looked = pd.DataFrame([_look(runs, run_id, float(table["model.dropout"].max())) for run_id in table["run_id"]])
    table = pd.concat([table, looked], axis=1)
    rate = table["model.dropout"]
    low, high = table[rate == rate.min()], table[rate == rate.max()]
    coverage = _ratio(table, "coverage", table["model.dropout"].max())
    means = ", ".join(f"{rows['coverage'].mean():.2f}" for _, rows in table.groupby("model.dropout"))
    plain = ", ".join(f"{rows['plain_coverage'].mean():.2f}" for _, rows in table.groupby("model.dropout"))
    more = over_seeds(
        table,
        lambda t: _mean(t, "masked_coverage", rate.max()) - _mean(t, "masked_coverage", rate.min()),
    )
    wrong, bounds = int(table["violated"].sum()), int(table["bounds"].sum())
    fitted = table[(table["train_loss"] <= FITTED) & table["bound"].notna()]
    gap, near = (rank_over_seeds(fitted, x, "loss_gap") for x in ("bound", "lipschitz_mean"))
    within = over_seeds(fitted, _within, (-1, 1))
    steady = _ratio(table, "bias_increment_max", table["model.dropout"].max())
    findings = [
        Finding(
            "the patterns that training shows cover more far points with Dropout",
            decided(coverage.value >= TIMES and coverage.low > 1),
            f"ratio {between(coverage, '.2f')}; fractions by rate {means}; by training points as they are {plain}",
            "Dropout implies a bound",
        ),
        Finding(
            "networks trained with Dropout cover more than others of which units are left out afterwards",
            decided(more.low > 0),
            f"{high['masked_coverage'].mean():.2f} against {low['masked_coverage'].mean():.2f}, difference "
            f"{between(more, '+.3f')}",
            guess="leaving units out covers, whether or not training did so",
        ),
        Finding(
            "the slopes that training shows bound the slope wherever its patterns span the pattern",
            decided(wrong == 0 if bounds >= FEW else None),
            f"{wrong} of {bounds} bounds violated; median bound / slope {table['looseness'].median():.2f}",
            check=True,
        ),
        Finding(
            "the bound far from the data follows the generalization gap",
            decided(gap.value >= ORDERED and gap.low > 0),
            f"Spearman {between(gap)}, {len(fitted)} networks; the mean slope at the training points alone "
            f"{between(near)}",
            "a generalization bound, poly-logarithmic in the number of parameters",
            guess="the bound adds up slopes of points that are far from each other, and is looser the more of them a "
            "pattern needs",
        ),
        Finding(
            "so it does among networks of one frequency",
            decided(within.low > 0),
            f"mean Spearman {between(within)}",
            guess="the frequency sets both the bound and the gap",
        ),
        Finding(
            "with Dropout the bias is trained more steadily",
            decided(steady.high < 1),
            f"largest path per step, ratio {between(steady, '.2f')}",
            guess="units that are left out anew in every step move the bias too, and keep the loss from vanishing",
        ),
    ]
    plates = [
        render_figure(
            "coverage",
            "Coverage, bound and gap with Dropout",
            "Left, the mean fraction of far points whose pattern the training points' patterns span, as training shows "
            "them and as they are, with the range of the seeds' means; middle and right, a point per network, colors "
            "are rates of dropout.",
            functools.partial(_draw, table),
        )
    ]
    losses = "; ".join(
        f"rate {value:g}: train loss {rows['train_loss'].mean():.2g}, test less train {rows['loss_gap'].mean():.2g}"
        for value, rows in table.groupby("model.dropout")
    )
    notes = [
        f"Means at the end: {losses}. {int((table['train_loss'] > FITTED).sum())} of {len(table)} networks did not "
        "learn their sinusoid (train loss above "
        f"{FITTED}); they count for coverage, and not for the gap, which is asked of frequencies "
        f"{', '.join(f'{value:g}' for value in sorted(fitted['data.frequency'].unique()))}.",
        f"{MENDED}: the claim on networks of one frequency was added.",
        "Leaving units out takes patterns apart: a far pattern is in the span if, for each of its units of the last "
        "layer, the patterns of the layers before are in the span of those of training points at which it is on.",
    ]
    return Answer(findings, plates, table, notes)


def _look(runs: Results, run_id: str, highest: float) -> dict[str, float]:
    """What training points cover and bound at far points, of one network."""
    network, inputs = network_and_inputs(runs, run_id)
    rate = runs.config(run_id).flat()["model.dropout"]
    plain = Span(regions(network, inputs))
    far = regions(network, plane(runs, run_id, SIDE))
    new = ~plain.knows(far.patterns)
    seeds = (generator(0, "studies/dropout", step) for step in range(2))
    repeated = inputs.repeat(DRAWS, *[1] * (inputs.ndim - 1))
    shown = Span(regions(network, repeated, rate, next(seeds))) if rate else plain
    masked = Span(regions(network, repeated, highest, next(seeds)))
    covered = shown.covers(far.patterns) & new
    chosen = some_different(far.patterns, covered, BOUNDS)
    bounds, slopes = np.array([shown.bound(far.patterns[at]) for at in chosen]), far.slopes[chosen]
    moving = slopes > 0
    return {
        "plain_coverage": float((plain.covers(far.patterns) & new).sum() / new.sum()),
        "coverage": float(covered.sum() / new.sum()),
        "masked_coverage": float((masked.covers(far.patterns) & new).sum() / new.sum()),
        "bounds": len(bounds),
        "violated": int((bounds < slopes - 1e-6).sum()),
        "bound": float(np.median(bounds)) if len(bounds) else float("nan"),
        "looseness": float(np.median(bounds[moving] / slopes[moving])) if moving.any() else float("nan"),
    }


def _ratio(table: pd.DataFrame, name: str, highest: float) -> OverSeeds:
    """A column's mean at the highest dropout over that without, with an interval over seeds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return over_seeds(table, lambda rows: _mean(rows, name, highest) / _mean(rows, name, 0.0))


def _within(rows: pd.DataFrame) -> float:
    """The mean over frequencies of the rank correlation of bound and gap."""
    return float(np.mean([spearman(one["bound"], one["loss_gap"]) for _, one in rows.groupby("data.frequency")]))


def _mean(rows: pd.DataFrame, name: str, rate: float) -> np.float64:
    """A column's mean over the networks of one rate of dropout."""
    return np.float64(rows.loc[rows["model.dropout"] == rate, name].mean())


def _draw(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, color, marker, text in (
        ("coverage", "#1c1c1c", "o", "as training shows them"),
        ("plain_coverage", "#8c8c8c", "s", "as they are"),
    ):
        means = table.groupby(["model.dropout", "seed"])[name].mean().groupby("model.dropout")
        middles = means.mean()
        around = np.abs(np.stack([means.min(), means.max()]) - middles.to_numpy())
        left.errorbar(middles.index, middles, around, color=color, marker=marker, markersize=4, capsize=2, label=text)
    left.set(xlabel="dropout", ylabel="fraction of far points covered")
    left.legend(loc="center right")
    looks = encoding("model.dropout", table["model.dropout"])
    for panel, (x, y) in ((middle, ("bound", "loss_gap")), (right, ("bias_increment_max", "bound"))):
        for color, marker, chosen in looks.groups(table["model.dropout"]):
            panel.scatter(*table.loc[chosen, [x, y]].to_numpy().T, s=16, color=color, marker=marker)
        log_if_wide(panel, "x", table[x].to_numpy())
        log_if_wide(panel, "y", table[y].to_numpy())
    middle.set(xlabel="median bound far from the data", ylabel="test less train loss")
    right.set(xlabel="largest path per step", ylabel="median bound far from the data")
    looks.legend(figure)
    return figure
