"""One step of a user's module before a sweep trains it: in a stack it has to do what it does alone."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.computed_weights import load_tensors, named_tensors
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.parameter_layout import ParameterLayout

#: Difference between gradients, and between buffers after a step, that counts as rounding: a part of the largest
#: number. Modules may compute parts in half precision, and a lost gradient changes far more.
ROUNDING = 2e-2
#: Networks in the stack: two, so that one can spoil what the other needs.
NETWORKS = 2


class TriedNetwork(Protocol):
    """Parts of a `Network` that a trial step uses."""

    module: nn.Module
    parameters: ParameterLayout
    buffers: ParameterLayout

    def logits(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, kernel: Any, mode: Mode
    ) -> Tensor:
        """Return the logits `(K, N, C)` of K networks."""


def check_step(network: TriedNetwork, where: str, input_shape: tuple[int, ...]) -> None:
    """Compare gradients and buffers after a step in a stack with those of torch's own backward pass.

    Gradient checkpointing and parameters in a list, for instance, do not reach the tensors that a stack trains. Nor do
    hooks on parameters; `probe_module` refuses them, since they may do nothing in this step.

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
            alone = _step_alone(network, inputs, seed)
            load_tensors(network.module, before)
            stacked = _step_in_stack(network, inputs)
        except Exception as error:  # whatever the user's module raises
            raise BadInput(f"{where}: cannot be trained in a stack: {one_line(error)}") from error
        finally:
            network.module.requires_grad_(False).eval()
            load_tensors(network.module, before)
    for name, expected in alone.items():
        if not _close(stacked[name], expected):
            what = "the gradient of" if name in network.parameters.shapes else "the buffer"
            raise BadInput(
                f"{where}: after a step in a stack {what} {name!r} differs from that of the module alone; expected "
                "every parameter and buffer to be read by its name"
            )


def _step_alone(network: TriedNetwork, inputs: Tensor, seed: int) -> dict[str, Tensor]:
    """Return the gradients and buffers after torch's own forward and backward pass."""
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


def _step_in_stack(network: TriedNetwork, inputs: Tensor) -> dict[str, Tensor]:
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


def _close(first: Tensor, second: Tensor) -> bool:
    tolerance = ROUNDING * float(second.float().abs().nan_to_num().amax()) if second.numel() else 0.0
    return torch.allclose(first.float(), second.float(), rtol=0, atol=tolerance + 1e-7, equal_nan=True)
