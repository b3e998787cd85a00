"""Bounds and estimates of Lipschitz constants."""

import numpy as np
import pytest
import torch
from test_measures import Task, far, make_task
from torch import nn

from benevolent.analysis.measures import MEASURES, Measure, activation_regions, measure_network, measure_stack
from benevolent.trainables import models
from benevolent.trainables.models.modules import Shift
from benevolent.trainables.stack.network import Network

PARAMETERS = [name for name, _ in models.mlp((9,), 150, width=30, depth=2).named_parameters()]
BOUNDS = ["lipschitz_mean_lower", "lipschitz_mean", "lipschitz_mean_upper"]


def test_bounds_at_far_points_are_never_below_the_slope():
    torch.manual_seed(0)
    module = models.mlp((3,), 2, width=8, depth=2).double()
    inputs, labels = torch.randn(12, 3).double(), torch.arange(12) % 2
    task = Task(module, module, inputs, labels, inputs, labels)
    bounds, true = map(np.array, far(task))
    covered = ~np.isnan(bounds)
    assert 5 <= covered.sum() < len(bounds)
    assert (bounds[covered] >= true[covered] - 1e-9).all() and (bounds[covered] > 1.01 * true[covered]).any()
    names = ["far_lipschitz_bound", "far_coverage"]
    found = measure_network(task.module, task.inputs, task.labels, measures=names)["value"]
    assert found.to_dict() == pytest.approx(dict(zip(names, (bounds[covered].mean(), covered.mean()), strict=True)))


def test_bounds_at_random_points_are_never_below_the_slope(monkeypatch):
    """Near the data and far from it; the slopes by autograd, one point after the other."""
    torch.manual_seed(0)
    module = models.mlp((3,), 2, width=6, depth=3).double()
    points = (1 + 4 * torch.arange(1000) % 9).unsqueeze(1).sqrt() * torch.randn(1000, 3).double()
    bounds = []

    def at_random(network):
        bounds.extend(activation_regions.bounds_at(network, points))
        return torch.zeros(())

    monkeypatch.setitem(MEASURES, "at_random", Measure(at_random, 1, "train", "Loukas et al. 2021"))
    inputs = torch.randn(100, 3).double()
    assert measure_network(module, inputs, torch.arange(100) % 2, measures=["at_random"])["status"].item() == "ok"
    jacobians = [torch.autograd.functional.jacobian(module, point[None])[0, :, 0].numpy() for point in points]
    slopes, covered = np.linalg.norm(jacobians, 2, (1, 2)), ~np.isnan(bounds)
    assert 300 < covered.sum() < 1000
    assert (np.array(bounds)[covered] >= slopes[covered] - 1e-9).all()


def test_many_classes_have_exact_spectral_and_estimated_frobenius_norms():
    """Alone and in a stack, where every network gets as many products."""
    torch.manual_seed(0)
    modules = [models.mlp((9,), 150, width=30, depth=2).double() for _ in range(2)]
    inputs, labels = torch.randn(20, 9).double(), torch.arange(20)
    names = ["lipschitz_mean", "lipschitz_max", "jacobian_frobenius_mean"]
    together = {name: torch.stack([dict(m.named_parameters())[name].detach() for m in modules]) for name in PARAMETERS}
    stack = measure_stack(Network(modules[0]), together, None, {"train": (inputs, labels)}, names)
    for position, module in enumerate(modules):
        jacobians = [torch.autograd.functional.jacobian(module, x[None])[0, :, 0].numpy() for x in inputs]
        slopes, sizes = np.linalg.norm(jacobians, 2, (1, 2)), np.linalg.norm(jacobians, axis=(1, 2))
        alone = measure_network(module, inputs, labels, measures=names)["value"]
        beside = stack[stack["position"] == position].set_index("name")["value"]
        for found in (alone, beside):
            assert found[:2].tolist() == pytest.approx([slopes.mean(), slopes.max()], rel=1e-5)
            assert found.iloc[2] == pytest.approx(sizes.mean(), rel=0.1)  # of 9 directions and 128 mixtures, 2 %
        assert alone.tolist() == pytest.approx(beside.tolist(), rel=1e-5)


def test_the_gradient_of_the_first_bias_bounds_the_slope_from_both_sides():
    task = make_task("mlp")
    square = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()  # fewer units than inputs
    for module in (task.module, square):
        low, mean, high = measure_network(module, task.inputs, task.labels, measures=BOUNDS)["value"]
        assert low <= mean <= high and (module is task.module) == (low < 1e-6)


def test_bounds_meet_if_the_first_weights_are_the_identity():
    task = make_task("mlp")
    module = nn.Sequential(nn.Flatten(), Shift(5), *task.module).double()
    values = measure_network(module, task.inputs, task.labels, measures=[*BOUNDS, "bias_gradient_mean"])["value"]
    assert values.tolist() == pytest.approx([values.iloc[0]] * 4, rel=1e-12)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Sequential(nn.Linear(5, 3, bias=False)), "linear with a bias"),
        (
            nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(6, 3)),
            "linear with a bias",
        ),
        (
            nn.Sequential(nn.Unflatten(1, (1, 5)), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(2, 3)),
            "on the inputs themselves",
        ),
        (nn.Sequential(nn.ReLU(), nn.Linear(5, 3)), "on the inputs themselves"),
    ],
)
def test_bias_bounds_need_a_dense_first_layer(module, reason):
    table = measure_network(module, torch.randn(4, 5), torch.arange(4) % 3, measures=BOUNDS)
    assert reason in table.loc["lipschitz_mean_upper", "status"]


def test_far_bounds_need_relu_between_affine_layers():
    inputs, labels = torch.randn(4, 5), torch.arange(4) % 3
    kinds = {
        "needs layers nn.ReLU": [nn.Tanh()],
        "found Softmax": [nn.ReLU(), nn.Softmax(1)],
    }
    for reason, layers in kinds.items():
        module = nn.Sequential(nn.Linear(5, 4), *layers, nn.Linear(4, 3))
        assert reason in measure_network(module, inputs, labels, measures=["far_coverage"])["status"].item()
