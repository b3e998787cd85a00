"""`bth export`: runs for the trackers that laboratories use."""

import posixpath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benevolent.orchestrator.cli.arguments import ResultsFolder
from benevolent.orchestrator.cli.console import console
from benevolent.trainables.errors import BadInput

if TYPE_CHECKING:
    from benevolent.analysis.results import Results
    from benevolent.analysis.trackers import ExportCount

Tracker = Literal["csv", "tensorboard", "mlflow", "wandb"]
#: Options that not every tracker has, and those that do.
TRACKERS_WITH = {
    "--out": ("csv", "tensorboard", "wandb"),
    "--server": ("mlflow",),
    "--project": ("mlflow", "wandb"),
    "--replace": ("tensorboard", "mlflow"),
    "--offline": ("wandb",),
}


def export(
    where: ResultsFolder,
    to: Annotated[Tracker, typer.Option(help="csv, tensorboard, mlflow or wandb.")],
    out: Annotated[
        str | None, typer.Option(help="Folder of the files. Default: NAME-csv or NAME-tensorboard; for wandb this one.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URI", help="Tracking server of MLflow. Default: MLFLOW_TRACKING_URI.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Experiment of MLflow, or project of wandb. Default: the folder's name.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write runs again that are there already.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="wandb: only write files, for `wandb sync` to upload.")
    ] = False,
) -> None:
    """Export the runs that have ended to CSV files, TensorBoard, MLflow or Weights & Biases.

    A run is a run there, with its configuration, its final numbers and their history. The same command again exports
    what has been added.

    [bold]Example:[/] bth export results/quickstart --to mlflow --server http://127.0.0.1:5000
    """
    from benevolent.analysis.formatting import quantity
    from benevolent.analysis.results import load_results

    given = {
        "--out": out is not None,
        "--server": server is not None,
        "--project": project is not None,
        "--replace": replace,
        "--offline": offline,
    }
    for option, trackers in TRACKERS_WITH.items():
        if given[option] and to not in trackers:
            raise BadInput(f"{option}: --to {to} has no use for it; it is for {', '.join(trackers)}")
    results = load_results(where)
    name = posixpath.basename(results.folders[0].root.rstrip("/"))
    place = out or f"{name}-{to}"
    match to:
        case "csv" | "tensorboard":
            count = _to_files(results, to, place, replace)
            target = place
        case "mlflow":
            from benevolent.analysis.trackers import log_to_mlflow

            count = log_to_mlflow(results, project or name, server, replace)
            target = f"the experiment {project or name} of MLflow"
        case "wandb":
            from benevolent.analysis.trackers import log_to_wandb

            count = log_to_wandb(results, project or name, out, offline)
            target = f"the project {project or name} of Weights & Biases"
    there = f"; {quantity(count.present, 'run')} there already" if count.present else ""
    console.print(f"exported {quantity(count.written, 'run')} to {target}{there}", soft_wrap=True, markup=False)


def _to_files(results: "Results", to: str, place: str, replace: bool) -> "ExportCount":
    from benevolent.analysis.trackers import write_csv_files, write_event_files

    if to == "csv":
        return write_csv_files(results, place)
    return write_event_files(results, place, replace)
