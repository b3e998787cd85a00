"""Batched layers against the plain modules of torch, one network after the other, in eager mode."""

import copy

import pytest
import torch
from torch import nn

from trainables import layers
from trainables.config import InitConfig
from trainables.layers import Mode
from trainables.modules import Noise, Residual, Shift, ZeroPadShortcut
from trainables.network import Network
from trainables.streams import Draws, generator

RANDOM = (nn.Dropout, Noise)
STEPS, RATE = 3, 0.05


def stacked(networks: list[dict[str, torch.Tensor]], dtype=torch.float64) -> dict[str, torch.Tensor]:
    return {name: torch.stack([one[name] for one in networks]).to(dtype) for name in networks[0]}


def gaussian(*shape: int, dtype=torch.float64) -> torch.Tensor:
    return torch.from_numpy(generator(7, "inputs").standard_normal(shape)).to(dtype)


def train(built: Network, seeds: list[int], inputs: torch.Tensor, kernel: str):
    """Steps of SGD on half the squared logits; what came out, `(K, ...)`: parameters, buffers, logits of eval mode."""
    values = stacked([built.initial(InitConfig(), seed) for seed in seeds], inputs.dtype)
    parameters, buffers = built.parameters.rows(values), built.buffers.rows(values)
    draws = Draws(seeds, "layers", 0)
    for _ in range(STEPS):
        leaves = {n: view.detach().requires_grad_() for n, view in built.parameters.views(parameters).items()}
        logits = built.logits(leaves, built.buffers.views(buffers), inputs, kernel, Mode(True, draws))
        gradients = torch.autograd.grad(logits.square().mean(1).sum() / 2, list(leaves.values()))
        for view, gradient in zip(built.parameters.views(parameters).values(), gradients, strict=True):
            view -= RATE * gradient
    views, kept = built.parameters.views(parameters), built.buffers.views(buffers)
    with torch.no_grad():
        logits = built.logits(views, kept, inputs, kernel)
    return built.parameters.named(views) | built.buffers.named(kept) | {"logits": logits}


def train_plain(built: Network, seed: int, inputs: torch.Tensor):
    """The same of one ordinary module."""
    module = copy.deepcopy(built.module).to(inputs.dtype)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in built.shapes)
    module.load_state_dict({k: v.to(inputs.dtype) for k, v in built.initial(InitConfig(), seed).items()}, strict=False)
    mode = Mode(True, Draws([seed], "layers", 0))
    for part in module.modules():
        if isinstance(part, RANDOM):  # the run's own draws, instead of torch's
            batched = layers.BATCHED[type(part)]
            part.forward = lambda x, part=part, batched=batched: batched(part, {}, x.unsqueeze(0), mode)[0]
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (module.train()(inputs).square().mean(0).sum() / 2).backward()
        assert all(p.grad is not None for p in module.parameters() if p.requires_grad)
        optimizer.step()
    for part in module.modules():
        part.__dict__.pop("forward", None)
    with torch.no_grad():
        logits = module.eval()(inputs)
    return {name: value.detach() for name, value in module.state_dict().items()} | {"logits": logits}


def check_stack(built: Network, input_shape: tuple[int, ...]) -> None:
    """Three networks of a stack, by every kernel, are what each of them is alone as a plain module."""
    seeds, inputs = [3, 1, 2], gaussian(3, 5, *input_shape)
    expected = [train_plain(built, seed, own) for seed, own in zip(seeds, inputs, strict=True)]
    random = any(isinstance(part, RANDOM) for part in built.module.modules())
    for kernel in built.kernels:
        if random and kernel == "loop":  # which draws from another generator
            continue
        found = train(built, seeds, inputs, kernel)
        for row, own in enumerate(expected):
            for name, value in found.items():
                torch.testing.assert_close(value[row], own[name], rtol=1e-9, atol=1e-11, msg=f"{kernel} {name}")


def conv_net(*middle: nn.Module, features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 6, 3, bias=False), *middle, nn.Flatten(), nn.Linear(features, 3))


def mlp(*middle: nn.Module, width: int = 20) -> nn.Sequential:
    return nn.Sequential(nn.Linear(7, width), *middle, nn.Linear(width, 3))


