"""What a sweep trains, in a few words, for the page of a study."""

from collections.abc import Mapping
from typing import Any

from benevolent.orchestrator.plan.plan import configurations_of
from benevolent.orchestrator.spec.sweep_spec import SweepSpec


def describe_setup(spec: SweepSpec) -> dict[str, str]:
    """Data, network, training, what is varied, and the number of runs, each in words."""
    configurations = configurations_of(spec)
    first = configurations.config(0)
    data, stop = first.data, first.stop
    half = "" if data.half == "both" else f"the {data.half} half of "
    varied = [f"{axis}: {', '.join(map(str, values))}" for axis, values in spec.grid.items()]
    listed: dict[str, list[str]] = {}
    for point in spec.list:
        for axis, value in point.items():
            listed.setdefault(axis, []).append("another run" if isinstance(value, dict) else str(value))
    varied += [f"{axis}: {', '.join(dict.fromkeys(values))}" for axis, values in listed.items()]
    sizes = "several numbers of" if "data.train_size" in spec.grid else f"{data.train_size:,}"
    of = "of training and test examples" if data.corrupt_test else "of training examples"
    fixed = data.label_corruption and "data.label_corruption" not in spec.grid
    corrupted = f", labels {of} redrawn with probability {data.label_corruption:g}" if fixed else ""
    limit = f"{stop.max_epochs} epochs"
    until = limit if stop.train_loss is None else f"train loss {stop.train_loss:g}, at most {limit}"
    return {
        "data": f"{half}{data.name}: {sizes} training and {data.test_size:,} test examples{corrupted}",
        "network": _fields({"family": first.flat()["model.family"]} | spec.base.get("model", {})),
        "training": f"{_fields(spec.base.get('optimizer', {}))}; until {until}",
        "varied": "; ".join([*varied, f"{len(spec.seed_values)} seeds"]),
        "runs": f"{configurations.named * len(spec.seed_values):,}",
    }


def _fields(section: Mapping[str, Any]) -> str:
    """Fields as words, the family or name first.

    >>> _fields({"family": "mlp", "width": 8, "lr": 0.1})
    'mlp, width 8, lr 0.1'
    """
    return ", ".join(str(value) if key in ("family", "name") else f"{key} {value}" for key, value in section.items())
