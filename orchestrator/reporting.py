"""Verdicts and report of a results folder."""

from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import Any, Protocol

import pandas as pd
from rich.console import Console

from benevolent.analysis.figures.exported_figure import Format
from benevolent.analysis.formatting import quantity
from benevolent.analysis.judging.early_prediction import early_prediction_views
from benevolent.analysis.judging.histories import LOSS_HISTORIES, run_histories
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.match_windows import Windows, in_windows, windows_text
from benevolent.analysis.judging.predictors import recorded_predictors
from benevolent.analysis.judging.scopes import Scope
from benevolent.analysis.judging.verdicts import Verdicts, read_verdicts
from benevolent.analysis.outcome_names import known_outcomes
from benevolent.analysis.report import Report, render
from benevolent.analysis.report.definitions import predictor_definitions
from benevolent.analysis.report.digests import code_digest, digest, file_digests, unchanged
from benevolent.analysis.results import COLUMNS, Results, load_results
from benevolent.orchestrator.estimates.machine_pace import machine_pace
from benevolent.orchestrator.estimates.sweep_estimate import sweep_report_seconds
from benevolent.orchestrator.provenance import read_entries
from benevolent.orchestrator.spec.sweep_spec import JudgingConfig
from benevolent.orchestrator.stages import Stages
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.statuses import UNFINISHED, Role, Status
from benevolent.trainables.training.dynamics_names import DYNAMICS

#: Shares of the time of a report: its stages in seconds of the quickstart's, on a quiet core.
READING = 0.5
JUDGING = 5.0
DESCRIBING = 0.8
EARLY = 1.2
PAGE = 5.5


class ReportedSweep(Protocol):
    """The parts of a sweep's specification that a report needs."""

    @property
    def name(self) -> str:
        """The name of the sweep."""

    @property
    def description(self) -> str:
        """Its description, empty if it has none."""

    @property
    def axis_names(self) -> tuple[str, ...]:
        """The dotted fields that vary."""

    @property
    def record(self) -> RecordConfig:
        """The records and measures that are asked for."""

    @property
    def judging(self) -> JudgingConfig:
        """The further questions that the report answers."""


def report(
    folder: Folder,
    spec: ReportedSweep,
    anew: bool = False,
    console: Console | None = None,
    figure_formats: Sequence[Format] = (),
) -> list[Verdicts]:
    """Return the verdicts on a results folder, and make its report if it is not up to date.

    The report is made again if anything that it was made from has changed, code included, or if one of its files is
    missing or damaged.

    Args:
        folder: the results folder.
        spec: the sweep as asked for now.
        anew: make the report again in any case.
        console: shows what is being done, if it takes time.
        figure_formats: of further files of each figure; the report is then made again.
    """
    inputs = report_inputs(folder)
    if not anew and not figure_formats and _inputs_of_report(folder) == inputs:
        return read_verdicts(folder.read(f"{paths.REPORT}/{paths.VERDICTS}"))
    results = load_results(folder)
    price = sweep_report_seconds(spec.record, len(results.planned), len(spec.judging.outcomes))
    pace = 1.0 if console is None else machine_pace()
    with Stages(console, "report", price=pace * price) as stages:
        stages.expect(READING + EARLY + PAGE)
        stages.begin("reading the tables", READING)
        content = _content(folder, spec, results, stages)
        stages.begin("descriptions, figures and page", PAGE)
        files = render(content, figure_formats)
        for path, data in files.items():
            folder.write(f"{paths.REPORT}/{path}", data)
    folder.write_json(f"{paths.REPORT}/{paths.INPUTS}", {"inputs": inputs, "files": file_digests(files)})
    return list(content.verdicts)


def read_descriptions(folder: Folder) -> dict[str, str]:
    """Return the sentences beside the verdicts of a folder's report, by their heading; none if it has none."""
    path = f"{paths.REPORT}/{paths.DESCRIPTIONS}"
    return dict(folder.read_json(path)) if folder.exists(path) else {}


def report_inputs(folder: Folder, measures: Collection[str] | None = None) -> dict[str, Any]:
    """Return what a report, or the answer of a study, is made from: results, by the names of their parts, and code.

    Parts and plans are never changed once they are written, so that their names stand for their content.

    Args:
        folder: the results folder.
        measures: names of the measures that are read; files without any of them are no input. All by default.
    """
    parts = {cohort_id: CohortFiles(folder, cohort_id).names("runs") for cohort_id in cohort_ids(folder)}
    provenance = digest(folder.read(paths.PROVENANCE)) if folder.exists(paths.PROVENANCE) else ""
    return {
        "code": code_digest(),
        "spec": _spec_text(folder),
        "plan": folder.names(paths.PLAN),
        "provenance": provenance,
        "runs": parts,
        "measures": _measure_files(folder, measures),
    }


