import pytest
import torch
from plain import check_bits, check_stack, gaussian
from torch import nn
from torch.nn import functional

from benevolent.trainables import data, models
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.modules import PatternDetector, RandomFeatures
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.network import Network

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
    """Normalization, and a parameter without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.last = nn.LayerNorm(64), nn.Linear(64, 10)
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(inputs.flatten(1))) * self.gain


class NoParameters(nn.Flatten):
    pass


def build(**config) -> Network:
    kind = MODEL_CONFIGS[config.get("family", "mlp")]
    return built_network.build(kind.parse(config), SHAPE, 10)


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
def test_bias_policy_selects_the_layers_with_bias(config, biases):
    built = build(**config | ({"kernel": 3} if config.get("family") else {}))
    assert [name for name in built.shapes if name.endswith("bias")] == biases
    columns = built.first_bias_columns
    assert built.first_bias == (biases[0] if biases else None)
    assert columns.stop - columns.start == (built.shapes[biases[0]].numel() if biases else 0)


def test_width_and_depth_describe_the_hidden_layers():
    shapes = [tuple(shape) for name, shape in build(width=5, depth=4).shapes.items() if "weight" in name]
    assert shapes == [(5, 64), (5, 5), (5, 5), (10, 5)]
    assert [tuple(shape) for shape in build(depth=1).shapes.values()] == [(10, 64), (10,)]


#: Small networks of every family: fields, the shape of an input.
FAMILIES = {
    "mlp": [
        ({"width": 5}, (6,)),
        ({"width": 5, "depth": 4, "batch_norm": "plain", "dropout": 0.2}, (2, 3)),
        ({"width": 5, "first": "identity", "batch_norm": "noisy", "depth": 4}, (6,)),
        ({"width": 5, "bias": "none", "depth": 1}, (1, 4, 4)),
    ],
    "linear": [({}, (1, 4, 4)), ({"bias": "none"}, (6,))],
    "deep_linear": [({"width": 5, "depth": 4}, (6,)), ({"width": 5, "depth": 3, "batch_norm": "plain"}, (6,))],
    "lenet_300_100": [({}, (6,)), ({"bias": "first"}, (1, 4, 4))],
    "lenet5": [({}, (1, 16, 16))],
    "frankle_conv": [({"depth": depth, "width": 2, "units": 5}, (2, 8, 8)) for depth in (2, 4, 6)]
    + [({"width": 2, "units": 5, "dropout": 0.3}, (2, 8, 8))],
    "vgg": [
        ({"depth": 5, "width": 3}, (1, 8, 8)),
        ({"depth": 9, "width": 2, "batch_norm": "plain"}, (1, 16, 16)),
        ({"depth": 7, "width": 2, "batch_norm": "noisy"}, (3, 8, 8)),
    ],
    "resnet": [({"depth": 8, "width": 3}, (3, 8, 8))],
    "preact_resnet": [({"depth": depth, "width": 3}, (3, 8, 8)) for depth in (2, 8)],
    "puzzles_cnn": [
        ({"filters": 2, "kernel": 3, "bias": "all"}, (1, 8, 8)),
        ({"filters": 2, "kernel": 2, "stride": 2, "padding": 1}, (1, 8, 8)),
    ],
    "puzzles_bn": [({"width": 2}, (1, 8, 8)), ({"width": 2, "batch_norm": "none"}, (3, 8, 8))],
    "narrow_cnn": [({"width": 3, "depth": 3}, (1, 8, 8))],
    "zhang_alexnet": [({"width": 2}, (1, 8, 8))],
    "zhang_inception": [({"width": 1}, (1, 9, 9)), ({"width": 1, "batch_norm": "none"}, (1, 8, 8))],
    "arpit_cnn": [({"width": 2}, (1, 25, 25))],
    "nakkiran_cnn": [({"width": 2, "units": 5}, (1, 8, 8))],
    "loukas_cnn": [({"width": 2}, (1, 25, 25))],
    "xord": [({"filters": 3}, (6, 2))],
    "fixed_signs": [({"width": 9}, (6,)), ({"width": 5}, (1, 4, 4))],
    "random_features": [({"features": 10, "bandwidth": 0.5}, (6,)), ({"features": 6}, (1, 4, 4))],
    "module": [({"path": "test_models:Norms"}, SHAPE)],
}
CASES = [(family, fields, shape) for family, cases in FAMILIES.items() for fields, shape in cases]
PERCEPTRONS = [case for case in CASES if case[0] in ("mlp", "linear", "deep_linear", "lenet_300_100", "xord")]


def of(family: str, fields: dict, input_shape: tuple[int, ...] = SHAPE, outputs: int = 10) -> Network:
    return built_network.build(MODEL_CONFIGS[family].parse({"family": family} | fields), input_shape, outputs)


def test_every_family_is_tested():
    assert FAMILIES.keys() | {"random_forest"} == models.MODELS.keys()  # which is in test_forest.py


def test_shared_fields_of_families_have_one_type():
    """They have one column in the tables, so that one sweep may have all families."""
    types: dict[str, set[type]] = {}
    for family, cases in FAMILIES.items():
        for fields, _ in cases:
            values = MODEL_CONFIGS[family].parse({"family": family} | fields).model_dump()
            for name, value in values.items():
                types.setdefault(name, set()).add(type(value))
    types.pop("arguments")  # of a user's own network
    assert all(len(found) == 1 for found in types.values()), types


@pytest.mark.parametrize(("family", "fields", "input_shape"), CASES)
def test_stack_training_equals_plain_modules(family, fields, input_shape):
    built = of(family, fields, input_shape, 1 if family == "xord" else 10)
    assert bool(built.batched) == (family != "module")
    check_stack(built, input_shape)


@pytest.mark.parametrize(("family", "fields", "input_shape"), [case for case in CASES if case[0] != "module"])
def test_every_family_can_have_one_output(family, fields, input_shape):
    assert of(family, fields, input_shape, 1).module(torch.zeros(3, *input_shape)).shape == (3, 1)


@pytest.mark.parametrize(("family", "fields", "input_shape"), PERCEPTRONS)
def test_perceptrons_are_equal_bit_for_bit_alone_and_in_a_stack(family, fields, input_shape):
    check_bits(of(family, fields, input_shape, 1), input_shape)


@pytest.mark.parametrize(
    ("family", "fields", "input_shape", "outputs", "line"),
    [
        ("puzzles_cnn", {}, (1, 8, 8), 10, "model.kernel = 5: does not fit on inputs of shape (1, 8, 8)"),
        ("frankle_conv", {"depth": 6}, (1, 4, 4), 10, "model.depth = 6: does not fit on inputs of shape (1, 4, 4)"),
        ("vgg", {"depth": 11}, (1, 28, 28), 10, "model.depth = 11: does not fit on inputs of shape (1, 28, 28)"),
        ("lenet5", {}, (1, 8, 8), 10, "model.family = 'lenet5': does not fit on inputs of shape (1, 8, 8)"),
        ("loukas_cnn", {}, (1, 8, 8), 1, "model.family = 'loukas_cnn': does not fit on inputs of shape (1, 8, 8)"),
        ("arpit_cnn", {}, (1, 8, 8), 10, "model.family = 'arpit_cnn': does not fit on inputs of shape (1, 8, 8)"),
        ("nakkiran_cnn", {}, (1, 3, 3), 1, "model.family = 'nakkiran_cnn': does not fit on inputs of shape (1, 3, 3)"),
        ("resnet", {"depth": 10}, (3, 8, 8), 10, "model.depth = 10: a resnet has 6 n + 2 layers"),
        ("preact_resnet", {"depth": 5}, (3, 8, 8), 10, "model.depth = 5: a preact_resnet has an even number of layers"),
        ("xord", {}, (1, 8, 8), 1, "model.family = 'xord': takes inputs of shape (patterns, 2), not (1, 8, 8)"),
        ("xord", {}, (10, 2), 2, "model.family = 'xord': has one output, the data asks for 2"),
        (
            "mlp",
            {"first": "identity", "depth": 1},
            (6,),
            1,
            "model.depth = 1: a first layer fixed at the identity",
        ),
        (
            "mlp",
            {"first": "identity", "bias": "none"},
            (6,),
            1,
            "of a first layer fixed at the identity only the bias",
        ),
    ]
    + [
        (family, {}, (64,), 10, f"model.family = '{family}': takes images (channels, height, width), not shape (64,)")
        for family in FAMILIES
        if family.endswith(("cnn", "bn", "net", "conv", "vgg", "net5", "inception"))
    ],
)
def test_a_family_that_does_not_fit_the_inputs_is_refused(family, fields, input_shape, outputs, line):
    with pytest.raises(BadInput) as refused:
        of(family, fields, input_shape, outputs)
    assert line in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("family", "fields", "parameters"),
    [
        ("mlp", {"width": 512, "depth": 4}, 1_735_178),
        ("mlp", {"width": 512, "depth": 2}, 1_209_866),
        ("zhang_alexnet", {}, 1_387_786),
        ("zhang_inception", {"batch_norm": "none"}, 1_649_402),
        ("zhang_inception", {}, 1_649_402 + 1_712),  # the gains of BatchNorm, which the paper does not count
    ],
)
def test_networks_of_zhang_2017_have_the_parameter_counts_of_the_paper(family, fields, parameters):
    """Zhang et al. 2017, table 1, on the 28 x 28 center of CIFAR-10; Arpit et al. 2017 take the same crop."""
    shape = data.describe(DataConfig(name="cifar10", crop=2)).input_shape
    assert shape == (3, 28, 28) and of(family, fields, shape).size == parameters


def test_local_response_normalization_equals_its_formula():
    """a / (1 + 0.001 / 9 sum of a^2 over the nine channels around it)^0.75, with nothing beyond the first and last."""
    norm = next(part for part in of("zhang_alexnet", {"width": 2}).module if isinstance(part, nn.LocalResponseNorm))
    a = 20 * gaussian(1, 12, 1, 1)
    expected = [a[0, c] / (1 + 0.001 / 9 * a[0, max(0, c - 4) : c + 5].square().sum(0)) ** 0.75 for c in range(12)]
    torch.testing.assert_close(norm(a)[0], torch.stack(expected))


def test_inception_network_equals_its_formula():
    """Written out with functions of torch, from the parameters by their order."""
    built = of("zhang_inception", {"width": 1, "batch_norm": "none"}, (2, 8, 8), 3)
    rest = iter([p for p in built.module.double().parameters()])

    def conv(x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        weight, bias = next(rest), next(rest)
        return functional.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2).relu()

    inputs = gaussian(4, 2, 8, 8)
    x = conv(inputs)
    for kind in "II.IIII.II":
        if kind == "I":
            x = torch.cat([conv(x), conv(x)], 1)
        else:
            x = torch.cat([conv(x, 2), functional.max_pool2d(functional.pad(x, [1] * 4), 3, 2)], 1)  # x >= 0
    torch.testing.assert_close(built.module(inputs), functional.linear(x.mean((2, 3)), *rest))


def test_first_layer_may_be_the_identity():
    built = of("mlp", {"first": "identity", "depth": 3, "width": 5}, (6,), 1)
    assert built.first_bias == "0.bias" and built.first_bias_columns == slice(0, 6)
    assert of("loukas_cnn", {"width": 2}, (1, 25, 25), 1).first_bias == "1.bias"
    bias, inputs = built.module[0].bias.requires_grad_(), gaussian(1, 6).float().requires_grad_()
    by_bias, by_inputs = torch.autograd.grad(built.module(inputs).sum(), [bias, inputs])
    assert torch.equal(by_bias, by_inputs[0]) and by_bias.any()  # what makes the bias tell the Lipschitz constant


def test_frequencies_are_frozen_and_drawn_from_the_seed():
    built = of("random_features", {"features": 4000, "bandwidth": 0.3}, (20,), 2)
    assert built.size == 8000 and list(built.buffers.shapes) == ["0.weight"] and built.first_bias is None
    first, again, other = (built.initial(InitConfig(scale=5.0), seed)["0.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.3, rel=0.02)


def test_output_signs_are_frozen_and_drawn_from_the_seed():
    built = of("fixed_signs", {"width": 400}, (20,), 1)
    assert built.size == 8000 and list(built.buffers.shapes) == ["2.weight"] and built.first_bias is None
    first, again, other = (built.initial(InitConfig(scale=5.0), seed)["2.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first.abs(), torch.full_like(first, 1 / 20))
    assert 120 < (first > 0).sum() < 280


def test_random_features_approximate_their_kernel():
    """The mean of cos(v x) cos(v y) + sin(v x) sin(v y) is exp(- bandwidth^2 |x - y|^2 / 2): Rahimi and Recht 2007."""
    torch.manual_seed(0)
    features, (x, y) = RandomFeatures(5, 20_000, 0.4), gaussian(2, 5).float()
    kernel = (features(x) * features(y)).mean() * 2
    assert kernel.item() == pytest.approx(torch.exp(-0.08 * (x - y).square().sum()).item(), abs=0.02)


def test_pattern_detector_equals_its_formula():
    detector, inputs = PatternDetector(2), gaussian(3, 4, 2).float()
    w, u = detector.weight[:2], detector.weight[2:]
    for x, found in zip(inputs, detector(inputs), strict=True):
        expected = sum(max(torch.relu(f @ p) for p in x) for f in w) - sum(max(torch.relu(f @ p) for p in x) for f in u)
        torch.testing.assert_close(found[0], expected)


def test_a_state_dict_loads_into_an_ordinary_module():
    built = of("resnet", {"depth": 8, "width": 3}, (3, 8, 8))
    module = built_network.plain_module(MODEL_CONFIGS["resnet"](depth=8, width=3), (3, 8, 8), 10)
    module.load_state_dict(built.module.state_dict())
    inputs = gaussian(2, 3, 8, 8).float()
    assert torch.equal(module.eval()(inputs), built.module(inputs))


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
        ({"scheme": "xavier_normal"}, 2 / (64 + 400)),
        ({"scheme": "xavier_normal", "scale": 2.0}, 4 * 2 / (64 + 400)),
        ({"scheme": "zeros"}, 0),
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


@pytest.mark.parametrize("layer", [nn.Linear(20, 3000), nn.Conv2d(5, 3000, 2)])
def test_torch_scheme_has_the_distribution_of_torch(layer):
    torch.manual_seed(0)
    layer.reset_parameters()
    truth = {name: value.detach().double() for name, value in layer.named_parameters()}
    for scale in (1.0, 3.0):
        drawn = Network(layer).initial(InitConfig(scheme="torch", scale=scale), 0)
        for name, value in truth.items():
            found = drawn[name] / scale
            assert found.abs().max().item() == pytest.approx(value.abs().max().item(), rel=0.01)
            assert found.std().item() == pytest.approx(value.std().item(), rel=0.03)
            assert not torch.equal(found, value)


def test_bias_std_does_not_change_the_weights():
    built = build(width=4000, depth=2, batch_norm="plain")
    plain, drawn = (built.initial(InitConfig(bias_std=std), 0) for std in (0.0, 0.3))
    assert drawn["1.bias"].std().item() == pytest.approx(0.3, rel=0.05)
    assert not drawn["2.bias"].any() and "4.bias" in drawn  # normalization has no weights
    assert all(torch.equal(plain[name], drawn[name]) for name in plain if not name.endswith("bias"))
    shifted = of("mlp", {"first": "identity"}, (100,), 1)
    assert 0.08 < shifted.initial(InitConfig(scheme="torch"), 0)["0.bias"].abs().max() <= 0.1


def test_fan_in_of_a_convolution_includes_the_kernel():
    values = build(family="puzzles_cnn", filters=64, kernel=3).initial(InitConfig(), 0)
    assert values["2.weight"].var().item() == pytest.approx(2 / (64 * 9), rel=0.03)


def test_initial_weights_depend_on_the_seed_and_gains_do_not():
    built = build(family="module", path="test_models:Norms")
    first, again, other = (built.initial(InitConfig(), seed) for seed in (0, 0, 1))
    assert torch.equal(first["last.weight"], again["last.weight"])
    assert not torch.equal(first["last.weight"], other["last.weight"])
    assert first["gain"] == 2 and (first["norm.weight"] == 1).all() and not first["norm.bias"].any()


def test_first_layer_is_the_first_with_weights():
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
        ("builtins:dict", "dict is not a subclass of torch.nn.Module"),
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
        build(family="module", path="test_models:Wide", arguments={"color": 1})


def test_network_larger_than_memory_is_refused_in_one_line():
    config = RunConfig.parse({"model": {"width": 2**32, "depth": 3}}).model
    with pytest.raises(BadInput, match=r"^model.family = 'mlp': its parameters do not fit in the memory"):
        built_network.build(config, (64,), 10)
