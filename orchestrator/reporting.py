"""From a results folder to verdicts and a report."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import pandas as pd

from benevolent.analysis.judging.early_prediction import LOSSES, View, early_prediction, histories
from benevolent.analysis.judging.judge import Scope, judge
from benevolent.analysis.judging.match_windows import in_windows, windows_text
from benevolent.analysis.judging.predictors import is_test_derived
from benevolent.analysis.judging.verdicts import Verdicts, read_verdicts
from benevolent.analysis.measures.measure import name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.report import Definition, Report, render
from benevolent.analysis.report.digests import digests, unchanged
from benevolent.analysis.results import COLUMNS, Results, load_results
from benevolent.orchestrator.plan.planning import planned_runs
from benevolent.orchestrator.provenance import entries
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.statuses import UNFINISHED, Status
from benevolent.trainables.training.dynamics import DYNAMICS

#: What a report was made from, written last: its presence means that the report is whole.
INPUTS = "inputs.json"

#: What predictors are judged against; the first is the page's answer.
TARGETS = ("test_loss", "test_error", "gap")
#: Outcomes of the train and validation splits, judged beside the others: what is known without any theory.
BASELINES = {
    "train_loss": Definition("mean of the loss that was minimized on the training split at the end"),
    "validation_loss": Definition("mean of the loss that was minimized on the validation split at the end"),
    "validation_error": Definition("fraction wrong, or mean absolute error, on the validation split at the end"),
}


def definitions(spec: SweepSpec) -> dict[str, Definition]:
    """Every predictor that a sweep can have, and what it is; its author's own measures are not imported."""
    measures = {name: Definition(measure.description, measure.source) for name, measure in MEASURES.items()}
    own = {
        name_from_path(path): Definition("a measure of the sweep's author", path) for path in spec.record.own_measures
    }
    return {name: Definition(*about) for name, about in DYNAMICS.items()} | measures | own | BASELINES


def predictors(table: pd.DataFrame, spec: SweepSpec) -> list[str]:
    """The predictors in a table: dynamics, measures that read no test data, and the baselines."""
    measures = [name for name, measure in MEASURES.items() if measure.split != "test"]
    own = [name for name in map(name_from_path, spec.record.own_measures) if not is_test_derived(name)]
    known = [*DYNAMICS, *measures, *own, *BASELINES]
    return [column for column in table if str(column).partition("[")[0] in known and table[column].notna().any()]


def judged_table(results: Results, spec: SweepSpec) -> pd.DataFrame:
    """The runs of the present spec that have ended; dense parents that it does not name are left out."""
    wanted = {run.run_id for run in planned_runs(spec) if run.role == "run"}
    table = results.table(parents=True)  # a run that no axis named when it was planned may be named by one now
    if table.empty:
        return table
    return table[table["run_id"].isin(wanted) & ~table["status"].isin(UNFINISHED)].reset_index(drop=True)


def verdicts_on(table: pd.DataFrame, spec: SweepSpec, targets: Sequence[str] = TARGETS) -> list[Verdicts]:
    """What `judge` says of each target; empty if there is too little to judge.

    An axis on which all runs that have ended agree cannot be judged by, and is left out, as is a target that no run
    has. Where no run has converged, the verdicts are those over all runs. The last are those on the first target over
    the runs in the windows of `judging.match`, if there are any.
    """
    if table.empty:
        return []
    scope: Scope = "both" if (table["status"] == Status.CONVERGED).any() else "all"
    axes, names = varied(table, spec), predictors(table, spec)
    targets = [target for target in targets if target in table and table[target].notna().any()]
    sizes = {name: {*table.get(f"data.{name}", [])} for name in ("test_size", "validation_size")}
    known = {name: int(found.pop()) for name, found in sizes.items() if len(found) == 1}
    if not names or not axes:
        return []
    verdicts = [judge(table, target, axes, names, scope=scope, **known) for target in targets]
    near = matched(table, spec)
    if verdicts and near is not None and varied(near, spec):
        windows = {column: (float(low), float(high)) for column, (low, high) in spec.judging.match.items()}
        verdicts.append(judge(table, targets[0], varied(near, spec), names, scope="all", match=windows, **known))
    return verdicts


def varied(table: pd.DataFrame, spec: SweepSpec) -> list[str]:
    """The axes on which runs differ."""
    return [axis for axis in spec.axis_names if axis in table and table[axis].nunique(dropna=False) > 1]


def matched(table: pd.DataFrame, spec: SweepSpec) -> pd.DataFrame | None:
    """The runs in the windows of `judging.match`; None without windows, empty where a column is not there."""
    if not spec.judging.match:
        return None
    if any(column not in table for column in spec.judging.match):
        return table[:0]
    return table[in_windows(table, spec.judging.match)]


