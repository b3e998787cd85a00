import dataclasses
import io
import re
from collections import Counter

import in_process
import pandas as pd
import pytest
import torch
from rich.console import Console

from benevolent.analysis.results import Results
from benevolent.orchestrator import sweep as sweep_module
from benevolent.orchestrator.estimates.plan_table import plan_table
from benevolent.orchestrator.estimates.sweep_estimate import SweepEstimate, estimate_sweep
from benevolent.orchestrator.plan import memory
from benevolent.orchestrator.plan.cohorts import (
    MAX_COHORT_RUNS,
    MAX_GPU_COHORT_RUNS,
    ExistingRuns,
    cohort_id,
    cohort_sizes,
)
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew
from benevolent.trainables.config import identity
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data.per_run import FRESH_SPLITS
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


def sweep(**keys) -> SweepSpec:
    return SweepSpec.parse({"name": "test", "base": {"model": {"width": 8}}, **keys})


def estimated(**keys) -> SweepEstimate:
    spec = sweep(**keys)
    return estimate_sweep(expand(spec))


def cohort_of_run(cohorts) -> dict[str, str]:
    return {config.run_id: cohort.cohort_id for cohort in cohorts for config in cohort.configs}


def test_every_run_is_in_one_cohort_with_runs_of_its_key():
    cohorts = expand(load_spec("quickstart"), slots=2).new_manifests()
    ids = [config.run_id for cohort in cohorts for config in cohort.configs]
    assert sorted(ids) == sorted(expand(load_spec("quickstart")).runs["run_id"])
    assert all(len({config.cohort_key for config in cohort.configs}) == 1 for cohort in cohorts)
    assert all(cohort.cohort_id == cohort_id(c.run_id for c in cohort.configs) for cohort in cohorts)


def test_plan_is_deterministic_and_starts_with_the_costliest_dense_cohorts():
    cohorts = expand(load_spec("quickstart"), slots=2).new_manifests()
    assert cohorts == expand(load_spec("quickstart"), slots=2).new_manifests()
    widths = [(bool(cohort.waits_for), cohort.configs[0].model.width) for cohort in cohorts]
    assert widths == sorted(widths, key=lambda pair: (pair[0], -pair[1]))


def test_pruned_runs_wait_for_the_cohorts_of_their_parents():
    cohorts = expand(load_spec("quickstart"), slots=2).new_manifests()
    home = cohort_of_run(cohorts)
    for cohort in cohorts:
        parents = {home[config.parent.run_id] for config in cohort.configs if config.parent}
        assert set(cohort.waits_for) == parents


def test_missing_dense_parents_are_added_once():
    cohorts = expand(sweep(grid={"prune.fraction": [0.5, 0.8], "init.scale": [1, 2]}, seeds=3)).new_manifests()
    roles = [
        (role, config.prune.fraction)
        for cohort in cohorts
        for config, role in zip(cohort.configs, cohort.roles, strict=True)
    ]
    assert roles.count(("parent", 0)) == 6
    assert [role for role, fraction in roles if fraction] == ["run"] * 12
    named = expand(sweep(grid={"prune.fraction": [0.5, 0, 0.8], "init.scale": [1, 2]}, seeds=3)).new_manifests()
    assert {role for cohort in named for role in cohort.roles} == {"run"}
    assert cohort_of_run(named).keys() == cohort_of_run(cohorts).keys()


def test_a_plan_and_its_runs_agree_on_ids_where_a_family_has_changed(monkeypatch):
    monkeypatch.setitem(identity.FAMILY_REVISIONS, "linear", 3)
    teachers = [{"model.family": "linear"}, {"model.family": "mlp"}]
    spec = sweep(grid={"labels.source": teachers, "prune.fraction": [0, 0.5]}, seeds=2)
    plan = expand(spec)
    for cohort in plan.new_manifests():
        for run, config in zip(cohort.runs, cohort.configs, strict=True):
            assert run.run_id == config.run_id


