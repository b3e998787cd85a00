"""Judge predictors on a table of runs: all statistics side by side, and a decision by a fixed rule."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis.judging import decision_rule
from benevolent.analysis.judging.predictors import default_predictors, is_test_derived, numeric_columns
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
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
BASELINE = "axes only"
STATUSES = set(Status)


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
    match: Mapping[str, tuple[float, float]] | None = None,
    test_size: int | None = None,
    validation_size: int | None = None,
) -> pd.DataFrame:
    """Find the predictors that say something about the target that the axes do not say already.

    The rule is in `analysis.judging.decision_rule.RULE` and, filled in, in ``.attrs["rule"]``. All statistics are of
    ranks. A missing predictor (NaN) leaves its run out for that predictor; an infinite one is the largest or smallest.
    A run without a target is left out, but in scope "all" a diverged run has the worst (largest) target.
    Failed runs are never judged. A constant predictor orders nothing: its statistics are NaN.

    Args:
        table: one row per run. Without a status column every run counts; without a seed column the duplicates
            of a configuration are its seeds.
        target: the outcome to predict; larger is worse.
        axes: at least one column, together the configuration. At least two values each.
        predictors: columns to judge; by default every numeric column that is no axis, outcome from test data,
            identifier or dotted configuration field (``.attrs["left_out"]`` lists the numeric ones left out).
        scope: "converged" runs (the ones that decide), "all", or "both" below each other.
        seed_column: the seed; by default the column `seed`, if there is one.
        status_column: the status: converged, limit, diverged, failed or "to do".
        level: false discovery rate of the decisions.
        confidence: coverage of the intervals.
        permutations: of each null; by default as many as the decisions need, within the fixed limits of
            `analysis.statistics.sequential_permutation.PERMUTATION_STAGES`.
        resamples: bootstrap resamples of whole configurations.
        random_seed: of permutations and resamples; equal seeds give equal verdicts.
        match: column -> (low, high): only runs whose value lies between, ends included, are compared, such as networks
            of one train loss (Liao et al. 2018, figure 13).
        test_size: how many test examples the target is a mean over; with it, and for a loss with a column
            ``<target>_variance``, the noise of the test set has its ceiling (`measurement_variance`).
        validation_size: how many examples the columns ``validation_...`` are means over, which refine it.

    Returns:
        One row per predictor (and scope), see `columns`, one ``granulated[axis]`` per axis among them.
        ``.attrs``: target, axes, scope, rule, level, confidence, permutations, resamples, left_out,
        baseline_r2 and baseline: the row of the axes alone, whose "predictor" is their held-out prediction; outside:
        of each scope, how many runs it leaves out, by status; ceiling: of each scope, how well any predictor could do
        (`analysis.statistics.noise_ceiling`); no_ceiling: of each scope, why there is none of the test set, if one was
        asked for; diverged: the scopes of which all runs have; match.

    Raises:
        BadInput: a column is absent or not numeric, the table is empty, the target has no value, an axis has one
            value (so that there are always two configurations or more), or a status or a number is not allowed.

    >>> random = np.random.default_rng(0)
    >>> grid = [(lr, width) for lr in range(5) for width in range(4)]
    >>> table = pd.DataFrame(grid * 4, columns=["lr", "width"])
    >>> table["norm"] = random.normal(size=80)
    >>> table["test_loss"] = table["lr"] + table["norm"]
    >>> judge(table, "test_loss", ["lr", "width"])["decision"].to_dict()
    {'norm': 'adds'}
    """
    for name, value in (("axes", axes), ("predictors", predictors)):
        if isinstance(value, str):
            raise BadInput(f"{name} must be a list of column names, not the text {value!r}")
    axes, table = list(axes), table.reset_index(drop=True)
    _check_numbers(level=level, confidence=confidence, permutations=permutations, resamples=resamples)
    _check(table, target, axes, status_column)
    _check_status(table, status_column)
    if seed_column is not None and seed_column not in table:  # without seeds the verdicts would be other, laxer ones
        raise BadInput(f"seed column {seed_column!r} is not a column of the table")
    seed_column = seed_column or "seed"
    chosen = default_predictors(table, target, axes, seed_column) if predictors is None else list(predictors)
    _check_predictors(table, target, axes, chosen)
    looks = PERMUTATION_STAGES if permutations is None else (permutations,)
    settings = StatisticsSettings(target, tuple(axes), seed_column, confidence, resamples, random_seed, looks != (0,))
    _check_unique(table, axes, seed_column)
    near, match = _matched(table, match or {}), dict(match or {})
    known = {"match": decision_rule.windows(match), "confidence": confidence, "resamples": resamples}
    frames, baselines, outside, ceilings, notes, lost = [], [], {}, {}, {}, []
    for name, every in _scopes(table, target, scope, status_column):
        runs = every[near[every.index]]
        panel = PredictorStatistics(runs, settings)
        outside[name] = _outside(table, every, target, status_column)
        if len(runs) < len(every):
            outside[name]["not matched"] = len(every) - len(runs)
        notes[name] = _no_ceiling(runs, target, test_size)
        ceilings[name] = [limit._asdict() for limit in panel.ceilings(test_size, validation_size)]
        judged = [panel.evaluate(predictor) for predictor in chosen]
        diverged = _all_diverged(runs, status_column)
        lost += [name] * diverged
        start = _start(target, name, axes) | known | {"diverged": diverged}
        rows = [start | row for row, _ in judged]
        _test(rows, [contest for _, contest in judged], level, looks)
        frames.append(_verdicts(rows, chosen, axes, level))
        baselines.append(_baseline(panel, start))
    verdicts = pd.concat(frames)
    verdicts.attrs = {
        "target": target,
        "axes": axes,
        "scope": scope,
        "rule": decision_rule.rule_text(target, axes, level),
        "level": level,
        "confidence": confidence,
        "permutations": looks[-1],
        "resamples": resamples,
        "left_out": [name for name in numeric_columns(table) if name not in {*chosen, *axes, target}],
        "baseline_r2": baselines[0]["baseline_r2"],
        "baseline": baselines,
        "outside": outside,
        "ceiling": ceilings,
        "no_ceiling": notes,
        "diverged": lost,
        "match": {column: list(ends) for column, ends in match.items()},
    }
    return verdicts


def _outside(table: pd.DataFrame, judged: pd.DataFrame, target: str, status_column: str) -> dict[str, int]:
    """How many runs of the table are not judged, by their status, or for want of a target."""
    others = table[~table.index.isin(judged.index)]
    without = others[target].isna()
    why = others[status_column].map(str) if status_column in table else without.map({True: "", False: ""})
    why = why.where(~(without & ~why.isin([Status.DIVERGED, *UNFINISHED])), f"without {target}")
    return {str(name): int(count) for name, count in why.value_counts().sort_index().items()}


def _all_diverged(table: pd.DataFrame, status_column: str) -> bool:
    return len(table) > 0 and status_column in table and bool((table[status_column] == Status.DIVERGED).all())


def _no_ceiling(runs: pd.DataFrame, target: str, test_size: int | None) -> str:
    """Why the noise of the test set has no ceiling though its size is known; empty if it has one, or no size."""
    if test_size is None or runs.empty or not np.isnan(measurement_variance(runs, target, test_size)).all():
        return ""
    measured = measured_outcome(target)
    why = f"no column {measured}_variance (of the loss of one example)"
    if "error" in measured:
        why = f"{measured} leaves [0, 1]"
    if measured not in runs:
        why = f"no column {measured}"
    return f"no noise ceiling of the test set: {why}"


def _matched(table: pd.DataFrame, match: Mapping[str, tuple[float, float]]) -> "pd.Series[bool]":
    """Which runs lie in every window; `BadInput` for a window that holds none."""
    near = pd.Series(True, index=table.index)
    for column, (low, high) in match.items():
        values = numeric_column(table, column, "match")
        if low > high:
            raise BadInput(f"match {column} = {low:g} to {high:g}: the ends are swapped, the lower one comes first")
        near &= (values >= low) & (values <= high)
        if not near.any():
            raise BadInput(f"match {column} = {low:g} to {high:g}: no run lies there")
    return near


def _check_unique(table: pd.DataFrame, axes: Sequence[str], seed_column: str) -> None:
    """Refuse runs that differ in more than their seed and the axes: they would pass for seeds of a configuration."""
    if seed_column not in table or not (again := table.duplicated([*axes, seed_column], keep=False)).any():
        return
    fields = [name for name in table if "." in str(name) and name not in axes]
    varied = [name for name in fields if table[name].map(str).nunique() > 1]
    hint = f"; columns that vary too: {', '.join(varied)}" if varied else ""
    raise BadInput(f"axes: {int(again.sum())} runs share all axes and the {seed_column} with another run{hint}")


def with_baseline(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts with a first row "axes only" for each scope: what the hyperparameters say on their own.

    Its "predictor" is the axes' prediction of configurations that were held out, which leans away from a run
    when the axes say little: its tau may then be below 0.
    """
    baseline = pd.DataFrame(verdicts.attrs["baseline"], index=[BASELINE] * len(verdicts.attrs["baseline"]))
    rows = [
        pd.concat([baseline[baseline["scope"] == scope].reindex(columns=verdicts.columns), part])
        for scope, part in verdicts.groupby("scope", sort=False)
    ]
    out = pd.concat(rows)
    out.index.name = verdicts.index.name
    return out


