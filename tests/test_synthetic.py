"""Synthetic tasks against their formulas."""

import numpy as np
import pytest
import torch

from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import RandomStream, generator

TRAIN = Phase("train", 0.0, "redraw", 1)
SIZES = {"train_size": 4000, "validation_size": 0, "test_size": 500}


def load(name: str, **fields) -> data.Dataset:
    return data.load(DataConfig.parse({"name": name, **SIZES, **fields}), "float64")


def fixed(name: str, *shape: int) -> np.ndarray:
    """The orthonormal columns that a task draws first, with `split_seed` 0."""
    return np.linalg.qr(RandomStream(0, name).standard_normal(shape))[0]


def share(values: torch.Tensor) -> float:
    return values.double().mean().item()


@pytest.mark.parametrize("frequency", [0.25, 1.0])
def test_frequency_is_a_product_of_cosines_of_a_rotated_plane(frequency):
    train = load("frequency", frequency=frequency).train
    u = train.inputs.numpy() @ fixed("frequency", 10, 10) / 10
    assert np.abs(u[:, 2:]).max() < 1e-12 and 0.99 < np.abs(u).max() <= 1
    expected = np.cos(2 * np.pi * frequency * u[:, 0]) * np.cos(2 * np.pi * frequency * u[:, 1])
    assert np.allclose(train.labels.numpy(), expected)
    mean = np.sinc(2 * frequency) ** 2
    assert share(train.labels) == pytest.approx(mean, abs=0.03)


def test_a_real_target_has_no_classes_and_the_precision_of_the_run():
    dataset = data.load(DataConfig(name="frequency"))
    assert (dataset.target, dataset.classes) == ("real", 0)
    assert dataset.train.labels.dtype == torch.float32


def test_sinusoid_is_the_sign_of_a_line_and_a_sine():
    train = load("sinusoid").train
    line, wave = (train.inputs.numpy() @ fixed("sinusoid", 100, 2)).T
    assert np.array_equal(train.labels.numpy(), line + np.sin(wave) > 0)


def test_disk_is_uniform_and_cut_by_a_curve_with_noisy_labels():
    for noise in (0.0, 0.1):
        train = load("disk", noise=noise, frequency=1.5).train
        x, y = train.inputs.T
        radius = (x**2 + y**2).sqrt()
        assert radius.max() <= 1 and share(radius < 0.5) == pytest.approx(0.25, abs=0.03)
        above = y > torch.sin(2 * torch.pi * 1.5 * x) / 2
        assert share(above != train.labels.bool()) == pytest.approx(noise, abs=0.015)


def test_xord_asks_for_a_pair_of_equal_signs():
    dataset = load("xord", hard_test=True)
    assert dataset.input_shape == (10, 2)  # as the network of that name takes it
    for split in (dataset.train, dataset.test):
        equal = split.inputs[..., 0] == split.inputs[..., 1]
        assert split.inputs.unique().tolist() == [-1, 1]
        assert torch.equal(equal.any(1), split.labels.bool())
        assert share(split.labels) == pytest.approx(0.5, abs=0.06)
    assert set(equal.sum(1).tolist()) == {0, 1}
    easy = load("xord")
    counts = (easy.train.inputs[..., 0] == easy.train.inputs[..., 1]).sum(1)[easy.train.labels == 1]
    assert counts.double().mean().item() == pytest.approx(5 / (1 - 2**-10), abs=0.15)
    assert torch.equal(easy.train.inputs, dataset.train.inputs)
    assert not torch.equal(easy.test.inputs, dataset.test.inputs)


def test_sphere_has_points_of_norm_one_and_targets_that_say_nothing_about_them():
    dataset = load("sphere", dimension=5)
    inputs, targets = dataset.train.inputs, dataset.train.labels
    torch.testing.assert_close(inputs.norm(dim=1), torch.ones(4000, dtype=torch.float64))
    assert (inputs.mean(0).abs() < 0.03).all() and (inputs.square().mean(0) - 1 / 5).abs().max() < 0.02
    assert (dataset.target, dataset.classes) == ("real", 0)
    assert targets.std().item() == pytest.approx(1, abs=0.05)
    assert ((inputs * targets.unsqueeze(1)).mean(0).abs() < 0.03).all()


