"""Whether the line between normalized losses depends on the norm that divides."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, encoding, rank_over_seeds

NORMS = {"L1": 1.0, "L2": 2.0, "L4": 4.0, "largest entry": float("inf")}
AXIS, ALIKE, LARGE, SAME = "pretrain.label_corruption", 0.9, 1.0, 0.1

RULE = f"""
Over networks that fit every training example, with rho the product over the layers of the entrywise p-norm of the
weights, p = 1, 2, 4 and infinity. Outputs are divided by rho and multiplied by one constant per norm, such that the
median network's largest output is {LARGE} (the source divides L1 norms by 100: products of large norms leave losses
that differ in the last digits only). Linear: for each p, R2 of normalized test loss on normalized train loss is at
least {normalized_loss.LINEAR}. The same line: the slope differs from that by L2 by at most {SAME}, and the 95% intervals
of the two slopes overlap. Alike: Spearman's rank correlation between the normalized train losses by L2 and by each
other norm is at least {ALIKE} in the mean over seeds, and the lower end of its interval (Student) above 0. Own norm,
by L2: {normalized_loss.OWN_NORM_RULE}.
"""
PAPER = {
    "L1": "figure 9: slope 0.836, intercept 0.378, R² 0.9998",
    "L2": "figure 10: slope 0.836, intercept 0.377, R² 0.9998",
}
X, Y = "normalized_train_loss", "normalized_test_loss"


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (networks,) = results.values()
    table = normalized_loss.fitted(networks)
    known = normalized_loss.known_outputs(networks, table)
    found = {name: _losses(networks, table, known, p) for name, p in NORMS.items()}
    fits = {name: normalized_loss.line(losses) for name, losses in found.items()}
    findings = [
        Finding(
            f"by {name}: normalized test loss is linear in normalized train loss",
            decided(fit.r2 >= normalized_loss.LINEAR),
            f"{normalized_loss.in_words(fit)} ({fit.n} networks)",
            PAPER.get(name, ""),
            guess="networks keep more or less of their lead on test examples, whichever norm divides",
        )
        for name, fit in fits.items()
    ]
    others = [name for name in NORMS if name != "L2"]
    deals = {name: normalized_loss.dealt(known, losses["divisor"].to_numpy()) for name, losses in found.items()}
    for name in others:  # the same deals for all norms
        pairs = zip(map(normalized_loss.line, deals[name]), map(normalized_loss.line, deals["L2"]), strict=True)
        share = float(np.mean([_one_line(fit, usual) for fit, usual in pairs]))
        findings.append(_same(name, fits[name], fits["L2"], share))
    findings += [_alike(name, found) for name in others]
    findings.append(normalized_loss.own_norm("by L2", found["L2"], deals["L2"]))
    plates = [
        render_figure(
            "norms",
            "Test against train loss, outputs divided by products of several norms",
            "Each point is a network; colors are the part of the labels that was swapped in pretraining.",
            functools.partial(_draw, found, Y, "normalized test loss (nats)"),
        ),
        render_figure(
            "errors",
            "Test error against normalized train loss, by the same norms",
            "The same networks, as in the right of figure 9 of the source.",
            functools.partial(_draw, found, "test_error", "test error (fraction)"),
        ),
    ]
    numbers = pd.concat([losses.assign(norm=name) for name, losses in found.items()])
    return Answer(findings, plates, numbers, [normalized_loss.OWN_NORM_MENDED])


def _losses(results: Results, table: pd.DataFrame, known: normalized_loss.Known, p: float) -> pd.DataFrame:
    """Normalized losses of every network by the product of p-norms, in one unit."""
    rho = np.array([_product(results, run, p) for run in table["run_id"]])
    largest = np.array([float(z.abs().max()) for z, _ in known["train"]])
    divisor = rho * float(np.median(largest / rho)) / LARGE
    rows = table[["run_id", "seed", AXIS, "test_error"]].assign(rho=rho, divisor=divisor)
    return pd.concat([rows, normalized_loss.divided(known, divisor)], axis=1)


def _product(results: Results, run_id: str, p: float) -> float:
    weights = [value.double() for value in results.network(run_id).parameters() if value.ndim >= 2]
    return float(torch.stack([torch.linalg.vector_norm(weight, ord=p) for weight in weights]).prod())


def _one_line(fit: LinearFit, usual: LinearFit) -> bool:
    (low, high), (other_low, other_high) = fit.slope_interval, usual.slope_interval
    return abs(fit.slope - usual.slope) <= SAME and low <= other_high and other_low <= high


def _same(name: str, fit: LinearFit, usual: LinearFit, dealt: float) -> Finding:
    slopes = (f"{one.slope:.3f} [{one.slope_interval[0]:.3f}, {one.slope_interval[1]:.3f}]" for one in (fit, usual))
    return Finding(
        f"by {name} the line is that by L2",
        decided(_one_line(fit, usual)),
        f"slopes {' and '.join(slopes)}; of lines with norms of other networks so near to each other are {dealt:.0%}",
        PAPER.get(name, "").partition(",")[0],
        guess="norms weigh large and small weights otherwise, and networks differ in how these are spread",
    )


def _alike(name: str, found: Mapping[str, pd.DataFrame]) -> Finding:
    both = found["L2"].assign(other=found[name][X])
    rank = rank_over_seeds(both, X, "other")
    return Finding(
        f"L2 and {name} order the networks alike",
        decided(rank.value >= ALIKE and rank.low > 0),
        f"Spearman {between(rank)}",
        guess="networks that are near to each other by one norm need not be in the same order by another",
    )


def _draw(found: Mapping[str, pd.DataFrame], y: str, label: str) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.4), layout="constrained")
    for axes, (name, losses) in zip(figure.subplots(2, 2).ravel(), found.items(), strict=True):
        normalized_loss.points(axes, losses, X, y, AXIS)
        fit = st.linear_fit(losses[X], losses[y])
        ends = losses[X].agg(["min", "max"]).to_numpy()
        axes.plot(ends, fit.intercept + fit.slope * ends, color="#1c1c1c", linewidth=1)
        axes.set_title(f"{name}: R² {fit.r2:.4f}, slope {fit.slope:.3g}", loc="left")
        axes.set(xlabel="normalized train loss (nats)", ylabel=label)
        axes.locator_params(nbins=5)
    first = next(iter(found.values()))
    encoding(AXIS, first[AXIS]).legend(figure)
    return figure