def _spec_text(folder: Folder) -> str:
    """Return the sweep as run; empty for runs of loops that are not ours, which no sweep made."""
    return folder.read(paths.SPEC).decode() if folder.exists(paths.SPEC) else ""


def _measure_files(folder: Folder, measures: Collection[str] | None) -> list[str]:
    """Return the names of the files that hold some of these measures, or of all files of measures."""
    files = folder.names(paths.MEASURES)
    if measures is None:
        return files
    holding = []
    for file in files:
        names = folder.read_table(f"{paths.MEASURES}/{file}", ["name"])["name"].unique()
        if not set(measures).isdisjoint(names.to_pylist()):
            holding.append(file)
    return holding


def _inputs_of_report(folder: Folder) -> Any:
    """Return what the existing report was made from; None if not all of its files are as they were written."""
    try:
        known = folder.read_json(f"{paths.REPORT}/{paths.INPUTS}")
        return known["inputs"] if unchanged(folder / paths.REPORT, known["files"]) else None
    except (BadInput, LookupError, TypeError, AttributeError):
        return None


def judged_table(results: Results) -> pd.DataFrame:
    """Return the finished runs that the last plan wants; parents and teachers that no axis names are left out."""
    wanted = _run_ids(results, Role.RUN)
    table = results.table(parents=True)  # the spec may now name a run that was a parent when it was planned
    if table.empty:
        return table
    finished = ~table["status"].isin(UNFINISHED)
    return table[table["run_id"].isin(wanted) & finished].reset_index(drop=True)


def judge_outcomes(table: pd.DataFrame, spec: ReportedSweep, stages: Stages | None = None) -> list[Verdicts]:
    """Judge all predictors against the outcomes of `judging.outcomes`, and describe them for all other outcomes.

    An axis on which all finished runs agree tells nothing apart and is left out, as is an outcome without values. Where
    no run has converged, all runs are judged.

    Returns:
        Verdicts on the judged outcomes in their order; on the first again among the runs in the windows of
        `judging.match`, if there are any; and on the others, which are `descriptive`. Empty if there are too few runs,
        axes or predictors.
    """
    if table.empty:
        return []
    axes = varied_axes(table, spec)
    predictors = recorded_predictors(table, spec.record.own_measures)
    if not predictors or not axes:
        return []
    scope: Scope = "both" if (table["status"] == Status.CONVERGED).any() else "all"
    sizes = _split_sizes(table)
    known = known_outcomes(table, spec.judging.outcomes)
    judged = [name for name in known if name in spec.judging.outcomes]
    described = known[len(judged) :]
    stages = stages or Stages(None, "report")
    stages.expect(JUDGING * len(judged) + DESCRIBING * len(described))
    verdicts = []
    for name in judged:
        stages.begin(f"judging {quantity(len(predictors), 'predictor')} of {name}", JUDGING)
        verdicts.append(judge(table, name, axes, predictors, scope=scope, **sizes))
    matched = matched_runs(table, spec)
    matched_axes = [] if matched is None else varied_axes(matched, spec)
    if judged and matched_axes:
        windows = match_windows(spec)
        verdicts.append(judge(table, judged[0], matched_axes, predictors, scope="all", match=windows, **sizes))
    first_scope: Scope = "converged" if scope == "both" else "all"
    for name in described:
        stages.begin(f"describing {name}", DESCRIBING)
        verdicts.append(judge(table, name, axes, predictors, scope=first_scope, permutations=0, **sizes))
    return verdicts


def varied_axes(table: pd.DataFrame, spec: ReportedSweep) -> list[str]:
    """Return the axes on which runs differ."""
    return [axis for axis in spec.axis_names if axis in table and table[axis].nunique(dropna=False) > 1]


def match_windows(spec: ReportedSweep) -> Windows:
    """Return the windows of `judging.match`."""
    return {column: (float(low), float(high)) for column, (low, high) in spec.judging.match.items()}


def matched_runs(table: pd.DataFrame, spec: ReportedSweep) -> pd.DataFrame | None:
    """Return the runs in the windows of `judging.match`; None without windows, empty if a column is missing."""
    windows = match_windows(spec)
    if not windows:
        return None
    if any(column not in table for column in windows):
        return table[:0]
    return table[in_windows(table, windows)]


def _split_sizes(table: pd.DataFrame) -> Mapping[str, int]:
    """Return the sizes of test and validation split that all runs share, as `judge` takes them."""
    sizes = {}
    for name in ("test_size", "validation_size"):
        values = {*table.get(f"data.{name}", [])}
        if len(values) == 1:
            sizes[name] = int(values.pop())
    return sizes


