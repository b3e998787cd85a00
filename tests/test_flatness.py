"""Estimates of the Hessian from random vectors, and sharpness, beyond the small networks of the table of cases."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from test_measures import hessian_eigenvalues, loss_at, make_task, quantiles, theta
from torch import nn

from benevolent.analysis.measures import curvature, measure_network, pac_bayes
from benevolent.analysis.measures.lanczos import largest_eigenvalue, quadrature


def test_the_quadrature_is_exact_for_polynomials_of_twice_the_steps():
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(20, 20, generator=draw).double()
    matrix, start = root + root.mT, torch.randn(20, generator=draw).double()
    values, weights = quadrature(lambda v: matrix @ v, start, 5)
    unit, moment = start / start.norm(), start / start.norm()
    for power in range(10):
        assert (weights * values**power).sum().item() == pytest.approx((unit @ moment).item(), rel=1e-9, abs=1e-9)
        moment = matrix @ moment


def test_the_quadrature_ends_where_the_matrix_does():
    """A matrix of rank two plus nothing: the iteration finds an invariant subspace, and noise after it."""
    vectors = torch.linalg.qr(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).double())[0]
    matrix = vectors @ torch.diag(torch.tensor([5.0, -2.0]).double()) @ vectors.mT
    values, weights = quadrature(lambda v: matrix @ v, torch.ones(50).double(), 20)
    kept = weights > 1e-12
    assert sorted(values[kept].tolist()) == pytest.approx([-2.0, 0.0, 5.0], abs=1e-9)
    assert weights.sum().item() == pytest.approx(1)


def test_trace_and_density_from_random_vectors_are_near_the_exact_ones(monkeypatch):
    task = make_task("mlp")
    eigenvalues = hessian_eigenvalues(task)
    monkeypatch.setattr(curvature, "PROBES", 90)
    names = ["hessian_trace", "hessian_quantiles"]
    table = measure_network(task.module, task.inputs, task.labels, measures=names).groupby(level=0)["value"]
    found = {name: values.tolist() for name, values in table}
    deviation = math.sqrt(2 / 90) * np.linalg.norm(eigenvalues)
    assert 0 < abs(found["hessian_trace"][0] - eigenvalues.sum()) < 3 * deviation
    for value, fraction in zip(found["hessian_quantiles"], curvature.QUANTILES, strict=True):
        low, high = np.quantile(eigenvalues, [max(0, fraction - 0.15), min(1, fraction + 0.15)])
        assert low - 0.01 <= value <= high + 0.01


@pytest.mark.parametrize("probes", [20, 100])
def test_curvature_leaves_out_pruned_coordinates(probes, monkeypatch):
    """By random vectors and exactly: density and trace are of the Hessian without the rows and columns of others."""
    monkeypatch.setattr(curvature, "PROBES", probes)
    task = make_task("mlp")
    task.module[0].weight.data[:, 2:] = 0
    task.module[2].weight.data[:4] = 0
    at, start = (torch.from_numpy(theta(one)) for one in (task.module, task.init))
    masks = {name: value != 0 for name, value in task.module.named_parameters() if value.ndim > 1}
    unpruned = torch.cat(
        [masks.get(name, torch.ones_like(value).bool()).flatten() for name, value in task.module.named_parameters()]
    )
    hessian = torch.autograd.functional.hessian(lambda vector: loss_at(task, vector), at)[unpruned][:, unpruned]
    values, way = torch.linalg.eigvalsh(hessian).numpy(), (at - start)[unpruned]
    names = ["sharpness", "curvature_along_path", "hessian_trace", "hessian_quantiles"]
    table = measure_network(task.module, task.inputs, task.labels, task.init, measures=names, masks=masks)
    found = table["value"].groupby(level=0).agg(list)
    assert found["sharpness"] == pytest.approx([values[-1]], rel=1e-5)
    assert found["curvature_along_path"] == pytest.approx([(way @ hessian @ way / (way @ way)).item()], rel=1e-9)
    if probes > len(at):
        assert found["hessian_trace"] == pytest.approx([values.sum()], rel=1e-9)
        assert found["hessian_quantiles"] == pytest.approx(quantiles(values), rel=1e-9, abs=1e-12)
    else:
        assert abs(found["hessian_trace"][0] - values.sum()) < 3 * math.sqrt(2 / probes) * np.linalg.norm(values)
        assert found["hessian_quantiles"][-1] == pytest.approx(values[-1], rel=1e-3)


def test_more_steps_of_ascent_find_no_less():
    task = make_task("mlp_no_bias")
    names = ["sam_sharpness", "worst_case_sharpness", "asam_sharpness", "adaptive_worst_case_sharpness"]
    once, ball, adaptive, adaptive_ball = measure_network(task.module, task.inputs, task.labels, measures=names)[
        "value"
    ]
    assert 0 < once <= ball and 0 < adaptive <= adaptive_ball


def test_sigma_is_the_one_that_costs_a_tenth_of_the_accuracy(monkeypatch):
    """Of sign(w x) on x = 1: noise of deviation s turns the sign with probability Phi(-|w| / s)."""
    monkeypatch.setattr(pac_bayes, "SAMPLES", 400)
    module = nn.Linear(1, 2, bias=False).double()
    module.weight.data = torch.tensor([[0.3], [-0.3]]).double()
    arguments = module, torch.ones(1, 1).double(), torch.tensor([0])
    plain, scaled = measure_network(*arguments, measures=["pac_bayes_flatness", "pac_bayes_magnitude_flatness"])[
        "value"
    ]
    expected = 0.6 / math.sqrt(2) / norm.ppf(0.9)  # the difference of two weights, each with noise
    assert plain**-0.5 == pytest.approx(expected, rel=0.15)
    assert scaled**-0.5 == pytest.approx(expected / 0.3, rel=0.15)


def test_sigma_is_undefined_if_noise_costs_no_accuracy():
    module = nn.Linear(1, 2).double()
    table = measure_network(
        module, torch.ones(2, 1).double(), torch.tensor([0, 1]), module, ["pac_bayes_init", "pac_bayes_origin"]
    )
    assert set(table["status"]) == {"undefined: no noise of sigma <= 2 costs a tenth of the training accuracy"}


@pytest.mark.parametrize("gradient", [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [math.inf, 0.0, 0.0]])
def test_eigenvectors_beside_the_gradient_are_found(gradient):
    matrix = torch.diag(torch.tensor([1.0, 2.0, 9.0]))
    start = curvature.towards(torch.ones(3), torch.tensor(gradient))
    assert largest_eigenvalue(lambda vector: matrix @ vector, start).item() == pytest.approx(9)
