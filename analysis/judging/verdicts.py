"""Verdicts as a type: what `judge` returns, what the report shows, and what `verdicts.json` holds.

A `Verdict` is about one predictor, a `ScopeVerdicts` about all predictors on one set of runs, and `Verdicts` holds the
scopes of one target. Their fields are the schema of the file: it is written and read by `verdicts_json` and
`read_verdicts` alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from pydantic import TypeAdapter

from benevolent.analysis.formatting import counts_text, number, quantity
from benevolent.analysis.html import template
from benevolent.analysis.judging.decisions import CLAIMING, MARKS, UNDECIDED
from benevolent.analysis.judging.left_out import left_out_lines
from benevolent.analysis.judging.match_windows import windows_text
from benevolent.analysis.judging.verdict import Number, Verdict, columns, intervals_text
from benevolent.analysis.statistics.noise_ceiling import Ceiling


@dataclass(frozen=True)
class ScopeVerdicts:
    """Verdicts on one set of runs.

    Attributes:
        scope: "converged", or "all" with diverged runs ranked worst.
        runs: how many runs are compared.
        configurations: how many configurations they have.
        excluded: how many runs of the table are not compared, by reason.
        all_diverged: whether every compared run diverged, so that nothing tells them apart.
        baseline: the axes alone: their prediction of held-out configurations, described like a predictor. When the
            axes say little it leans away from a run, and its tau may be below 0.
        ceilings: how well any predictor could do on these runs.
        missing_ceiling: why there is no ceiling by test-set noise, if one was asked for; else empty.
        predictors: one verdict per predictor.
        detectable_effect: smallest correlation within configurations that these runs show with 80% power if one
            predictor of them all has it and configurations share no luck; missing if they cannot show any.
        detectable_related_effect: the same if configurations of one lineage, or all if they have the same seeds, share
            all of their luck.
        detectable_gain: smallest gain that they show, likewise.
    """

    scope: str
    runs: int
    configurations: int
    excluded: dict[str, int]
    all_diverged: bool
    baseline: Verdict
    ceilings: tuple[Ceiling, ...]
    missing_ceiling: str
    predictors: tuple[Verdict, ...]
    detectable_effect: Number = math.nan
    detectable_related_effect: Number = math.nan
    detectable_gain: Number = math.nan


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts:
    """Verdicts on one target, in one scope or in several; the first scope decides.

    `verdicts["path_length"]` is the `Verdict` on one predictor, and `verdicts.table` holds all of them.

    Attributes:
        target: name of the outcome's column.
        axes: names of the axes.
        match: column -> (low, high): windows of the compared runs.
        rule: the decision rule in words.
        level: false discovery rate of the decisions.
        confidence: coverage of the intervals.
        permutations: how many permutations were allowed.
        resamples: how many bootstrap resamples the intervals come from.
        left_out: column -> why it was not judged, for all columns of the table that have no other role.
        notes: sentences on how the table was read and on what is odd in it.
        scopes: the verdicts on each set of runs, those that decide first.
    """

    target: str
    axes: tuple[str, ...]
    match: dict[str, tuple[Number, Number]]
    rule: str
    level: float
    confidence: float
    permutations: int
    resamples: int
    left_out: dict[str, str]
    notes: tuple[str, ...]
    scopes: tuple[ScopeVerdicts, ...]

    def __getitem__(self, predictor: object) -> Verdict:
        """Return the verdict on a predictor, in the first scope; names are text, so that 0 is the column "0"."""
        name = str(predictor)
        for verdict in self.scopes[0].predictors:
            if verdict.predictor == name:
                return verdict
        raise KeyError(f"{predictor!r} was not judged")

    def __iter__(self) -> Iterator[Verdict]:
        """Iterate over the verdicts of the first scope."""
        return iter(self.scopes[0].predictors)

    def __len__(self) -> int:
        """Return how many predictors were judged."""
        return len(self.scopes[0].predictors)

    def __eq__(self, other: object) -> bool:
        """Compare everything that is written to the file; a missing number equals a missing number."""
        return isinstance(other, Verdicts) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    @property
    def names(self) -> list[str]:
        """Names of the predictors."""
        return [verdict.predictor for verdict in self]

    @property
    def adding(self) -> list[Verdict]:
        """Verdicts on the predictors that add something, in the first scope, in reading order."""
        return [verdict for verdict in self.in_reading_order() if verdict.decision in CLAIMING]

    @property
    def scope(self) -> str:
        """Name of the first scope."""
        return self.scopes[0].scope

    @property
    def runs(self) -> int:
        """Number of runs in the first scope."""
        return self.scopes[0].runs

    @property
    def baseline(self) -> Verdict:
        """The axes alone, in the first scope."""
        return self.scopes[0].baseline

    @property
    def ceilings(self) -> tuple[Ceiling, ...]:
        """Best that any predictor could do, in the first scope."""
        return self.scopes[0].ceilings

    @property
    def excluded(self) -> dict[str, int]:
        """Number of runs that the first scope leaves out, by reason."""
        return self.scopes[0].excluded

    @property
    def table(self) -> pd.DataFrame:
        """One row per predictor and scope, index: predictor; columns: `columns`."""
        verdicts: list[Verdict] = []
        for scope in self.scopes:
            verdicts += scope.predictors
        return self._frame(verdicts)

    def table_with_baseline(self) -> pd.DataFrame:
        """Return the table with the row of the axes alone above the predictors of each scope."""
        verdicts: list[Verdict] = []
        for scope in self.scopes:
            verdicts += [scope.baseline, *scope.predictors]
        return self._frame(verdicts)

    def _frame(self, verdicts: Sequence[Verdict]) -> pd.DataFrame:
        index = pd.Index([verdict.predictor for verdict in verdicts], name="predictor")
        return pd.DataFrame([verdict.row() for verdict in verdicts], index=index, columns=columns(self.axes))

    def by_scope(self) -> list["Verdicts"]:
        """Return the verdicts of each scope alone."""
        return [replace(self, scopes=(scope,)) for scope in self.scopes]

    def in_reading_order(self) -> list[Verdict]:
        """Return the verdicts of the first scope: what adds first, undecided last, the largest effect first in each."""
        decisions = list(MARKS)

        def place(verdict: Verdict) -> tuple[int, float]:
            rank = decisions.index(verdict.decision) if verdict.decision in decisions else len(decisions)
            return rank, math.inf if math.isnan(verdict.effect) else -verdict.effect

        return sorted(self, key=place)

    @property
    def population(self) -> str:
        """Runs that the first scope compares, in words.

        A predictor that some of them lack is judged on fewer; its own row says on how many.
        """
        scope = self.scopes[0]
        about = f"scope: {scope.scope}"
        if self.match:
            about += f", matched: {windows_text(self.match)}"
        if self.descriptive:
            about += "; described, not tested"
        return f"{scope.runs:,} runs of {scope.configurations:,} configurations ({about})"

    @property
    def excluded_text(self) -> str:
        """Runs that the first scope leaves out, and why, in words; empty if it has all."""
        if not self.excluded:
            return ""
        return f"left out: {counts_text(self.excluded)}"

    @property
    def descriptive(self) -> bool:
        """True if nothing was tested: there are estimates and intervals, and no decisions."""
        return self.permutations == 0

    @property
    def nothing_judged(self) -> str:
        """Reason why there is nothing to show: no runs, only diverged ones, or a constant target; else empty."""
        scope = self.scopes[0]
        if not scope.runs:
            reason = f"; {self.excluded_text}" if self.excluded else ""
            return f"No run is judged (scope: {scope.scope}){reason}."
        if scope.all_diverged:
            return f"All {scope.runs:,} runs diverged: nothing tells them apart."
        if scope.baseline.constant:
            return f"{scope.baseline.constant} is constant in all {scope.runs:,} runs: there is nothing to predict."
        return ""

    @property
    def undecided_reasons(self) -> dict[str, list[str]]:
        """Reasons why a decision is lacking, and the predictors of the first scope that it concerns."""
        reasons: dict[str, list[str]] = {}
        for verdict in self:
            if verdict.decision == UNDECIDED:
                reasons.setdefault(verdict.reason, []).append(verdict.predictor)
        return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))

    @property
    def detectable(self) -> str:
        """Smallest effects that the first scope could show, in words; empty if none, or if nothing was tested."""
        scope = self.scopes[0]
        if self.descriptive or not scope.detectable_effect < 1:
            return ""
        effect = scope.detectable_effect
        related_effect = scope.detectable_related_effect
        text = f"detectable with 80% power: a correlation of {effect:.2f} within configurations"
        if related_effect > effect:
            largest = f"{related_effect:.2f}" if related_effect < 1 else "none"
            text += f" ({largest} if those with common seeds share all their luck)"
        if scope.detectable_gain < 1:
            text += f", a gain of {scope.detectable_gain:.3f} in transfer"
        return text

    @property
    def baseline_note(self) -> str:
        """Explain a baseline that predicts worse than the mean does, in words; empty if it does not."""
        r2 = self.baseline.baseline_r2
        if self.nothing_judged or not r2 < 0:
            return ""
        return (
            "baseline: the hyperparameters alone predict configurations that were left out worse than the mean of the "
            f"others does (R² {number(r2)}); a gain counts from there"
        )

    @property
    def left_out_heading(self) -> str:
        """Number of columns that were not judged, in words."""
        verb = "is" if len(self.left_out) == 1 else "are"
        return f"{quantity(len(self.left_out), 'column')} {verb} not judged"

    @property
    def left_out_lines(self) -> list[str]:
        """A line for each reason why columns were not judged."""
        return left_out_lines(self.left_out)

    @property
    def intervals_text(self) -> str:
        """Resamples that the intervals are estimated from, in words; empty without any."""
        return intervals_text(self.confidence, self.resamples)

    def to_html(self) -> str:
        """Return the tables of all scopes and the rule as a piece of HTML with its own style."""
        return template("verdicts.html.j2").render(verdicts=self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        heading = f"Verdicts on {self.target}: {self.nothing_judged or self.population}"
        if self.nothing_judged:
            return heading
        shown = ["runs", "kendall_tau", "within", "beyond_q", "gain_r2", "transfers_q", "decision"]
        rows = self.table.loc[lambda table: table["scope"] == self.scope, shown]
        ordered = rows.loc[[verdict.predictor for verdict in self.in_reading_order()]]
        lines = [heading, ordered.to_string(float_format="{:+.3f}".format)]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the verdicts as JSON; missing numbers are null."""
        return _ONE.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Verdicts":
        """Read the verdicts that `to_json` wrote.

        Raises:
            ValueError: the text is not the JSON of verdicts.
        """
        return _ONE.validate_json(text)


_ONE = TypeAdapter(Verdicts)
_MANY = TypeAdapter(list[Verdicts])


def verdicts_json(verdicts: Sequence[Verdicts]) -> bytes:
    """Return verdicts on several targets as one JSON document."""
    return _MANY.dump_json(list(verdicts), indent=2) + b"\n"


def read_verdicts(data: bytes) -> list[Verdicts]:
    """Read what `verdicts_json` wrote.

    Raises:
        ValueError: the data are not verdicts.
    """
    return _MANY.validate_json(data)
