"""Verdicts in plain words: numbers as text, the answer of a table of verdicts, what each column means."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.judging.decision_rule import (
    ADDS,
    ADDS_NOTHING,
    NOT_SEPARABLE,
    NOT_SHOWN,
    UNDECIDED,
    intervals,
    windows,
)

#: Tell decisions apart without color.
MARKS = {ADDS: "●", NOT_SHOWN: "·", ADDS_NOTHING: "×", NOT_SEPARABLE: "◌", UNDECIDED: "○"}

OUTCOMES = {
    "test_loss": "Mean loss on the test split: what was minimized; of the cross-entropy in nats.",
    "test_error": "Share of the test split that is misclassified; of numbers, the mean absolute error.",
    "gap": "Test error minus train error, both against the labels trained on in the last phase.",
    "loss_gap": "Test loss minus train loss, both against the labels trained on in the last phase.",
}

COLUMNS = {
    "τ": "Kendall rank correlation (tau-b) between predictor and outcome over all runs, −1 to 1, with a 95% "
    "bootstrap interval over configurations. It is large for anything that merely follows a hyperparameter.",
    "Ψ": "Granulated Kendall (Jiang et al. 2020): tau inside groups of runs that differ in one axis only, "
    "averaged over groups, then over axes. It asks whether the predictor follows every axis, not one.",
    "partial": "Partial rank correlation of predictor and outcome, the effect of the axes removed from both.",
    "CMI": "Conditional mutual information of two signs (which of two runs has more) given pairs of axes, "
    "as a share of the outcome’s entropy, least over pairs of axes; 0 is nothing, 1 is everything.",
    "ΔR²": "Gain in cross-validated R² of ranks when the predictor joins the hyperparameters (main effects, "
    "pairwise interactions); whole configurations are held out together. In the baseline’s row: its own R².",
    "ρ": "Within configurations: rank correlation of predictor and outcome among runs that differ in their "
    "seed only. No function of the hyperparameters can have any.",
    "q": "Permutation p-value of the column to its left, adjusted for the number of predictors after "
    "Benjamini and Hochberg. For ΔR² whole configurations are permuted, for ρ the seeds are rotated alike in all.",
    "both": "The deciding q: of the larger of the two p-values.",
    "decision": "Adds: both tests are significant. Not shown: they are not, which is no proof that it adds nothing. "
    "Adds nothing: the hyperparameters determine it. "
    "Undecided, not separable: these data cannot tell; the verdict in words says why.",
}


class Answer(NamedTuple):
    """The answer as sentences, and the predictors that add something, with their strength."""

    headline: str
    sentences: list[str]
    adding: list[tuple[str, str]]


def number(value: object, digits: int = 2, signed: bool = False) -> str:
    """Return a number as text, a dash where there is none.

    >>> number(-0.256), number(0.5, signed=True), number(float("nan"))
    ('−0.26', '+0.50', '–')
    """
    if not isinstance(value, int | float | np.number) or not np.isfinite(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def probability(value: object) -> str:
    """Return a p- or q-value as text.

    >>> probability(0.00001), probability(0.042)
    ('<0.001', '0.042')
    """
    text = number(value, 3)
    return "<0.001" if text == "0.000" else text


def duration(seconds: float) -> str:
    """Return a time span as text.

    >>> duration(84.2), duration(5400)
    ('84 s', '1.5 h')
    """
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def in_words(name: str) -> str:
    """Return a column's name as words.

    >>> in_words("test_loss")
    'test loss'
    """
    return name.replace("_", " ")


def by_scope(verdicts: pd.DataFrame) -> list[pd.DataFrame]:
    """Split verdicts over several scopes into one table for each, with that scope's ``attrs``."""
    parts = []
    for scope, part in verdicts.groupby("scope", sort=False):
        baseline = [row for row in verdicts.attrs.get("baseline", []) if row["scope"] == scope]
        own = {"baseline_r2": baseline[0]["baseline_r2"]} if baseline else {}
        part.attrs = verdicts.attrs | own | {"scope": scope, "baseline": baseline}
        parts.append(part)
    return parts


def by_decision(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in reading order: what adds first, undecided last, the largest gain first in each."""
    rank = verdicts["decision"].map({decision: i for i, decision in enumerate(MARKS)}).fillna(len(MARKS))
    gain = pd.to_numeric(verdicts["gain_r2"], errors="coerce").fillna(-np.inf)
    return verdicts.iloc[np.lexsort((-gain, rank))]


def printable(text: object) -> str:
    r"""Return text that cannot steer a terminal or break a document: control characters are replaced.

    >>> printable("loss\x1b[31m")
    'loss�[31m'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))


def mark(decision: object) -> str:
    """Return the sign drawn before a decision."""
    return MARKS.get(str(decision), "")


def population(verdicts: pd.DataFrame) -> str:
    """Return which runs the verdicts are about.

    >>> population(pd.DataFrame({"scope": ["converged"], "runs": [240], "configurations": [48]}))
    '240 runs of 48 configurations (scope: converged)'
    """
    runs, configurations = int(verdicts["runs"].max()), int(verdicts["configurations"].max())
    among = windows(verdicts.attrs.get("match", {}))
    matched = f", matched: {among}" if among else ""
    return f"{runs:,} runs of {configurations:,} configurations (scope: {verdicts['scope'].iloc[0]}{matched})"


