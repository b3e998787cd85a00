"""Modules as people have them: `measure_network` gives the right value, or says why a measure does not apply."""

import copy
import math

import pytest
import torch
from awkward_networks import LABELS, Of, built
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm

from benevolent.analysis import measure_network
from benevolent.analysis.measures.effective_weights import plain_copy
from benevolent.trainables.errors import BadInput


@pytest.fixture
def inputs():
    return torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def values(module, inputs, labels=LABELS, **options):
    """Values of all measures that are `ok`."""
    table = measure_network(module, inputs, labels, **options)
    assert not table["status"].str.startswith("error").any(), table["status"].to_dict()
    return table.loc[table["status"] == "ok", "value"]


def statuses(module, inputs, *names):
    return measure_network(module, inputs, LABELS, measures=list(names))["status"].to_list()


# ---- weights that something computes

REPARAMETRIZED = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "old weight_norm": weight_norm,
    "old spectral_norm": spectral_norm,
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", REPARAMETRIZED)
def test_the_weights_that_act_are_measured(name, inputs):
    module = mlp()
    REPARAMETRIZED[name](module[0])
    state = {key: value.clone() for key, value in module.state_dict().items()}
    outputs = module.eval()(inputs)
    plain = mlp()
    with torch.no_grad():
        plain[0].weight.copy_(module[0].weight)
        plain[0].bias.copy_(module[0].bias)
    plain[2].load_state_dict(module[2].state_dict())
    found = values(module, inputs)
    expected = values(plain, inputs)
    assert found.to_dict() == pytest.approx(expected.to_dict(), rel=1e-4, abs=1e-6)
    assert torch.equal(module(inputs), outputs)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_the_scale_of_what_a_weight_is_computed_from_means_nothing(inputs):
    module = parametrizations.weight_norm(nn.Linear(6, 3, bias=False))
    once = values(module, inputs)
    module.parametrizations.weight.original1.data.mul_(10)
    assert values(module, inputs).to_dict() == pytest.approx(once.to_dict(), rel=1e-3, abs=1e-6)


class Symmetric(nn.Module):
    def forward(self, weight):
        return weight.triu() + weight.triu(1).mT


def test_a_parametrization_of_ones_own_is_measured_as_its_weight(inputs):
    module = nn.Sequential(nn.Linear(6, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False))
    parametrize.register_parametrization(module[0], "weight", Symmetric())
    norms = [module[0].weight.norm().item(), module[2].weight.norm().item()]
    found = measure_network(module, inputs, LABELS, measures=["log_frobenius_product"])
    assert found["value"].item() == pytest.approx(math.log(norms[0] * norms[1]), rel=1e-5)


def test_a_plain_copy_has_the_outputs_of_the_module(inputs):
    module = parametrizations.weight_norm(nn.Linear(6, 3))
    plain, masks = plain_copy(module)
    assert torch.allclose(plain(inputs), module(inputs), atol=1e-6)
    assert not masks and type(plain) is nn.Linear


# ---- weights that act otherwise than once


def test_a_layer_used_twice_is_on_every_path_twice():
    layer = nn.Linear(4, 4, bias=False)
    head = nn.Linear(4, 2, bias=False)
    layer.weight.data = 3 * torch.eye(4)
    head.weight.data = torch.eye(4)[:2].clone()
    module = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), head)
    table = measure_network(module, torch.eye(4) + 1, torch.tensor([0, 1, 0, 1]))
    assert table.loc["path_norm", "value"] == pytest.approx(9 * math.sqrt(2))
    assert table.loc["lipschitz_max", "value"] == pytest.approx(9)
    assert table.loc["log_spectral_product", "status"] == (
        "not applicable: needs weights that act once, '0.weight' acts more than once"
    )


def test_a_pooling_used_twice_pools_twice():
    def convolutions(first, second):
        parts = [nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), first, nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), second]
        module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2, bias=False))
        for weight in module.parameters():
            nn.init.ones_(weight)
        return values(module, torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 0]))

    pool = nn.MaxPool2d(2)
    same_object = convolutions(pool, pool)
    two_objects = convolutions(nn.MaxPool2d(2), nn.MaxPool2d(2))
    assert same_object.filter(like="path").to_dict() == two_objects.filter(like="path").to_dict()


NOT_ONCE = {
    "tied weights": "'a.weight' acts more than once",
    "layer never called": "'a.weight' never acts",
    "doubled weight": "'a.weight' acts as something computed from it",
    "recurrent": "acts more than once",
}


