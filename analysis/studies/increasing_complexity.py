"""Explain what a network knows while it trains by classifiers of increasing complexity, one after the other."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import mutual_information
from benevolent.analysis.studies.shared.drawing import BLACK
from benevolent.analysis.studies.shared.explained_information import (
    explained_by,
    first_step_reaching,
    predictions_by_step,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.network_outputs import examples, predictions

#: Bits that a network knows beyond a classifier when it leaves that classifier behind.
BITS_BEYOND = 0.03
#: Smallest fraction of the largest explained information that is kept to the end.
LEAST_KEPT = 0.9
#: Smallest excess over the null model's share, unless it leaves less than twice as much.
LEAST_EXCESS = 0.25
#: Colors and line styles of the classifiers, from the simplest on.
COLORS = ("#443983", "#21918c", "#b5a11c")
STYLES: tuple[str | tuple[int, tuple[int, int]], ...] = ("--", "-.", (0, (1, 1)))

RULE = f"""
Claims are decided on test examples with their true labels, in bits, for each seed. G_1, G_2, G_3 are the simpler
classifiers, from the least complex on, each trained on the network's answers at its end.

Order: the first recorded step at which I(F; Y) is more than {BITS_BEYOND} above mu_Y(F; G_i) is earlier for G_1 than
for G_2, and for G_2 no later than for G_3 (never is later than any step). Not forgotten: at the end mu_Y(F; G_i) is at
least {LEAST_KEPT} of its largest value, for each i.

Null model: at the first recorded step at which I(F; Y) reaches I(G_i; Y), or at the end if it does not, mu_Y(F; G_i) /
I(F; Y) is larger than the null model's by {LEAST_EXCESS} or more, or by half of what the null model leaves if that is
less, for each i in the mean over seeds.

