"""Judge predictors on a table of runs: all statistics side by side, and a decision by a fixed rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis.column_names import is_test_derived, numeric_columns
from benevolent.analysis.judging import checks, decision_rule
from benevolent.analysis.judging.match_windows import Windows, in_windows, windows_text
from benevolent.analysis.judging.predictors import default_predictors
from benevolent.analysis.judging.sentences import baseline_sentence, verdict_sentence
from benevolent.analysis.judging.verdict import BASELINE, BASELINE_DECISION, Verdict
from benevolent.analysis.judging.verdicts import ScopeVerdicts, Verdicts
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.noise_ceiling import measured_outcome, measurement_variance
from benevolent.analysis.statistics.predictor_statistics import PredictorStatistics, StatisticsSettings
from benevolent.analysis.statistics.resampling import false_discovery
from benevolent.analysis.statistics.sequential_permutation import (
    PERMUTATION_STAGES,
    PermutationTests,
    draw_until_decided,
)
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import UNFINISHED, Status

Scope = Literal["converged", "all", "both"]


@dataclass(frozen=True)
class _Question:
    """Everything that is asked, but for the runs.

    Attributes:
        settings: target, axes and how statistics are resampled.
        predictors: names of the predictors.
        windows: column -> (low, high), of the runs that are compared.
        status_column: name of the column of statuses.
        level: false discovery rate of the decisions.
        stages: rising numbers of permutations after which it is checked whether all decisions are certain.
        test_size: number of test examples, if known.
        validation_size: number of validation examples, if known.
    """

    settings: StatisticsSettings
    predictors: tuple[str, ...]
    windows: Windows
    status_column: str
    level: float
    stages: Sequence[int]
    test_size: int | None
    validation_size: int | None


@threadpool_limits.wrap(limits=1)  # products of small matrices: more threads only wait for each other
def judge(
    table: pd.DataFrame,
    target: str = "test_loss",
    axes: Sequence[str] = (),
    predictors: Sequence[str] | None = None,
    *,
    scope: Scope = "converged",
    seed_column: str | None = None,
    status_column: str = "status",
    level: float = 0.05,
    confidence: float = 0.95,
    permutations: int | None = None,
    resamples: int = 1000,
    random_seed: int = 0,
    match: Windows | None = None,
    test_size: int | None = None,
    validation_size: int | None = None,
) -> Verdicts:
    """Find the predictors that say something about the target that the axes do not say already.

    The rule is `analysis.judging.decision_rule.RULE`, and filled in ``verdicts.rule``. All statistics are of ranks. A
    missing predictor (NaN) leaves its run out for that predictor; an infinite one is the largest or smallest.
    A run without a target is left out, but in scope "all" a diverged run has the worst (largest) target.
    Failed runs are never judged. A constant predictor orders nothing: its statistics are NaN.

    Args:
        table: one row per run. Without a status column every run counts; without a seed column the duplicates
            of a configuration are its seeds.
        target: the outcome to predict; larger is worse.
        axes: at least one column, together the configuration. At least two values each.
        predictors: columns to judge; by default every numeric column that is not an axis, an outcome from test data,
            an identifier or a dotted configuration field (``verdicts.left_out`` lists the numeric ones left out).
        scope: "converged" runs (the ones that decide), "all", or "both", one after the other.
        seed_column: the seed; by default the column `seed`, if there is one.
        status_column: the status: converged, limit, diverged, failed or "to do".
        level: false discovery rate of the decisions.
        confidence: coverage of the intervals.
        permutations: number of draws of each null; by default as many as the decisions need, within fixed limits
            (`analysis.statistics.sequential_permutation.PERMUTATION_STAGES`).
        resamples: bootstrap resamples of whole configurations.
        random_seed: seed of permutations and resamples; equal seeds give equal verdicts.
        match: column -> (low, high): only runs whose value lies between, ends included, are compared, such as networks
            of one train loss (Liao et al. 2018, figure 13).
        test_size: how many test examples the target is a mean over; with it, and for a loss with a column
            ``<target>_variance``, the noise of the test set has its ceiling (`measurement_variance`).
        validation_size: how many examples the columns ``validation_...`` are means over, which refine it.

    Returns:
        the verdicts; ``verdicts.table`` has one row per predictor and scope.

    Raises:
        BadInput: a column is absent or not numeric, the table is empty, the target has no value, an axis has one
            value (so that there are always two configurations or more), or a status or a number is not allowed.

    >>> random = np.random.default_rng(0)
    >>> grid = [(lr, width) for lr in range(5) for width in range(4)]
    >>> table = pd.DataFrame(grid * 4, columns=["lr", "width"])
    >>> table["norm"] = random.normal(size=80)
    >>> table["test_loss"] = table["lr"] + table["norm"]
    >>> judge(table, "test_loss", ["lr", "width"])["norm"].decision
    'adds'
    """
    checks.check_lists(axes=axes, predictors=predictors)
    axes = list(axes)
    table = table.reset_index(drop=True)
    checks.check_fractions(level=level, confidence=confidence)
    checks.check_counts(permutations=permutations, resamples=resamples)
    checks.check_table(table, target, status_column)
    checks.check_axes(table, target, axes)
    checks.check_status(table, status_column)
    if seed_column is not None and seed_column not in table:  # without seeds the verdicts would be other, laxer ones
        raise BadInput(f"seed column {seed_column!r} is not a column of the table")
    seed_column = seed_column or "seed"
    chosen = default_predictors(table, target, axes, seed_column) if predictors is None else list(predictors)
    checks.check_predictors(table, target, axes, chosen)
    checks.check_replicates(table, axes, seed_column)
    stages = PERMUTATION_STAGES if permutations is None else (permutations,)
    settings = StatisticsSettings(target, tuple(axes), seed_column, confidence, resamples, random_seed, stages != (0,))
    windows = dict(match or {})
    question = _Question(settings, tuple(chosen), windows, status_column, level, stages, test_size, validation_size)
    compared = _matched(table, windows)
    scopes = []
    for name, candidates in _candidates(table, target, scope, status_column):
        excluded = _excluded(table, candidates, target, status_column)
        runs = candidates[compared[candidates.index]]
        if len(runs) < len(candidates):
            excluded["not matched"] = len(candidates) - len(runs)
        scopes.append(_judge_scope(question, name, runs, excluded))
    return Verdicts(
        target=target,
        axes=tuple(axes),
        match={column: (float(low), float(high)) for column, (low, high) in windows.items()},
        rule=decision_rule.rule_text(target, axes, level),
        level=level,
        confidence=confidence,
        permutations=stages[-1],
        resamples=resamples,
        left_out=tuple(name for name in numeric_columns(table) if name not in {*chosen, *axes, target}),
        scopes=tuple(scopes),
    )


def _judge_scope(question: _Question, scope: str, runs: pd.DataFrame, excluded: dict[str, int]) -> ScopeVerdicts:
    """Describe, test and decide on every predictor in the runs of one scope."""
    settings = question.settings
    statistics = PredictorStatistics(runs, settings)
    known = {
        "target": settings.target,
        "scope": scope,
        "match": windows_text(question.windows),
        "resamples": settings.resamples,
    }
    verdicts = []
    all_tests = []
    for predictor in question.predictors:
        values, tests = statistics.evaluate(predictor)
        about = known | {"test_derived": is_test_derived(predictor)}
        verdicts.append(Verdict.undecided(predictor, settings.axes, about | values))
        all_tests.append(tests)
    diverged = checks.all_diverged(runs, question.status_column)
    verdicts = _tested(verdicts, all_tests, question.level, question.stages)
    verdicts = _adjusted(verdicts)
    baseline = Verdict.undecided(BASELINE, settings.axes, known | statistics.evaluate_axes())
    sentence = baseline_sentence(baseline, settings.confidence)
    return ScopeVerdicts(
        scope=scope,
        runs=len(runs),
        configurations=baseline.configurations,
        excluded=excluded,
        all_diverged=diverged,
        baseline=replace(baseline, decision=BASELINE_DECISION, sentence=sentence),
        ceilings=tuple(statistics.ceilings(question.test_size, question.validation_size)),
        missing_ceiling=_missing_ceiling(runs, settings.target, question.test_size),
        predictors=tuple(_decided(verdict, question, diverged) for verdict in verdicts),
    )


def _tested(
    verdicts: Sequence[Verdict], all_tests: Sequence[PermutationTests | None], level: float, stages: Sequence[int]
) -> list[Verdict]:
    """Draw the nulls, of the predictors of the family until they are decided, and fill in the p-values."""
    pairs = list(zip(verdicts, all_tests, strict=True))
    family = [tests for verdict, tests in pairs if tests and decision_rule.in_family(verdict)]
    bounds = dict(zip(map(id, family), draw_until_decided(family, level, stages), strict=True))
    tested = []
    for verdict, tests in pairs:
        if tests is not None:
            tests.draw(stages[0])  # what is not decided on is described
            verdict = _with_p_values(verdict, tests, bounds.get(id(tests)))
        tested.append(verdict)
    return tested


def _with_p_values(verdict: Verdict, tests: PermutationTests, bounds: tuple[float, float] | None) -> Verdict:
    """Fill in the p-values that were drawn; `bounds` of the adjusted p-value are known in the family only."""
    gain, within = tests.counts
    within_p = np.nan if np.isnan(verdict.within) else within.p
    values: dict[str, Any] = {"gain_p": gain.p, "within_p": within_p, "permutations": float(gain.permutations)}
    if bounds is not None:
        values["adds_p"] = max(gain.p, within_p)
        values["adds_q_low"], values["adds_q_high"] = bounds
    return replace(verdict, **values)


def _adjusted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Adjust each kind of p-value over all predictors that have one."""
    adjusted = list(verdicts)
    for name in ("gain", "within", "adds"):
        p_values = np.array([getattr(verdict, f"{name}_p") for verdict in adjusted], dtype=float)
        q_values = false_discovery(p_values)
        for place, q_value in enumerate(q_values):
            known: dict[str, Any] = {f"{name}_q": float(q_value)}
            adjusted[place] = replace(adjusted[place], **known)
    return adjusted


