"""Every sweep of every study starts at paper scale: its largest network trains for some steps, and is measured.

`make test` leaves this file out, since it takes some minutes; `make paper` runs it.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import train_sweep

from benevolent.analysis.results import load_results
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.study import studies
from benevolent.trainables import data
from benevolent.trainables.config.run import SECTIONS, RunConfig
from benevolent.trainables.data import RawDataset, RawSplit, Reader
from benevolent.trainables.store.statuses import MEASURE_ERROR, Status

#: Steps of every phase, and replicates, so that networks are stacked. Networks and batches are those of paper scale;
#: training examples are cut to those of the steps.
STEPS = 20
SEEDS = 2
#: Arithmetic that a test may take, some seconds; larger sweeps have one replicate, and fewer steps.
FLOPS = 5e11
FEWEST_STEPS = 3
#: Examples that are held out, and most examples of a run whose one step takes all of them.
HELD_OUT = 100
MOST_AT_ONCE = 2000

SWEEPS = [(study, sweep) for study, one in studies().items() for sweep in one.sweeps]


@pytest.mark.slow
@pytest.mark.parametrize(("study", "sweep"), SWEEPS)
def test_a_sweep_starts_at_paper_scale(study, sweep, tmp_path, monkeypatch):
    spec = studies()[study].specs("paper")[sweep]
    plan = expand(spec)  # which refuses what cannot be trained, at full size
    for name in plan.new_data_sets:
        if name in data.READERS and not data.is_present(name):
            if not any(map(data.is_present, ("mnist", "cifar10"))):
                pytest.skip("the data sets are not in BENEVOLENT_DATA")
            monkeypatch.setitem(data.READERS, name, noise_like(data.READERS[name]))
    small = shortened(spec, largest(plan))
    train_sweep(small, str(tmp_path))

    results = load_results(tmp_path)
    trained = results.table(parents=True)
    assert len(trained) == len(expand(small).runs)
    assert set(trained["status"]) <= {Status.LIMIT, Status.CONVERGED}
    assert np.isfinite(results.outcomes["value"]).all()
    assert not results.measures["status"].astype(str).str.startswith(MEASURE_ERROR).any()
    for run_id, step in zip(trained["run_id"], trained["step"], strict=True):
        config = results.config(run_id)
        if not config.is_forest and step:
            first = results.network(run_id, 0).state_dict()
            last = results.network(run_id).state_dict()
            assert any((last[name] != first[name]).any() for name in first)


def noise_like(reader: Reader) -> Reader:
    """A data set with a reader's shapes, of noise, for one that is not on this machine."""
    rng = np.random.default_rng(0)

    def part(counts: tuple[int, ...]) -> RawSplit:
        labels = np.repeat(np.arange(len(counts)), counts)
        inputs = rng.integers(0, 256, (len(labels), *reader.shape), dtype=np.uint8)
        return RawSplit(inputs, labels)

    def read(root: Path) -> RawDataset:
        return RawDataset(part(reader.train), part(reader.test) if reader.test else None)

    return dataclasses.replace(reader, read=read, folder="", files=(), digest="", source="noise")


def largest(plan: Plan) -> RunConfig:
    """The configuration with most parameters, of those that need other runs or are pretrained if there are any."""
    configs = map(plan.configurations.config, range(len(plan.configurations)))
    return max(configs, key=size)


def size(config: RunConfig) -> tuple[float, ...]:
    """What makes a configuration larger than others: the first number, or the next one among equals."""
    others = bool(config.ancestors) + bool(config.pretrain.epochs)
    return others, network_cost(config).parameters, config.data.train_size, config.pretrain.label_corruption


def shortened(spec: SweepSpec, config: RunConfig) -> SweepSpec:
    """A sweep of one configuration, of a few steps in each phase."""
    usual = with_steps(spec, config, STEPS, SEEDS)
    flops = expand(usual).runs["flops"].sum()
    if flops <= FLOPS:
        return usual
    steps = min(STEPS, int(STEPS * FLOPS / (flops / SEEDS)))
    return with_steps(spec, config, max(steps, FEWEST_STEPS), 1)


def with_steps(spec: SweepSpec, config: RunConfig, steps: int, seeds: int) -> SweepSpec:
    fields: dict[str, Any] = {"precision": config.precision}
    for name in SECTIONS:
        if name != "precision":
            fields[name] = getattr(config, name).model_dump(exclude_defaults=name != "model")
    fields["stop"]["max_steps"] = steps
    batch = config.optimizer.batch_size
    examples = MOST_AT_ONCE if batch == "full" else steps * int(batch)
    values = spec.model_dump(mode="json", include={"name", "record", "resources"})
    replicates = {"count": seeds, "first": 0, "shared": True}
    return SweepSpec.parse({**values, "base": cut(fields, examples), "seeds": replicates, "inert_axes": "collapse"})


def cut(values: Mapping[str, Any], examples: int) -> dict[str, Any]:
    """Fields of a run, and of the runs that it needs, with fewer examples and less pretraining."""
    limits = {"train_size": examples, "validation_size": HELD_OUT, "test_size": HELD_OUT, "pretrain.epochs": 1}
    shorter: dict[str, Any] = {}
    for field, value in values.items():
        name = field.removeprefix("data.")
        if isinstance(value, Mapping):
            shorter[field] = cut(value, examples)
        else:
            shorter[field] = min(value, limits[name]) if name in limits else value
    if "pretrain" in shorter and "epochs" in shorter["pretrain"]:
        shorter["pretrain"]["epochs"] = 1
    return shorter
