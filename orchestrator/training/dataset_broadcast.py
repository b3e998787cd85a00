"""Data sets where they are needed: fetched by the driver, and given to machines of a cluster that lack them."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from benevolent.trainables import data
from benevolent.trainables.store.manifest import Manifest


def file_data_sets(cohorts: Iterable[Manifest]) -> list[str]:
    """The data sets in files that cohorts read."""
    return sorted({cohort.configs[0].data.name for cohort in cohorts} & data.READERS.keys())


def fetch_missing(cohorts: Iterable[Manifest], console: Console) -> None:
    """Download, before anything starts, what cohorts read and this machine has not got.

    Raises:
        BadInput: a data set cannot be had, or its files are damaged.
    """
    for name in file_data_sets(cohorts):
        if not data.is_present(name):
            console.print(f"fetching {name} to {data.location(name)}", soft_wrap=True)
        data.fetch(name)


def broadcast(cohorts: Iterable[Manifest]) -> dict[str, Any]:
    """References to the arrays of the data sets that cohorts read, put into Ray's object store once.

    A machine that finds the files at its own data root reads those; see `trainables.training.ray_worker.receive`.
    """
    import ray

    return {name: ray.put(data.read(name)) for name in file_data_sets(cohorts) if data.READERS[name].folder}