@pytest.mark.parametrize("name", NOT_ONCE)
def test_products_of_norms_need_weights_that_act_once(name, inputs):
    reason = NOT_ONCE[name]
    module = built(name)
    for status in statuses(module, inputs, "log_frobenius_product", "log_spectral_product"):
        assert status.startswith("not applicable") and reason in status
    assert statuses(module, inputs, "margin_p10", "sharpness") == ["ok", "ok"]


def test_steps_that_one_of_the_inputs_needs_are_part_of_the_network(inputs):
    module = built("steps that one of the inputs needs")
    outside = inputs.abs().amax(1) > 2.2
    assert outside.any() and not outside[:2].any()
    clamped = measure_network(module, inputs.clamp(-2.2, 2.2), LABELS, measures=["sharpness", "fisher_rao_norm"])
    found = measure_network(module, inputs, LABELS, measures=["sharpness", "fisher_rao_norm"])
    assert found["value"].to_dict() == pytest.approx(clamped["value"].to_dict(), rel=1e-4)


def test_a_weight_may_act_in_another_form(inputs):
    module = Of(lambda self, x: self.c((x @ self.a.weight.T).relu()), a=nn.Linear(6, 6), c=nn.Linear(6, 3))
    assert statuses(module, inputs, "log_frobenius_product") == ["ok"]


# ---- outputs that depend on other examples, or on chance


@pytest.mark.parametrize(
    "module",
    [
        Of(lambda self, x: self.a(x - x.mean(0)), a=nn.Linear(6, 3)),
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, 3)),
    ],
    ids=["mean of the batch", "BatchNorm without statistics"],
)
def test_measures_on_data_need_outputs_of_each_example_alone(module, inputs):
    for status in statuses(module, inputs, "margin_p10", "lipschitz_mean", "sharpness"):
        assert status == "not applicable: needs outputs that do not depend on the other examples of a batch"
    assert statuses(module, inputs, "parameter_norm") == ["ok"]


def test_a_module_that_draws_in_eval_mode_is_refused(inputs):
    module = Of(lambda self, x: functional.dropout(self.a(x)), a=nn.Linear(6, 3))
    with pytest.raises(BadInput, match="gives other outputs for the same inputs, although it is in eval mode"):
        measure_network(module, inputs, LABELS)


def test_one_measure_can_be_named_without_a_list(inputs):
    table = measure_network(nn.Linear(6, 3), inputs, LABELS, measures="parameter_norm")
    assert table.index.tolist() == ["parameter_norm"]


def test_a_module_that_seldom_draws_in_eval_mode_is_refused(inputs):
    """The first two examples, which are tried alone, always have the same outputs."""

    def forward(self, x):
        noise = torch.rand(len(x), 3)
        noise[:2] = 0
        return self.a(x) + noise

    with pytest.raises(BadInput, match="gives other outputs for the same inputs, although it is in eval mode"):
        measure_network(Of(forward, a=nn.Linear(6, 3)), inputs, LABELS)


def test_a_module_that_gives_no_tensor_is_refused(inputs):
    with pytest.raises(BadInput, match="gives tuple; expected a tensor of logits"):
        measure_network(Of(lambda self, x: (self.a(x), x), a=nn.Linear(6, 3)), inputs, LABELS)


# ---- numbers of every kind


@pytest.mark.parametrize("kind", ["int32", "uint8", "bool", "numpy", "list"])
def test_labels_may_be_integers_of_any_kind(kind, inputs):
    labels = LABELS % 2
    converted = {
        "int32": labels.int(),
        "uint8": labels.to(torch.uint8),
        "bool": labels.bool(),
        "numpy": labels.numpy(),
        "list": labels.tolist(),
    }
    module = mlp()
    assert values(module, inputs, converted[kind]).equals(values(module, inputs, labels))


def test_half_precision_is_measured_in_float32_of_the_same_values(inputs):
    half = mlp().bfloat16()
    single = copy.deepcopy(half).float()
    rounded = inputs.bfloat16()
    assert values(half, rounded).equals(values(single, rounded.float()))
    assert half[0].weight.dtype == torch.bfloat16


def test_token_ids_stay_integers():
    module = Of(lambda self, x: self.c(self.a(x).mean(1)), a=nn.Embedding(11, 6), c=nn.Linear(6, 3))
    table = measure_network(module, torch.randint(0, 11, (12, 7)), LABELS)
    assert table.loc[["parameter_norm", "margin_p10", "sharpness"], "status"].eq("ok").all()
    assert table.loc["lipschitz_max", "status"] == "not applicable: needs inputs that are real numbers"


