"""Whether classifiers of increasing complexity explain, one after the other, what a network knows while it trains."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import mutual_information
from benevolent.analysis.studies.shared import explained_information
from benevolent.analysis.studies.shared.answer import Answer, Finding, decided
from benevolent.analysis.studies.shared.outputs import answers, examples

LEFT, KEPT, GAP = 0.03, 0.9, 0.25

RULE = f"""
On test examples with their true labels, in bits, for each seed; G_1, G_2, G_3 are the simpler classifiers, each trained
on what the network says at its end. Ladder: I(G_i; Y) rises with i. Order: the first recorded step at which I(F; Y) is
more than {LEFT} above mu_Y(F; G_i) is earlier for G_1 than for G_2, and for G_2 no later than for G_3 (never is later
than any step). Kept: at the end mu_Y(F; G_i) is at least {KEPT} of its largest value, for each i. More than chance: at
the first recorded step at which I(F; Y) reaches I(G_i; Y), or at the end if it does not, mu_Y(F; G_i) / I(F; Y) is
larger than the null model's by {GAP} or more, or by half of what the null model leaves where that is less, for each i
in the mean over seeds.
"""


class Rung(NamedTuple):
    """What one simpler classifier explains of a network: the classifier's name, I(G; Y), and the steps."""

    name: str
    level: float
    table: pd.DataFrame

    @property
    def left(self) -> float:
        """The first step at which more is known than it explains; infinity if there is none."""
        step = explained_information.reaches(self.table["known"] - self.table["explained"], LEFT)
        return np.inf if step is None else float(step)

    @property
    def reached(self) -> "pd.Series[float]":
        """What is explained where as much is known as the classifier knows."""
        step = explained_information.reaches(self.table["known"], self.level)
        return self.table.loc[step] if step is not None else self.table.iloc[-1]


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (networks,) = results.values()
    runs = networks.runs.sort_values("seed")
    ladders = {int(seed): _ladder(networks, rows) for seed, rows in runs.groupby("seed")}
    figure = render_figure(
        "ladder",
        "What a network knows, and what simpler classifiers explain of it",
        "Mutual information with the true labels of the test split, one panel for each seed; dotted lines are what the "
        "simpler classifiers know themselves. Steps are shown on a logarithmic scale, the source's on a linear one.",
        functools.partial(_curves, ladders),
    )
    numbers = pd.concat(
        [
            rung.table.assign(seed=seed, classifier=rung.name, level=rung.level)
            for seed, ladder in ladders.items()
            for rung in ladder
        ]
    )
    notes = [
        "At small scale the images and residual networks of the source are replaced by a synthetic target with a "
        "linear, a quadratic and a cubic term, and by perceptrons; the paper scale has the former."
    ]
    return Answer(_findings(list(ladders.values())), [figure], numbers.reset_index(), notes)


def _ladder(results: Results, rows: pd.DataFrame) -> list[Rung]:
    """The simpler classifiers of one seed, in the order of their size, with what each explains."""
    taught = rows["labels.source"].notna() & (rows["labels.source"].astype(str) != "None")
    network = rows.loc[~taught, "run_id"].iloc[0]
    _, labels = examples(results, network, "test")
    paths, rungs = explained_information.predictions(results, network), []
    sizes = {
        run_id: sum(p.numel() for p in results.network(run_id).parameters()) for run_id in rows.loc[taught, "run_id"]
    }
    for run_id in sorted(sizes, key=lambda run_id: sizes[run_id]):
        by = answers(results, run_id, "test")
        level = mutual_information(by, labels).item()
        rungs.append(Rung(_name(results, run_id), level, explained_information.explained(paths, labels, by)))
    return rungs


def _name(results: Results, run_id: str) -> str:
    model = results.config(run_id).flat()
    size = f", width {model['model.width']}" if "model.width" in model else ""
    return f"{model['model.family']}{size}, depth {model['model.depth']}" if "model.depth" in model else "linear"


def _findings(ladders: Sequence[Sequence[Rung]]) -> list[Finding]:
    names = [rung.name for rung in ladders[0]]
    levels = np.array([[rung.level for rung in ladder] for ladder in ladders])
    left = np.array([[rung.left for rung in ladder] for ladder in ladders])
    ends = np.array(
        [[rung.table["explained"].iloc[-1] / rung.table["explained"].max() for rung in one] for one in ladders]
    )
    own, null = (
        np.mean([[rung.reached[column] / rung.reached["known"] for rung in ladder] for ladder in ladders], 0)
        for column in ("explained", "null")
    )
    shares = [f"{name}: {a:.2f} against {b:.2f}" for name, a, b in zip(names, own, null, strict=True)]
    return [
        Finding(
            "The ladder: a larger classifier knows more of the labels",
            decided(bool((np.diff(levels) > 0).all())),
            "; ".join(f"{name}: {level:.3f} bits" for name, level in zip(names, levels.mean(0), strict=True)),
        ),
        Finding(
            "The network leaves them behind in their order",
            decided(bool((left[:, 0] < left[:, 1]).all() and (left[:, 1:-1] <= left[:, 2:]).all())),
            "knows more than they explain from steps "
            + "; ".join(", ".join("never" if np.isinf(step) else f"{step:.0f}" for step in row) for row in left),
            "2, 4, then 6 layers",
            guess="the classifiers are nearer to each other than their depths, and steps are recorded too seldom",
        ),
        Finding(
            "What each explains is kept to the end",
            decided(bool((ends >= KEPT).all())),
            f"at least {ends.min():.3f} of the largest value",
            "flat while overfitting",
            guess="what is fitted last spoils some of what was learned first",
        ),
        Finding(
            "Each explains more than a classifier that good must",
            decided(bool((own - null >= np.minimum(GAP, (1 - null) / 2)).all())),
            "; ".join(shares),
            "6 layers: 0.72 against 0.40",
            guess="classifiers of so few examples are alike in what is easy, and so are two that share nothing else",
        ),
    ]


def _curves(ladders: Mapping[int, Sequence[Rung]]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.0), layout="constrained")
    colors, styles = ("#443983", "#21918c", "#b5a11c"), ("--", "-.", (0, (1, 1)))
    panels = figure.subplots(1, len(ladders), sharey=True, squeeze=False)[0]
    for axes, (seed, ladder) in zip(panels, ladders.items(), strict=True):
        known = ladder[0].table["known"]
        axes.plot(known.index, known, color="#1c1c1c", linewidth=1.4, label="I(F; Y)")
        for rung, color, style in zip(ladder, colors, styles, strict=False):
            line = rung.table["explained"]
            axes.plot(line.index, line, linestyle=style, color=color, linewidth=1.4, label=f"μ(F; {rung.name})")
            axes.axhline(rung.level, color=color, linewidth=0.8, linestyle=":")
        axes.set_xscale("symlog", linthresh=10)
        axes.set(title=f"seed {seed}", xlabel="SGD steps", xlim=(0, None))
    panels[0].set_ylabel("mutual information (bits)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure
