"""Whether test loss is linear in train loss once both are normalised, and the line says more than the norm alone."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch.nn import functional

from analysis import statistics as st
from analysis.figures.canvas import WIDTH_INCHES, Encoding, quantity
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies.outputs import outputs
from analysis.studies.study import Answer, Finding, decided
from trainables.streams import generator

LINEAR, SLOPES, PLAIN, ORDERED, CLOSE = 0.99, (0.8, 1.2), 0.6, 0.8, 0.02
SHUFFLES, RESAMPLES = 200, 500

RULE = f"""
Per data set, over networks with natural labels that fit every training example. Linear: R2 of normalised test loss
on normalised train loss is at least {LINEAR} with a slope in [{SLOPES[0]}, {SLOPES[1]}], and R2 of the losses as
trained is at most {PLAIN}. Order: Spearman's rank correlation of normalised train loss and test error is at least
{ORDERED}, and the lower end of its 95% interval over initialisation scales is above 0. Random labels: at each scale
that both have, networks that fit random labels have the larger normalised train loss, and lie within {CLOSE} or three
residual standard deviations of the line. Own norm: with the norms dealt out among the networks at random ({SHUFFLES}
times; train and test loss of a network still share one), R2 falls below that with their own norms in 97.5% of deals,
and below {LINEAR} in half of them; otherwise the line is mechanical. Beyond the norm: given the rank of the norm
product, the partial rank correlation of normalised train loss and test error is at least 0.3, and the lower end of its
interval above 0.
"""

#: Slope, intercept, R2 of the source: figure 10 for CIFAR-10, figure 15 for MNIST.
PAPER = {"cifar10": "slope 0.836, R² 0.9998", "mnist": "slope 1.0075, R² 1.0000"}


class Pair(NamedTuple):
    """The networks of one data set, those of natural and of random labels, and the deals of norms."""

    natural: pd.DataFrame
    random: pd.DataFrame
    dealt: np.ndarray


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    pairs = {name: _pair(results[name], results[f"{name}-random"]) for name in results if f"{name}-random" in results}
    findings = [finding for name, pair in pairs.items() for finding in _findings(name, pair)]
    numbers = pd.concat(
        [
            table.assign(data=name, labels=labels)
            for name, pair in pairs.items()
            for labels, table in (("natural", pair.natural), ("random", pair.random))
        ]
    )
    figures = [
        plate(
            f"losses-{name}",
            f"{name}: test against train loss, as trained and normalised",
            "Each point is a network; colours are the standard deviation of the initial weights, red crosses networks "
            "that were trained on random labels and tested on random labels. Left, the losses as trained; right, of "
            "the outputs divided by the product of the layers' norms, with the line through natural labels.",
            functools.partial(_losses, pair),
        )
        for name, pair in pairs.items()
    ]
    figures.append(
        plate(
            "own-norms",
            "How straight the line is with norms that belong to other networks",
            f"R² of normalised test on normalised train loss, when norms are dealt out at random ({SHUFFLES} deals), "
            "and with each network's own norm (line). Where the two agree, the line says no more than that train and "
            "test loss are divided by the same number.",
            functools.partial(_deals, pairs),
        )
    )
    notes = [
        "A normalised output is tiny, so either loss is the logarithm of the number of classes less a small term that "
        "train and test share: part of the straightness is arithmetic. The last two claims ask how much."
    ]
    return Answer(findings, figures, numbers, notes)


def _pair(natural: Results, random: Results) -> Pair:
    table = natural.table().query("train_error == 0")
    losses = {split: [outputs(natural, run, split) for run in table["run_id"]] for split in ("train", "test")}
    norms, draw = np.exp(table["log_frobenius_product"].to_numpy()), generator(0, "studies/norms")
    dealt = []
    for _ in range(SHUFFLES):
        rho = draw.permutation(norms)
        train, test = (
            [functional.cross_entropy(z / r, y).item() for (z, y), r in zip(losses[split], rho, strict=True)]
            for split in ("train", "test")
        )
        dealt.append(st.linear_fit(train, test).r2)
    return Pair(table, random.table().query("train_error == 0"), np.array(dealt))


def _findings(name: str, pair: Pair) -> list[Finding]:
    natural, random = pair.natural, pair.random
    fit = st.linear_fit(natural["normalised_train_loss"], natural["normalised_test_loss"])
    plain = st.linear_fit(natural["train_loss"], natural["test_loss"])
    rank = st.bootstrap(
        natural, lambda t: st.spearman(t["normalised_train_loss"], t["test_error"]), ["init.std"], resamples=RESAMPLES
    )
    partial = st.bootstrap(natural, _partial, ["init.std"], resamples=RESAMPLES)
    both = random[random["init.std"].isin(natural["init.std"])]
    highest = natural.groupby("init.std")["normalised_train_loss"].max()
    above = both["normalised_train_loss"].to_numpy() > highest[both["init.std"]].to_numpy()
    off = (random["normalised_test_loss"] - fit.intercept - fit.slope * random["normalised_train_loss"]).abs()
    own = (pair.dealt < fit.r2).mean()
    return [
        Finding(
            f"{name}: normalised test loss is linear in normalised train loss, the losses as trained are not",
            decided(fit.r2 >= LINEAR and SLOPES[0] <= fit.slope <= SLOPES[1] and plain.r2 <= PLAIN),
            f"slope {fit.slope:.3f} [{fit.slope_interval[0]:.3f}, {fit.slope_interval[1]:.3f}], intercept "
            f"{fit.intercept:.3f}, R² {fit.r2:.4f}, adjusted {fit.adjusted_r2:.4f}, RMSE {fit.rmse:.2g} nats; as "
            f"trained R² {plain.r2:.2f} ({fit.n} networks)",
            PAPER.get(name, ""),
        ),
        Finding(
            f"{name}: normalised train loss orders networks by test error",
            decided(rank.value >= ORDERED and rank.low > 0),
            f"Spearman {rank.value:+.2f} [{rank.low:+.2f}, {rank.high:+.2f}]",
        ),
        Finding(
            f"{name}: networks that fit random labels lie highest, and on the line",
            decided(bool(above.all() and (off <= max(CLOSE, 3 * fit.rmse)).all()) if len(both) else None),
            f"{sum(above)} of {len(above)} above all networks of their scale; at most {off.max():.4f} nats off the line"
            if len(both)
            else "no network fits random labels",
            "on the line",
        ),
        Finding(
            f"{name}: the line needs each network's own norm",
            decided(own >= 0.975 and float(np.median(pair.dealt)) < LINEAR),
            f"R² {fit.r2:.4f}; with norms of other networks {np.median(pair.dealt):.4f} "
            f"[{np.quantile(pair.dealt, 0.025):.4f}, {np.quantile(pair.dealt, 0.975):.4f}]",
            because="with any norm that train and test loss share the line is about as straight: it is mechanical"
            if np.median(pair.dealt) >= LINEAR
            else "",
        ),
        Finding(
            f"{name}: normalised train loss tells test error beyond the norm product",
            decided(partial.value >= 0.3 and partial.low > 0),
            f"partial Spearman {partial.value:+.2f} [{partial.low:+.2f}, {partial.high:+.2f}]; the norm product alone "
            f"{st.spearman(natural['log_frobenius_product'], natural['test_error']):+.2f}",
        ),
    ]


def _partial(table: pd.DataFrame) -> float:
    """Partial rank correlation of normalised train loss and test error, given the norm product."""
    ranks = table[["normalised_train_loss", "test_error", "log_frobenius_product"]].rank().to_numpy()
    given = np.column_stack([np.ones(len(ranks)), ranks[:, 2]])
    x, y = (ranks[:, i] - given @ np.linalg.lstsq(given, ranks[:, i], rcond=None)[0] for i in (0, 1))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-9 else float("nan")


def _losses(pair: Pair) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.5), layout="constrained")
    encoding = Encoding.of("init.std", pair.natural["init.std"])
    titles = ("As trained", "Divided by the product of norms")
    for axes, prefix, title in zip(figure.subplots(1, 2), ("", "normalised_"), titles, strict=True):
        x, y = f"{prefix}train_loss", f"{prefix}test_loss"
        for colour, marker, chosen in encoding.groups(pair.natural["init.std"]):
            rows = pair.natural[chosen]
            axes.scatter(rows[x], rows[y], s=20, color=colour, marker=marker, edgecolors="white", linewidths=0.4)
        axes.scatter(pair.random[x], pair.random[y], s=30, color="#c0392b", marker="x", label="random labels")
        fit = st.linear_fit(pair.natural[x], pair.natural[y])
        if prefix:
            ends = np.array([pair.natural[x].min(), max(pair.natural[x].max(), pair.random[x].max())])
            axes.plot(ends, fit.intercept + fit.slope * ends, color="#1c1c1c", linewidth=1)
        axes.set_title(f"{title}\nR² {fit.r2:.4f}, slope {fit.slope:.3g}".replace("-", "−"), loc="left")
        axes.set(xlabel=quantity(x, "nats"), ylabel=quantity(y, "nats"))
        axes.legend(loc="lower right")
        axes.locator_params(nbins=5)
    encoding.legend(figure)
    return figure


def _deals(pairs: Mapping[str, Pair]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.4), layout="constrained")
    for axes, (name, pair) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs.items(), strict=True):
        fit = st.linear_fit(pair.natural["normalised_train_loss"], pair.natural["normalised_test_loss"])
        axes.hist(pair.dealt, bins=30, color="#9aa5b1")
        axes.axvline(fit.r2, color="#1c1c1c", linewidth=1.2)
        axes.set(title=name, xlabel="R² with norms dealt out at random", ylabel="deals")
    return figure
