"""A sweep in a few words, for the page of a study."""

from collections.abc import Mapping, Sequence
from typing import Any

from benevolent.orchestrator.plan.configurations import Configurations
from benevolent.trainables.config.run import RunConfig


def describe_setup(
    configurations: Configurations,
    base: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    listed: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """Return data, network, training, what is varied, and the number of runs, each in words.

    Args:
        configurations: of the sweep.
        base: values of the sweep's base.
        grid: values of each axis.
        listed: points of the sweep's list.
    """
    first = configurations.config(0)
    numbers, shared = configurations.replicates
    replicates = f"{len(numbers)} seeds, the same for all" if shared else f"{len(numbers)} replicates"
    network = {"family": first.model.family, **base.get("model", {})}  # type: ignore[attr-defined]
    optimizer = _fields(base.get("optimizer", {}))
    varied = [*_describe_axes(grid, listed), replicates]
    runs = configurations.named * len(numbers)
    return {
        "data": _describe_data(first, grid),
        "network": _fields(network),
        "training": f"{optimizer}; until {_describe_limit(first)}",
        "varied": "; ".join(varied),
        "runs": f"{runs:,}",
    }


def _describe_data(config: RunConfig, grid: Mapping[str, Sequence[Any]]) -> str:
    data = config.data
    half = "" if data.half == "both" else f"the {data.half} half of "
    train_size = "several numbers of" if "data.train_size" in grid else f"{data.train_size:,}"
    part = "" if data.subset == 1 else f" (each run sees its own {data.seen_size:,})"
    corrupted = ""
    if data.label_corruption and "data.label_corruption" not in grid:
        which = "training and test examples" if data.corrupt_test else "training examples"
        corrupted = f", labels of {which} redrawn with probability {data.label_corruption:g}"
    return f"{half}{data.name}: {train_size} training{part} and {data.test_size:,} test examples{corrupted}"


def _describe_limit(config: RunConfig) -> str:
    limit = f"{config.stop.max_epochs} epochs"
    target = config.stop.train_loss
    return limit if target is None else f"train loss {target:g}, at most {limit}"


def _describe_axes(grid: Mapping[str, Sequence[Any]], listed: Sequence[Mapping[str, Any]]) -> list[str]:
    texts_of: dict[str, list[str]] = {}
    for axis, values in grid.items():
        texts_of[axis] = [str(value) for value in values]
    for point in listed:
        for field, value in point.items():
            text = "another run" if isinstance(value, dict) else str(value)
            texts_of.setdefault(field, []).append(text)
    return [f"{field}: {', '.join(dict.fromkeys(texts))}" for field, texts in texts_of.items()]


def _fields(section: Mapping[str, Any]) -> str:
    """Return fields as words; the family or name stands for itself.

    >>> _fields({"family": "mlp", "width": 8, "lr": 0.1})
    'mlp, width 8, lr 0.1'
    """
    words = []
    for field, value in section.items():
        words.append(str(value) if field in ("family", "name") else f"{field} {value}")
    return ", ".join(words)
