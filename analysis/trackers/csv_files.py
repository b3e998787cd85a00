"""The tables of a results folder as CSV files."""

from pathlib import Path

from benevolent.analysis.results import Results
from benevolent.analysis.trackers.exported_run import ExportCount
from benevolent.trainables.store.folder import Folder


def write_csv_files(results: Results, out: str | Path) -> ExportCount:
    """Write `runs.csv`, a row per run with every predictor and outcome, and the long tables behind it.

    Args:
        results: to write.
        out: a folder; files of these names in it are replaced.
    """
    folder = Folder(out)
    runs = results.table(parents=True)
    tables = {"runs": runs, "dynamics": results.dynamics, "outcomes": results.outcomes, "measures": results.measures}
    for name, table in tables.items():
        folder.write(f"{name}.csv", table.to_csv(index=False).encode())
    return ExportCount(len(runs), 0)
