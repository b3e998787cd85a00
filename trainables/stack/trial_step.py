"""One step of a user's module before a sweep trains it: in a stack it has to do what it does alone."""

from collections.abc import Mapping

import torch
from torch import Tensor

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.module_calls import load_tensors, named_tensors
from benevolent.trainables.stack.network import Network

#: Networks in the stack: two, so that one can spoil what the other needs.
NETWORKS = 2
#: Steps of the module alone from parameters that are moved by their rounding: how much gradients then differ is what
#: rounding can explain.
MOVED_STEPS = 3
#: Factor on the largest of these, since a step rounds at every layer, and not at the parameters only.
MARGIN = 10
#: Difference that is always rounding, in units of rounding of the largest number of a tensor.
ROUNDINGS = 100


def check_step(network: Network, where: str, input_shape: tuple[int, ...]) -> None:
    """Compare gradients and buffers after a step in a stack with those of torch's own backward pass.

    Gradient checkpointing and parameters in a list, for instance, do not reach the tensors that a stack trains. Nor do
    hooks on parameters; `probe_module` refuses them, since they may do nothing in this step. Both steps compute the
    same but for the order of sums, and for what the module keeps in another precision than a stack. So they may differ
    by what rounding of the parameters changes, which is tried.

    Args:
        network: its module is left unchanged.
        where: the field that names it, to begin an error line with.
        input_shape: of one input.

    Raises:
        BadInput: a step fails, or differs.
    """
    before = {name: value.clone() for name, value in named_tensors(network.module).items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inputs = torch.randn(2, *input_shape)
        seed = StackGenerator(range(NETWORKS), "layers", 0).seeds()[0]
        try:
            alone = _step_alone(network, before, inputs, seed)
            allowed = _rounding(network, before, inputs, seed, alone)
            load_tensors(network.module, before)
            stacked = _step_in_stack(network, inputs)
        except Exception as error:  # whatever the user's module raises
            raise BadInput(f"{where}: cannot be trained in a stack: {one_line(error)}") from error
        finally:
            network.module.requires_grad_(False).eval()
            load_tensors(network.module, before)
    for name, expected in alone.items():
        difference = (stacked[name].double() - expected.double()).abs().nan_to_num()
        if (difference > allowed[name]).any() or not torch.equal(stacked[name].isnan(), expected.isnan()):
            what = "the gradient of" if name in network.parameters.shapes else "the buffer"
            raise BadInput(
                f"{where}: after a step in a stack {what} {name!r} differs from that of the module alone; expected "
                "every parameter and buffer to be read by its name"
            )


def _rounding(
    network: Network, before: Mapping[str, Tensor], inputs: Tensor, seed: int, alone: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return for each tensor after a step how much of it rounding can explain."""
    rng = torch.Generator().manual_seed(0)
    largest = dict.fromkeys(alone, 0.0)
    for _ in range(MOVED_STEPS):
        moved = _step_alone(network, {name: _moved(value, rng) for name, value in before.items()}, inputs, seed)
        for name, value in moved.items():
            largest[name] = max(largest[name], _largest(value.double() - alone[name].double()))
    allowed = {}
    for name, value in alone.items():
        always = ROUNDINGS * torch.finfo(torch.float32).eps * _largest(value.double())
        allowed[name] = MARGIN * largest[name] + always + torch.finfo(torch.float32).tiny
    return allowed


def _largest(value: Tensor) -> float:
    """Return the largest absolute value in a tensor without its NaN; 0 if it is empty."""
    return float(value.abs().nan_to_num().amax()) if value.numel() else 0.0


def _moved(value: Tensor, rng: torch.Generator) -> Tensor:
    """Return a tensor of real numbers, each moved by about its rounding, in float32 at best, as in a stack."""
    if not value.is_floating_point():
        return value
    unit = max(torch.finfo(value.dtype).eps, torch.finfo(torch.float32).eps)
    noise = torch.randn(value.shape, generator=rng, dtype=torch.float64)
    return (value.double() * (1 + unit * noise)).to(value.dtype)


def _step_alone(network: Network, tensors: Mapping[str, Tensor], inputs: Tensor, seed: int) -> dict[str, Tensor]:
    """Return the gradients and buffers after torch's own forward and backward pass from given tensors."""
    load_tensors(network.module, tensors)
    module = network.module.train()
    trained = {name: module.get_parameter(name).requires_grad_() for name in network.parameters.shapes}
    torch.manual_seed(seed)
    _mean_square(module(inputs.clone())).backward()
    found = {}
    for name, parameter in trained.items():
        found[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        parameter.grad = None
    for name, value in named_tensors(module).items():
        if name in network.buffers.shapes:
            found[name] = value.detach().clone()
    module.requires_grad_(False)
    return found


def _step_in_stack(network: Network, inputs: Tensor) -> dict[str, Tensor]:
    """Return the same of the first network of a stack."""
    own = {name: value.expand(NETWORKS, *value.shape).float() for name, value in named_tensors(network.module).items()}
    rows = network.parameters.rows(own)
    leaves = {name: view.detach().requires_grad_() for name, view in network.parameters.views(rows).items()}
    buffers = network.buffers.views(network.buffers.rows(own))
    mode = Mode(training=True, draws=StackGenerator(range(NETWORKS), "layers", 0))
    logits = network.logits(leaves, buffers, inputs.expand(NETWORKS, *inputs.shape), "loop", mode)
    total = sum(_mean_square(each) for each in logits)
    gradients = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)  # type: ignore[arg-type]
    stacked = network.parameters.named(dict(zip(leaves, gradients, strict=True))) | network.buffers.named(buffers)
    return {name: value[0] for name, value in stacked.items()}


def _mean_square(logits: Tensor) -> Tensor:
    """Return a number that depends on all logits, with other derivatives for each."""
    weights = torch.arange(1.0, logits[0].numel() + 1)
    return (weights * logits.float().square()).mean()
