import pytest
import torch
from torch import nn

from trainables import models, network
from trainables.config import InitConfig
from trainables.errors import BadInput
from trainables.network import Network

SHAPE = (1, 8, 8)


class Noisy(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs + torch.randn_like(inputs))


class Wide(nn.Sequential):
    def __init__(self, classes: int = 11) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, classes))


class Norms(nn.Module):
    """Normalisation, and a parameter without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.last = nn.LayerNorm(64), nn.Linear(64, 10)
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(inputs.flatten(1))) * self.gain


class NoParameters(nn.Flatten):
    pass


def build(**config) -> Network:
    kind = models.MODEL_CONFIGS[config.get("family", "mlp")]
    return network.build(kind.parse(config), SHAPE, 10)


@pytest.mark.parametrize(
    ("config", "biases"),
    [
        ({"bias": "all"}, ["1.bias", "3.bias", "5.bias"]),
        ({"bias": "first"}, ["1.bias"]),
        ({"bias": "none"}, []),
        ({"family": "puzzles_cnn"}, ["0.bias"]),
        ({"family": "puzzles_cnn", "bias": "all"}, ["0.bias", "2.bias", "5.bias"]),
    ],
)
def test_the_bias_policy_says_which_layers_have_one(config, biases):
    built = build(**config | ({"kernel": 3} if config.get("family") else {}))
    assert [name for name in built.shapes if name.endswith("bias")] == biases
    columns = built.first_bias_columns
    assert built.first_bias == (biases[0] if biases else None)
    assert columns.stop - columns.start == (built.shapes[biases[0]].numel() if biases else 0)


def test_width_and_depth_are_those_of_the_hidden_layers():
    shapes = [tuple(shape) for name, shape in build(width=5, depth=4).shapes.items() if "weight" in name]
    assert shapes == [(5, 64), (5, 5), (5, 5), (10, 5)]
    assert [tuple(shape) for shape in build(depth=1).shapes.values()] == [(10, 64), (10,)]


@pytest.mark.parametrize(
    "config",
    [
        {"width": 5},
        {"family": "puzzles_cnn", "filters": 2, "kernel": 3, "bias": "all"},
        {"family": "puzzles_cnn", "filters": 2, "kernel": 2, "stride": 2, "padding": 1},
        {"family": "module", "path": "test_models:Norms"},
    ],
)
def test_all_kernels_agree_with_the_plain_module(config):
    built = build(**config)
    initial = [built.initial(InitConfig(), seed) for seed in range(3)]
    rows = built.parameters.rows({name: torch.stack([one[name] for one in initial]) for name in built.shapes})
    inputs = torch.from_numpy(network.generator(0, "inputs").standard_normal((3, 4, *SHAPE)))
    for kernel in built.kernels:
        logits = built.logits(built.parameters.views(rows), {}, inputs, kernel)
        for own, values, found in zip(inputs, initial, logits, strict=True):
            torch.testing.assert_close(found, torch.func.functional_call(built.module, values, (own,)))


def test_the_tensors_share_the_memory_of_their_rows():
    layout = build(family="module", path="test_models:Norms").parameters
    values = {name: torch.randn(2, *shape) for name, shape in layout.shapes.items()}
    rows = layout.rows(values)
    named = layout.named(layout.views(rows))
    assert {name: value.shape[1:] for name, value in named.items()} == layout.shapes
    assert all(torch.equal(named[name], value) for name, value in values.items())
    filled = rows != 0
    named["gain"].zero_()
    assert (rows != 0)[:, layout.columns("gain")].sum() == 0 and (filled.sum() - (rows != 0).sum()) == 2
    assert filled.sum() == sum(value.numel() for value in values.values())


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ({}, 2 / 64),
        ({"scale": 3.0}, 9 * 2 / 64),
        ({"scheme": "xavier"}, 2 / (64 + 400)),
        ({"scheme": "normal", "std": 0.1}, 0.01),
        ({"scheme": "normal", "std": 0.1, "scale": 2.0}, 0.04),
    ],
)
def test_weights_are_drawn_with_the_variance_of_the_scheme(init, variance):
    values = build(width=400, depth=2).initial(InitConfig.parse(init), 0)
    assert values["1.weight"].var().item() == pytest.approx(variance, rel=0.03)
    assert values["1.weight"].mean().item() == pytest.approx(0, abs=4 * (variance / 25_600) ** 0.5)
    assert not values["1.bias"].any() and not values["3.bias"].any()
    if init.get("scheme") == "xavier":
        assert values["1.weight"].abs().max() <= (6 / 464) ** 0.5


def test_a_convolution_counts_its_field_in_the_fan():
    values = build(family="puzzles_cnn", filters=64, kernel=3).initial(InitConfig(), 0)
    assert values["2.weight"].var().item() == pytest.approx(2 / (64 * 9), rel=0.03)


def test_the_seed_decides_the_draw_and_gains_keep_their_value():
    built = build(family="module", path="test_models:Norms")
    first, again, other = (built.initial(InitConfig(), seed) for seed in (0, 0, 1))
    assert torch.equal(first["last.weight"], again["last.weight"])
    assert not torch.equal(first["last.weight"], other["last.weight"])
    assert first["gain"] == 2 and (first["norm.weight"] == 1).all() and not first["norm.bias"].any()


def test_the_first_layer_is_the_first_one_with_weights():
    built = build(family="module", path="test_models:Norms")
    assert next(iter(built.shapes)) == "gain" and built.first_bias == "last.bias"


def test_building_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    build(width=5)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("test_models:Missing", "model.path = 'test_models:Missing': AttributeError"),
        ("no_such_module:Net", "model.path = 'no_such_module:Net': ModuleNotFoundError"),
        ("test_models", "expected package.module:Class"),
        ("builtins:dict", "dict is no class of torch.nn.Module"),
        ("test_models:Noisy", "gives other outputs for the same inputs, although it is in eval mode"),
        ("test_models:NoParameters", "has no parameters to train"),
        ("test_models:Wide", "gives outputs of shape (2, 11) for 2 inputs, expected (2, 10)"),
    ],
)
def test_a_module_that_cannot_be_used_is_refused(path, line):
    with pytest.raises(BadInput) as refused:
        build(family="module", path=path)
    assert line in str(refused.value) and "\n" not in str(refused.value)


def test_a_module_gets_its_arguments():
    assert build(family="module", path="test_models:Wide", arguments={"classes": 10}).size == 650
    with pytest.raises(BadInput, match="TypeError"):
        build(family="module", path="test_models:Wide", arguments={"colour": 1})


def test_a_kernel_too_large_for_the_inputs_is_refused():
    with pytest.raises(BadInput, match=r"model.kernel = 5: two convolutions of this size do not fit"):
        build(family="puzzles_cnn", kernel=5)