def test_sparse_linear_has_one_useful_coordinate():
    train = load("sparse_linear", dimension=50, noise=0.2).train
    assert (train.inputs[:, 1:].sum(1) == 1).all() and train.inputs[:, 1:].max() == 1
    assert share((train.inputs[:, 0] > 0) == train.labels.bool()) == pytest.approx(0.8, abs=0.025)
    assert (train.inputs[:, 1:].mean(0) * 49).tolist() == pytest.approx([1] * 49, abs=0.5)


@pytest.mark.parametrize(
    ("first", "others", "accuracy"), [(1, 0, 0.9), (-1, 0, 0.1), (0, 0, 0.5), (0, 1, 0.5), (1, 5, 0.5), (5, 1, 0.9)]
)
def test_population_accuracy_in_closed_form(first, others, accuracy):
    assert data.population_accuracy(first, np.full(99, others), 0.1) == pytest.approx(accuracy)


def test_population_accuracy_is_that_of_many_examples():
    train = load("sparse_linear", dimension=50, noise=0.2, train_size=40_000).train
    weights = torch.from_numpy(generator(0, "weights").standard_normal(50))
    found = share((train.inputs @ weights > 0) == train.labels.bool())
    exact = data.population_accuracy(weights[0].item(), weights[1:].numpy(), 0.2)
    assert found == pytest.approx(exact, abs=0.01)


def test_least_squares_on_sparse_linear_memorizes_and_still_generalizes():
    """Theorem 1 of Nakkiran et al. 2019: gradient descent from zero ends at the solution of least norm."""
    train = load("sparse_linear", train_size=50).train
    x, y = train.inputs.numpy(), 2 * train.labels.numpy() - 1
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    assert (x @ weights * y > 0).all()
    assert data.population_accuracy(weights[0], weights[1:], 0.1) == pytest.approx(0.9, abs=0.01)


def test_the_exact_error_of_linear_networks_is_an_outcome(cohort):
    """Theorem 1 of Nakkiran et al. 2019, and the adversarial start against it."""
    data_ = {"name": "sparse_linear", "train_size": 20, "validation_size": 0, "test_size": 10, "dimension": 3000}
    stop = {"train_loss": 1e-4, "max_epochs": 2000}
    rest = {"loss": {"name": "squared"}, "optimizer": {"lr": 0.5, "batch_size": 8}, "stop": stop}
    model, wrong = {"family": "linear", "bias": "none"}, {"scheme": "zeros", "first": -100.0}
    starts = [{"scheme": "zeros"}, wrong]
    trained = cohort("c", [{"data": data_, "model": model, "init": init} | rest for init in starts]).train()
    found = [trained.value(run_id, "population_error", "test") for run_id in trained.run_ids]
    assert found == pytest.approx([0.1, 0.9], abs=0.01)
    for run_id, error in zip(trained.run_ids, found, strict=True):
        assert trained.value(run_id, "error", "train") == 0
        weights = trained.final()[run_id]["0.weight"][0].double().numpy()
        assert error == pytest.approx(1 - data.population_accuracy(weights[0], weights[1:], 0.1))
    assert not (trained.table("outcomes").query("split != 'test'").name == "population_error").any()


@pytest.mark.parametrize(("loss", "bias"), [("cross_entropy", "all"), ("cross_entropy", "none"), ("logistic", "all")])
def test_the_exact_error_counts_biases_and_the_run_s_own_noise(cohort, loss, bias):
    sizes = {"train_size": 100, "validation_size": 0, "test_size": 40_000, "dimension": 20}
    init = {"scheme": "normal", "std": 0.5, "bias_std": 1.0}
    rest = {
        "model": {"family": "linear", "bias": bias},
        "init": init,
        "loss": {"name": loss},
        "stop": {"max_epochs": 1},
    }
    noises = [{"data": {"name": "sparse_linear", "noise": noise} | sizes} | rest for noise in (0.0, 0.3)]
    trained = cohort("c", noises).train()
    for run_id in trained.run_ids:
        exact, sampled = (trained.value(run_id, name, "test") for name in ("population_error", "error"))
        assert exact == pytest.approx(sampled, abs=0.01) and 0.02 < exact < 0.9
    for config in ({"data": {"name": "sparse_linear"} | sizes}, {"data": {"name": "sinusoid"} | sizes} | rest):
        other = cohort(
            config["data"]["name"], [{"stop": {"max_epochs": 1}} | config]
        ).train()  # no linear network, no formula
        assert "population_error" not in set(other.table("outcomes").name)


