"""A weight acts as a matrix where data are multiplied by it and added up; on the inputs of its layer, or elsewhere."""

import math

import pytest
import torch
from awkward_networks import LABELS, Of, linear
from torch import nn
from torch.nn import functional

from benevolent.analysis import measure_network

PRODUCTS = "needs weights that act in products, 's' acts in "


@pytest.fixture
def inputs():
    return torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def squares(hidden):
    """Hidden units (N, 4) as squares (N, 2, 2)."""
    return hidden.unflatten(1, (2, 2))


SCALES = {
    "mul": lambda self, h: (squares(h) * self.s).flatten(1),
    "mul from the left": lambda self, h: (self.s * squares(h)).flatten(1),
    "mul in place": lambda self, h: squares(h).mul_(self.s).flatten(1),
    "div": lambda self, h: (squares(h) / self.s).flatten(1),
    "einsum": lambda self, h: torch.einsum("nij,ij->nij", squares(h), self.s).flatten(1),
    "einsum without arrow": lambda self, h: torch.einsum("...ij,ij->...ij", [squares(h), self.s]).flatten(1),
    "before pooling": lambda self, h: (h.view(-1, 4, 1) * self.s.view(4, 1)).mean(2),
}


@pytest.mark.parametrize("scale", SCALES)
def test_a_parameter_that_scales_each_number_is_no_weight_whatever_its_shape(scale, inputs):
    module = Of(
        lambda self, x: self.c(SCALES[scale](self, self.a(x).relu())),
        a=linear(6, 4), s=nn.Parameter(torch.rand(2, 2) + 1), c=linear(4, 3),
    )  # fmt: skip
    table = measure_network(module, inputs, LABELS, measures=["log_frobenius_product"])
    assert table["status"].item() == "ok"
    expected = math.log(module.a.weight.norm().item() * module.c.weight.norm().item())
    assert table["value"].item() == pytest.approx(expected, rel=1e-5)


#: Products of numbers that are added up, so that 's' acts as a matrix without a product of torch, or in an odd one.
MATRICES_BY_HAND = {
    "each unit": lambda self, h: (h.unsqueeze(1) * self.s).sum(-1),
    "mean": lambda self, h: (squares(h) * self.s[:2, :2]).mean((1, 2), keepdim=True)[:, :, 0] + h[:, :3],
    "sum over rows": lambda self, h: (h.unsqueeze(1).expand(-1, 3, -1) * self.s).sum(2),
    "all products": lambda self, h: (h.unsqueeze(-1) * self.s[:1]).flatten(1)[:, :3],
    "sum after flattening": lambda self, h: (h.view(-1, 1, 4) * self.s[:1]).flatten(1).sum(1, keepdim=True) + h[:, :3],
    "divided by data": lambda self, h: self.s.sum() * 0 + (self.s[:1] / (1 + h.abs()))[:, :3],
    "sum of the weight": lambda self, h: torch.einsum("ni,ki->n", h, self.s).unsqueeze(1) + h[:, :3],
}


@pytest.mark.parametrize("product", MATRICES_BY_HAND)
def test_products_that_are_added_up_are_not_taken_for_a_scale(product, inputs):
    module = Of(
        lambda self, x: MATRICES_BY_HAND[product](self, self.a(x).relu()), a=linear(6, 4), s=linear(4, 3).weight
    )
    status = measure_network(module, inputs, LABELS, measures=["log_frobenius_product"])["status"].item()
    assert status.startswith("not applicable: needs weights that act") and "'s' acts" in status


@pytest.mark.parametrize("equation", ["ni,ki->nk", "...i,ki->...k", "in,nk", " ki , ni -> nk "])
def test_an_axis_that_is_summed_over_makes_a_matrix(equation, inputs):
    def head(self, x):
        hidden = self.a(x).relu()
        if equation.strip().startswith("k"):
            return torch.einsum(equation, self.s, hidden)
        weight = self.s.mT if equation == "in,nk" else self.s
        return torch.einsum(equation, hidden, weight)

    module = Of(head, a=linear(6, 4), s=linear(4, 3).weight)
    table = measure_network(module, inputs, LABELS, measures=["log_frobenius_product"])
    expected = math.log(module.a.weight.norm().item() * module.s.norm().item())
    assert table["value"].item() == pytest.approx(expected, rel=1e-5)


