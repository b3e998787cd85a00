"""Explain what a network knows while it trains by classifiers of increasing complexity, one after the other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import mutual_information
from benevolent.analysis.studies.shared.explained_information import explained_by, predictions_by_step
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.ladder_figures import BITS_BEYOND, SimplerClassifier, draw_ladders
from benevolent.analysis.studies.shared.network_outputs import examples, predictions

#: Smallest fraction of the largest explained information that is kept to the end.
LEAST_KEPT = 0.9
#: Smallest excess over the null model's share, unless it leaves less than twice as much.
LEAST_EXCESS = 0.25

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

#: Claims of the findings.
LARGER_KNOWS_MORE = StudyClaim("A more complex classifier knows more about the labels", kind="ours")
LEFT_IN_ORDER = StudyClaim(
    "The network goes beyond simpler classifiers in the order of their complexity",
    "figure 5: all curves are close to I(F; Y) at first, then each successively plateaus (2, 4, 6 layers)",
    explanation="the classifiers are more alike than their sizes suggest, and steps are recorded too seldom",
)
KEPT = StudyClaim(
    "SGD does not forget the simpler classifiers",
    "figure 5: flat in the overfitting regime",
    explanation="what is fitted last spoils some of what was learned first",
)
MORE_THAN_CHANCE = StudyClaim(
    "Simpler classifiers explain the network better than a null model as accurate",
    "6 layers: 0.72, null model 0.40",
    explanation="classifiers of so few examples agree on what is easy, even if they share nothing else",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (networks,) = results.values()
    runs = networks.runs.sort_values("seed")
    ladders = {int(seed): _ladder(networks, rows) for seed, rows in runs.groupby("seed")}
    figure = render_figure(
        "ladder",
        "Performance of a network while it trains, and how much of it simpler classifiers explain",
        "Mutual information with the true labels of the test split, one panel for each network; dotted lines are the "
        "information of the simpler classifiers themselves. Steps are shown on a logarithmic scale, the source's on a "
        "linear one.",
        draw_ladders,
        list(ladders.values()),
    )
    tables = []
    for seed, ladder in ladders.items():
        for classifier in ladder:
            tables.append(classifier.table.assign(seed=seed, classifier=classifier.name, level=classifier.level))
    notes = [
        "At small scale the images and residual networks of the source are replaced by a synthetic target with a "
        "linear, a quadratic and a cubic term, and by perceptrons; the paper scale uses the former."
    ]
    numbers = pd.concat(tables).reset_index()
    return StudyAnswer(_findings(list(ladders.values())), [figure], numbers, notes)


def _ladder(results: Results, rows: pd.DataFrame) -> list[SimplerClassifier]:
    """Return the simpler classifiers of one seed from the smallest to the largest, with what each explains."""
    is_classifier = rows["labels.source"].notna() & (rows["labels.source"].astype(str) != "None")
    network = rows.loc[~is_classifier, "run_id"].iloc[0]
    sizes = {run_id: _parameter_count(results, run_id) for run_id in rows.loc[is_classifier, "run_id"]}
    _, labels = examples(results, network, "test")
    by_step = predictions_by_step(results, network)
    classifiers = []
    for run_id in sorted(sizes, key=lambda run_id: sizes[run_id]):
        classes = predictions(results, run_id, "test")
        level = mutual_information(classes, labels).item()
        classifiers.append(
            SimplerClassifier(_classifier_name(results, run_id), level, explained_by(by_step, labels, classes))
        )
    return classifiers


def _parameter_count(results: Results, run_id: str) -> int:
    return sum(parameter.numel() for parameter in results.network(run_id).parameters())


def _classifier_name(results: Results, run_id: str) -> str:
    model = results.config(run_id).flat()
    if "model.depth" not in model:
        return "linear"
    width = f", width {model['model.width']}" if "model.width" in model else ""
    return f"{model['model.family']}{width}, depth {model['model.depth']}"


def _findings(ladders: Sequence[Sequence[SimplerClassifier]]) -> list[Finding]:
    names = [classifier.name for classifier in ladders[0]]
    return [
        _left_in_order(ladders),
        _kept(ladders),
        _more_than_chance(names, ladders),
        _larger_knows_more(names, ladders),
    ]


def _by_classifier(ladders: Sequence[Sequence[SimplerClassifier]], attribute: str) -> np.ndarray:
    """Return an attribute of every classifier, `(seeds, classifiers)`."""
    rows = []
    for ladder in ladders:
        rows.append([getattr(classifier, attribute) for classifier in ladder])
    return np.array(rows)


def _larger_knows_more(names: Sequence[str], ladders: Sequence[Sequence[SimplerClassifier]]) -> Finding:
    levels = _by_classifier(ladders, "level")
    means = [f"{name}: {level:.3f} bits" for name, level in zip(names, levels.mean(0), strict=True)]
    holds = bool((np.diff(levels) > 0).all())
    evidence = "; ".join(means)
    return LARGER_KNOWS_MORE.decide(holds, evidence)


def _left_in_order(ladders: Sequence[Sequence[SimplerClassifier]]) -> Finding:
    steps = _by_classifier(ladders, "step_left_behind")
    first_is_first = (steps[:, 0] < steps[:, 1]).all()
    others_in_order = (steps[:, 1:-1] <= steps[:, 2:]).all()
    holds = bool(first_is_first and others_in_order)
    shown = "; ".join(_show_steps(row) for row in steps)
    evidence = f"first step, by classifier, at which the network knows more than it explains: {shown}"
    return LEFT_IN_ORDER.decide(holds, evidence)


def _kept(ladders: Sequence[Sequence[SimplerClassifier]]) -> Finding:
    lowest = _by_classifier(ladders, "kept").min()
    holds = bool(lowest >= LEAST_KEPT)
    evidence = f"at the end at least {lowest:.3f} of the largest value is explained"
    return KEPT.decide(holds, evidence)


def _more_than_chance(names: Sequence[str], ladders: Sequence[Sequence[SimplerClassifier]]) -> Finding:
    own = _mean_shares(ladders, "explained")
    null = _mean_shares(ladders, "null")
    wanted = np.minimum(LEAST_EXCESS, (1 - null) / 2)
    shares = []
    for name, own_share, null_share in zip(names, own, null, strict=True):
        shares.append(f"{name}: {own_share:.2f}, null model {null_share:.2f}")
    holds = bool((own - null >= wanted).all())
    evidence = "; ".join(shares)
    return MORE_THAN_CHANCE.decide(holds, evidence)


def _mean_shares(ladders: Sequence[Sequence[SimplerClassifier]], column: str) -> np.ndarray:
    """Return the mean over seeds of a column over I(F; Y) where the network knows as much as each classifier."""
    shares = []
    for ladder in ladders:
        rows = [classifier.row_reached for classifier in ladder]
        shares.append([row[column] / row["known"] for row in rows])
    return np.mean(shares, axis=0)


def _show_steps(steps: np.ndarray) -> str:
    return ", ".join("never" if np.isinf(step) else f"{step:.0f}" for step in steps)
