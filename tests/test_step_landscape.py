"""The loss around steps of training, against single modules in training mode, in float64."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from benevolent.analysis.multi_run.batch_loss import BatchLoss
from benevolent.analysis.multi_run.step_landscape import gradient_shifts, input_shifts, landscape_along_gradient
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack.built_network import plain_module
from benevolent.trainables.stack.network import Network

NETWORKS = 2
EXAMPLES = 6
STEPS = (0.1, 0.3)
RATES = torch.tensor([0.05, 0.2])


def stack_of(model, seed=0):
    """K networks in float64 with their loss, their parameters as rows, and each as a module of its own."""
    rng = torch.Generator().manual_seed(seed)
    run = RunConfig(model=model)
    network = Network(plain_module(run.model, (3, 8, 8), 4), 4)
    tensors = {}
    for name, shape in network.shapes.items():
        tensors[name] = 0.3 * torch.randn(NETWORKS, *shape, generator=rng, dtype=torch.float64)
    statistics = network.buffers.shapes
    buffers = {name: torch.ones(NETWORKS, *shape, dtype=torch.float64) for name, shape in statistics.items()}
    rows = network.buffers.rows(buffers) if buffers else torch.zeros(NETWORKS, 0, dtype=torch.float64)
    inputs = torch.randn(NETWORKS, EXAMPLES, 3, 8, 8, generator=rng, dtype=torch.float64)
    labels = torch.randint(4, (NETWORKS, EXAMPLES), generator=rng)
    configs = [RunConfig(model=model, seed=place) for place in range(NETWORKS)]
    loss = BatchLoss(network, configs, rows, inputs, labels, step=3)
    singles = []
    for place in range(NETWORKS):
        module = copy.deepcopy(network.module).double().train()
        singles.append((module, {name: value[place] for name, value in tensors.items()}))
    return loss, network.parameters.rows(tensors), singles


def naive_gradient(module, tensors, inputs, labels):
    leaves = {name: value.clone().requires_grad_() for name, value in tensors.items()}
    value = nn.functional.cross_entropy(functional_call(copy.deepcopy(module), leaves, (inputs,)), labels)
    gradients = torch.autograd.grad(value, list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True)), value.item()


def moved(tensors, gradient, step, names):
    return {name: value - step * gradient[name] if name in names else value for name, value in tensors.items()}


def row(tensors):
    return torch.cat([value.flatten() for value in tensors.values()])


MODELS = [
    {"family": "mlp", "width": 5, "depth": 3, "batch_norm": "plain"},
    {"family": "mlp", "width": 5, "depth": 4},
    {"family": "vgg", "width": 2, "depth": 5, "batch_norm": "plain"},
]


@pytest.mark.parametrize("model", MODELS)
def test_the_landscape_along_the_gradient_is_that_of_modules_in_training_mode(model):
    loss, parameters, singles = stack_of(model)
    found = landscape_along_gradient(loss, parameters, STEPS)
    for place, (module, tensors) in enumerate(singles):
        batch = (loss.inputs[place], loss.labels[place])
        here, value = naive_gradient(module, tensors, *batch)
        losses, changes = [], []
        for step in STEPS:
            there, other = naive_gradient(module, moved(tensors, here, step, tensors), *batch)
            losses.append(other)
            changes.append((row(here) - row(there)).norm().item())
        norm = row(here).norm().item()
        assert found["loss"][place].item() == pytest.approx(value)
        assert found["gradient_norm"][place].item() == pytest.approx(norm)
        assert found["loss_range"][place].item() == pytest.approx(max(losses) - min(losses))
        assert found["gradient_change"][place].item() == pytest.approx(max(changes))
        ratios = np.array(changes) / (np.array(STEPS) * norm)
        assert found["smoothness"][place].item() == pytest.approx(ratios.max())


@pytest.mark.parametrize("model", MODELS)
def test_gradients_shift_as_layers_before_take_their_step(model):
    loss, parameters, singles = stack_of(model)
    found = gradient_shifts(loss, parameters, RATES)
    for place, (module, tensors) in enumerate(singles):
        batch = (loss.inputs[place], loss.labels[place])
        here, _ = naive_gradient(module, tensors, *batch)
        names = list(tensors)
        weights = [name for name in names if tensors[name].ndim > 1]
        for layer, weight in enumerate(weights[1:]):
            before = names[: names.index(weight)]
            there, _ = naive_gradient(module, moved(tensors, here, RATES[place], before), *batch)
            first, second = here[weight].flatten(), there[weight].flatten()
            shift = {name: value[place].item() for name, value in found[layer].items()}
            assert shift["difference"] == pytest.approx((first - second).norm().item())
            assert shift["cosine"] == pytest.approx((first @ second / first.norm() / second.norm()).item())


def test_inputs_of_layers_shift_by_their_means():
    loss, parameters, singles = stack_of(MODELS[0])
    found = input_shifts(loss, parameters, RATES)
    for place, (module, tensors) in enumerate(singles):
        here, _ = naive_gradient(module, tensors, loss.inputs[place], loss.labels[place])
        after = moved(tensors, here, RATES[place], tensors)
        inputs = [_inputs_of_last_layer(module, state, loss.inputs[place]) for state in (tensors, after)]
        change = inputs[1].mean(0) - inputs[0].mean(0)
        spread = inputs[0].var(0, unbiased=False)
        assert found[-1][place].item() == pytest.approx((change.square().mean() / spread.mean()).sqrt().item())


def _inputs_of_last_layer(module, tensors, inputs):
    whole = copy.deepcopy(module)
    whole.load_state_dict(tensors, strict=False)
    return nn.Sequential(*list(whole)[:-1])(inputs).detach()


def test_noise_is_the_same_at_every_call_and_other_at_the_next_step():
    loss, parameters, _ = stack_of({"family": "mlp", "width": 5, "depth": 3, "batch_norm": "noisy"})
    first, value = loss.gradient(parameters)
    second, again = loss.gradient(parameters)
    assert torch.equal(first, second) and torch.equal(value, again)
    now, later = loss.layer_inputs(parameters)[-1], loss.layer_inputs(parameters, later_steps=1)[-1]
    assert not torch.allclose(now, later)
    plain, rows, _ = stack_of(MODELS[0])
    assert torch.equal(plain.layer_inputs(rows)[-1], plain.layer_inputs(rows, later_steps=1)[-1])