def columns(axes: Sequence[str]) -> list[str]:
    """The columns of a verdict table, in order.

    ``scope`` and ``match`` say which runs: by their status, and in which windows (empty: all of the scope);
    ``runs``, ``configurations``, ``missing`` count; ``*_low``, ``*_high`` are intervals from ``resamples`` of whole
    configurations; ``*_p`` permutation p-values; ``*_q`` Benjamini-Hochberg adjusted; ``gain_r2`` and
    ``baseline_r2`` are cross-validated R2 of ranks; ``within_freedom`` degrees of freedom, ``within_seeds`` how many
    seeds the runs share; ``cmi`` is absent with one axis and beyond 50,000 runs; ``adds_p`` the larger of gain_p and
    within_p, which decides; ``adds_q_low`` and ``adds_q_high`` what adds_q could be with endlessly many
    ``permutations``.
    """
    return [
        *("target", "scope", "match", "decision", "runs", "configurations", "missing", "test_derived"),
        *("kendall_tau", "kendall_low", "kendall_high"),
        *(f"granulated[{axis}]" for axis in axes),
        *("psi", "psi_low", "psi_high", "partial_rank_correlation", "cmi", "cmi_p"),
        *("baseline_r2", "gain_r2", "gain_low", "gain_high", "gain_p", "gain_q"),
        *("within", "within_low", "within_high", "within_freedom", "within_seeds", "within_p", "within_q"),
        *("adds_p", "adds_q", "adds_q_low", "adds_q_high", "permutations", "resamples", "sentence"),
    ]


