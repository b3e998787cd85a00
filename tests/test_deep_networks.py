"""Measures of deep networks in time: norms of convolutions to a stated error, progress, and a budget of seconds."""

import io
import itertools
import math

import pytest
import torch
from torch import nn

from benevolent.analysis import measure_network
from benevolent.analysis.measures import (
    MEASURES,
    Measure,
    linear_maps,
    measured_network,
    network_stack,
    progress_line,
    time_budget,
)
from benevolent.analysis.measures.lanczos import largest_eigenvalue
from benevolent.analysis.measures.limits import LARGE_NORM_TOLERANCE, NORM_TOLERANCE, SMALL_INPUTS
from benevolent.analysis.measures.linear_maps import convolution_norm
from benevolent.trainables.errors import BadInput

INPUTS = torch.randn(6, 3, 10, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 3


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def network() -> nn.Module:
    convolutions = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(128, 3))


# ---- norms of convolutions

SETTINGS = {
    "plain": {},
    "strided": {"stride": 2, "padding": 1},
    "uneven": {"kernel_size": (3, 1), "stride": (1, 3), "padding": (2, 0)},
    "same": {"padding": "same", "dilation": 2},
    "dilated": {"padding": 2, "dilation": 2},
    "grouped": {"groups": 2, "padding": 1},
    "depthwise": {"groups": 4, "padding": 1, "stride": 2},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected": {"padding": 2, "padding_mode": "reflect"},
    "replicated": {"padding": 1, "padding_mode": "replicate", "stride": 2, "dilation": 2},
}


def singular_values(conv: nn.Conv2d, shape: tuple[int, ...]) -> torch.Tensor:
    basis = torch.eye(math.prod(shape), dtype=torch.float64)
    return torch.linalg.svdvals(conv(basis.unflatten(1, shape)).flatten(1).detach())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("size", [5, 9])  # as a matrix, and by products
def test_the_norm_of_a_convolution_is_that_of_its_matrix(settings, size):
    conv = nn.Conv2d(4, 4, **{"kernel_size": 3, "bias": False, **SETTINGS[settings]}).double()
    shape = (4, size, size)
    expected = singular_values(conv, shape)[0].item()
    found = convolution_norm(conv, conv.weight.detach(), shape).item()
    assert found == pytest.approx(expected, rel=1e-10 if size == 5 else NORM_TOLERANCE)


def test_norms_of_random_convolutions_have_the_stated_error():
    """Some have a second singular value within 1e-4 of the largest, which a loose tolerance takes instead."""
    errors = []
    for seed in range(20):
        torch.manual_seed(seed)
        conv = nn.Conv2d(3, 6, 3, padding=1, bias=False).double()
        expected = singular_values(conv, (3, 8, 8))[0]
        found = convolution_norm(conv, conv.weight.detach(), (3, 8, 8))
        errors.append(abs(found - expected).item() / expected.item())
    assert max(errors) <= NORM_TOLERANCE


def test_norms_on_large_inputs_have_the_looser_error():
    conv = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False).double()
    shape = (1, 160, 160)
    weight = conv.weight.detach()
    spectrum = torch.fft.fft2(weight[0, 0], s=shape[1:]).abs()  # singular values of a circular convolution
    found = convolution_norm(conv, weight, shape).item()
    assert math.prod(shape) > SMALL_INPUTS
    assert found == pytest.approx(spectrum.max().item(), rel=LARGE_NORM_TOLERANCE)


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e30])
def test_weights_of_any_scale_have_a_norm(scale):
    conv = nn.Conv2d(3, 6, 3, padding=1, bias=False).double()
    weight = conv.weight.detach()
    once = convolution_norm(conv, weight, (3, 8, 8)).item()
    assert convolution_norm(conv, scale * weight, (3, 8, 8)).item() == pytest.approx(scale * once, rel=1e-9)


def test_a_padding_of_any_mode_has_operator_norms():
    conv = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect", bias=False)
    module = nn.Sequential(conv, nn.Flatten(), nn.Linear(400, 3, bias=False))
    table = measure_network(module, INPUTS, LABELS, measures=["spectral_sum"])
    conv = conv.double()
    expected = singular_values(conv, (3, 10, 10))[0] + torch.linalg.matrix_norm(module[2].weight, 2)
    assert table["status"].item() == "ok"
    assert table["value"].item() == pytest.approx(expected.item(), rel=2 * NORM_TOLERANCE)


def test_a_norm_that_does_not_converge_has_no_value(monkeypatch):
    monkeypatch.setattr(linear_maps, "NORM_BUDGET", 3)
    table = measure_network(network(), INPUTS, LABELS, measures=["log_spectral_product", "parameter_norm"])
    assert table.loc["log_spectral_product", "status"].startswith("undefined: ")
    assert "the norm of a convolution is not certain after 1000 products" in table.loc["log_spectral_product", "status"]
    assert table.loc["parameter_norm", "status"] == "ok"