def test_extending_a_sweep_plans_only_what_is_new():
    known = cohort_of_run(expand(sweep(grid={"init.scale": [1, 2]}, seeds=2)).new_manifests())
    extended = sweep(grid={"init.scale": [1, 2, 3], "prune.fraction": [0, 0.5]}, seeds=2)
    new = expand(extended, ExistingRuns(known)).new_manifests()
    assert not cohort_of_run(new).keys() & known.keys()
    assert len(cohort_of_run(new)) == 12 - 4
    everything = known | cohort_of_run(new)
    pruned = next(cohort for cohort in new if cohort.waits_for)
    assert set(pruned.waits_for) == {everything[config.parent.run_id] for config in pruned.configs}
    plan = expand(extended, ExistingRuns(everything))
    assert plan.new_manifests() == []
    summary = estimate_sweep(plan)
    assert (summary.runs, summary.known, summary.cohorts, summary.seconds) == (12, 12, 0, 0)


@pytest.mark.parametrize(
    ("runs", "total", "slots", "sizes"),
    [
        (240, 240, 1, [120] * 2),
        (240, 240, 2, [60] * 4),
        (240, 240, 16, [16] * 15),
        (20, 20, 16, [20]),
        (5000, 5000, 1, [125] * 40),
        (3, 1000, 2, [3]),
    ],
)
def test_groups_are_split_evenly_over_the_slots_down_to_a_minimum_size(runs, total, slots, sizes):
    assert cohort_sizes(runs, total, slots) == sizes


def test_cohort_size_of_the_sweep_is_kept():
    cohorts = expand(sweep(seeds=10, resources={"cohort_size": 4})).new_manifests()
    assert sorted(len(cohort.configs) for cohort in cohorts) == [3, 3, 4]


def test_estimate_counts_the_contents_of_the_plan():
    for spec in (
        load_spec("quickstart"),
        sweep(grid={"prune.fraction": [0.5, 0.8], "stop.max_epochs": [1, 9]}, seeds=40),
    ):
        plan = expand(spec, slots=2)
        summary, cohorts = estimate_sweep(plan, slots=2), plan.new_manifests()
        assert summary.cohorts == len(cohorts)
        assert summary.runs + summary.parents == len(cohort_of_run(cohorts))
        assert max(group.cohort_size for group in summary.groups) == max(len(cohort.configs) for cohort in cohorts)


def test_evaluation_batches_of_large_networks_fit_in_memory():
    data = {"name": "cifar10", "classes": [[0], [5]], "train_size": 10_000, "validation_size": 0}
    base = {"data": data, "model": {"family": "loukas_cnn"}, "loss": {"name": "logistic"}}
    (group,) = estimated(base=base | {"optimizer": {"batch_size": 1}}).groups
    assert group.memory_bytes < 0.3e9  # 8192 examples take 6.4e9


def test_estimate_of_a_small_network_equals_a_count_by_hand():
    base = {"model": {"width": 8, "depth": 2}, "stop": {"max_epochs": 4}, "optimizer": {"momentum": 0.9}}
    (group,) = estimated(base=base, seeds=3).groups
    parameters = 64 * 8 + 8 + 8 * 10 + 10
    activations = 64 + 64 + 8 + 8 + 10  # inputs, flattened inputs, hidden layer, ReLU, logits
    assert group.parameters == parameters
    assert group.flops == 3 * 4 * 1000 * (3 + 1) * 2 * (64 * 8 + 8 * 10)
    assert group.memory_bytes == 4 * (3 * 5 * parameters + 3 * 1000 * activations)
    assert group.parameter_bytes == 3 * 2 * 4 * parameters  # at the start and at the end
    assert group.disk_bytes > group.parameter_bytes


def test_printed_plan_names_runs_parents_and_the_bound():
    console = Console(width=160, record=True, file=io.StringIO())
    summary = estimated(grid={"prune.fraction": [0.5]}, seeds=3)
    console.print(plan_table(dataclasses.replace(summary, name="[red]x")))
    text = console.export_text()
    assert "plan of [red]x" in text
    assert "3 runs (1 configuration x 3 replicates) + 3 parent or teacher runs" in text
    for stage in ("start-up", "training", "measuring", "judging"):
        assert re.search(rf"{stage} \d+ (s|min|h)", text)


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ({"data": {"name": "digit"}}, "data.name = 'digit': unknown data set; did you mean 'digits'?"),
        (
            {"data": {"train_size": 1500}},
            "data.train_size + validation_size + test_size = 1500 + 197 + 600 = 2297",
        ),
        (
            {"data": {"name": "frequency"}},
            "loss.name = 'cross_entropy': does not fit the targets of frequency, numbers",
        ),
        ({"loss": {"name": "hinge"}}, "loss.name = 'hinge': does not fit the targets of digits, 10 classes"),
        (
            {"model": {"family": "module", "path": "no.such:Net"}},
            "model.path = 'no.such:Net': ModuleNotFoundError",
        ),
        (
            {"model": {"family": "module", "path": "torch.nn:Dropout"}},
            "model.path = 'torch.nn:Dropout': has no parameters to train",
        ),
    ],
)
def test_data_and_networks_are_tried_before_anything_starts(base, line):
    with pytest.raises(BadInput) as error:
        expand(sweep(base=base))
    assert line in str(error.value)


