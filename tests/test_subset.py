"""Runs that see their own random part of the training examples, and interventions that runs of many seeds share."""

import copy
import io

import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import nn

from benevolent.analysis import load_results
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.multi_run import description_length, forgetting_table
from benevolent.analysis.multi_run.examples import load_examples
from benevolent.orchestrator.estimates.plan_table import plan_table
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import configurations_of, expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep_summary import describe_setup
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.store.folder import Folder

HALF = {"train_size": 60, "validation_size": 20, "test_size": 30, "subset": 0.4}
TABLES = ("runs", "outcomes", "dynamics")


def run(seed: int, **sections) -> dict:
    base = {
        "data": HALF,
        "model": {"width": 8, "depth": 2},
        "optimizer": {"batch_size": 10, "lr": 0.1},
        "stop": {"train_loss": None, "max_epochs": 3},
        "precision": "float64",
    }
    return base | {"seed": seed} | sections


def seen(config: RunConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels at the positions that the public function gives."""
    dataset = data.load(config.data, config.precision)
    own = config.seed if config.data.intervention_seed is None else config.data.intervention_seed
    positions = data.subset_positions(config.data, config.seed)
    return dataset.train.inputs[positions], data.train_labels(dataset, config.phases[-1], own)[positions]


def serial(config: RunConfig) -> nn.Module:
    """One network in a plain loop over its own examples."""
    built = built_network.build(config.model, (1, 8, 8), 10)
    module = copy.deepcopy(built.module).double().requires_grad_()
    module.load_state_dict(built.initial(config.init, config.seed))
    optimizer = torch.optim.SGD(module.parameters(), lr=config.optimizer.lr)
    inputs, labels = seen(config)
    size = len(labels) if config.optimizer.batch_size == "full" else config.optimizer.batch_size
    for epoch in range(config.stop.max_epochs):
        order = torch.from_numpy(RandomStream(config.seed, "order/train", epoch).permutation(len(labels)))
        for batch in order.split(size):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(module(inputs[batch]), labels[batch]).backward()
            optimizer.step()
    return module


def test_which_examples_a_run_sees_follows_from_its_config_and_seed():
    config = DataConfig(train_size=1000, subset=0.7)
    positions = data.subset_positions(config, 5)
    assert torch.equal(positions, torch.from_numpy(RandomStream(5, "subset").permutation(1000)[:700]).sort().values)
    smaller = data.subset_positions(config.model_copy(update={"subset": 0.2}), 5)
    assert len(smaller) == 200 and torch.isin(smaller, positions).all()
    often = torch.zeros(1000)
    for seed in range(300):
        often[data.subset_positions(config, seed)] += 1
    assert often.mean() == 210 and often.std() == pytest.approx((300 * 0.7 * 0.3) ** 0.5, rel=0.1)


@pytest.mark.parametrize("batch_size", [10, "full"])
def test_training_equals_a_plain_loop_over_the_examples_seen(cohort, tmp_path, batch_size):
    corrupted = HALF | {"label_corruption": 0.5}
    optimizer = {"batch_size": batch_size, "lr": 0.1}
    configs = [run(seed, data=own, optimizer=optimizer) for seed, own in ((0, HALF), (1, HALF), (1, corrupted))]
    made = cohort("c", configs).train()
    results = load_results(tmp_path)
    for config in made.configs:
        inputs, labels = seen(config)
        assert len(labels) == 24
        module = serial(config)
        torch.testing.assert_close(made.final()[config.run_id], dict(module.state_dict()), rtol=1e-9, atol=1e-11)
        logits = module(inputs)
        found = [made.value(config.run_id, name, "train") for name in ("loss", "error")]
        wrong = (logits.argmax(1) != labels).double().mean().item()
        assert found == pytest.approx([nn.CrossEntropyLoss()(logits, labels).item(), wrong])
        given = load_examples(results, config.run_id, ["train"])["train"]
        assert torch.equal(given[0], inputs) and torch.equal(given[1], labels)


def test_a_run_does_not_depend_on_its_cohort(cohort):
    """Also with targets, snapshots, early stopping and runs that leave the stack early."""
    stop = {"train_loss": 1.9, "max_epochs": 12, "snapshot_loss": 2.0}
    record = {"early_stop": True, "epochs": [1, 2, 5]}
    configs = [run(seed, stop=stop, optimizer={"batch_size": 7, "lr": 0.05}) for seed in range(4)]
    together = cohort("together", configs, record=record).train()
    assert together.table("runs")["step"].nunique() > 1
    alone = cohort("alone", configs[2:3], record=record).train()
    for kind in TABLES:
        table = together.table(kind)
        own = table[table["run_id"] == alone.run_ids[0]].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone.table(kind), check_exact=True)


def test_saved_in_the_middle_of_an_epoch_it_ends_as_if_it_had_not_been(cohort):
    configs = [run(seed) for seed in range(3)]
    whole = cohort("whole", configs).train()
    cut = cohort("cut", configs)
    for _ in range(100):
        if cut.start(save_every_seconds=0).advance(0).done:
            break
    for kind in TABLES:
        pd.testing.assert_frame_equal(whole.table(kind), cut.table(kind), check_exact=True)


def test_measures_are_those_of_the_examples_seen(cohort, tmp_path):
    made = cohort("c", [run(seed, data=HALF | {"label_corruption": 0.5}) for seed in range(3)]).train()
    names = ["corrupted_train_accuracy", "loss_sensitivity_mean"]
    job = ExistingMeasures(Folder(tmp_path)).missing("c", made.files.parameter_files()[-1], names)
    measure_file(Folder(tmp_path), job)
    found = load_results(tmp_path).measures.pivot(index="run_id", columns="name", values="value")
    for config in made.configs:
        inputs, labels = seen(config)
        clean = data.load(config.data, "float64").train.labels[data.subset_positions(config.data, config.seed)]
        module = serial(config)
        points = inputs.clone().requires_grad_()
        logits = module(points)
        nn.CrossEntropyLoss(reduction="sum")(logits, labels).backward()
        fitted = (logits.argmax(1) == labels)[labels != clean].double().mean().item()
        sensitivity = points.grad.flatten(1).abs().sum(1).mean().item()
        assert found.loc[config.run_id, names].tolist() == pytest.approx([fitted, sensitivity])


def test_forgotten_examples_are_named_by_their_place_in_the_training_split(cohort, tmp_path):
    made = cohort("c", [run(4)], record={"epochs": [1, 2, 3], "measure_at": "checkpoints"}).train()
    table = forgetting_table(load_results(tmp_path), made.run_ids)
    positions = data.subset_positions(made.configs[0].data, 4)
    assert table["example"].tolist() == positions.tolist()
    assert table["label"].tolist() == data.load(made.configs[0].data).train.labels[positions].tolist()


def test_teachers_and_pretraining_are_restricted_alike():
    """Labels of the part are those of the whole at the places of the part."""
    config = RunConfig.parse(run(2, data=HALF | {"label_corruption": 0.5}, labels={"source": {"model.width": 4}}))
    dataset = data.load(config.data)

    def teach(_: RunConfig, inputs: data.Inputs) -> torch.Tensor:
        return inputs.rows()[0].flatten(1).abs().sum(1).long() % 10

    whole, part = (
        data.labels_of(dataset, [config], config.phases[-1:], "train", teacher_labels=teach, whole=whole)[0]
        for whole in (True, False)
    )
    assert len(whole) == 60 and torch.equal(part, whole[data.subset_positions(config.data, 2)])
    assert config.teacher and config.teacher.data.subset == 0.4


def test_runs_of_one_fraction_share_a_cohort_and_the_plan_says_what_they_see():
    spec = SweepSpec.parse({"name": "s", "base": {"data": {"subset": 0.5}}, "seeds": 5})
    plan = expand(spec)
    assert len(plan.new_manifests()) == 1 and set(plan.runs["optimizer.batch_size"]) == {32}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(plan_table(estimate_sweep(plan)))
    assert "data.subset=0.5" in console.export_text()
    words = describe_setup(configurations_of(spec), spec.base, spec.grid, spec.list)["data"]
    assert words == "digits: 1,000 training (each run sees its own 500) and 600 test examples"
    half = RunConfig.parse({"data": {"subset": 0.5}})
    assert half.steps_per_epoch == 16 and half.cohort_key != RunConfig().cohort_key


def test_interventions_of_one_seed_are_shared_by_runs_of_many():
    sections = {"pixels": "gaussian", "label_corruption": 0.5, "input_noise": 0.1, "intervention_seed": 9}
    configs = [RunConfig.parse({"data": sections, "seed": seed}) for seed in (9, 1)]
    free = RunConfig.parse({"data": {**sections, "intervention_seed": None}, "seed": 9})
    dataset = data.load(free.data)
    inputs = data.inputs_of(dataset, configs, "train")
    assert inputs.slot.tolist() == [0, 0]
    assert torch.equal(inputs.rows()[1], data.inputs_of(dataset, [free], "train").rows()[0])
    labels = data.labels_of(dataset, [*configs, free], [free.phases[0]] * 3, "train")
    assert torch.equal(labels[0], labels[1]) and torch.equal(labels[0], labels[2])


def test_a_prequential_code_needs_nested_training_splits(cohort, tmp_path):
    configs = [run(0, data=HALF | {"train_size": size}) for size in (30, 60)]
    for name, config in zip("ab", configs, strict=True):
        cohort(name, [config]).train()
    with pytest.raises(BadInput, match="needs data.subset: 1"):
        description_length(load_results(tmp_path))