def _start(target: str, scope: str, axes: Sequence[str]) -> dict[str, Any]:
    """A row in which nothing is known yet."""
    return dict.fromkeys(columns(axes), np.nan) | {"target": target, "scope": scope, "test_derived": False}


def _baseline(panel: PredictorStatistics, start: dict[str, Any]) -> dict[str, Any]:
    """The row of the axes alone: their held-out prediction, described like a predictor."""
    row = start | panel.evaluate_axes() | {"decision": "baseline"}
    return {name: row[name] for name in columns(panel.settings.axes)} | {
        "sentence": decision_rule.baseline_sentence(row)
    }


def _test(
    rows: list[dict[str, Any]], contests: list[PermutationTests | None], level: float, looks: Sequence[int]
) -> None:
    """Draw the nulls, of the predictors that can be decided on until they are, and fill in the p-values."""
    pairs = [(row, contest) for row, contest in zip(rows, contests, strict=True) if contest]
    family = [(row, contest) for row, contest in pairs if decision_rule.is_judged(row)]
    for (row, _), ends in zip(
        family, draw_until_decided([contest for _, contest in family], level, looks), strict=True
    ):
        row["adds_q_low"], row["adds_q_high"] = ends
    for row, contest in pairs:
        contest.draw(looks[0])  # what is not decided on is described
        row["gain_p"], within_p = (count.p for count in contest.counts)
        row["within_p"] = within_p if not np.isnan(row["within"]) else np.nan
        row["permutations"] = contest.counts[0].permutations
    for row, _ in family:
        row["adds_p"] = max(row["gain_p"], row["within_p"])


