"""Data sets in files: fetched by the driver before training, and sent to machines of a cluster that lack them."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from benevolent.trainables import data


def fetch_missing(names: Iterable[str], console: Console) -> None:
    """Download the data sets with these names that this machine lacks; synthetic tasks have no files.

    Raises:
        BadInput: a download fails, or the files of a data set are damaged.
    """
    for name in sorted(data.READERS.keys() & set(names)):
        if not data.is_present(name):
            console.print(f"fetching {name} to {data.location(name)}", soft_wrap=True)
        data.fetch(name)


def broadcast(names: Iterable[str]) -> dict[str, Any]:
    """Put the data sets with these names into Ray's object store, once for all machines.

    A machine that has the files below its own data root reads those, see `trainables.training.ray_worker.receive`.

    Returns:
        `name -> object reference`, without data sets that come with an installed package.
    """
    import ray

    references = {}
    for name in sorted(data.READERS.keys() & set(names)):
        if data.READERS[name].folder:
            references[name] = ray.put(data.read(name))
    return references