def _decided(verdict: Verdict, question: _Question, all_diverged: bool) -> Verdict:
    """Apply the rule and say the verdict in words."""
    decision, reason = decision_rule.decide(verdict, question.level, all_diverged)
    verdict = replace(verdict, decision=decision, reason=reason)
    return replace(verdict, sentence=verdict_sentence(verdict, question.settings.confidence))


def _candidates(
    table: pd.DataFrame, target: str, scope: Scope, status_column: str
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each scope's name and its runs, with the target as it is judged there."""
    if scope not in ("converged", "all", "both"):
        raise BadInput(f"scope {scope!r} is not one of converged, all, both")
    values = numeric_column(table, target, "target")
    if status_column not in table.columns:
        yield "all", table[~np.isnan(values)]
        return
    status = table[status_column]
    if scope != "all":
        yield "converged", table[(status == Status.CONVERGED) & ~np.isnan(values)]
    if scope != "converged":
        worst = table.assign(**{target: np.where(status == Status.DIVERGED, np.inf, values)})
        yield "all", worst[~status.isin(UNFINISHED) & worst[target].notna()]


def _matched(table: pd.DataFrame, windows: Windows) -> "pd.Series[bool]":
    """Mark the runs that are compared; `BadInput` if no run lies in the windows."""
    inside = in_windows(table, windows)
    if not inside.any():
        raise BadInput(f"match {windows_text(windows)}: no run lies there")
    return inside


def _excluded(table: pd.DataFrame, judged: pd.DataFrame, target: str, status_column: str) -> dict[str, int]:
    """Count the runs of the table that a scope leaves out, by their status or for lack of a target."""
    others = table[~table.index.isin(judged.index)]
    without_target = others[target].isna()
    if status_column in table:
        reason = others[status_column].map(str)
    else:
        reason = pd.Series("", index=others.index, dtype=object)
    lacking = without_target & ~reason.isin([Status.DIVERGED, *UNFINISHED])
    reason = reason.where(~lacking, f"without {target}")
    return {str(name): int(count) for name, count in reason.value_counts().sort_index().items()}


def _missing_ceiling(runs: pd.DataFrame, target: str, test_size: int | None) -> str:
    """Explain why test-set noise has no ceiling though its size is known; empty if it has one, or no size."""
    if test_size is None or runs.empty or not np.isnan(measurement_variance(runs, target, test_size)).all():
        return ""
    measured = measured_outcome(target)
    if measured not in runs:
        reason = f"no column {measured}"
    elif "error" in measured:
        reason = f"{measured} leaves [0, 1]"
    else:
        reason = f"no column {measured}_variance (variance of the loss of one example)"
    return f"no ceiling for test-set noise: {reason}"