def test_images_of_bytes_become_real_numbers_where_the_module_takes_no_bytes():
    images = torch.randint(0, 255, (12, 6), dtype=torch.uint8)
    module = mlp()
    assert values(module, images).equals(values(module, images.float()))


def test_a_forward_pass_that_changes_its_inputs_changes_nobody_elses(inputs):
    def in_place(self, x):
        x -= 0.5
        return self.a(x)

    module = Of(in_place, a=nn.Linear(6, 3))
    before = inputs.clone()
    logits = module.a(inputs - 0.5)
    margins = logits.gather(1, LABELS[:, None])[:, 0] - logits.scatter(1, LABELS[:, None], -math.inf).amax(1)
    assert values(module, inputs)["margin_min"] == pytest.approx(margins.min().item(), rel=1e-5)
    assert torch.equal(inputs, before)


# ---- attention, wrappers


class PlainAttention(nn.Module):
    """One head of attention written out."""

    def __init__(self, fused: bool):
        super().__init__()
        self.query, self.key, self.value, self.head = (nn.Linear(3, 3, bias=False) for _ in range(4))
        self.fused = fused

    def forward(self, inputs):
        steps = inputs.view(-1, 2, 3)
        query, key, value = self.query(steps), self.key(steps), self.value(steps)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.mT / math.sqrt(3)).softmax(-1) @ value
        return self.head(mixed.mean(1))


def test_fused_attention_has_the_values_of_the_plain_one(inputs):
    fused = PlainAttention(fused=True)
    plain = PlainAttention(fused=False)
    plain.load_state_dict(fused.state_dict())
    expected = values(plain, inputs)
    assert {"sharpness", "fisher_rao_norm", "lipschitz_mean"} <= set(expected.index)
    assert values(fused, inputs).to_dict() == pytest.approx(expected.to_dict(), rel=1e-3, abs=1e-5)


def test_an_encoder_layer_has_second_derivatives():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    module = Of(lambda self, x: self.c(self.a(x).mean(1)), a=encoder, c=nn.Linear(8, 3))
    found = values(module, torch.randn(12, 5, 8))
    assert found["sharpness"] > 0 and found["fisher_rao_norm"] > 0
    assert torch.backends.mha.get_fastpath_enabled()


def test_wrappers_are_measured_through(inputs):
    module = mlp()
    expected = values(module, inputs)
    for wrapped in (torch.compile(module), nn.DataParallel(module)):
        assert values(wrapped, inputs).equals(expected)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_is_refused_in_one_line(inputs):
    with pytest.raises(BadInput, match="TorchScript cannot be measured; pass the module it was made from"):
        measure_network(torch.jit.trace(mlp(), inputs), inputs, LABELS)


# ---- what cannot be measured is refused in one line


def lacking(kind):
    if kind == "complex":
        return Of(lambda self, x: (x.to(torch.complex64) @ self.a).real, a=nn.Parameter(torch.randn(6, 3) + 0j))
    if kind == "no shape":
        return nn.Sequential(nn.LazyLinear(3))
    return nn.Sequential(nn.Linear(6, 4), torch.jit.script(nn.Linear(4, 3)))


REFUSED = {
    "complex": "parameter 'a' is complex; measures need real parameters",
    "no shape": "parameter '0.weight' has no shape yet; call the module once",
    "part in TorchScript": "TorchScript cannot be measured; pass the module it was made from",
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_modules_that_cannot_be_measured_are_refused_in_one_line(kind, inputs):
    with pytest.raises(BadInput, match=REFUSED[kind]):
        measure_network(lacking(kind), inputs, LABELS)


def test_inputs_that_are_no_array_are_refused_in_one_line(inputs):
    with pytest.raises(BadInput, match="inputs: dict; expected a tensor, a numpy array or lists of numbers"):
        measure_network(mlp(), {"pixels": inputs}, LABELS)


def test_pruning_one_of_two_layers_that_share_a_weight_leaves_the_other(inputs):
    module = built("tied weights, one pruned").eval()
    plain, masks = plain_copy(module)
    assert torch.allclose(plain(inputs), module(inputs), atol=1e-6)
    assert list(masks) == ["a.weight"] and plain.b.weight.all()


def test_layer_margins_are_of_what_layers_read_before_it_is_changed_in_place(inputs):
    in_place = built("sum in place")
    apart = Of(lambda self, x: (lambda h: self.c(h + self.b(h)))(self.a(x)), a=in_place.a, b=in_place.b, c=in_place.c)
    found = [measure_network(one, inputs, LABELS, measures=["layer_margins"])["value"] for one in (in_place, apart)]
    assert found[0].tolist() == pytest.approx(found[1].tolist(), rel=1e-4)
