"""Runs of a results folder for the trackers that laboratories use: CSV files, TensorBoard, MLflow, Weights & Biases."""

from benevolent.analysis.trackers.csv_files import write_csv_files
from benevolent.analysis.trackers.exported_run import ExportCount, ExportedRun, exported_runs
from benevolent.analysis.trackers.mlflow_server import log_to_mlflow
from benevolent.analysis.trackers.tensorboard_files import write_event_files
from benevolent.analysis.trackers.wandb_runs import log_to_wandb

__all__ = [
    "ExportCount",
    "ExportedRun",
    "exported_runs",
    "log_to_mlflow",
    "log_to_wandb",
    "write_csv_files",
    "write_event_files",
]
