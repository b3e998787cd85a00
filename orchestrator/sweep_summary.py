"""Summary of a sweep in a few phrases, for the page of a study."""

from collections.abc import Mapping
from typing import Any

from benevolent.orchestrator.plan.expand import configurations_of
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig


def describe_setup(spec: SweepSpec) -> dict[str, str]:
    """Return phrases about a sweep: `data`, `network`, `training`, `varied`, and `runs`, the number of runs."""
    configurations = configurations_of(spec)
    first = configurations.config(0)
    family = first.flat()["model.family"]
    return {
        "data": _data_text(first.data, spec.grid),
        "network": _fields_text({"family": family} | spec.base.get("model", {})),
        "training": _training_text(first, spec.base.get("optimizer", {})),
        "varied": _varied_text(spec),
        "runs": f"{configurations.named * len(spec.seed_values):,}",
    }


def _data_text(data: DataConfig, grid: Mapping[str, Any]) -> str:
    half = "" if data.half == "both" else f"the {data.half} half of "
    train_size = "several numbers of" if "data.train_size" in grid else f"{data.train_size:,}"
    text = f"{half}{data.name}: {train_size} training and {data.test_size:,} test examples"
    if data.label_corruption and "data.label_corruption" not in grid:
        corrupted = "training and test" if data.corrupt_test else "training"
        text += f", labels of {corrupted} examples redrawn with probability {data.label_corruption:g}"
    return text


def _training_text(config: RunConfig, optimizer: Mapping[str, Any]) -> str:
    until = f"{config.stop.max_epochs} epochs"
    if config.stop.train_loss is not None:
        until = f"train loss {config.stop.train_loss:g}, at most {until}"
    return f"{_fields_text(optimizer)}; until {until}"


def _varied_text(spec: SweepSpec) -> str:
    values_of = {axis: [str(value) for value in values] for axis, values in spec.grid.items()}
    for point in spec.list:
        for axis, value in point.items():
            text = "another run" if isinstance(value, dict) else str(value)
            values_of.setdefault(axis, []).append(text)
    phrases = []
    for axis, values in values_of.items():
        distinct = dict.fromkeys(values)
        phrases.append(f"{axis}: {', '.join(distinct)}")
    phrases.append(f"{len(spec.seed_values)} seeds")
    return "; ".join(phrases)


def _fields_text(section: Mapping[str, Any]) -> str:
    """Return fields as a phrase; the family or name stands without its key.

    >>> _fields_text({"family": "mlp", "width": 8, "lr": 0.1})
    'mlp, width 8, lr 0.1'
    """
    phrases = [str(value) if key in ("family", "name") else f"{key} {value}" for key, value in section.items()]
    return ", ".join(phrases)
