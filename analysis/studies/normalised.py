"""What the studies of Liao et al. 2018 share: networks by their normalised losses, lines through them, and figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn import functional

from analysis import statistics as st
from analysis.figures.canvas import WIDTH_INCHES, Encoding, log_if_wide, quantity
from analysis.results import Results
from analysis.statistics import LinearFit
from analysis.studies.outputs import outputs
from analysis.studies.study import Finding, between, decided
from trainables.streams import generator

#: What "linear" means: R2 of the normalised losses at least, the slope within, and R2 of the losses as trained at most.
LINEAR, SLOPES, PLAIN = 0.99, (0.8, 1.2), 0.6
#: Bootstrap resamples of configurations behind an interval; deals of norms.
RESAMPLES, DEALS = 500, 200
LINEAR_RULE = f"""R2 of normalised test loss on normalised train loss is at least {LINEAR} with a slope in
[{SLOPES[0]}, {SLOPES[1]}], and R2 of the losses as trained is at most {PLAIN}"""
OWN_NORM_RULE = f"""with the norms dealt out among the networks at random ({DEALS} times; train and test loss of a
network still share one), R2 falls below that with their own norms in 97.5% of deals, and below {LINEAR} in half of
them; otherwise the line is mechanical"""


def fitted(results: Results) -> pd.DataFrame:
    """The networks that make no mistake on their training examples."""
    return results.table().query("train_error == 0").reset_index(drop=True)


def line(table: pd.DataFrame, normalised: bool = True) -> LinearFit:
    """The line of test on train loss."""
    prefix = "normalised_" if normalised else ""
    return st.linear_fit(table[f"{prefix}train_loss"], table[f"{prefix}test_loss"])


def linear(where: str, table: pd.DataFrame, paper: str = "") -> Finding:
    """The finding of `LINEAR_RULE`."""
    fit, plain = line(table), line(table, normalised=False)
    return Finding(
        f"{where}normalised test loss is linear in normalised train loss, the losses as trained are not",
        decided(fit.r2 >= LINEAR and SLOPES[0] <= fit.slope <= SLOPES[1] and plain.r2 <= PLAIN),
        f"slope {fit.slope:.3f} [{fit.slope_interval[0]:.3f}, {fit.slope_interval[1]:.3f}], intercept "
        f"{fit.intercept:.3f}, R² {fit.r2:.4f}, adjusted {fit.adjusted_r2:.4f}, RMSE {fit.rmse:.2g} nats; "
        f"as trained R² {plain.r2:.2f} ({fit.n} networks)",
        paper,
        guess="of outputs so small the loss is linear in the lead of the true class, so that the slope is the ratio of "
        "its means over test and training examples: below 1 where networks are wrong on many test examples",
    )


def ordered(
    claim: str,
    table: pd.DataFrame,
    x: str,
    y: str,
    axes: Sequence[str],
    least: float,
    paper: str = "",
    sign: int = 1,
    guess: str = "",
) -> Finding:
    """Whether a rank correlation is at least so large, and its interval over configurations on one side of zero.

    Args:
        claim: of the finding.
        table: one row per network.
        x: a column.
        y: another.
        axes: what makes a configuration.
        least: of Spearman's correlation times `sign`.
        paper: the source's number.
        sign: +1, or -1 where the correlation is to be negative.
        guess: of the finding.
    """
    rank = st.bootstrap(table, lambda rows: st.spearman(rows[x], rows[y]), axes, resamples=RESAMPLES)
    nearest = min(sign * rank.low, sign * rank.high)
    decision = decided(sign * rank.value >= least and nearest > 0)
    return Finding(claim, decision, f"Spearman {between(rank)}", paper, guess=guess)


def dealt(results: Results, table: pd.DataFrame) -> np.ndarray:
    """R2 of the normalised losses `(DEALS,)` with the norm products dealt out among the networks at random."""
    losses = {split: [outputs(results, run, split) for run in table["run_id"]] for split in ("train", "test")}
    norms, draw = np.exp(table["log_frobenius_product"].to_numpy()), generator(0, "studies/norms")
    found = []
    for _ in range(DEALS):
        rho = draw.permutation(norms)
        train, test = (
            [functional.cross_entropy(z / r, y).item() for (z, y), r in zip(losses[split], rho, strict=True)]
            for split in ("train", "test")
        )
        found.append(st.linear_fit(train, test).r2)
    return np.array(found)


def own_norm(where: str, table: pd.DataFrame, deals: np.ndarray) -> Finding:
    """The finding of `OWN_NORM_RULE`."""
    fit, middle = line(table), float(np.median(deals))
    return Finding(
        f"{where}the line needs each network's own norm",
        decided(bool((deals < fit.r2).mean() >= 0.975) and middle < LINEAR),
        f"R² {fit.r2:.4f}; with norms of other networks {middle:.4f} "
        f"[{np.quantile(deals, 0.025):.4f}, {np.quantile(deals, 0.975):.4f}]",
        because="with any norm that train and test loss share the line is about as straight: it is mechanical"
        if middle >= LINEAR
        else "",
    )


def draw_losses(table: pd.DataFrame, axis: str, random: pd.DataFrame | None = None) -> Figure:
    """Test against train loss, as trained and normalised, coloured by an axis; random labels as red crosses."""
    figure = Figure(figsize=(WIDTH_INCHES, 3.5), layout="constrained")
    titles = ("As trained", "Divided by the product of norms")
    for axes, prefix, title in zip(figure.subplots(1, 2), ("", "normalised_"), titles, strict=True):
        x, y = f"{prefix}train_loss", f"{prefix}test_loss"
        points(axes, table, x, y, axis)
        fit, ends = line(table, bool(prefix)), table[x].agg(["min", "max"]).to_numpy(copy=True)
        if random is not None and len(random):
            axes.scatter(random[x], random[y], s=30, color="#c0392b", marker="x", label="random labels")
            ends[1] = max(ends[1], random[x].max()) if prefix else ends[1]
            axes.legend(loc="best")
        axes.plot(ends, fit.intercept + fit.slope * ends, color="#1c1c1c", linewidth=1)
        axes.set_title(f"{title}\nR² {fit.r2:.4f}, slope {fit.slope:.3g}".replace("-", "−"), loc="left")
        axes.set(xlabel=quantity(x, "nats"), ylabel=quantity(y, "nats"))
        axes.locator_params(nbins=5)
    Encoding.of(axis, table[axis]).legend(figure)
    return figure


def draw_pairs(table: pd.DataFrame, axis: str, pairs: Sequence[tuple[str, str]], units: Mapping[str, str]) -> Figure:
    """Columns against each other, one panel a pair, coloured by an axis."""
    figure = Figure(figsize=(WIDTH_INCHES, 3.1), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        points(axes, table, x, y, axis)
        log_if_wide(axes, "x", table[x].to_numpy(dtype=float))
        axes.set(xlabel=quantity(x, units.get(x, "")), ylabel=quantity(y, units.get(y, "")))
        axes.set_title(f"Spearman {st.spearman(table[x], table[y]):+.2f}".replace("-", "−"), loc="right")
    Encoding.of(axis, table[axis]).legend(figure)
    return figure


def draw_deals(deals: Mapping[str, np.ndarray], own: Mapping[str, float]) -> Figure:
    """What R2 lacks to 1 with dealt norms, and with their own (line), one panel a data set."""
    figure = Figure(figsize=(WIDTH_INCHES, 2.4), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(deals), squeeze=False)[0], deals.items(), strict=True):
        lacks, lack = np.maximum(1 - found, 1e-12), max(1 - own[name], 1e-12)
        axes.hist(lacks, bins=np.geomspace(lacks.min(), lacks.max(), 31), color="#9aa5b1")
        axes.axvline(lack, color="#1c1c1c", linewidth=1.2)
        axes.set(title=name, xscale="log", xlabel="1 − R², smaller is straighter", ylabel="deals")
    return figure


def points(axes: Axes, table: pd.DataFrame, x: str, y: str, axis: str) -> None:
    """Networks as points, colour and marker by an axis."""
    for colour, marker, chosen in Encoding.of(axis, table[axis]).groups(table[axis]):
        rows = table[chosen]
        axes.scatter(rows[x], rows[y], s=20, color=colour, marker=marker, edgecolors="white", linewidths=0.4)