NETWORKS = {
    "batch norm": (mlp(nn.BatchNorm1d(20), nn.ReLU()), (7,)),
    "batch norm of one feature": (mlp(nn.BatchNorm1d(1), nn.ReLU(), width=1), (7,)),
    "batch norm first": (nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, 3)), (7,)),
    "batch norm without gains": (mlp(nn.BatchNorm1d(20, affine=False, momentum=0.4, eps=0.1), nn.Tanh()), (7,)),
    "batch norm of images": (conv_net(nn.BatchNorm2d(6), nn.ReLU(), features=96), (2, 6, 6)),
    "noisy batch norm": (mlp(nn.BatchNorm1d(20), Noise(), nn.ReLU()), (7,)),
    "noisy images": (conv_net(nn.BatchNorm2d(6), Noise(), nn.ReLU(), features=96), (2, 6, 6)),
    "dropout": (mlp(nn.ReLU(), nn.Dropout(0.4)), (7,)),
    "dropout of images": (conv_net(nn.Dropout(0.4), features=96), (2, 6, 6)),
    "max pooling": (conv_net(nn.LeakyReLU(0.2), nn.MaxPool2d(3, 2, 1), features=24), (2, 6, 6)),
    "mean pooling": (conv_net(nn.GELU(), nn.AvgPool2d(2), features=24), (2, 6, 6)),
    "mean of all pixels": (conv_net(nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), features=6), (2, 6, 6)),
    "padding": (conv_net(nn.ZeroPad2d((1, 0, 2, 0)), features=6 * 5 * 6), (2, 6, 6)),
    "shift": (nn.Sequential(nn.Flatten(), Shift(12), nn.ReLU(), nn.Linear(12, 3)), (3, 4)),
    "unflatten": (nn.Sequential(Shift(72), nn.Unflatten(1, (2, 6, 6)), conv_net(features=96)), (72,)),
    "residual": (
        conv_net(
            nn.BatchNorm2d(6),
            Residual(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())),
            Residual(nn.Conv2d(6, 8, 3, stride=2, padding=1), ZeroPadShortcut(2, 2)),
            Residual(nn.Conv2d(8, 4, 1), nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4))),
            features=16,
        ),
        (2, 6, 6),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stack_trains_as_plain_modules_do(name):
    module, input_shape = NETWORKS[name]
    built = Network(copy.deepcopy(module))
    assert built.batched
    check_stack(built, input_shape)


@pytest.mark.parametrize("width", [1, 5, 8, 16, 30, 64, 100])
def test_normalised_mlps_are_equal_bit_for_bit_alone_and_in_a_stack(width):
    built = Network(mlp(nn.BatchNorm1d(width), Noise(), nn.ReLU(), nn.Dropout(0.2), width=width))
    inputs = gaussian(5, 8, 7, dtype=torch.float32)
    together = train(built, [0, 1, 2, 3, 4], inputs, "batched")
    for seed in range(5):
        alone = train(built, [seed], inputs[seed : seed + 1], "batched")
        assert all(torch.equal(alone[name][0], together[name][seed]) for name in together)


def test_dropout_keeps_the_mean_and_zeroes_the_given_fraction():
    inputs = torch.ones(2, 200, 100)
    dropped = layers.dropout(nn.Dropout(0.3), {}, inputs, Mode(True, Draws([0, 1], "layers", 0)))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    for own in dropped:
        assert own.mean().item() == pytest.approx(1, abs=0.02) and (own == 0).float().mean() == pytest.approx(
            0.3, abs=0.01
        )
    assert not torch.equal(*dropped)
    assert not layers.dropout(nn.Dropout(1.0), {}, inputs, Mode(True, Draws([0, 1], "layers", 0))).any()
    assert layers.dropout(nn.Dropout(0.3), {}, inputs, Mode()) is inputs


@pytest.mark.parametrize("draws", [Draws([0], "layers", 0), None])
def test_noise_changes_mean_and_variance_of_each_feature_at_each_step(draws):
    inputs = torch.from_numpy(generator(0, "x").standard_normal((1, 4000, 50))).float()
    torch.manual_seed(0)
    first, second = (layers.noise(Noise(), {}, inputs, Mode(True, draws))[0] for _ in range(2))
    means, stds = first.mean(0), first.std(0)
    assert means.abs().max() < 0.57 and means.std() == pytest.approx(1 / 12**0.5, rel=0.3)
    assert stds.min() > 0.99 and stds.max() < 1.32 and stds.mean() == pytest.approx(1.13, abs=0.03)
    assert (second.mean(0) - means).abs().mean() > 0.1
    assert Noise().eval()(inputs) is inputs
    plain = Noise()(inputs[0])
    assert plain.shape == inputs[0].shape and plain.mean(0).abs().max() < 0.57


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(3, momentum=None),
        nn.Flatten(0),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(2, return_indices=True),
        nn.LayerNorm(3),
        Residual(nn.LayerNorm(3)),
    ],
)
def test_what_the_batched_form_cannot_do_is_left_to_other_kernels(layer):
    assert not layers.is_batched(nn.Sequential(layer))