def intervals_of(verdicts: pd.DataFrame) -> str:
    """Return what the intervals of the verdicts rest on; empty if there are none."""
    confidence, resamples = verdicts.attrs["confidence"], verdicts.attrs["resamples"]
    return intervals(confidence, resamples) if resamples else ""


def nothing_judged(verdicts: pd.DataFrame) -> str:
    """Return in words that no run is judged, or that all diverged; empty if there is something to show.

    >>> frame = pd.DataFrame({"scope": ["converged"], "runs": [0]})
    >>> frame.attrs["outside"] = {"converged": {"diverged": 59, "failed": 1}}
    >>> nothing_judged(frame)
    'No run is judged (scope: converged); left out: 59 diverged, 1 failed.'
    """
    runs, scope = int(verdicts["runs"].max()), verdicts["scope"].iloc[0]
    if not runs:
        return "; ".join(filter(None, (f"No run is judged (scope: {scope})", left_out(verdicts)))) + "."
    if scope in verdicts.attrs.get("diverged", ()):
        return f"All {runs:,} runs diverged: nothing tells them apart."
    return ""


def ceilings(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how well any predictor could do in the scope of the verdicts: whom it holds for, tau and R2."""
    return list(verdicts.attrs.get("ceiling", {}).get(verdicts["scope"].iloc[0], []))


def no_ceiling(verdicts: pd.DataFrame) -> str:
    """Return why the noise of the test set has no ceiling, if one was asked for."""
    return str(verdicts.attrs.get("no_ceiling", {}).get(verdicts["scope"].iloc[0], ""))


def left_out(verdicts: pd.DataFrame) -> str:
    """Return which runs the verdicts are not about, and why; empty if they are about all.

    >>> frame = pd.DataFrame({"scope": ["converged"]})
    >>> frame.attrs["outside"] = {"converged": {"diverged": 1, "limit": 1200}}
    >>> left_out(frame)
    'left out: 1 diverged, 1,200 limit'
    """
    counts = verdicts.attrs.get("outside", {}).get(verdicts["scope"].iloc[0], {})
    return "left out: " + ", ".join(f"{count:,} {why}" for why, count in counts.items()) if counts else ""


def answer(verdicts: pd.DataFrame) -> Answer:
    """Say in plain words what the verdicts on one target, in one scope, come to."""
    target = in_words(str(verdicts.attrs["target"]))
    if nothing := nothing_judged(verdicts):
        return Answer(nothing, [], [])
    rows = by_decision(verdicts)
    added = rows[rows["decision"] == ADDS]
    match = windows(verdicts.attrs.get("match", {}))
    among = [f"Only runs with {match} are compared."] if match else []
    return Answer(
        _headline(len(added), len(rows), target),
        [*among, _baseline(verdicts.attrs["baseline_r2"], target), *_others(rows), *_strongest(rows)],
        [(str(name), _strength(row)) for name, row in added.iterrows()],
    )


def _headline(added: int, judged: int, target: str) -> str:
    what = f"anything about {target} to what the hyperparameters already say."
    if not added:
        return f"None of the {judged} predictors judged is shown to add {what}"
    verb = "add" if added > 1 else "adds"
    return f"{added} of {judged} predictors {verb} {what.replace('anything', 'something', 1)}"


def _baseline(r2: float, target: str) -> str:
    if not np.isfinite(r2):
        return "How much the hyperparameters alone explain could not be estimated."
    share = f"{100 * r2:.0f}%" if r2 > 0 else "nothing"
    return (
        f"The hyperparameters alone explain {share} of the variance of the ranks of {target} "
        f"in configurations held out from the fit (cross-validated R² {number(r2)})."
    )


def _others(rows: pd.DataFrame) -> list[str]:
    counts = rows.loc[rows["decision"] != ADDS, "decision"].value_counts()
    if counts.empty:
        return []
    parts = [
        f"{count} add{'s' * (count == 1)} nothing, as the hyperparameters determine {'it' if count == 1 else 'them'}"
        if decision == ADDS_NOTHING
        else f"{count} {'is' if count == 1 else 'are'} {decision}{' to add anything' * (decision == NOT_SHOWN)}"
        for decision, count in counts.items()
    ]
    return [f"Of {'the others' if counts.sum() < len(rows) else 'these'}, {', '.join(parts)}."]


def _strongest(rows: pd.DataFrame) -> list[str]:
    taus = pd.to_numeric(rows["kendall_tau"], errors="coerce").abs().dropna()
    if taus.empty:
        return []
    name = taus.idxmax()
    tau, decision = number(rows.loc[name, "kendall_tau"], signed=True), rows.loc[name, "decision"]
    return [f"The strongest plain rank correlation is that of {name} (τ = {tau}); its verdict: {decision}."]


def _strength(row: "pd.Series[Any]") -> str:
    gain = f"{number(row['gain_r2'], 3)} {interval(row, 'gain_low', 'gain_high', 3)}"
    within = f"{number(row['within'], signed=True)} {interval(row, 'within_low', 'within_high')}"
    return (
        f"raises the cross-validated R² by {gain}; within configurations ρ\N{NO-BREAK SPACE}= {within}; "
        f"over all runs τ = {number(row['kendall_tau'], signed=True)}; q = {probability(row['adds_q'])}"
    )


def interval(row: "pd.Series[Any]", low: str, high: str, digits: int = 2) -> str:
    """Return an interval as text, empty where there is none."""
    ends = number(row[low], digits), number(row[high], digits)
    return "" if "–" in ends else f"[{ends[0]}, {ends[1]}]"