def report(folder: Folder, spec: SweepSpec, anew: bool = False) -> list[Verdicts]:
    """The verdicts on a results folder.

    Judged and reported anew if that is asked for, if anything has changed since the last time, or if a file of the
    report is damaged or gone.
    """
    inputs = inputs_of(folder)
    if anew or _written(folder) != inputs:
        files = render(_report(folder, spec, load_results(folder)))
        for name, content in files.items():
            folder.write(f"{paths.REPORT}/{name}", content)
        folder.write_json(f"{paths.REPORT}/{INPUTS}", {"inputs": inputs, "files": digests(files)})
    return read_verdicts(folder.read(f"{paths.REPORT}/{paths.VERDICTS}"))


def _written(folder: Folder) -> Any:
    """What the report that is there was made from; None if not all of it is there as it was written."""
    try:
        known = folder.read_json(f"{paths.REPORT}/{INPUTS}")
        return known["inputs"] if unchanged(folder / paths.REPORT, known["files"]) else None
    except (BadInput, LookupError, TypeError, AttributeError):
        return None


def report_on_table(name: str, table: pd.DataFrame, axes: Sequence[str], verdicts: Verdicts, command: str) -> bytes:
    """One HTML page about the verdicts on anybody's table of models.

    Args:
        name: of the table.
        table: one row per model.
        axes: the columns that were varied.
        verdicts: what `judge` said of it.
        command: how to make the page again.
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


def _report(folder: Folder, spec: SweepSpec, results: Results) -> Report:
    table = judged_table(results, spec)
    ids = set(table["run_id"]) if len(table) else set()
    return Report(
        name=spec.name,
        description=spec.description,
        spec=folder.read(paths.SPEC).decode(),
        axes=spec.axis_names,
        table=table,
        dynamics=results.dynamics[results.dynamics["run_id"].isin(ids)],
        outcomes=results.outcomes[results.outcomes["run_id"].isin(ids)],
        verdicts=verdicts_on(table, spec),
        early=_early(results, table, spec),
        provenance=_provenance(folder),
        definitions=definitions(spec),
        dynamics_names=tuple(DYNAMICS),
        notes=_notes(table, spec),
        normalized_losses=("normalized_train_loss", "normalized_test_loss"),
        parents=_parents(results, spec),
    )


def _parents(results: Results, spec: SweepSpec) -> pd.DataFrame:
    """The rows of the runs that others start from, or have labels from, and no axis names."""
    wanted = {run.run_id for run in planned_runs(spec) if run.role == "parent"}
    return results.runs[results.runs["run_id"].isin(wanted)] if wanted and len(results.runs) else pd.DataFrame()


def _notes(table: pd.DataFrame, spec: SweepSpec) -> list[str]:
    """What was asked for and cannot be answered."""
    near = matched(table, spec)
    if near is None or (len(near) and varied(near, spec)):
        return []
    windows = windows_text(spec.judging.match)
    return [f"No verdicts on matched runs: {len(near)} runs have {windows}, and no axis varies among them."]


def _early(results: Results, table: pd.DataFrame, spec: SweepSpec) -> pd.DataFrame:
    """How early the dynamics, and the losses, predict the first target; over all runs that did not diverge."""
    axes = [axis for axis in spec.axis_names if axis in table]
    if table.empty or not axes or TARGETS[0] not in table:
        return pd.DataFrame()
    runs, history = table[table["status"] != Status.DIVERGED], histories(results)
    names = [*DYNAMICS, *LOSSES]
    views: tuple[View, ...] = ("epoch", "fraction")
    return pd.concat([early_prediction(history, runs, TARGETS[0], axes, names, view=view) for view in views])


def _provenance(folder: Folder) -> dict[str, Any]:
    """The newest entry, and below `earlier` those of the cohorts that were there before."""
    found = [entry | {"cohort_ids": ", ".join(map(str, entry.get("cohort_ids", ())))} for entry in entries(folder)]
    if not found:
        return {}
    earlier = {f"{number}": entry for number, entry in enumerate(found[:-1], 1)}
    return found[-1] | ({"earlier": earlier} if earlier else {})


def inputs_of(folder: Folder) -> dict[str, Any]:
    """What is said of a results folder is made from: the spec, the version, and the names of the parts."""
    parts = {cohort_id: CohortFiles(folder, cohort_id).part_names("runs") for cohort_id in cohort_ids(folder)}
    version = metadata.version("benevolent")
    return {
        "version": version,
        "spec": folder.read(paths.SPEC).decode(),
        "runs": parts,
        "measures": folder.names(paths.MEASURES),
    }
