"""Judge predictors on a table of runs: all statistics side by side, and a decision by a fixed rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.judging import checks, decision_rule
from benevolent.analysis.judging.decisions import DESCRIBED
from benevolent.analysis.judging.detectable import detectable
from benevolent.analysis.judging.foreign_table import read_foreign_table
from benevolent.analysis.judging.match_windows import Windows, windows_text
from benevolent.analysis.judging.p_values import with_p_values
from benevolent.analysis.judging.scopes import Scope, ScopeRuns, missing_ceiling, scopes_of
from benevolent.analysis.judging.sentences import baseline_sentence, verdict_sentence
from benevolent.analysis.judging.table_notes import notes_on_scopes
from benevolent.analysis.judging.verdict import BASELINE, BASELINE_DECISION, Verdict
from benevolent.analysis.judging.verdicts import ScopeVerdicts, Verdicts
from benevolent.analysis.statistics.complete_cases import StatisticsSettings
from benevolent.analysis.statistics.measurement_noise import measurement_noise
from benevolent.analysis.statistics.predictor_statistics import PredictorStatistics
from benevolent.analysis.thresholds import PERMUTATION_STAGES
from benevolent.trainables.arguments import checked_arguments


@dataclass(frozen=True)
class _Question:
    """Arguments of `judge` that are the same for every scope.

    Attributes:
        settings: target, axes and how statistics are resampled.
        predictors: names of the predictors.
        windows: column -> (low, high), of the runs that are compared.
        status_column: name of the column of statuses.
        level: false discovery rate of the decisions.
        stages: rising numbers of permutations; drawing ends after the first at which all decisions are certain.
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

    @property
    def tests(self) -> bool:
        """Return True if permutations are drawn."""
        return tuple(self.stages) != (0,)


