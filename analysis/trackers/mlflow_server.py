"""Runs on a tracking server of MLflow."""

import os
import re
import time
from typing import Any

from benevolent.analysis.results import Results
from benevolent.analysis.trackers.exported_run import ExportCount, ExportedRun, exported_runs, imported
from benevolent.trainables.errors import BadInput, one_line

RUN_ID_TAG = "benevolent.run_id"
#: Most metrics and most parameters that a request may have.
METRICS_PER_REQUEST = 1000
PARAMETERS_PER_REQUEST = 100
LONGEST_PARAMETER = 6000
#: Characters that MLflow has no place for in the name of a metric.
NOT_ALLOWED = re.compile(r"[^\w\-. :/]")


def log_to_mlflow(results: Results, project: str, server: str | None = None, replace: bool = False) -> ExportCount:
    """Log the runs that have ended to an experiment of MLflow, with their history.

    Args:
        results: to log.
        project: name of the experiment, which is made if there is none.
        server: tracking URI; by default what MLFLOW_TRACKING_URI says.
        replace: log runs again that are there already. Runs of an export that was interrupted are always logged again.

    Raises:
        BadInput: mlflow is not installed, or the server refuses.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # only the server that was named is talked to
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run
    mlflow = imported("mlflow", "mlflow")
    try:
        client = mlflow.MlflowClient(tracking_uri=server)
        experiment = client.get_experiment_by_name(project)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(project)
        return _log_all(client, experiment_id, results, replace)
    except mlflow.exceptions.MlflowException as error:
        raise BadInput(f"MLflow at {server or mlflow.get_tracking_uri()}: {one_line(error)}") from None


def _log_all(client: Any, experiment_id: str, results: Results, replace: bool) -> ExportCount:
    known = _known_runs(client, experiment_id)
    written = 0
    present = 0
    for run in exported_runs(results):
        there = known.get(run.run_id, [])
        finished = [other for other in there if other.info.status == "FINISHED"]
        if finished and not replace:
            present += 1
            continue
        for other in there:
            client.delete_run(other.info.run_id)
        _log(client, experiment_id, run)
        written += 1
    return ExportCount(written, present)


def _known_runs(client: Any, experiment_id: str) -> dict[str, list[Any]]:
    """Return the runs of an experiment that an export has begun, by our ids."""
    known: dict[str, list[Any]] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], f"tags.`{RUN_ID_TAG}` != ''", max_results=1000, page_token=token)
        for run in page:
            known.setdefault(run.data.tags[RUN_ID_TAG], []).append(run)
        token = page.token
        if not token:
            return known


def _log(client: Any, experiment_id: str, run: ExportedRun) -> None:
    from mlflow.entities import Metric, Param

    tags = {f"benevolent.{name}": value for name, value in run.tags.items()}
    made = client.create_run(experiment_id, run_name=run.name, tags=tags).info.run_id
    now = int(time.time() * 1000)
    rows = run.history[["name", "value", "step"]].itertuples(index=False)
    metrics = [Metric(_allowed(name), value, now, int(step)) for name, value, step in rows]
    last_step = int(run.history["step"].max()) if len(run.history) else 0
    recorded = set(run.history["name"])
    for name, value in run.summary.items():
        if name not in recorded:
            metrics.append(Metric(_allowed(name), value, now, last_step))
    parameters = [Param(_allowed(name), str(value)[:LONGEST_PARAMETER]) for name, value in run.config.items()]
    for start in range(0, len(metrics), METRICS_PER_REQUEST):
        client.log_batch(made, metrics=metrics[start : start + METRICS_PER_REQUEST])
    for start in range(0, len(parameters), PARAMETERS_PER_REQUEST):
        client.log_batch(made, params=parameters[start : start + PARAMETERS_PER_REQUEST])
    client.set_terminated(made, "FINISHED")


def _allowed(name: str) -> str:
    """Return a name that MLflow takes.

    >>> _allowed("margin_deciles[3]"), _allowed("sharpness#2")
    ('margin_deciles_3_', 'sharpness_2')
    """
    return NOT_ALLOWED.sub("_", name)
