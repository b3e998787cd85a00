"""The largest eigenvalue to a stated error, where residuals and unlucky start vectors mislead."""

import math

import pytest
import torch
from torch import nn

from benevolent.analysis.measures import certain_eigenvalue as module
from benevolent.analysis.measures import linear_maps
from benevolent.analysis.measures.certain_eigenvalue import certain_eigenvalue, start_vectors
from benevolent.analysis.measures.lanczos import largest_eigenvalue
from benevolent.analysis.measures.linear_maps import convolution_norm, norm_tolerance

SIZE = 2000
TOLERANCE = 1e-5


def spectrum(*tops: float) -> torch.Tensor:
    """Eigenvalues that fill the interval from 0 to 1, and a few more."""
    dense = torch.linspace(0, 1, SIZE - len(tops), dtype=torch.float64)
    return torch.cat([dense, torch.tensor(tops, dtype=torch.float64)])


def starts(seed: int) -> torch.Tensor:
    return torch.randn(module.STARTS, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def found(values: torch.Tensor, vectors: torch.Tensor, tolerance: float = TOLERANCE, budget: int = 3000) -> float:
    return certain_eigenvalue(lambda given: values * given, vectors, tolerance, budget).item()


SPECTRA = {
    "apart": spectrum(1.3),
    "two equal": spectrum(1.3, 1.3),
    "two almost equal": spectrum(1.3, 1.3 - 1e-9),
    "close to others": spectrum(1.001),
    "the last of many": spectrum(),
    "a cluster": spectrum(*(1.2 + 1e-7 * number for number in range(5))),
    "alone": torch.eye(SIZE, dtype=torch.float64)[0],
    "all equal": torch.full((SIZE,), 3.0, dtype=torch.float64),
    "zero": torch.zeros(SIZE, dtype=torch.float64),
}


@pytest.mark.parametrize("kind", SPECTRA)
def test_the_largest_eigenvalue_is_found_to_the_stated_error(kind):
    values = SPECTRA[kind]
    for seed in range(3):
        assert found(values, starts(seed)) == pytest.approx(values.max().item(), rel=TOLERANCE, abs=1e-12)


@pytest.mark.parametrize("hidden", [0.0, 1e-7])
def test_a_start_vector_without_the_largest_eigenvector_does_no_harm(hidden):
    values = spectrum(1.3)
    vectors = starts(0)
    vectors[0, -1] = hidden
    assert found(values, vectors) == pytest.approx(1.3, rel=TOLERANCE)


def test_what_a_small_residual_misses_is_found():
    """The residual is small at the second eigenvalue before the first one, which is near to it, shows."""
    values = spectrum(1.3001, 1.3)
    vectors = starts(0)
    vectors[:, -2] = 2e-3  # the chance of less is 1.6e-3
    missed = largest_eigenvalue(lambda given: values * given, vectors[0], tolerance=TOLERANCE)
    assert missed.item() == pytest.approx(1.3, rel=TOLERANCE)
    assert found(values, vectors) == pytest.approx(1.3001, rel=TOLERANCE)


def test_unlucky_start_vectors_are_as_rare_as_stated(monkeypatch):
    """With a chance of 0.3 for each start vector, one alone is wrong in some of 60 trials, and in no more than 30%."""
    monkeypatch.setattr(module, "UNLUCKY", 0.3)
    values = spectrum(1.003)
    wrong = 0
    for seed in range(60):
        wrong += found(values, starts(seed)[:1], 1e-3) < 1.003 / (1 + 1e-3)
    assert 0 < wrong <= 0.3 * 60


def test_too_few_steps_give_no_value():
    assert math.isnan(found(spectrum(1.0001), starts(0), budget=20))
    assert math.isnan(found(spectrum(math.inf), starts(0)))


def test_start_vectors_are_independent():
    first, second = start_vectors(torch.empty(10_000))
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.05


@pytest.mark.parametrize("channels", [4, 40])  # on small inputs, and on large ones
def test_the_norm_of_a_convolution_is_right_whatever_the_first_start_vector_is(monkeypatch, channels):
    """Here it is orthogonal to the singular vectors of the largest singular value; these are of one channel."""
    shape = (channels, 6, 6)
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False).double()
    weight = conv.weight.detach().abs()
    weight[0] *= 2 * weight.amax() / weight[0].mean()

    def without_first_channel(like: torch.Tensor) -> torch.Tensor:
        vectors = start_vectors(like)
        vectors[0, :36] = 0
        return vectors

    expected = torch.linalg.matrix_norm(conv_matrix(weight[0]), 2).item()
    monkeypatch.setattr(linear_maps, "start_vectors", without_first_channel)
    assert convolution_norm(conv, weight, shape).item() == pytest.approx(expected, rel=norm_tolerance(shape))


def conv_matrix(kernel: torch.Tensor) -> torch.Tensor:
    basis = torch.eye(36, dtype=torch.float64).view(36, 1, 6, 6)
    return nn.functional.conv2d(basis, kernel.unsqueeze(0), padding=1).flatten(1)
