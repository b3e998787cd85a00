"""Norms of convolutions by their symbols, against matrices in float64."""

import math

import pytest
import torch
from torch import nn

from benevolent.analysis.measures import linear_maps, symbol_norm
from benevolent.analysis.measures.limits import LARGE_NORM_TOLERANCE
from benevolent.analysis.measures.linear_maps import convolution_norm
from benevolent.analysis.measures.symbol import Symbol
from benevolent.analysis.measures.symbol_bound import SLACK, largest_symbol

SETTINGS = {
    "plain": {},
    "padded": {"padding": 1},
    "padded by more": {"padding": 4},
    "uneven": {"kernel_size": (3, 2), "padding": (2, 0)},
    "even, same": {"kernel_size": 4, "padding": "same", "dilation": 2},
    "strided": {"stride": 2, "padding": 1},
    "strided, uneven": {"kernel_size": (5, 3), "stride": (1, 3), "padding": (2, 1)},
    "strided beyond the kernel": {"kernel_size": 2, "stride": 3},
    "dilated": {"padding": 2, "dilation": 2},
    "dilated and strided": {"padding": 1, "dilation": (2, 3), "stride": (2, 2)},
    "grouped": {"groups": 2, "padding": 1},
    "depthwise": {"groups": 4, "padding": 1, "stride": 2},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "circular and strided": {"padding": 1, "padding_mode": "circular", "stride": 2},
}


def convolution(settings: str, seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    filters = 4 if "groups" in SETTINGS[settings] else 6
    return nn.Conv2d(4, filters, **{"kernel_size": 3, "bias": False, **SETTINGS[settings]}).double()


def largest_singular_value(conv: nn.Conv2d, shape: tuple[int, ...]) -> float:
    basis = torch.eye(math.prod(shape), dtype=torch.float64)
    return torch.linalg.matrix_norm(conv(basis.unflatten(1, shape)).flatten(1).detach(), 2).item()


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("size", [6, 10])
def test_no_convolution_is_larger_than_its_largest_symbol(settings, size):
    conv = convolution(settings)
    symbol = Symbol.of(conv, conv.weight)
    found = largest_symbol(symbol.largest_at, symbol.degrees)
    value = symbol.largest_at(found.frequency.unsqueeze(0)).item()
    norm = largest_singular_value(conv, (4, size, size))
    assert norm <= found.bound
    assert value * (1 + SLACK) == pytest.approx(found.bound, rel=1e-12)
    assert norm > 0.6 * found.bound  # the bound is that of this convolution


@pytest.mark.parametrize("settings", ["plain", "padded", "grouped"])
def test_the_largest_symbol_is_that_of_a_fine_grid(settings):
    for seed in range(2):
        conv = convolution(settings, seed)
        symbol = Symbol.of(conv, conv.weight)
        spectrum = torch.fft.fft2(conv.weight.detach(), s=(90, 90)).permute(2, 3, 0, 1)
        groups = spectrum.unflatten(2, (conv.groups, -1))
        largest = torch.linalg.matrix_norm(groups, 2).max().item()
        found = largest_symbol(symbol.largest_at, symbol.degrees)
        assert largest <= found.bound <= largest * (1 + 2 * SLACK + (math.pi * 2 / 90) ** 2)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_wave_of_the_largest_symbol_is_almost_as_large(settings):
    conv = convolution(settings)
    symbol = Symbol.of(conv, conv.weight)
    found = largest_symbol(symbol.largest_at, symbol.degrees)
    wave = symbol.wave(found.frequency, (4, 60, 60))
    growth = conv(wave.unsqueeze(0)).norm() / wave.norm()
    assert growth.item() == pytest.approx(found.bound, rel=0.03)


def separable(settings: dict[str, object], channels: int, size: int) -> tuple[nn.Conv2d, float]:
    """Return a convolution whose matrix is a product over rows, columns and channels, and its norm."""
    conv = nn.Conv2d(channels, channels, **{"kernel_size": 3, "bias": False, **settings}).double()
    kernel = torch.randn(conv.kernel_size[0], dtype=torch.float64)
    mixing = torch.randn(channels, channels, dtype=torch.float64)
    with torch.no_grad():
        conv.weight.copy_(torch.einsum("oi,a,b->oiab", mixing, kernel, kernel))
    basis = torch.eye(size, dtype=torch.float64).unsqueeze(1)
    settings_of_a_row = (conv.stride[0], conv.padding[0], conv.dilation[0])
    rows = nn.functional.conv1d(basis, kernel.view(1, 1, -1), None, *settings_of_a_row).flatten(1)
    norm = torch.linalg.matrix_norm(rows, 2) ** 2 * torch.linalg.matrix_norm(mixing, 2)
    return conv, norm.item()


LARGE = {
    "plain": {"padding": 1},
    "valid": {},
    "strided": {"kernel_size": 5, "stride": 2, "padding": 2},
    "dilated": {"padding": 2, "dilation": 2},
    "pixels": {"kernel_size": 1, "stride": 2},
}


@pytest.mark.parametrize("settings", LARGE)
def test_norms_on_large_images_are_certain_without_iterating_from_random_vectors(settings, monkeypatch):
    monkeypatch.setattr(linear_maps, "certain_eigenvalue", None)
    size = 200 * max(LARGE[settings].get("stride", 1), LARGE[settings].get("dilation", 1))
    for seed in range(2):
        torch.manual_seed(seed)
        conv, expected = separable(LARGE[settings], 2, size)
        found = convolution_norm(conv, conv.weight.detach(), (2, size, size)).item()
        assert expected / (1 + LARGE_NORM_TOLERANCE) <= found <= expected * (1 + symbol_norm.ROUNDING)


def test_a_symbol_that_is_as_large_everywhere_is_left_to_iteration():
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 2, 1] = 2.0
    symbol = Symbol.of(conv, weight)
    assert largest_symbol(symbol.largest_at, symbol.degrees) is None
    assert convolution_norm(conv, weight, (1, 130, 130)).item() == pytest.approx(2, rel=LARGE_NORM_TOLERANCE)
