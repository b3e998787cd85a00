"""The last layer solved for: the exact solution, double descent, and what it does not go with."""

import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.least_squares import parts

SMALL = {"train_size": 100, "validation_size": 50, "test_size": 100}
MLP = {"family": "mlp", "width": 16, "depth": 3}
MODULE = {"family": "module", "path": "test_training:Residual", "arguments": {"width": 7}}


def run(seed: int = 0, **sections) -> dict:
    base = {"data": SMALL, "model": MLP, "loss": {"name": "squared"}, "optimizer": {"name": "least_squares"}}
    return base | {"precision": "float64", "seed": seed} | sections


def features(tensors: dict, inputs: torch.Tensor) -> np.ndarray:
    """Of the MLP above, and a one for its bias."""
    hidden = inputs.flatten(1)
    for layer in ("1", "3"):
        hidden = (hidden @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]).relu()
    return np.column_stack([hidden.numpy(), np.ones(len(hidden))])


class Scaled(nn.Sequential):
    """A sequence with a forward pass of its own."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(inputs)


class Made(nn.Sequential):
    """A sequence that is made in a way of its own."""

    def __init__(self) -> None:
        relu = nn.ReLU()
        super().__init__(OrderedDict(first=relu, body=nn.Linear(4, 3), second=relu, head=nn.Linear(3, 2)))


def test_a_network_is_split_before_its_last_layer_if_it_is_a_sequence():
    made = Made()
    body, name, last = parts(made)
    assert (name, last) == ("head", made.head)
    assert list(body) == [made.first, made.body, made.second] and body.body is made.body
    with pytest.raises(BadInput, match="does not end with a linear layer"):
        parts(Scaled(*made))


@pytest.mark.parametrize("classes", [None, "odd_even"])
def test_the_last_layer_is_the_pseudoinverse_solution_and_the_rest_is_as_drawn(cohort, classes):
    trained = cohort("c", [run(seed, data=SMALL | {"classes": classes, "label_corruption": 0.2}) for seed in (0, 1)])
    trained.train()
    for config in trained.configs:
        end, start = trained.final()[config.run_id], trained.checkpoint("train-00000000")[config.run_id]
        assert all(torch.equal(end[name], start[name]) for name in end if not name.startswith("5"))
        dataset = data.load(config.data, "float64")
        labels = data.train_labels(dataset, config.phases[0], config.seed).numpy()
        wanted = np.eye(10)[labels] if classes is None else 2.0 * labels[:, None] - 1
        matrix = features(end, dataset.train.inputs)
        truth = np.linalg.pinv(matrix, rcond=1e-12) @ wanted
        found = torch.cat([end["5.weight"], end["5.bias"].unsqueeze(1)], 1).T.numpy()
        np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-9)
        loss = ((matrix @ truth - wanted) ** 2).sum(1).mean() / 2
        assert trained.value(config.run_id, "loss", "train") == pytest.approx(loss, rel=1e-9)
        distance = torch.cat([(end[name] - start[name]).flatten() for name in end]).norm().item()
        for name in ("path_length", "path_length_from_init", "distance_from_init", "distance_from_start"):
            assert trained.value(config.run_id, name) == pytest.approx(distance, rel=1e-9)


def test_a_solution_is_found_in_one_step_whatever_its_loss(cohort):
    trained = cohort("c", [run(stop={"train_loss": loss, "max_epochs": 9}) for loss in (10.0, 0.0)]).train()
    runs = trained.table("runs").set_index("run_id").loc[trained.run_ids]
    assert runs.status.tolist() == ["converged", "converged"]
    assert runs[["phase", "step", "epoch"]].to_numpy().tolist() == [["train", 1, 1]] * 2


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_alone_and_in_a_stack_it_is_the_same(cohort, precision):
    configs = [run(seed, precision=precision, init={"scale": 1 + seed / 2}) for seed in range(5)]
    together = cohort("all", configs).train().final()
    for position in (0, 4):
        for run_id, values in cohort(f"alone{position}", [configs[position]]).train().final().items():
            torch.testing.assert_close(values, together[run_id], rtol=1e-4, atol=1e-5)


def test_the_test_loss_of_random_features_peaks_where_there_are_as_many_as_examples(cohort):
    # Belkin et al. 2018, figure 2, on 300 images; each column of features has its own network.
    real = "BENEVOLENT_DATA" in os.environ
    images = {"name": "mnist", "train_size": 300, "test_size": 1000, "validation_size": 0} if real else None
    small = images or {"name": "digits", "train_size": 300, "validation_size": 0, "test_size": 500}
    width = 1 / (0.4 * 28) if real else 0.2
    loss, norm = {}, {}
    for count in (60, 150, 300, 600, 3000):
        model = {"family": "random_features", "features": count, "bandwidth": width}
        trained = cohort(f"c{count}", [run(seed, data=small, model=model) for seed in range(2)]).train()
        loss[count] = np.mean([trained.value(run_id, "loss", "test") for run_id in trained.run_ids])
        norm[count] = trained.value(trained.run_ids[0], "distance_from_init")
        if count >= 300:
            assert trained.value(trained.run_ids[0], "loss", "train") < 1e-6
    assert max(loss, key=loss.get) == 300
    assert loss[300] > 3 * max(loss[60], loss[150], loss[600], loss[3000])
    assert loss[3000] < min(loss[60], loss[150]) and max(norm, key=norm.get) == 300


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            {"loss": {"name": "cross_entropy"}},
            "loss.name = 'cross_entropy': optimizer.name = 'least_squares' minimizes",
        ),
        ({"optimizer": {"name": "least_squares", "lr": 0.1}}, "optimizer.lr = 0.1: does not go with"),
        ({"optimizer": {"name": "least_squares", "batch_size": 8}}, "optimizer.batch_size = 8: does not go with"),
        ({"pretrain": {"epochs": 2}}, "pretrain.epochs = 2: does not go with optimizer.name = 'least_squares'"),
        ({"prune": {"fraction": 0.5}}, "prune.fraction = 0.5: does not go with"),
        ({"subspace": {"dimension": 5}}, "subspace.dimension = 5: does not go with"),
        ({"model": MODULE}, "does not end with a linear layer"),
        ({"model": {"family": "fixed_signs"}}, "ends with a layer that is not trained"),
    ],
)
def test_what_does_not_go_with_least_squares_is_refused_before_anything_starts(sections, line):
    base = run(**sections)
    del base["seed"]
    with pytest.raises(BadInput, match=line) as error:
        expand(SweepSpec.parse({"name": "s", "base": base})).new_manifests()
    assert "\n" not in str(error.value)