def test_runs_of_one_kind_share_their_cohort_key_and_phases():
    grid = {
        "prune.fraction": [0, 0.5],
        "pretrain.epochs": [0, 3],
        "stop.max_epochs": [2, 4],
        "init.scale": [1, 2],
        "optimizer.batch_size": [16, 32],
        "model.bias": ["all", "none"],
    }
    plan = expand(sweep(grid=grid, seeds=2))
    configs = {config.run_id: config for cohort in plan.new_manifests() for config in cohort.configs}
    for run_id, kind in zip(plan.runs["run_id"], plan.kind, strict=True):
        run, example = configs[run_id], plan.examples[kind]
        assert run.cohort_key == example.cohort_key
        assert [(phase.name, phase.max_epochs) for phase in run.phases] == [
            (phase.name, phase.max_epochs) for phase in example.phases
        ]


def test_flops_of_a_convolution_count_every_position():
    model = {"family": "puzzles_cnn", "filters": 2, "kernel": 3}
    (group,) = estimated(base={"model": model, "stop": {"max_epochs": 1}}).groups
    forward = 2 * (2 * 1 * 9 * 36 + 2 * 2 * 9 * 16 + 2 * 16 * 10)
    assert group.flops == 1000 * (3 + 1) * forward


def test_plans_are_kept_and_the_last_one_defines_the_requested_runs(tmp_path):
    folder = Folder(tmp_path)
    narrow = {"grid": {"prune.fraction": [0.8]}, "seeds": 2}
    prepare_anew(folder, sweep(**narrow))
    prepare_anew(folder, sweep(**narrow))  # the same once more: no new plan
    wide = sweep(grid={"prune.fraction": [0, 0.8], "model.width": [8, 16]}, seeds=2)
    plan = expand(wide)
    prepare_anew(folder, wide)
    prepare_anew(folder, sweep(grid={"prune.fraction": [0, 0.8], "model.width": [16]}, seeds=2))
    roles = []
    for number in (1, 2, 3):
        runs = pd.read_parquet(tmp_path / paths.plan_runs(number))
        assert set(runs["cohort_id"]) == set(pd.read_parquet(tmp_path / paths.plan_cohorts(number))["cohort_id"])
        roles.append(runs.groupby(["role", "prune.fraction"]).size().to_dict())
    assert roles == [
        {("parent", 0.0): 2, ("run", 0.8): 2},
        {("run", 0.0): 4, ("run", 0.8): 4},
        {("run", 0.0): 2, ("run", 0.8): 2},
    ]
    assert not (tmp_path / paths.plan_runs(4)).exists()
    results = Results([folder])
    assert set(results.planned["model.width"]) == {16}
    assert len(results.runs) == 8 and set(results.runs["role"]) == {"run"} and set(results.runs["status"]) == {"to do"}
    fields = [name for name in plan.runs if "." in name]
    table = results.runs.set_index("run_id").loc[plan.runs["run_id"], fields]
    for field in fields:
        pd.testing.assert_series_equal(
            table[field].reset_index(drop=True).astype(str), plan.runs[field].astype(str), check_names=False
        )


def test_list_argument_of_a_network_is_text_in_the_tables():
    arguments = {"sizes": [3, 4]}
    base = {"model": {"family": "module", "path": "test_planning:Sizes", "arguments": arguments}}
    spec = SweepSpec.parse({"name": "t", "base": base})
    assert list(expand(spec).runs["model.arguments.sizes"]) == ["[3, 4]"]


