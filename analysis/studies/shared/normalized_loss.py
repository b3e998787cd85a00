"""What the studies of Liao et al. 2018 share: networks by their normalized losses, lines through them, and figures."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import WIDTH_INCHES, RenderedFigure, axis_label, log_if_wide, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared.answer import (
    IN_WORDS,
    MENDED,
    Finding,
    between,
    decided,
    encoding,
    over_seeds,
    rank_over_seeds,
)
from benevolent.analysis.studies.shared.outputs import outputs
from benevolent.trainables.rng import generator

#: What "linear" means: R2 of the normalized losses at least, the slope within, and R2 of the losses as trained at most.
LINEAR, SLOPES, PLAIN = 0.99, (0.8, 1.2), 0.6
#: Logits and labels of networks, by split.
Known = Mapping[str, Sequence[tuple[Tensor, Tensor]]]
#: What outputs are divided by, in words.
PRODUCT = "the product of norms"
#: Deals of norms, and the partial rank correlation that is "more than the norm".
DEALS, BEYOND = 200, 0.3
LINEAR_RULE = f"""R2 of normalized test loss on normalized train loss is at least {LINEAR} with a slope in
[{SLOPES[0]}, {SLOPES[1]}], and R2 of the losses as trained is at most {PLAIN}"""
OWN_NORM_RULE = f"""with the norms dealt out among the networks at random ({DEALS} times; train and test loss of a
network still share one), R2 falls below that with their own norms in 97.5% of deals, and below {LINEAR} in half of
them; otherwise the line is mechanical; undecided where R2 is below {LINEAR} with their own"""
BEYOND_RULE = f"""given the rank of the norm, the partial rank correlation of normalized train loss and test error is at
least {BEYOND}, and the lower end of its 95% interval above 0 (it is 0 in a seed whose networks both rank alike)"""
#: For the notes of studies that ask it.
OWN_NORM_MENDED = f"""{MENDED}: that a line needs each network's own norm is undecided where
there is no line; it held of two that were none, and did not of a third."""
INTERVAL_RULE = "Rank correlations are means over seeds of those among a seed's networks, with Student's 95% interval"


def fitted(results: Results) -> pd.DataFrame:
    """The networks that make no mistake on their training examples."""
    return results.table().query("train_error == 0").reset_index(drop=True)


def line(table: pd.DataFrame, normalized: bool = True) -> LinearFit:
    """The line of test on train loss."""
    prefix = "normalized_" if normalized else ""
    return st.linear_fit(table[f"{prefix}train_loss"], table[f"{prefix}test_loss"])


def in_words(fit: LinearFit) -> str:
    """A line with its interval and how well it fits."""
    return (
        f"slope {fit.slope:.3f} [{fit.slope_interval[0]:.3f}, {fit.slope_interval[1]:.3f}], intercept "
        f"{fit.intercept:.3f}, R² {fit.r2:.4f}, adjusted {fit.adjusted_r2:.4f}, RMSE {fit.rmse:.2g} nats"
    ).replace("-", "−")


def linear(where: str, table: pd.DataFrame, paper: str = "") -> Finding:
    """The finding of `LINEAR_RULE`."""
    fit, plain = line(table), line(table, normalized=False)
    if fit.r2 < LINEAR:
        guess = "networks of one normalized train loss keep more or less of their training lead on test examples"
    elif plain.r2 > PLAIN:
        guess = "what sets the networks apart moves train and test loss alike, as trained too"
    else:
        guess = (
            "of outputs so small the loss is linear in the lead of the true class, so that the slope is the ratio of "
            "its means over test and training examples: below 1 where networks are wrong on many test examples"
        )
    return Finding(
        f"{where}: normalized test loss is linear in normalized train loss, the losses as trained are not",
        decided(fit.r2 >= LINEAR and SLOPES[0] <= fit.slope <= SLOPES[1] and plain.r2 <= PLAIN),
        f"{in_words(fit)}; as trained R² {plain.r2:.2f} ({fit.n} networks)",
        paper,
        guess=guess,
    )


def ordered(
    claim: str, table: pd.DataFrame, x: str, y: str, least: float, paper: str = "", sign: int = 1, guess: str = ""
) -> Finding:
    """Whether a rank correlation among a seed's networks is at least so large in the mean, with an interval above 0.

    Args:
        claim: of the finding.
        table: one row per network.
        x: a column.
        y: another.
        least: of Spearman's correlation times `sign`.
        paper: the source's number.
        sign: +1, or -1 where the correlation is to be negative.
        guess: of the finding.
    """
    rank = rank_over_seeds(table, x, y)
    decision = decided(sign * rank.value >= least and min(sign * rank.low, sign * rank.high) > 0)
    return Finding(claim, decision, f"Spearman {between(rank)}, {len(table)} networks", paper, guess=guess)


def beyond_norm(where: str, table: pd.DataFrame, norm: str) -> Finding:
    """The finding of `BEYOND_RULE`; `norm`: the column that outputs were divided by."""
    columns = ("normalized_train_loss", "test_error", norm)
    partial = over_seeds(table, lambda rows: partial_rank(rows, *columns), (-1, 1))
    alike = partial.low == partial.high == 0
    found = "it ranks the networks as the norm does" if alike else f"partial Spearman {between(partial)}"
    return Finding(
        f"{where}: normalized train loss tells test error beyond the norm that divides it",
        decided(partial.value >= BEYOND and partial.low > 0),
        f"{found}; the norm alone and test error {between(rank_over_seeds(table, norm, 'test_error'))}",
        guess="outputs so small make the loss a function of the norm, but for a margin that all networks share",
    )


def partial_rank(table: pd.DataFrame, x: str, y: str, given: str) -> float:
    """The partial rank correlation of two columns given a third; 0 where that leaves nothing of one of them."""
    ranks = table[[x, y, given]].rank().to_numpy()
    known = np.column_stack([np.ones(len(ranks)), ranks[:, 2]])
    left, right = (ranks[:, i] - known @ np.linalg.lstsq(known, ranks[:, i], rcond=None)[0] for i in (0, 1))
    size = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / size if size > 1e-9 else 0.0


def known_outputs(results: Results, table: pd.DataFrame) -> Known:
    """The logits `(n, C)` and labels `(n,)` of networks, in the order of the table, by split."""
    return {split: [outputs(results, run, split) for run in table["run_id"]] for split in ("train", "test")}


def dealt(known: Known, rho: np.ndarray) -> list[pd.DataFrame]:
    """The losses of outputs divided by rho `(N,)`, dealt out among the networks at random, `DEALS` times."""
    draw = generator(0, "studies/norms")
    return [divided(known, draw.permutation(rho)) for _ in range(DEALS)]


def straight(losses: pd.DataFrame) -> float:
    """R2 of the line of normalized test on train loss."""
    return line(losses).r2


def divided(known: Known, rho: np.ndarray) -> pd.DataFrame:
    """The normalized losses of networks, a row each: of logits and labels by split, divided by their rho."""
    return pd.DataFrame(
        {
            f"normalized_{split}_loss": [
                functional.cross_entropy(z / r, y).item() for (z, y), r in zip(rows, rho, strict=True)
            ]
            for split, rows in known.items()
        }
    )


def own_norm(
    where: str,
    table: pd.DataFrame,
    deals: Sequence[pd.DataFrame],
    claim: str = "the line needs each network's own norm",
    straightness: Callable[[pd.DataFrame], float] = straight,
) -> Finding:
    """The finding of `OWN_NORM_RULE`, or of the same with another measure of how straight the losses lie."""
    own, others = straightness(table), np.array([straightness(losses) for losses in deals])
    middle = float(np.median(others))
    return Finding(
        f"{where}: {claim}",
        decided(bool((others < own).mean() >= 0.975) and middle < LINEAR if own >= LINEAR else None),
        f"R² {own:.5f}; with norms of other networks {middle:.5f} [{np.quantile(others, 0.025):.5f}, "
        f"{np.quantile(others, 0.975):.5f}]; what it lacks to 1 is {(1 - middle) / max(1 - own, 1e-12):.1f} times "
        "as much then",
        because="" if own >= LINEAR else "there is no line that could need it",
        guess="any norm that train and test loss share moves both alike, over a range that is wide beside what sets "
        "networks apart: the line is mechanical",
    )


def draw_losses(table: pd.DataFrame, axis: str, random: pd.DataFrame | None = None, by: str = PRODUCT) -> Figure:
    """Test against train loss, as trained and normalized, colored by an axis; random labels as red crosses.

    Of losses as trained, which random labels would squash into a corner, only natural labels are drawn.
    """
    figure = Figure(figsize=(WIDTH_INCHES, 3.5), layout="constrained")
    titles = ("As trained", f"Divided by {by}")
    for axes, prefix, title in zip(figure.subplots(1, 2), ("", "normalized_"), titles, strict=True):
        x, y = f"{prefix}train_loss", f"{prefix}test_loss"
        points(axes, table, x, y, axis)
        fit, ends = line(table, bool(prefix)), table[x].agg(["min", "max"]).to_numpy(copy=True)
        if random is not None and len(random) and prefix:
            axes.scatter(random[x], random[y], s=30, color="#c0392b", marker="x", label="random labels")
            ends = np.array([min(ends[0], random[x].min()), max(ends[1], random[x].max())])
            axes.legend(loc="best")
        axes.plot(ends, fit.intercept + fit.slope * ends, color="#1c1c1c", linewidth=1)
        axes.set_title(f"{title}\nR² {fit.r2:.4f}, slope {fit.slope:.3g}".replace("-", "−"), loc="left")
        axes.set(xlabel=axis_label(x, "nats"), ylabel=axis_label(y, "nats"))
        axes.locator_params(nbins=5)
        axes.ticklabel_format(useOffset=False)
    encoding(axis, table[axis]).legend(figure)
    return figure


def draw_pairs(table: pd.DataFrame, axis: str, pairs: Sequence[tuple[str, str]], units: Mapping[str, str]) -> Figure:
    """Columns against each other, one panel a pair, colored by an axis."""
    figure = Figure(figsize=(WIDTH_INCHES, 3.1), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        points(axes, table, x, y, axis)
        log_if_wide(axes, "x", table[x].to_numpy(dtype=float))
        axes.set(xlabel=axis_label(IN_WORDS.get(x, x), units.get(x, "")), ylabel=axis_label(y, units.get(y, "")))
        axes.set_title(f"Spearman {st.spearman(table[x], table[y]):+.2f}".replace("-", "−"), loc="right")
    encoding(axis, table[axis]).legend(figure)
    return figure


def deals_plate(deals: Mapping[str, Sequence[pd.DataFrame]], own: Mapping[str, pd.DataFrame]) -> RenderedFigure:
    """The figure of `OWN_NORM_RULE`: normalized losses as dealt, and with each network's own norm."""
    return render_figure(
        "own-norms",
        "How straight the line is with norms that belong to other networks",
        f"What R² of the normalized losses lacks to 1, when norms are dealt out at random ({DEALS} deals, bars), and "
        "with each network's own norm (line). The nearer the bars are to 0, the more of the line comes from train and "
        "test loss being divided by one number, whichever.",
        functools.partial(draw_deals, deals, own),
    )


def draw_deals(deals: Mapping[str, Sequence[pd.DataFrame]], own: Mapping[str, pd.DataFrame]) -> Figure:
    """What R2 lacks to 1 with dealt norms, and with their own (line), one panel for each."""
    figure = Figure(figsize=(WIDTH_INCHES, 2.4), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(deals), squeeze=False)[0], deals.items(), strict=True):
        lacks = np.array([max(1 - straight(losses), 1e-12) for losses in found])
        lack = max(1 - straight(own[name]), 1e-12)
        axes.hist(lacks, bins=np.geomspace(lacks.min(), lacks.max(), 31), color="#9aa5b1")
        axes.axvline(lack, color="#1c1c1c", linewidth=1.2)
        axes.set(title=name, xscale="log", xlabel="1 − R², smaller is straighter", ylabel="deals")
    return figure


def points(axes: Axes, table: pd.DataFrame, x: str, y: str, axis: str) -> None:
    """Networks as points, color and marker by an axis."""
    for color, marker, chosen in encoding(axis, table[axis]).groups(table[axis]):
        rows = table[chosen]
        axes.scatter(rows[x], rows[y], s=20, color=color, marker=marker, edgecolors="white", linewidths=0.4)