def test_lanczos_iteration_without_its_past_finds_the_largest_eigenvalue():
    """Of a matrix whose other end is found first, so that the vectors lose their orthogonality."""
    values = torch.cat([torch.linspace(0, 1, 400), torch.tensor([-50.0, -40.0, 1.1])])
    found = largest_eigenvalue(lambda vector: values * vector, torch.randn(403), tolerance=1e-5)
    assert found.item() == pytest.approx(1.1, rel=1e-5)


# ---- examples in pieces


def test_examples_in_pieces_give_the_same_values(monkeypatch):
    names = ["sharpness", "lipschitz_mean", "asam_sharpness", "fisher_rao_norm", "margin_p10"]
    module = network().double()
    whole = measure_network(module, INPUTS, LABELS, measures=names)["value"]
    monkeypatch.setattr(measured_network, "ACTIVATIONS", 1)
    pieces = measure_network(module, INPUTS, LABELS, measures=names)["value"]
    assert pieces.to_dict() == pytest.approx(whole.to_dict(), rel=1e-9)


# ---- progress


def test_progress_names_each_measure_with_its_number_and_the_seconds():
    names = ["parameter_norm", "normalized_test_loss", "sharpness"]  # the second does not apply
    starts = []
    measure_network(network(), INPUTS, LABELS, measures=names, progress=starts.append)
    assert [start[:3] for start in starts] == [("parameter_norm", 1, 2), ("sharpness", 2, 2)]
    assert 0 <= starts[0].seconds <= starts[1].seconds


def test_progress_is_written_to_stderr_where_asked_for(capsys):
    for progress in (None, False, True):  # the tests have no terminal
        measure_network(network(), INPUTS, LABELS, measures=["parameter_norm"], progress=progress)
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err.startswith("1/1 parameter_norm, after 0.") if progress else written.err == ""


def test_progress_in_a_terminal_is_one_line():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    line = progress_line.ProgressLine(Terminal())
    line(progress_line.MeasureStart("sharpness", 1, 2, 0.5))
    line(progress_line.MeasureStart("path_norm", 2, 2, 1.5))
    line.close()
    assert "\n" not in line.stream.getvalue() and line.stream.getvalue().endswith("\r\x1b[K")


# ---- a budget of seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves; each look at it takes no time."""
    now = [0.0]
    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: now[0])
    return now


def slow(clock, monkeypatch, name, seconds):
    """Register a measure that takes seconds."""

    def function(measured):
        clock[0] += seconds
        return torch.ones(())

    monkeypatch.setitem(MEASURES, name, Measure(function, 1, "none", "none", import_path=f"tests:{name}"))


def test_what_a_budget_does_not_suffice_for_is_skipped(clock, monkeypatch):
    for name in ("first", "second", "third"):
        slow(clock, monkeypatch, name, 40)
    names = ["normalized_test_loss", "first", "second", "third"]
    table = measure_network(network(), INPUTS, LABELS, measures=names, seconds=60)
    assert table.index.to_list() == names
    assert table["status"].to_list() == ["not applicable: needs the test split", "ok", "ok", "skipped: budget"]
    assert table["value"].isna().to_list() == [True, False, False, True]


def test_cheap_measures_come_first_within_a_budget():
    starts = []
    names = ["hessian_trace", "sharpness", "log_spectral_product", "margin_p10"]
    table = measure_network(network(), INPUTS, LABELS, measures=names, seconds=600, progress=starts.append)
    assert [start.measure for start in starts] == names[::-1]
    assert table.index.to_list() == names and (table["status"] == "ok").all()


@pytest.mark.parametrize("name", ["sharpness", "log_spectral_product", "lipschitz_mean", "hessian_quantiles"])
def test_a_long_measure_ends_with_the_budget(name, monkeypatch):
    looks = itertools.count()
    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: float(next(looks)))
    table = measure_network(network(), INPUTS, LABELS, measures=[name], seconds=6)
    assert table["status"].item() == "skipped: budget"
    assert next(looks) < 40


def test_a_budget_does_not_change_values():
    within = measure_network(network(), INPUTS, LABELS, seconds=600)
    torch.manual_seed(0)
    without = measure_network(network(), INPUTS, LABELS)
    assert within.drop(columns="seconds").equals(without.drop(columns="seconds"))


def test_a_budget_is_positive():
    with pytest.raises(BadInput, match="seconds: 0; expected a positive number"):
        measure_network(network(), INPUTS, LABELS, seconds=0)


def test_derivatives_are_tried_only_for_measures_of_derivatives(monkeypatch):
    def tried(*_):
        raise AssertionError("tried")

    monkeypatch.setattr(network_stack, "try_derivatives", tried)
    measure_network(network(), INPUTS, LABELS, measures=["parameter_norm", "log_spectral_product", "margin_p10"])
    for name in ("lipschitz_mean", "sharpness", "asam_sharpness", "bias_gradient_mean"):
        with pytest.raises(AssertionError, match="tried"):
            measure_network(network(), INPUTS, LABELS, measures=[name])
