"""Quotients over what is zero but for rounding are undefined; those over what is merely small are not."""

import pytest
import torch
from torch import nn

from benevolent.analysis import measure_network

MEASURES = ["input_margin_median", "input_margin_p10", "layer_margins", "davies_bouldin", "loss_sensitivity_gini"]
INPUTS = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 3


def of_equal_numbers() -> nn.Module:
    """A normalization of three equal numbers, which does not move with the inputs."""
    torch.manual_seed(1)
    first = nn.Linear(4, 3, bias=False)
    first.weight.data[:] = first.weight.data[:1].clone()
    return nn.Sequential(first, nn.LayerNorm(3), nn.Tanh(), nn.Linear(3, 3))


def with_small_weights(scale: float) -> nn.Module:
    """Weights that are small beside the biases, so that the inputs hardly move the logits."""
    torch.manual_seed(1)
    first = nn.Linear(4, 5)
    first.weight.data *= scale
    return nn.Sequential(first, nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_is_divided_by_rounding(dtype, measure):
    table = measure_network(of_equal_numbers().to(dtype), INPUTS.to(dtype), LABELS, measures=[measure])
    assert all(status.startswith("undefined: ") and "rounding" in status for status in table["status"]), table


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scale", [1e-2, 1e-4])
def test_small_slopes_have_values(measure, scale):
    module = with_small_weights(scale)
    single = measure_network(module, INPUTS, LABELS, measures=[measure])
    double = measure_network(module.double(), INPUTS.double(), LABELS, measures=[measure])
    assert (single["status"] == "ok").all() and (double["status"] == "ok").all()
    assert single["value"].tolist() == pytest.approx(double["value"].tolist(), rel=0.02)


def test_a_module_of_one_precision_has_no_quotients_over_small_slopes():
    class OnlySingle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = of_equal_numbers()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.body(inputs) + inputs @ torch.zeros(4, 3)

    table = measure_network(OnlySingle(), INPUTS, LABELS, measures=["input_margin_median"])
    assert table["status"].item().startswith("undefined: ")