def _run_ids(results: Results, role: str) -> set[str]:
    planned = results.planned
    return set(planned.loc[planned["role"] == role, "run_id"])


def report_on_table(name: str, table: pd.DataFrame, axes: Sequence[str], verdicts: Verdicts, command: str) -> bytes:
    """Return an HTML page about the verdicts on any table of models.

    Args:
        name: name of the table.
        table: one row per model.
        axes: the columns that were varied.
        verdicts: verdicts on it.
        command: the command that makes the page again.
    """
    content = Report(
        name=name,
        description="",
        spec="",
        axes=axes,
        table=table,
        dynamics=pd.DataFrame(columns=COLUMNS["dynamics"]),
        outcomes=pd.DataFrame(columns=COLUMNS["outcomes"]),
        verdicts=[verdicts],
        provenance={"command": command, "versions": {"benevolent": metadata.version("benevolent")}},
        dynamics_names=verdicts.names,
    )
    return render(content)[paths.PAGE]


def _content(folder: Folder, spec: ReportedSweep, results: Results, stages: Stages) -> Report:
    table = judged_table(results)
    verdicts = judge_outcomes(table, spec, stages)
    stages.begin("how early in training each statistic predicts", EARLY)
    early = _early(results, table, spec)
    ids = set(table["run_id"]) if len(table) else set()
    dynamics = results.dynamics
    outcomes = results.outcomes
    return Report(
        name=spec.name,
        description=spec.description,
        spec=_spec_text(folder),
        axes=spec.axis_names,
        table=table,
        dynamics=dynamics[dynamics["run_id"].isin(ids)],
        outcomes=outcomes[outcomes["run_id"].isin(ids)],
        verdicts=verdicts,
        early=early,
        provenance=_provenance(folder),
        definitions=predictor_definitions(spec.record.own_measures),
        dynamics_names=tuple(DYNAMICS),
        notes=unanswered(table, spec),
        parents=_parents(results),
        failed=_failed(results),
    )


def _parents(results: Results) -> pd.DataFrame:
    """Return the parent and teacher runs that no axis names."""
    wanted = _run_ids(results, Role.PARENT)
    if not wanted or results.runs.empty:
        return pd.DataFrame()
    return results.runs[results.runs["run_id"].isin(wanted)]


def _failed(results: Results) -> pd.DataFrame:
    """Return the runs whose training raised an error, with the last line of it."""
    reason_of: dict[str, str] = {}
    for manifest, reason in results.cohorts.failures():
        reason_of |= dict.fromkeys(manifest.run_ids, reason)
    runs = results.runs
    if not reason_of or runs.empty:
        return pd.DataFrame()
    failed = runs[runs["status"] == Status.FAILED]
    return failed.assign(reason=failed["run_id"].map(reason_of))


def unanswered(table: pd.DataFrame, spec: ReportedSweep) -> list[str]:
    """Return sentences on what the spec asks for and these runs cannot answer."""
    notes = []
    for name in spec.judging.outcomes:
        if len(table) and name not in known_outcomes(table, spec.judging.outcomes):
            notes.append(f"No verdicts on {name}: no run has it.")
    matched = matched_runs(table, spec)
    if matched is not None and not varied_axes(matched, spec):
        windows = windows_text(match_windows(spec))
        notes.append(f"No verdicts on matched runs: {len(matched)} runs have {windows}, and no axis varies among them.")
    return notes


def _early(results: Results, table: pd.DataFrame, spec: ReportedSweep) -> pd.DataFrame:
    """Return how early dynamics and losses predict the first target, over all runs that did not diverge."""
    axes = [axis for axis in spec.axis_names if axis in table]
    target = spec.judging.outcomes[0]
    if table.empty or not axes or target not in table:
        return pd.DataFrame()
    runs = table[table["status"] != Status.DIVERGED]
    return early_prediction_views(run_histories(results), runs, target, axes, [*DYNAMICS, *LOSS_HISTORIES])


def _provenance(folder: Folder) -> dict[str, Any]:
    """Return the newest entry of provenance, and below `earlier` those of the cohorts that were trained before."""
    shown = []
    for entry in read_entries(folder):
        ids = ", ".join(map(str, entry.get("cohort_ids", ())))
        shown.append(entry | {"cohort_ids": ids})
    if not shown:
        return {}
    *earlier, newest = shown
    if not earlier:
        return newest
    return newest | {"earlier": {str(number): entry for number, entry in enumerate(earlier, 1)}}
