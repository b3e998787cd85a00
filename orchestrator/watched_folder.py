"""A results folder with runs of loops that are not ours, recorded by `watch`: no sweep describes it."""

import posixpath
from dataclasses import dataclass

from benevolent.analysis.results import Results, load_results
from benevolent.orchestrator.spec.sweep_spec import JudgingConfig
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


@dataclass(frozen=True)
class WatchedRuns:
    """Watched runs, as a report needs to know them; see `ReportedSweep`.

    Attributes:
        name: of the folder.
        axis_names: every name of the configurations that the runs were saved with.
        judging: the outcomes that are judged.
        description: what these runs are.
        record: only its own measures are asked for, and there are none.
    """

    name: str
    axis_names: tuple[str, ...]
    judging: JudgingConfig
    description: str = "Runs of training loops that `watch` has recorded."
    record: RecordConfig = RecordConfig()


def watched_runs(folder: Folder) -> WatchedRuns | None:
    """Return what the report of a folder of watched runs needs; None for any other folder.

    Predictors are judged against the test loss, or the test error if no run has a test loss.
    """
    if folder.exists(paths.SPEC) or not folder.exists(paths.COHORTS):
        return None
    results = load_results(folder)
    if not any(manifest.watched for manifest in results.cohorts.manifests):
        return None
    name = posixpath.basename(folder.root.rstrip("/"))
    judging = JudgingConfig(outcomes=[_outcome(results)])
    return WatchedRuns(name, tuple(results.cohorts.watched_fields), judging)


def _outcome(results: Results) -> str:
    has_error_only = "test_error" in results.runs and "test_loss" not in results.runs
    return "test_error" if has_error_only else "test_loss"