# ---- the inputs of a layer

ELSEWHERE = {
    "copied": (lambda self, x: self.c(functional.linear(x, self.a.weight.clone()).relu()), "acts outside of it"),
    "by its data": (lambda self, x: self.c(functional.linear(x, self.a.weight.data).relu()), "acts outside of it"),
    "by keyword": (lambda self, x: self.c(self.a(input=x).relu()), "called on a tensor by position"),
    "one row of all": (lambda self, x: self.c(self.a(x[None])[0]), "act on one row of inputs"),
}


@pytest.mark.parametrize("how", ELSEWHERE)
def test_the_reason_says_where_a_weight_acts_if_not_on_the_inputs_of_its_layer(how, inputs):
    function, reason = ELSEWHERE[how]
    module = Of(function, a=linear(6, 4), c=linear(4, 3))
    table = measure_network(module, inputs, LABELS, measures=["layer_margins", "log_frobenius_product"])
    assert reason in table.loc["layer_margins", "status"]
    assert table.loc["log_frobenius_product", "status"] == "ok"


BILINEAR = {
    "halves": (lambda self, x: self.a(x[:, :3], x[:, 3:]), nn.Bilinear(3, 3, 3)),
    "the same twice": (lambda self, x: self.a(x, x), nn.Bilinear(6, 6, 3)),
}


@pytest.mark.parametrize("name", BILINEAR)
def test_a_weight_that_acts_on_two_inputs_at_once_has_no_layer_margins(name, inputs):
    """Their slopes by the first input alone are not those by what the layer reads."""
    function, layer = BILINEAR[name]
    table = measure_network(Of(function, a=layer), inputs, LABELS, measures=["layer_margins", "davies_bouldin"])
    for status in table["status"]:
        assert status == "not applicable: needs weights that act on one tensor, 'a.weight' acts on several at once"


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(2, 1, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, inputs):
        tokens = inputs.view(-1, 3, 2)
        return self.head(self.attend(tokens, tokens, tokens)[0].flatten(1))


def test_attention_has_no_layer_margins(inputs):
    status = measure_network(Attention(), inputs, LABELS, measures=["layer_margins"])["status"].item()
    assert "layers without other layers inside, that of 'attend.in_proj_weight' has some" in status


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("outside", [False, True])  # the padding is of the layer, or before it
def test_layer_margins_are_at_the_inputs_of_a_padded_convolution(mode, outside, inputs):
    images = torch.randn(12, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    conv = nn.Conv2d(2, 3, 3, padding=0 if outside else 1, padding_mode="zeros" if outside else mode)
    pads = {"zeros": nn.ZeroPad2d, "circular": nn.CircularPad2d, "reflect": nn.ReflectionPad2d}
    pad = pads.get(mode, nn.ReplicationPad2d)(1) if outside else nn.Identity()
    module = nn.Sequential(pad, conv, nn.ReLU(), nn.Flatten(), nn.Linear(75, 3)).double()
    found = measure_network(module, images.double(), LABELS, measures=["layer_margins"])
    assert found["status"].tolist() == ["ok", "ok"]
    read = pad(images.double())
    expected = [naive_layer_margin(module[1:], read), naive_layer_margin(module[4:], module[1:4](read))]
    assert found["value"].tolist() == pytest.approx(expected, rel=1e-6)


def naive_layer_margin(rest: nn.Module, read: torch.Tensor) -> float:
    ratios = []
    for row, label in zip(read.detach(), LABELS, strict=True):
        given = row.unsqueeze(0).requires_grad_()
        logits = rest(given)[0]
        others = logits.detach().clone()
        others[label] = -torch.inf
        margin = logits[label] - logits[others.argmax()]
        (slope,) = torch.autograd.grad(margin, given)
        ratios.append(margin.item() / slope.norm().item())
    points = read.detach().flatten(1)
    spread = (points - points.mean(0)).square().sum(1).mean().sqrt()
    return torch.tensor(ratios, dtype=torch.float64).quantile(0.5).item() / spread.item()
