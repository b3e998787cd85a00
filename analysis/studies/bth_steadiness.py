"""Whether steady training of the first bias tells of slopes far from the data, and what the training points bound."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import WIDTH_INCHES, log_if_wide, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, encoding, rank_over_seeds
from benevolent.analysis.studies.shared.far_from_data import (
    Span,
    cube,
    network_and_inputs,
    plane,
    regions,
    some_different,
)

AXES = ("data.frequency", "init.scale")
ORDERED, FEW, FITTED = 0.6, 200, 0.03
#: Points of the square along a side, and bounds per network; random inputs far from the data.
SIDE, BOUNDS, RANDOM = 40, 8, 1000

RULE = f"""
Bound: at {SIDE} x {SIDE} points of the square that inputs are drawn from, for activation patterns that no training
point has and theirs span (at most {BOUNDS} different ones per network, drawn at random), the least weighted sum of the
training points' slopes is never less than the true slope by more than 1e-6; undecided with fewer than {FEW} such
patterns in all. How often patterns are spanned, and how loose the bound is, is reported. The rest is asked of networks
of train loss at most {FITTED}, the others not having learned their sinusoid. Steadiness: among a seed's networks
Spearman's rank correlation of the largest path per step in the last ten epochs, and of the variance there, with the
largest slope at {RANDOM} random inputs of all ten dimensions, up to twice as far out as the data, is at least {ORDERED}
in the mean over seeds, and the lower end of its 95% interval (Student, over seeds) above 0. Steady networks: those with
both at most their medians have a smaller median of that slope than the others, at most half of it. Beyond what was set:
within configurations (frequency and initial scale) the rank correlation of the largest path per step with that slope is
positive, with p at most 0.05.
"""

STEADY = {"bias_increment_max": "largest path per step", "bias_variance": "variance of the bias"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    found = {run_id: _look(runs, run_id) for run_id in table["run_id"]}
    table["far_slope"] = [found[run_id].attrs["far"] for run_id in table["run_id"]]
    points = pd.concat([one.assign(run_id=run_id) for run_id, one in found.items()], ignore_index=True)
    new = points[~points["seen"]]
    bounds = new.dropna(subset="bound")
    ratio = (bounds["bound"] / bounds["slope"]).replace(np.inf, np.nan)
    per_run = new.groupby("run_id")["spanned"].mean()
    wrong = int((bounds["bound"] < bounds["slope"] - 1e-6).sum())
    findings = [
        Finding(
            "the training points' slopes bound the slope wherever their patterns span the pattern",
            decided(wrong == 0 if len(bounds) >= FEW else None),
            f"{wrong} of {len(bounds)} bounds violated; {(~points['seen']).mean():.0%} of the points have a pattern "
            f"that no training point has, of which {new['spanned'].mean():.0%} are spanned ({per_run.min():.0%} to "
            f"{per_run.max():.0%} by network); median bound / slope {ratio.median():.2f}, 90% below "
            f"{ratio.quantile(0.9):.2f}",
            "bounded complexity far from any training point",
            check=True,
        )
    ]
    fitted = table[table["train_loss"] <= FITTED]
    findings += [_follows(fitted, name) for name in STEADY]
    steady = np.logical_and.reduce([fitted[name] <= fitted[name].median() for name in STEADY])
    calm, other = fitted.loc[steady, "far_slope"], fitted.loc[~steady, "far_slope"]
    within = st.within_configuration(fitted, "bias_increment_max", "far_slope", AXES)
    findings += [
        Finding(
            "steadily trained networks are less steep far from the data",
            decided(bool(calm.median() <= other.median() / 2)),
            f"median largest slope {calm.median():.2f} of {len(calm)} steady ones, at most {calm.max():.2f}; of the "
            f"others {other.median():.2f}, at most {other.max():.2f}",
            "bounded complexity far from any training point",
            guess="what is steady is the path at the training points, and far away other regions count",
        ),
        Finding(
            "so it is among networks of one configuration",
            decided(bool(within.correlation > 0 and within.p <= 0.05)),
            f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}".replace("-", "−"),
            guess="of this sign, but too few seeds to tell it from none"
            if within.correlation > 0
            else "frequency and initial scale set both",
        ),
    ]
    example = table.sort_values([*AXES[::-1], "seed"])
    middle = example["init.scale"].quantile(interpolation="lower")
    example = example[example["init.scale"] == middle].groupby("data.frequency").head(1)
    plates = [
        render_figure(
            "regions",
            "Slopes over the square, and where the training points bound them",
            "One network of each frequency. Above, ||df/dx|| at each point; below, whether a training point has the "
            "point's activation pattern (light), theirs span it (middle), or neither, so that nothing is known (dark).",
            functools.partial(_maps, example, found),
        ),
        render_figure(
            "steadiness",
            "Slopes far from the data against steadiness, and bounds against slopes",
            "Left and middle, a point per network, colors are frequencies; the largest ||df/dx|| at random inputs. "
            "Right, the bound of a pattern that no training point has against the true slope; the line is equality.",
            functools.partial(_scatter, table, bounds),
        ),
    ]
    near = rank_over_seeds(fitted, "lipschitz_mean", "far_slope")
    notes = [
        f"The mean slope at the training points, of which the path per step is the running record, has rank "
        f"correlation {between(near)} with the slope far away.",
        f"{len(table) - len(fitted)} of {len(table)} networks did not learn their sinusoid.",
    ]
    return Answer(findings, plates, table, notes)


def _look(runs: Results, run_id: str) -> pd.DataFrame:
    """A row per point of the square: `slope`, `seen`, `spanned`, and `bound` of some patterns, each once."""
    network, inputs = network_and_inputs(runs, run_id)
    square = regions(network, plane(runs, run_id, SIDE))
    span = Span(regions(network, inputs))
    rows = pd.DataFrame({"slope": square.slopes, "seen": span.knows(square.patterns)})
    rows["spanned"] = span.covers(square.patterns)
    chosen = some_different(square.patterns, (rows["spanned"] & ~rows["seen"]).to_numpy(), BOUNDS)
    rows["bound"] = pd.Series([span.bound(square.patterns[at]) for at in chosen], index=chosen, dtype=float)
    rows.attrs["far"] = float(regions(network, cube(runs, run_id, RANDOM)).slopes.max())
    return rows


def _follows(table: pd.DataFrame, name: str) -> Finding:
    estimate = rank_over_seeds(table, name, "far_slope")
    return Finding(
        f"the larger the {STEADY[name]}, the steeper the function far from the data",
        decided(estimate.value >= ORDERED and estimate.low > 0),
        f"Spearman {between(estimate)}, {len(table)} networks",
        guess="among networks that have learned, it depends on the frequency how the two go together",
    )


def _maps(example: pd.DataFrame, found: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.9), layout="constrained")
    panels = figure.subplots(2, len(example), squeeze=False, sharex=True, sharey=True)
    shapes = {run_id: found[run_id] for run_id in example["run_id"]}
    steepest = max(float(one["slope"].max()) for one in shapes.values())
    extent = (-1.0, 1.0, -1.0, 1.0)
    for (above, below), (run_id, frequency) in zip(
        panels.T, example[["run_id", "data.frequency"]].itertuples(index=False), strict=True
    ):
        rows = shapes[run_id]
        slopes = rows["slope"].to_numpy().reshape(SIDE, SIDE)
        kind = np.where(rows["seen"], 2, np.where(rows["spanned"], 1, 0)).reshape(SIDE, SIDE)
        drawn = above.imshow(slopes, origin="lower", extent=extent, vmin=0, vmax=steepest, cmap="viridis")
        below.imshow(kind, origin="lower", extent=extent, vmin=0, vmax=2, cmap="cividis", interpolation="nearest")
        above.set_title(f"frequency {frequency:g}", loc="left")
        below.set_xlabel("u₁")
        for panel in (above, below):
            panel.grid(visible=False)
    for row in panels:
        row[0].set_ylabel("u₂")
    figure.colorbar(drawn, ax=panels[0], label="‖df/dx‖", shrink=0.9)
    return figure


def _scatter(table: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    *panels, last = figure.subplots(1, 3)
    looks = encoding("data.frequency", table["data.frequency"])
    for panel, name in zip(panels, STEADY, strict=True):
        for color, marker, chosen in looks.groups(table["data.frequency"]):
            panel.scatter(*table.loc[chosen, [name, "far_slope"]].to_numpy().T, s=16, color=color, marker=marker)
        panel.set(xlabel=STEADY[name], ylabel="largest slope far from the data")
        log_if_wide(panel, "x", table[name].to_numpy())
        log_if_wide(panel, "y", table["far_slope"].to_numpy())
    last.scatter(bounds["slope"], bounds["bound"], s=6, color="#34607f", alpha=0.5, linewidths=0)
    top = float(bounds["slope"].max()) if len(bounds) else 1.0
    last.plot([0, top], [0, top], color="#1c1c1c", linewidth=0.8)
    last.set(xlabel="slope ‖df/dx‖", ylabel="bound from the training points")
    looks.legend(figure)
    return figure