More complex: I(G_i; Y) rises with i.
"""


class Rung(NamedTuple):
    """One simpler classifier G, and the share of a network that it explains.

    Attributes:
        name: of the classifier.
        level: I(G; Y) in bits.
        table: one row per step, from `explained_by`.
    """

    name: str
    level: float
    table: pd.DataFrame

    @property
    def step_left_behind(self) -> float:
        """First step at which the network knows more than the classifier explains; infinity if there is none."""
        step = first_step_reaching(self.table["known"] - self.table["explained"], BITS_BEYOND)
        return np.inf if step is None else float(step)

    @property
    def row_reached(self) -> "pd.Series[float]":
        """Row of the first step at which the network knows as much as the classifier; else the last row."""
        step = first_step_reaching(self.table["known"], self.level)
        return self.table.iloc[-1] if step is None else self.table.loc[step]

    @property
    def kept(self) -> float:
        """Explained information at the end, as a fraction of its largest value."""
        explained = self.table["explained"]
        return float(explained.iloc[-1] / explained.max())


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    (networks,) = results.values()
    runs = networks.runs.sort_values("seed")
    ladders = {int(seed): _ladder(networks, rows) for seed, rows in runs.groupby("seed")}
    figure = render_figure(
        "ladder",
        "Performance of a network while it trains, and how much of it simpler classifiers explain",
        "Mutual information with the true labels of the test split, one panel for each seed; dotted lines are the "
        "information of the simpler classifiers themselves. Steps are shown on a logarithmic scale, the source's on a "
        "linear one.",
        functools.partial(_draw_ladders, ladders),
    )
    tables = []
    for seed, ladder in ladders.items():
        for rung in ladder:
            tables.append(rung.table.assign(seed=seed, classifier=rung.name, level=rung.level))
    notes = [
        "At small scale the images and residual networks of the source are replaced by a synthetic target with a "
        "linear, a quadratic and a cubic term, and by perceptrons; the paper scale uses the former."
    ]
    numbers = pd.concat(tables).reset_index()
    return StudyAnswer(_findings(list(ladders.values())), [figure], numbers, notes)


def _ladder(results: Results, rows: pd.DataFrame) -> list[Rung]:
    """Return the simpler classifiers of one seed from the smallest to the largest, with what each explains."""
    is_classifier = rows["labels.source"].notna() & (rows["labels.source"].astype(str) != "None")
    network = rows.loc[~is_classifier, "run_id"].iloc[0]
    sizes = {run_id: _parameter_count(results, run_id) for run_id in rows.loc[is_classifier, "run_id"]}
    _, labels = examples(results, network, "test")
    by_step = predictions_by_step(results, network)
    rungs = []
    for run_id in sorted(sizes, key=lambda run_id: sizes[run_id]):
        classes = predictions(results, run_id, "test")
        level = mutual_information(classes, labels).item()
        rungs.append(Rung(_classifier_name(results, run_id), level, explained_by(by_step, labels, classes)))
    return rungs


def _parameter_count(results: Results, run_id: str) -> int:
    return sum(parameter.numel() for parameter in results.network(run_id).parameters())


def _classifier_name(results: Results, run_id: str) -> str:
    model = results.config(run_id).flat()
    if "model.depth" not in model:
        return "linear"
    width = f", width {model['model.width']}" if "model.width" in model else ""
    return f"{model['model.family']}{width}, depth {model['model.depth']}"


def _findings(ladders: Sequence[Sequence[Rung]]) -> list[Finding]:
    names = [rung.name for rung in ladders[0]]
    return [
        _left_in_order(ladders),
        _kept(ladders),
        _more_than_chance(names, ladders),
        _larger_knows_more(names, ladders),
    ]


def _by_rung(ladders: Sequence[Sequence[Rung]], attribute: str) -> np.ndarray:
    """Return an attribute of every rung, `(seeds, rungs)`."""
    rows = []
    for ladder in ladders:
        rows.append([getattr(rung, attribute) for rung in ladder])
    return np.array(rows)


def _larger_knows_more(names: Sequence[str], ladders: Sequence[Sequence[Rung]]) -> Finding:
    levels = _by_rung(ladders, "level")
    means = [f"{name}: {level:.3f} bits" for name, level in zip(names, levels.mean(0), strict=True)]
    decision = decide(bool((np.diff(levels) > 0).all()))
    evidence = "; ".join(means)
    return Finding(
        "A more complex classifier knows more about the labels",
        decision,
        evidence,
        kind="ours",
    )


def _left_in_order(ladders: Sequence[Sequence[Rung]]) -> Finding:
    steps = _by_rung(ladders, "step_left_behind")
    first_is_first = (steps[:, 0] < steps[:, 1]).all()
    others_in_order = (steps[:, 1:-1] <= steps[:, 2:]).all()
    decision = decide(bool(first_is_first and others_in_order))
    shown = "; ".join(_show_steps(row) for row in steps)
    evidence = f"first step, by classifier, at which the network knows more than it explains: {shown}"
    return Finding(
        "The network goes beyond simpler classifiers in the order of their complexity",
        decision,
        evidence,
        "figure 5: all curves are close to I(F; Y) at first, then each successively plateaus (2, 4, 6 layers)",
        explanation="the classifiers are more alike than their sizes suggest, and steps are recorded too seldom",
    )


def _kept(ladders: Sequence[Sequence[Rung]]) -> Finding:
    lowest = _by_rung(ladders, "kept").min()
    decision = decide(bool(lowest >= LEAST_KEPT))
    evidence = f"at the end at least {lowest:.3f} of the largest value is explained"
    return Finding(
        "SGD does not forget the simpler classifiers",
        decision,
        evidence,
        "figure 5: flat in the overfitting regime",
        explanation="what is fitted last spoils some of what was learned first",
    )


def _more_than_chance(names: Sequence[str], ladders: Sequence[Sequence[Rung]]) -> Finding:
    own = _mean_shares(ladders, "explained")
    null = _mean_shares(ladders, "null")
    wanted = np.minimum(LEAST_EXCESS, (1 - null) / 2)
    shares = []
    for name, own_share, null_share in zip(names, own, null, strict=True):
        shares.append(f"{name}: {own_share:.2f}, null model {null_share:.2f}")
    decision = decide(bool((own - null >= wanted).all()))
    evidence = "; ".join(shares)
    return Finding(
        "Simpler classifiers explain the network better than a null model as accurate",
        decision,
        evidence,
        "6 layers: 0.72, null model 0.40",
        explanation="classifiers of so few examples agree on what is easy, even if they share nothing else",
    )


def _mean_shares(ladders: Sequence[Sequence[Rung]], column: str) -> np.ndarray:
    """Return the mean over seeds of a column over I(F; Y) where the network knows as much as each classifier."""
    shares = []
    for ladder in ladders:
        rows = [rung.row_reached for rung in ladder]
        shares.append([row[column] / row["known"] for row in rows])
    return np.mean(shares, axis=0)


def _show_steps(steps: np.ndarray) -> str:
    return ", ".join("never" if np.isinf(step) else f"{step:.0f}" for step in steps)


def _draw_ladders(ladders: Mapping[int, Sequence[Rung]]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.0), layout="constrained")
    panels = figure.subplots(1, len(ladders), sharey=True, squeeze=False)[0]
    for panel, (seed, ladder) in zip(panels, ladders.items(), strict=True):
        _draw_ladder(panel, ladder)
        panel.set(title=f"seed {seed}", xlabel="SGD steps", xlim=(0, None))
    panels[0].set_ylabel("mutual information (bits)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _draw_ladder(panel: Axes, ladder: Sequence[Rung]) -> None:
    known = ladder[0].table["known"]
    panel.plot(known.index, known, color=BLACK, linewidth=1.4, label="I(F; Y)")
    for rung, color, style in zip(ladder, COLORS, STYLES, strict=False):
        explained = rung.table["explained"]
        panel.plot(explained.index, explained, linestyle=style, color=color, linewidth=1.4, label=f"μ(F; {rung.name})")
        panel.axhline(rung.level, color=color, linewidth=0.8, linestyle=":")
    panel.set_xscale("symlog", linthresh=10)