class Sizes(torch.nn.Linear):
    def __init__(self, sizes: list[int]) -> None:
        super().__init__(64, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs.flatten(1))


@pytest.fixture
def made_configs(monkeypatch) -> list[int]:
    """The seed of every `RunConfig` that is made, from sections or from nested values."""
    seeds: list[int] = []
    init, validate = RunConfig.__init__, RunConfig.model_validate

    def from_sections(self, **values):
        init(self, **values)
        seeds.append(self.seed)

    def from_values(values):
        config = validate(values)
        seeds.append(config.seed)
        return config

    monkeypatch.setattr(RunConfig, "__init__", from_sections)
    monkeypatch.setattr(RunConfig, "model_validate", from_values)
    return seeds


def test_a_sweep_is_expanded_once_and_makes_one_config_for_every_run(tmp_path, monkeypatch, made_configs):
    expanded = []
    monkeypatch.setattr(sweep_module, "expand", lambda *given: expanded.append(given) or expand(*given))
    base = {"data": {"train_size": 40}, "model": {"width": 4}, "stop": {"max_epochs": 1}}
    seeds = [*range(700, 720)]
    spec = SweepSpec.parse({"name": "t", "base": base, "grid": {"init.scale": [1, 2]}, "seeds": seeds})
    made_configs.clear()
    done = in_process.train_sweep(spec, str(tmp_path))
    assert done.runs == 40 and done.measured and len(expanded) == 1
    by_seed = Counter(made_configs)
    planned = by_seed.pop(700) - 2  # rules and estimates ask about runs of the first seed
    assert by_seed == dict.fromkeys(seeds[1:], 2) and 0 < planned < 10


def test_fresh_examples_of_a_whole_cohort_are_drawn_once():
    assert FRESH_SPLITS >= MAX_COHORT_RUNS


def test_planning_makes_no_config_for_every_run(made_configs):
    values = [1 + i / 1000 for i in range(20)]
    grid = {"init.scale": values, "optimizer.lr": values, "prune.fraction": [0, 0.5], "model.width": [8, 16]}
    spec = SweepSpec.parse({"name": "t", "grid": grid, "seeds": 5})
    made_configs.clear()
    plan = expand(spec)
    manifests = plan.new_manifests()
    assert len(plan.runs) == sum(len(manifest.runs) for manifest in manifests) == 20 * 20 * 2 * 2 * 5
    assert len(made_configs) < 40


def test_cohorts_on_a_gpu_are_as_large_as_its_memory_allows_and_their_runs_are_the_same(monkeypatch):
    values = {"name": "t", "base": {"model": {"width": 8}}, "grid": {"init.scale": [1, 2]}, "seeds": 1000}
    on_cpu = expand(SweepSpec.parse(values))
    on_gpu = expand(SweepSpec.parse(values | {"resources": {"gpus": 1}}))
    assert sorted(on_cpu.runs.run_id) == sorted(on_gpu.runs.run_id)
    assert on_cpu.cohorts.runs.max() <= MAX_COHORT_RUNS and on_gpu.cohorts.runs.tolist() == [2000]
    asked = expand(SweepSpec.parse(values | {"resources": {"gpus": 1, "cohort_size": 500}}))
    assert asked.cohorts.runs.tolist() == [500] * 4

    monkeypatch.setattr(memory, "cohort_memory_bytes", lambda resources: 2**26)
    small = expand(SweepSpec.parse(values | {"resources": {"gpus": 1}})).cohorts.runs
    config = RunConfig.parse(values["base"])
    state_bytes = network_cost(config).state_bytes(config.optimizer)
    assert small.max() * state_bytes <= memory.STATE_SHARE * 2**26 < 1.5 * small.max() * state_bytes
    assert small.sum() == 2000


def test_thousands_of_runs_are_a_few_cohorts_on_a_gpu():
    grid = {"optimizer.lr": [0.01 * i for i in range(1, 11)]}
    values = {"name": "t", "base": {"model": {"width": 8}}, "grid": grid, "seeds": 1000, "resources": {"gpus": 0.5}}
    cohorts = expand(SweepSpec.parse(values), slots=1).cohorts.runs
    assert cohorts.tolist() == [5000, 5000] and cohorts.max() <= MAX_GPU_COHORT_RUNS
