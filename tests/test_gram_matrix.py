"""Gram matrices of two-layer networks against gradients, sampled expectations and steps of gradient descent."""

import math

import pytest
import torch
from in_process import train_sweep
from plain import gaussian

from benevolent.analysis import load_results
from benevolent.analysis.multi_run.gram_matrix import (
    gram_matrix,
    infinite_gram_matrix,
    largest_distance,
    least_eigenvalue,
    linear_losses,
    pattern_changes,
)
from benevolent.analysis.multi_run.stored_tensors import stored_tensors
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models import MODELS


def points(count: int, dimension: int) -> torch.Tensor:
    gaussians = gaussian(count, dimension)
    return gaussians / gaussians.norm(dim=1, keepdim=True)


def test_the_gram_matrix_is_that_of_the_gradients():
    inputs = points(5, 4)
    network = MODELS["fixed_signs"]((4,), 1, width=7).double()
    (weights,) = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rows = []
    for one in inputs:
        (gradient,) = torch.autograd.grad(network(one.unsqueeze(0)).sum(), weights)
        rows.append(gradient.flatten())
    gradients = torch.stack(rows)
    torch.testing.assert_close(gram_matrix(inputs, weights.detach()), gradients @ gradients.T)
    twice = gram_matrix(inputs, torch.stack([weights.detach(), -weights.detach()]))
    torch.testing.assert_close(twice[0], gradients @ gradients.T)


def test_wide_networks_have_nearly_the_infinite_gram_matrix():
    inputs = points(6, 3)
    expected = infinite_gram_matrix(inputs)
    found = gram_matrix(inputs, gaussian(100_000, 3))
    assert (found - expected).abs().max() < 0.01
    by_hand = inputs[0] @ inputs[1] * (math.pi - math.acos(inputs[0] @ inputs[1])) / (2 * math.pi)
    assert expected[0, 1].item() == pytest.approx(by_hand.item(), rel=1e-12)
    assert least_eigenvalue(expected).item() == pytest.approx(torch.linalg.eigvals(expected).real.min().item())


def test_gradient_descent_without_changes_of_activations_is_that_of_the_linear_model():
    inputs = points(4, 3)
    weights = gaussian(50, 3)
    signs = torch.ones(50, dtype=torch.float64) / 50**0.5
    targets = (inputs @ weights.T).relu() @ signs + 1e-6 * gaussian(4)  # so near that nothing switches
    outputs = (inputs @ weights.T).relu() @ signs
    expected = linear_losses(gram_matrix(inputs, weights), outputs - targets, 0.3, torch.tensor([0, 1, 5]))
    moved = weights.clone()
    losses = []
    for _ in range(6):
        residual = (inputs @ moved.T).relu() @ signs - targets
        losses.append(residual.square().sum() / 2)
        active = (inputs @ moved.T >= 0).double()
        moved -= 0.3 * ((residual.unsqueeze(1) * active * signs).T @ inputs)
    torch.testing.assert_close(torch.stack([losses[0], losses[1], losses[5]]), expected, rtol=1e-6, atol=0)
    assert pattern_changes(inputs, weights, moved).item() == 0


def test_changes_and_distances_by_hand():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[-1.0, 0.0], [0.0, 3.0]])
    inputs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [2.0, 1.0]])
    assert pattern_changes(inputs, first, second).item() == 4 / 8
    assert largest_distance(first, second).item() == 2


def test_stored_tensors_are_those_of_the_networks(tmp_path):
    data = {"name": "sphere", "dimension": 3, "train_size": 4, "validation_size": 0, "test_size": 2}
    base = {"data": data, "model": {"family": "fixed_signs"}, "init": {"scheme": "normal", "std": 1.0}}
    base |= {"loss": {"name": "squared"}, "optimizer": {"lr": 1.0, "batch_size": "full"}, "stop": {"max_epochs": 2}}
    record = {"epochs": [0, 1], "measures": [], "measure_at": "checkpoints"}
    values = {"name": "s", "base": base, "grid": {"model.width": [3, 5]}, "seeds": 2, "record": record}
    train_sweep(SweepSpec.parse(values), str(tmp_path))
    results = load_results(tmp_path)
    for step in (0, 1, None):
        weights = stored_tensors(results, "0.weight", step)
        signs = stored_tensors(results, "2.weight", step)
        assert set(weights) == set(results.runs["run_id"])
        for run_id in weights:
            stored = results.network(run_id, step).state_dict()
            assert torch.equal(weights[run_id], stored["0.weight"]) and torch.equal(signs[run_id], stored["2.weight"])
    with pytest.raises(BadInput, match="have no 1.weight; allowed: "):
        stored_tensors(results, "1.weight")
