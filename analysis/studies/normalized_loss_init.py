"""Whether test loss is linear in train loss once both are normalised, and the line says more than the norm alone."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis import statistics as st
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.study import Answer, Finding, between, decided

AXIS, ORDERED, CLOSE, BEYOND = "init.std", 0.8, 0.02, 0.3

RULE = f"""
Per data set, over networks with natural labels that fit every training example. Linear: {normalised.LINEAR_RULE}.
Order: Spearman's rank correlation of normalised train loss and test error is at least {ORDERED}, and the lower end of
its 95% interval over initialisation scales is above 0. Random labels: at each scale that both have, networks that fit
random labels have the larger normalised train loss, and lie within {CLOSE} nats or three residual standard deviations
of the line. Own norm: {normalised.OWN_NORM_RULE}. Beyond the norm: given the rank of the norm product, the partial
rank correlation of normalised train loss and test error is at least {BEYOND}, and the lower end of its interval above
0.
"""

#: Of the source: figure 10 for CIFAR-10, figure 15 for MNIST.
PAPER = {
    "cifar10": "slope 0.836, intercept 0.377, R² 0.9998, RMSE 4.8e-5",
    "mnist": "slope 1.0075, intercept −0.017, R² 1.0000, RMSE 9.1e-4",
}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers = [], [], []
    deals, own = {}, {}
    for name in ("mnist", "cifar10"):
        natural = normalised.fitted(results[name])
        random = normalised.fitted(results[f"{name}-random"])
        deals[name], own[name] = normalised.dealt(results[name], natural), normalised.line(natural).r2
        findings += _findings(name, natural, random, deals[name])
        numbers += [natural.assign(labels="natural"), random.assign(labels="random")]
        figures.append(
            plate(
                f"losses-{name}",
                f"{name}: test against train loss, as trained and normalised",
                "Each point is a network; colours are the standard deviation of the initial weights, red crosses "
                "networks that were trained and tested on random labels. Left, the losses as trained; right, of the "
                "outputs divided by the product of the layers' norms. Lines through natural labels.",
                functools.partial(normalised.draw_losses, natural, AXIS, random),
            )
        )
    figures.append(
        plate(
            "own-norms",
            "How straight the line is with norms that belong to other networks",
            f"What R² of the normalised losses lacks to 1, when norms are dealt out at random ({normalised.DEALS} "
            "deals), and with each network's own norm (line). Where the two agree, the line says no more than that "
            "train and test loss are divided by the same number.",
            functools.partial(normalised.draw_deals, deals, own),
        )
    )
    notes = [
        "A normalised output is tiny, so either loss is the logarithm of the number of classes less a small term that "
        "train and test share: part of the straightness is arithmetic. The last two claims ask how much."
    ]
    return Answer(findings, figures, pd.concat(numbers), notes)


def _findings(name: str, natural: pd.DataFrame, random: pd.DataFrame, deals: np.ndarray) -> list[Finding]:
    fit, x, y = normalised.line(natural), "normalised_train_loss", "test_error"
    partial = st.bootstrap(natural, _partial, [AXIS], resamples=normalised.RESAMPLES)
    alone = st.spearman(natural["log_frobenius_product"], natural[y])
    return [
        normalised.linear(f"{name}: ", natural, PAPER[name]),
        normalised.ordered(
            f"{name}: normalised train loss orders networks by test error", natural, x, y, [AXIS], ORDERED
        ),
        _random(name, natural, random),
        normalised.own_norm(f"{name}: ", natural, deals),
        Finding(
            f"{name}: normalised train loss tells test error beyond the norm product",
            decided(partial.value >= BEYOND and partial.low > 0),
            f"partial Spearman {between(partial)}; the norm product alone {alone:+.2f}; log-log R² of what "
            f"the losses lack to log(10): {_deficits(natural):.4f} (R² of the losses {fit.r2:.4f})",
            because="it orders the networks just as the norm product does" if np.isnan(partial.value) else "",
        ),
    ]


def _random(name: str, natural: pd.DataFrame, random: pd.DataFrame) -> Finding:
    claim = f"{name}: networks that fit random labels lie highest, and on the line"
    both = random[random[AXIS].isin(natural[AXIS])]
    if both.empty:
        return Finding(claim, "undecided", "no network fits random labels", "on the line")
    fit = normalised.line(natural)
    highest = natural.groupby(AXIS)["normalised_train_loss"].max()
    above = both["normalised_train_loss"].to_numpy() > highest[both[AXIS]].to_numpy()
    off = (both["normalised_test_loss"] - fit.intercept - fit.slope * both["normalised_train_loss"]).abs()
    return Finding(
        claim,
        decided(bool(above.all() and (off <= max(CLOSE, 3 * fit.rmse)).all())),
        f"{above.sum()} of {len(above)} above all networks of their scale; at most {off.max():.4f} nats off the line",
        "on the line",
    )


def _deficits(table: pd.DataFrame) -> float:
    """R2 of log(log 10 - test loss) on log(log 10 - train loss), where differences are relative."""
    lacks = np.log(10) - table[["normalised_train_loss", "normalised_test_loss"]].to_numpy()
    kept = lacks[(lacks > 0).all(1)]
    return st.linear_fit(*np.log(kept).T).r2


def _partial(table: pd.DataFrame) -> float:
    """Partial rank correlation of normalised train loss and test error, given the norm product."""
    ranks = table[["normalised_train_loss", "test_error", "log_frobenius_product"]].rank().to_numpy()
    given = np.column_stack([np.ones(len(ranks)), ranks[:, 2]])
    x, y = (ranks[:, i] - given @ np.linalg.lstsq(given, ranks[:, i], rcond=None)[0] for i in (0, 1))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-9 else float("nan")