@threadpool_limits.wrap(limits=1)  # products of small matrices: more threads only wait for each other
@checked_arguments
def judge(
    table: pd.DataFrame,
    target: str | int = "test_loss",
    axes: Sequence[str | int] = (),
    predictors: Sequence[str | int] | None = None,
    *,
    scope: Scope = "converged",
    seed_column: str | int | None = None,
    status_column: str | int | None = None,
    independent_seeds: bool = False,
    level: float = 0.05,
    confidence: float = 0.95,
    permutations: int | None = None,
    resamples: int = 1000,
    random_seed: int = 0,
    match: Mapping[str | int, tuple[float, float]] | None = None,
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
        predictors: columns to judge; by default every column of numbers that is not an axis, an outcome from test
            data, an identifier or a field of the configuration. ``verdicts.left_out`` says why each of the others is
            not judged. Numbers written as text are read.
        scope: "converged" runs (the ones that decide), "all", or "both", one after the other.
        seed_column: the seed; by default the column `seed`, if there is one.
        status_column: the status: converged, limit, diverged, failed or "to do"; by default the column `status`, if
            there is one. The statuses of MLflow and Weights & Biases are read: finished is converged.
        independent_seeds: equal seeds of two configurations share no luck, such as numbers 0 to 4 that only count. By
            default they do. A seed of its own in every row shares none in any case.
        level: false discovery rate of the decisions.
        confidence: coverage of the intervals.
        permutations: number of draws of each null; by default as many as the decisions need, within fixed limits
            (`analysis.statistics.sequential_permutation.PERMUTATION_STAGES`). With 0 nothing is tested: predictors have
            estimates and intervals, and every decision is "described".
        resamples: bootstrap resamples of whole lineages.
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

    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> grid = [(lr, width) for lr in range(5) for width in range(4)]
    >>> table = pd.DataFrame(grid * 4, columns=["lr", "width"])
    >>> table["norm"] = random.normal(size=80)
    >>> table["test_loss"] = table["lr"] + table["norm"]
    >>> judge(table, "test_loss", ["lr", "width"])["norm"].decision
    'adds'
    """
    checks.check_fractions(level=level, confidence=confidence)
    checks.check_counts(permutations=permutations, resamples=resamples)
    checks.check_random_seed(random_seed)
    checks.check_sizes(test_size=test_size, validation_size=validation_size)
    given = read_foreign_table(
        table,
        target,
        axes,
        predictors,
        seed_column=seed_column,
        status_column=status_column,
        match=match,
        independent_seeds=independent_seeds,
    )
    stages = PERMUTATION_STAGES if permutations is None else (permutations,)
    seeds = None if given.independent_seeds else given.seed_column
    settings = StatisticsSettings(given.target, given.axes, seeds, confidence, resamples, random_seed, stages != (0,))
    question = _Question(
        settings, given.predictors, given.windows, given.status_column, level, stages, test_size, validation_size
    )
    judged = tuple(scopes_of(given.runs, given.target, scope, given.status_column, given.windows))
    notes = notes_on_scopes(given, judged)
    scopes = tuple(_judge_scope(question, runs, deciding=runs is judged[0]) for runs in judged)
    ends = {column: (float(low), float(high)) for column, (low, high) in given.windows.items()}
    return Verdicts(
        target=given.target,
        axes=given.axes,
        match=ends,
        rule=decision_rule.rule_text(given.target, given.axes, level),
        level=level,
        confidence=confidence,
        permutations=stages[-1],
        resamples=resamples,
        left_out=given.left_out,
        notes=notes,
        scopes=scopes,
    )


def _judge_scope(question: _Question, scope: ScopeRuns, deciding: bool) -> ScopeVerdicts:
    """Describe, test and decide on every predictor in the runs of one scope.

    The null of the mutual information, which takes as long as all else, is drawn in the deciding scope only.
    """
    settings = replace(question.settings, nulls=question.settings.nulls and deciding)
    statistics = PredictorStatistics(scope.runs, settings)
    known = {
        "target": settings.target,
        "scope": scope.name,
        "match": windows_text(question.windows),
        "resamples": settings.resamples,
    }
    verdicts = []
    all_tests = []
    evaluated = statistics.evaluate(question.predictors)
    for predictor, (values, tests) in zip(question.predictors, evaluated, strict=True):
        noise = measurement_noise(scope.runs, predictor, settings.axes, settings.seed_column)
        about = known | {"test_derived": is_test_derived(predictor), "within_ceiling": noise.ceiling}
        verdicts.append(Verdict.undecided(predictor, settings.axes, about | values))
        all_tests.append(tests)
    if question.tests:
        verdicts = with_p_values(verdicts, all_tests, question.level, question.stages)
    diverged = checks.all_diverged(scope.runs, question.status_column)
    decided = [_decide(verdict, question, diverged) for verdict in verdicts]
    baseline = Verdict.undecided(BASELINE, settings.axes, known | statistics.evaluate_axes())
    sentence = baseline_sentence(baseline, settings.confidence)
    smallest = detectable(decided, baseline.baseline_r2)
    ceilings = statistics.ceilings(question.test_size, question.validation_size)
    return ScopeVerdicts(
        scope=scope.name,
        runs=len(scope.runs),
        configurations=baseline.configurations,
        excluded=scope.excluded,
        all_diverged=diverged,
        baseline=replace(baseline, decision=BASELINE_DECISION, sentence=sentence),
        ceilings=tuple(ceilings),
        missing_ceiling=missing_ceiling(scope.runs, settings.target, question.test_size),
        detectable_effect=smallest.effect,
        detectable_related_effect=smallest.related_effect,
        detectable_gain=smallest.gain,
        predictors=tuple(decided),
    )


def _decide(verdict: Verdict, question: _Question, all_diverged: bool) -> Verdict:
    """Apply the rule and put the verdict in words."""
    decided = decision_rule.Decided(DESCRIBED, "nothing was tested")
    if question.tests:
        decided = decision_rule.decide(verdict, question.level, all_diverged)
    verdict = replace(verdict, decision=decided.decision, reason=decided.reason, small=decided.small)
    sentence = verdict_sentence(verdict, question.settings.confidence)
    return replace(verdict, sentence=sentence)
