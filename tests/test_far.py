"""Bounds far from the data: a naive programme, a network of one region, and Dropout's patterns."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from benevolent.analysis.studies.shared.far_from_data import Span, regions


def network(width: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1)).double()


def naive(one: nn.Module, x: torch.Tensor) -> tuple[np.ndarray, float]:
    """s(x) as an explicit product, and the slope from the matrices."""
    first, second, last = one[0], one[2], one[4]
    a = (first(x) > 0).double()
    b = (second(first(x).clamp(min=0)) > 0).double()
    gradient = last.weight @ torch.diag(b) @ second.weight @ torch.diag(a) @ first.weight
    return np.kron(a.numpy(), b.numpy()), float(gradient.detach().norm())


def test_patterns_slopes_and_bounds_are_those_of_a_naive_programme():
    one, draw = network(), np.random.default_rng(0)
    train, far = (torch.from_numpy(draw.normal(0, size, (count, 3))) for size, count in ((1, 40), (3, 30)))
    found, new = regions(one, train), regions(one, far)
    span = Span(found)
    truth = [naive(one, x) for x in train]
    assert np.array_equal(found.patterns, np.array([s for s, _ in truth], dtype=bool))
    assert found.slopes == pytest.approx([slope for _, slope in truth])
    matrix, cost = np.array([s for s, _ in truth]).T, np.array([slope for _, slope in truth])
    finite = 0
    for pattern, slope in zip(new.patterns, new.slopes, strict=True):
        both = np.hstack([matrix, -matrix])
        solved = linprog(np.concatenate([cost, cost]), A_eq=both, b_eq=pattern.astype(float), method="highs")
        bound = span.bound(pattern)
        assert np.isfinite(bound) == (solved.status == 0) == span.covers(pattern[None])[0]
        if np.isfinite(bound):
            assert bound == pytest.approx(solved.fun, abs=1e-9) and bound >= slope - 1e-9
            finite += 1
    assert 5 < finite < 30
    assert span.knows(found.patterns).all() and not span.knows(new.patterns).all()


def test_the_bound_at_a_training_point_is_its_slope_at_most():
    one = network()
    found = regions(one, torch.from_numpy(np.random.default_rng(1).normal(0, 1, (20, 3))))
    bounds = [Span(found).bound(pattern) for pattern in found.patterns]
    assert (np.array(bounds) <= found.slopes + 1e-9).all() and (np.array(bounds) >= found.slopes - 1e-9).all()


def test_patterns_with_units_left_out_bound_the_whole_network_and_cover_more():
    one, draw = network(), np.random.default_rng(2)
    train, far = (torch.from_numpy(draw.normal(0, size, (count, 3))) for size, count in ((1, 15), (3, 40)))
    dropped = regions(one, train.repeat(8, 1), 0.5, draw)
    plain, more, new = Span(regions(one, train)), Span(dropped), regions(one, far)
    assert more.covers(new.patterns).sum() > plain.covers(new.patterns).sum()
    bounds = np.array([more.bound(pattern) for pattern in new.patterns])
    finite = np.isfinite(bounds)
    assert finite.sum() > 20 and (bounds[finite] >= new.slopes[finite] - 1e-9).all()
