"""Whether the line between normalised losses depends on the norm that divides."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch.nn import functional

from analysis import statistics as st
from analysis.figures.canvas import WIDTH_INCHES, Encoding
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.outputs import outputs
from analysis.studies.study import Answer, Finding, decided

NORMS = {"L1": 1.0, "L2": 2.0, "L4": 4.0, "largest entry": float("inf")}
AXIS, ALIKE, LARGE = "init.std", 0.9, 1.0

RULE = f"""
Over networks that fit every training example, with rho the product over the layers of the entrywise p-norm of the
weights, p = 1, 2, 4 and infinity. Outputs are divided by rho and multiplied by one constant per norm, such that the
median network's largest output is {LARGE} (the source divides L1 norms by 100: products of large norms leave losses
that differ in the last digits only). Linear: for each p, R2 of normalised test loss on normalised train loss is at
least {normalised.LINEAR} with a slope in [{normalised.SLOPES[0]}, {normalised.SLOPES[1]}]. Alike: Spearman's rank
correlation between the normalised train losses by L2 and by each other norm is at least {ALIKE}.
"""
PAPER = {"L1": "slope 0.836, intercept 0.378, R² 0.9998", "L2": "slope 0.836, intercept 0.377, R² 0.9998"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    table = normalised.fitted(results["networks"])
    found = {name: _losses(results["networks"], table, p) for name, p in NORMS.items()}
    findings = []
    for name, losses in found.items():
        fit = st.linear_fit(losses["train"], losses["test"])
        findings.append(
            Finding(
                f"by {name}: normalised test loss is linear in normalised train loss",
                decided(fit.r2 >= normalised.LINEAR and normalised.SLOPES[0] <= fit.slope <= normalised.SLOPES[1]),
                f"slope {fit.slope:.3f} [{fit.slope_interval[0]:.3f}, {fit.slope_interval[1]:.3f}], intercept "
                f"{fit.intercept:.3f}, R² {fit.r2:.4f}, RMSE {fit.rmse:.2g} nats ({fit.n} networks)",
                PAPER.get(name, ""),
            )
        )
    for name in (name for name in NORMS if name != "L2"):
        rank = st.spearman(found["L2"]["train"], found[name]["train"])
        findings.append(
            Finding(f"L2 and {name} order the networks alike", decided(rank >= ALIKE), f"Spearman {rank:+.3f}")
        )
    numbers = pd.concat([losses.assign(norm=name) for name, losses in found.items()])
    drawn = plate(
        "norms",
        "Test against train loss, outputs divided by products of several norms",
        "Each point is a network; colours are the standard deviation of the initial weights.",
        functools.partial(_draw, found),
    )
    return Answer(findings, [drawn], numbers)


def _losses(results: Results, table: pd.DataFrame, p: float) -> pd.DataFrame:
    """Normalised losses of every network by the product of p-norms."""
    rho = np.array([_product(results, run, p) for run in table["run_id"]])
    known = {split: [outputs(results, run, split) for run in table["run_id"]] for split in ("train", "test")}
    largest = np.array([float(z.abs().max()) for z, _ in known["train"]])
    unit = float(np.median(largest / rho)) / LARGE
    columns = {
        split: [functional.cross_entropy(z / (r * unit), y).item() for (z, y), r in zip(known[split], rho, strict=True)]
        for split in known
    }
    return table[["run_id", AXIS, "test_error"]].assign(rho=rho, **columns)


def _product(results: Results, run_id: str, p: float) -> float:
    weights = [value.double() for value in results.network(run_id).parameters() if value.ndim >= 2]
    return float(torch.stack([torch.linalg.vector_norm(weight, ord=p) for weight in weights]).prod())


def _draw(found: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.4), layout="constrained")
    for axes, (name, losses) in zip(figure.subplots(2, 2).ravel(), found.items(), strict=True):
        normalised.points(axes, losses, "train", "test", AXIS)
        fit = st.linear_fit(losses["train"], losses["test"])
        ends = losses["train"].agg(["min", "max"]).to_numpy()
        axes.plot(ends, fit.intercept + fit.slope * ends, color="#1c1c1c", linewidth=1)
        axes.set_title(f"{name}: R² {fit.r2:.4f}, slope {fit.slope:.3g}", loc="left")
        axes.set(xlabel="normalised train loss (nats)", ylabel="normalised test loss (nats)")
        axes.locator_params(nbins=5)
    first = next(iter(found.values()))
    Encoding.of(AXIS, first[AXIS]).legend(figure)
    return figure