class Squares(torch.nn.Module):
    """Not linear in its inputs, although its only layer is."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(20, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs.square())


def test_a_network_with_one_linear_layer_may_not_be_linear(cohort):
    data_ = {"name": "sparse_linear", "train_size": 40, "validation_size": 0, "test_size": 10, "dimension": 20}
    model = {"family": "module", "path": "test_synthetic:Squares"}
    trained = cohort("c", [{"data": data_, "model": model, "stop": {"max_epochs": 1}}]).train()
    assert "population_error" not in set(trained.table("outcomes").name)


def test_staircase_is_the_sign_of_three_terms():
    train = load("staircase").train
    x = train.inputs.T
    assert torch.equal(train.labels.bool(), x[0] + 0.7 * x[1] * x[2] + 0.5 * x[3] * x[4] * x[5] > 0)
    agreement = [share((term > 0) == train.labels.bool()) for term in (x[0], x[1] * x[2], x[3] * x[4] * x[5])]
    assert 0.85 > agreement[0] > agreement[1] > agreement[2] > 0.5


@pytest.mark.parametrize("name", data.SYNTHETIC)
def test_tasks_are_drawn_from_the_split_seed_alone(name):
    first, again, other = (data.load(DataConfig(name=name, split_seed=seed, train_size=100)) for seed in (0, 0, 1))
    assert first is again and first.checksum != other.checksum
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert not torch.equal(first.train.inputs[:50], first.test.inputs[:50])


# ---- runs that differ in the task, and fresh examples


def test_runs_of_one_stack_can_differ_in_frequency():
    configs = [RunConfig.parse({"data": {"name": "frequency", "frequency": f}}) for f in (0.25, 1.0, 0.25)]
    assert len({config.cohort_key for config in configs}) == 1
    dataset = data.load(configs[0].data)
    inputs, labels = data.inputs_of(dataset, configs, "test"), data.labels_of(dataset, configs, [TRAIN] * 3, "test")
    assert inputs.slot.tolist() == [0, 1, 0] and torch.equal(labels[0], labels[2])
    for k, config in enumerate(configs):
        own = data.load(config.data).test
        assert torch.equal(inputs.rows()[k], own.inputs) and torch.equal(labels[k], own.labels)


def test_fresh_examples_are_new_in_every_epoch_and_run():
    fields = {"name": "staircase", "fresh": True, "train_size": 50}
    configs = [RunConfig.parse({"data": fields, "seed": seed}) for seed in (0, 1)]
    dataset, seen = data.load(configs[0].data), []
    for phase, epoch in (("train", 0), ("train", 1), ("pretrain", 0)):
        inputs = data.inputs_of(dataset, configs, "train", epoch, phase).rows()
        again = data.inputs_of(dataset, configs[::-1], "train", epoch, phase).rows()
        assert torch.equal(inputs, again.flip(0))
        seen += list(inputs)
    assert len({row.numpy().tobytes() for row in seen}) == 6


def test_fresh_labels_belong_to_fresh_inputs():
    fields = {"name": "disk", "fresh": True, "train_size": 50, "noise": 0.0}
    configs = [RunConfig.parse({"data": fields, "seed": seed}) for seed in (0, 1)]
    dataset = data.load(configs[0].data)
    for epoch in (0, 5):
        x, y = data.inputs_of(dataset, configs, "train", epoch).rows().unbind(2)
        labels = data.labels_of(dataset, configs, [TRAIN] * 2, "train", epoch)
        assert torch.equal(y > torch.sin(2 * torch.pi * x) / 2, labels.bool())
    held_out = data.inputs_of(dataset, configs, "test", 5)
    assert held_out.slot.tolist() == [0, 0] and torch.equal(held_out.rows()[1], dataset.test.inputs)
