"""Bounds far from the data: against a naive program, in one region, and with the patterns of Dropout."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from benevolent.analysis.studies.shared.far_from_data import KnownPatterns, patterns_and_slopes


def make_network(width: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1)).double()


def naive_pattern_and_slope(network: nn.Module, x: torch.Tensor) -> tuple[np.ndarray, float]:
    """s(x) as an explicit product, and the slope from the matrices."""
    first, second, last = network[0], network[2], network[4]
    a = (first(x) > 0).double()
    b = (second(first(x).clamp(min=0)) > 0).double()
    gradient = last.weight @ torch.diag(b) @ second.weight @ torch.diag(a) @ first.weight
    return np.kron(a.numpy(), b.numpy()), float(gradient.detach().norm())


def draw_inputs(rng: np.random.Generator, scale: float, count: int) -> torch.Tensor:
    return torch.from_numpy(rng.normal(0, scale, (count, 3)))


def test_patterns_slopes_and_bounds_are_those_of_a_naive_program():
    network = make_network()
    rng = np.random.default_rng(0)
    train = draw_inputs(rng, 1, 40)
    far = draw_inputs(rng, 3, 30)
    seen = patterns_and_slopes(network, train)
    new = patterns_and_slopes(network, far)
    known = KnownPatterns(seen)
    truth = [naive_pattern_and_slope(network, x) for x in train]
    matrix = np.array([pattern for pattern, _ in truth]).T
    cost = np.array([slope for _, slope in truth])
    assert np.array_equal(seen.patterns, matrix.T.astype(bool))
    assert seen.slopes == pytest.approx(cost)
    finite = 0
    for pattern, slope in zip(new.patterns, new.slopes, strict=True):
        both = np.hstack([matrix, -matrix])
        program = linprog(np.concatenate([cost, cost]), A_eq=both, b_eq=pattern.astype(float), method="highs")
        bound = known.bounds(pattern[None])[0]
        assert np.isfinite(bound) == (program.status == 0) == known.span(pattern[None])[0]
        if np.isfinite(bound):
            assert bound == pytest.approx(program.fun, abs=1e-9)
            assert bound >= slope - 1e-9
            finite += 1
    assert 5 < finite < 30
    assert known.contain(seen.patterns).all()
    assert not known.contain(new.patterns).all()


def test_the_bound_at_a_training_point_is_its_slope():
    training = patterns_and_slopes(make_network(), draw_inputs(np.random.default_rng(1), 1, 20))
    known = KnownPatterns(training)
    assert known.bounds(training.patterns) == pytest.approx(training.slopes, abs=1e-9)


def test_patterns_with_dropped_units_bound_the_whole_network_and_cover_more():
    network = make_network()
    rng = np.random.default_rng(2)
    train = draw_inputs(rng, 1, 15)
    new = patterns_and_slopes(network, draw_inputs(rng, 3, 40))
    plain = KnownPatterns(patterns_and_slopes(network, train))
    dropped = KnownPatterns(patterns_and_slopes(network, train.repeat(8, 1), 0.5, rng))
    assert dropped.span(new.patterns).sum() > plain.span(new.patterns).sum()
    bounds = dropped.bounds(new.patterns)
    finite = np.isfinite(bounds)
    assert finite.sum() > 20
    assert (bounds[finite] >= new.slopes[finite] - 1e-9).all()