def _verdicts(rows: list[dict[str, Any]], predictors: list[str], axes: list[str], level: float) -> pd.DataFrame:
    """Adjust the p-values over the family and apply the rule."""
    frame = pd.DataFrame(rows, index=pd.Index(predictors, name="predictor"))
    frame["test_derived"] = [is_test_derived(name) for name in predictors]
    for name in ("gain", "within", "adds"):
        frame[f"{name}_q"] = false_discovery(frame[f"{name}_p"].to_numpy(dtype=float))
    records = frame.to_dict("records")
    decisions = [decision_rule.decide(row, level) for row in records]
    frame["decision"] = [decision for decision, _ in decisions]
    frame["sentence"] = [
        decision_rule.sentence(predictor, row, *decision)
        for predictor, row, decision in zip(predictors, records, decisions, strict=True)
    ]
    return frame[columns(axes)]


def _scopes(table: pd.DataFrame, target: str, scope: Scope, status_column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The runs of each scope with the target as it is judged there."""
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


def _check_numbers(**values: float | None) -> None:
    for name, value in values.items():
        share = name in ("level", "confidence")
        if value is not None and not (0 < value < 1 if share else value >= 0 and value == int(value)):
            raise BadInput(f"{name} = {value!r}: expected a " + ("number between 0 and 1" if share else "count"))


def _check_status(table: pd.DataFrame, status_column: str) -> None:
    """Refuse a status that says nothing here: its runs would silently be in no scope."""
    if status_column in table and (unknown := {*table[status_column].map(str)} - STATUSES):
        raise BadInput(
            f"status column {status_column!r} has {min(unknown)!r}; allowed are {', '.join(sorted(STATUSES))}; "
            "if it means something else, rename it"
        )


def _check(table: pd.DataFrame, target: str, axes: list[str], status_column: str) -> None:
    if table.empty:
        raise BadInput("the table has no rows")
    if not table.columns.is_unique:
        raise BadInput(f"column {table.columns[table.columns.duplicated()][0]!r} is in the table twice")
    if np.isnan(numeric_column(table, target, "target")).all():
        why = ": all runs diverged" if _all_diverged(table, status_column) else ""
        raise BadInput(f"target {target!r} has no values in the table{why}")
    if not axes:
        raise BadInput("axes is empty: name the columns that make a configuration")
    require_columns(table, axes, "axis")
    for axis in axes:
        if axis == target or axes.count(axis) > 1:
            raise BadInput(f"axis {axis!r} is " + ("the target" if axis == target else "named twice"))
        if not table[axis].map(pd.api.types.is_hashable).all():
            raise BadInput(f"axis {axis!r} has values that are lists or mappings; make them text first")
        if table[axis].nunique(dropna=False) < 2:
            raise BadInput(f"axis {axis!r} has fewer than two values in the table: leave it out of axes")


def _check_predictors(table: pd.DataFrame, target: str, axes: list[str], predictors: list[str]) -> None:
    if not predictors:
        raise BadInput("no predictors: the table has no numeric column that is no axis, outcome or identifier")
    for predictor in predictors:
        numeric_column(table, predictor, "predictor")
        if predictor == target or predictor in axes or predictors.count(predictor) > 1:
            what = "the target" if predictor == target else "an axis" if predictor in axes else "named twice"
            raise BadInput(f"predictor {predictor!r} is {what}")
