"""One example a step, as in Loukas et al. 2021: what the first bias moves by is the local Lipschitz constant."""

import copy

import pytest
import torch

from benevolent.trainables import data
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network


def run(frequency: float, seed: int = 0, **sections) -> dict:
    base = {
        "data": {"name": "frequency", "train_size": 100, "validation_size": 0, "test_size": 30, "frequency": frequency},
        "model": {"width": 32, "depth": 5, "first": "identity"},
        "loss": {"name": "squared"},
        "optimizer": {"lr": 1e-3, "batch_size": 1},
        "stop": {"train_loss": None, "max_epochs": 3},
    }
    return base | {"seed": seed} | sections


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_increments_of_the_first_bias_are_gradients_by_the_inputs(cohort, precision):
    configs = [run(frequency, seed, precision=precision) for frequency in (0.25, 1.0) for seed in (0, 1)]
    trained = cohort("c", configs).train()
    for config in trained.configs:
        dataset = data.load(config.data, precision)
        built = built_network.build(config.model, dataset.input_shape, 1)
        module = copy.deepcopy(built.module).to(getattr(torch, precision)).requires_grad_()
        module.load_state_dict(built.initial(config.init, config.seed))
        lipschitz, moved = [], []
        for epoch in range(3):
            for i in RandomStream(config.seed, "order/train", epoch).permutation(100):
                inputs = dataset.train.inputs[i : i + 1].clone().requires_grad_()
                output = module(inputs).squeeze()
                lipschitz.append(float(torch.autograd.grad(output, inputs, retain_graph=True)[0].norm()))
                error = output - dataset.train.labels[i]
                gradients = torch.autograd.grad(error.square() / 2, list(module.parameters()))
                moved.append(float(gradients[0].norm() / error.detach().abs()))
                with torch.no_grad():
                    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
                        parameter -= 1e-3 * gradient
        assert moved == pytest.approx(lipschitz, rel=1e-4)
        values = {name: trained.value(config.run_id, f"bias_increment_{name}") for name in ("sum", "mean", "max")}
        truth = torch.tensor(lipschitz, dtype=torch.float64)
        assert values == pytest.approx({name: float(getattr(truth, name)()) for name in values}, rel=1e-4)
