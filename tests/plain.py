"""The truth that stacks are compared with: one plain module of torch after the other, in eager mode."""

import copy

import torch
from torch import Tensor, nn

from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.models.modules import Noise
from benevolent.trainables.rng import StackGenerator, generator
from benevolent.trainables.stack.layer_types import LAYER_TYPES
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.network import Network

RANDOM = (nn.Dropout, Noise)
STEPS, RATE = 3, 0.02


def gaussian(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(generator(7, "inputs").standard_normal(shape)).to(dtype)


def train(built: Network, seeds: list[int], inputs: Tensor, kernel: str | None = None) -> dict[str, Tensor]:
    """Steps of SGD on half the squared outputs; what came out: parameters, buffers, outputs in eval mode."""
    drawn = [built.initial(InitConfig(), seed) for seed in seeds]
    values = {name: torch.stack([one[name] for one in drawn]).to(inputs.dtype) for name in drawn[0]}
    parameters, buffers = built.parameters.rows(values), built.buffers.rows(values)
    draws = StackGenerator(seeds, "layers", 0)
    for _ in range(STEPS):
        leaves = {n: view.detach().requires_grad_() for n, view in built.parameters.views(parameters).items()}
        outputs = built.logits(leaves, built.buffers.views(buffers), inputs, kernel, Mode(True, draws))
        gradients = torch.autograd.grad(outputs.square().mean(1).sum() / 2, list(leaves.values()))
        for view, gradient in zip(built.parameters.views(parameters).values(), gradients, strict=True):
            view -= RATE * gradient
    views, kept = built.parameters.views(parameters), built.buffers.views(buffers)
    with torch.no_grad():
        outputs = built.logits(views, kept, inputs, kernel)
    return built.parameters.named(views) | built.buffers.named(kept) | {"outputs": outputs}


def train_plain(built: Network, seed: int, inputs: Tensor) -> dict[str, Tensor]:
    """The same of one ordinary module, by torch's own optimizer."""
    module = copy.deepcopy(built.module).to(inputs.dtype)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in built.shapes)
    initial = {name: value.to(inputs.dtype) for name, value in built.initial(InitConfig(), seed).items()}
    module.load_state_dict(initial, strict=False)
    mode = Mode(True, StackGenerator([seed], "layers", 0))
    for part in module.modules():
        if isinstance(part, RANDOM):  # the run's own draws, instead of torch's
            batched = LAYER_TYPES[type(part)].batched
            part.forward = lambda x, part=part, batched=batched: batched(part, {}, x.unsqueeze(0), mode)[0]
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (module.train()(inputs).square().mean(0).sum() / 2).backward()
        optimizer.step()
    for part in module.modules():
        part.__dict__.pop("forward", None)
    with torch.no_grad():
        outputs = module.eval()(inputs)
    return {name: value.detach() for name, value in module.state_dict().items()} | {"outputs": outputs}


def check_stack(built: Network, input_shape: tuple[int, ...]) -> None:
    """Three networks of a stack, by every kernel, are what each is alone as a plain module; all parameters learn."""
    seeds, inputs = [3, 1, 2], gaussian(3, 5, *input_shape)
    expected = [train_plain(built, seed, own) for seed, own in zip(seeds, inputs, strict=True)]
    initial = [built.initial(InitConfig(), seed) for seed in seeds]
    for name in built.shapes:
        assert any(not torch.equal(own[name], start[name]) for own, start in zip(expected, initial, strict=True)), name
    random = any(isinstance(part, RANDOM) for part in built.module.modules())
    for kernel in built.kernels:
        if random and kernel == "loop":  # which draws from another generator
            continue
        found = train(built, seeds, inputs, kernel)
        for row, own in enumerate(expected):
            for name, value in found.items():
                torch.testing.assert_close(value[row], own[name], rtol=1e-9, atol=1e-11, msg=f"{kernel} {name}")


def check_bits(built: Network, input_shape: tuple[int, ...]) -> None:
    """In float32 each network of a stack of five is bit for bit what it is in a stack of one."""
    inputs = gaussian(5, 8, *input_shape, dtype=torch.float32)
    together = train(built, [0, 1, 2, 3, 4], inputs)
    for seed in range(5):
        alone = train(built, [seed], inputs[seed : seed + 1])
        assert all(torch.equal(alone[name][0], together[name][seed]) for name in together)
