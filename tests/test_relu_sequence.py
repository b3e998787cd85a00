"""Derivatives of ReLU networks that are written out, against automatic differentiation in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.analysis.measures.lanczos import largest_eigenvalue, largest_eigenvalues
from benevolent.analysis.measures.network_stack import NetworkStack
from benevolent.analysis.measures.relu_derivatives import ReluSequence
from benevolent.analysis.measures.relu_sequence import relu_sequence
from benevolent.trainables.stack.network import Network

NETWORKS = 3
EXAMPLES = 12


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 6, 2, groups=2, bias=False), nn.ReLU()),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(24, 3),
    )


def dense(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(50, 5), *(layers or [nn.ReLU()]), nn.Linear(5, 4, bias=False))


KINDS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "dense": (dense, "cross_entropy"),
    "squared": (dense, "squared"),
    "three layers": (lambda: dense(nn.ReLU(), nn.Linear(5, 5), nn.ReLU()), "cross_entropy"),
    "one output": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(50, 6), nn.ReLU(), nn.Linear(6, 1)), "logistic"),
    "convolutional": (convolutional, "cross_entropy"),
}


class Given:
    """Networks of a kind in a stack, with inputs and labels."""

    def __init__(self, module: nn.Module, loss: str = "cross_entropy", masked: bool = False) -> None:
        rng = torch.Generator().manual_seed(0)
        self.module = module.double().eval()
        self.parameters = {
            name: torch.randn(NETWORKS, *value.shape, generator=rng).double() / value[0].numel() ** 0.5
            for name, value in module.named_parameters()
        }
        self.inputs = torch.randn(EXAMPLES, 2, 5, 5, generator=rng).double()
        self.labels = torch.randint(2, (NETWORKS, EXAMPLES), generator=rng)
        masks = {}
        if masked:
            masks = {"1.weight": torch.rand(NETWORKS, 5, 50, generator=rng) < 0.5}
            self.parameters["1.weight"] *= masks["1.weight"]
        splits = {"train": (self.inputs, self.labels)}
        self.stack = NetworkStack.build(
            Network(self.module, int(loss == "logistic")), self.parameters, None, splits, {}, loss, 1.0, None, masks
        )

    def together(self) -> ReluSequence:
        """All networks at once, as where they are mapped."""
        network = self.stack.measured_network(self.stack.tensors_at(range(NETWORKS)))
        network = self.stack.measured_network(self.stack.tensors_at(0), network, torch.tensor(0))
        sequence = relu_sequence(network)
        assert sequence is not None
        return sequence

    def logits(self, vector: Tensor) -> Tensor:
        """Outputs `(N, C)` of a network at other parameters `(P,)`."""
        parameters = {}
        place = 0
        for name, value in self.stack.rows["parameters"].items():
            count = value[0].numel()
            parameters[name] = vector[place : place + count].view_as(value[0])
            place += count
        return functional_call(self.module, parameters, (self.inputs,))

    def theta(self, row: int) -> Tensor:
        return torch.cat([value[row].flatten() for value in self.stack.rows["parameters"].values()])

    def loss(self, row: int, vector: Tensor) -> Tensor:
        outputs = self.logits(vector)
        if outputs.shape[1] == 1:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
        return self.stack.loss(outputs, self.labels[row]).mean()

    def hessian(self, row: int) -> Tensor:
        return torch.autograd.functional.hessian(lambda vector: self.loss(row, vector), self.theta(row))


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_equal_those_of_automatic_differentiation(kind):
    module, loss = KINDS[kind]
    given = Given(module(), loss)
    sequence = given.together()
    directions = torch.randn(sequence.gradient.shape, generator=torch.Generator().manual_seed(1)).double()
    products = sequence.hessian_product(directions)
    changes = sequence.logit_changes(directions)
    slopes = sequence.input_slopes(torch.ones_like(sequence.logits))
    for row in range(NETWORKS):
        theta, direction = given.theta(row), directions[row]
        gradient = torch.autograd.functional.jacobian(lambda vector, row=row: given.loss(row, vector), theta)
        jacobian = torch.autograd.functional.jacobian(given.logits, theta)
        inputs = given.inputs.clone().requires_grad_()
        parameters = {name: value[row] for name, value in given.parameters.items()}
        (by_inputs,) = torch.autograd.grad(functional_call(given.module, parameters, (inputs,)).sum(), inputs)
        torch.testing.assert_close(sequence.losses[row], given.loss(row, theta))
        torch.testing.assert_close(sequence.gradient[row], gradient)
        torch.testing.assert_close(products[row], given.hessian(row) @ direction)
        torch.testing.assert_close(changes[row], jacobian @ direction)
        torch.testing.assert_close(slopes[row], by_inputs.flatten(1))


def test_pruned_coordinates_have_no_derivatives():
    given = Given(dense(), masked=True)
    sequence = given.together()
    unpruned = sequence.unpruned
    directions = torch.ones_like(sequence.gradient)
    products = sequence.hessian_product(directions)
    for row in range(NETWORKS):
        expected = unpruned[row] * (given.hessian(row) @ unpruned[row])
        torch.testing.assert_close(products[row], expected)
    assert (sequence.gradient[unpruned == 0] == 0).all() and (unpruned == 0).any()


def test_eigenvalues_do_not_depend_on_the_networks_beside():
    """They are found after different numbers of products, and those that are found leave."""
    given = Given(dense())
    sequence = given.together()
    start = torch.randn(sequence.gradient.shape[1], generator=torch.Generator().manual_seed(2)).double()
    found = largest_eigenvalues(sequence, start.expand(NETWORKS, -1), tolerance=1e-6)
    for row in range(NETWORKS):
        hessian = given.hessian(row)
        alone = largest_eigenvalue(lambda vector, hessian=hessian: hessian @ vector, start, tolerance=1e-6)
        assert found[row].item() == pytest.approx(alone.item(), rel=1e-9)
        assert found[row].item() == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-9)


class UsedTwice(nn.Module):
    """A layer in a class of its own, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(50, 50)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.first(self.first(inputs.flatten(1)).relu())


class Doubled(nn.Sequential):
    """A sequence with a forward pass of its own."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 2 * super().forward(inputs)


def hooked(change: Callable[..., Tensor], before: bool) -> nn.Module:
    module = dense()
    (module.register_forward_pre_hook if before else module.register_forward_hook)(change)
    return module


@pytest.mark.parametrize(
    "module",
    [
        lambda: Doubled(*dense()),
        lambda: nn.Sequential(Doubled(*dense())),
        lambda: hooked(lambda module, inputs, output: 2 * output, before=False),
        lambda: hooked(lambda module, inputs: 2 * inputs[0], before=True),
        lambda: nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(50, 3)),
        lambda: dense(nn.Tanh()),
        lambda: dense(nn.BatchNorm1d(5, affine=False), nn.ReLU()),
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(75, 3)),
        lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Flatten(), nn.Linear(50, 3)),
        UsedTwice,
    ],
    ids=[
        *("own forward", "own forward inside", "hook", "hook before", "ReLU of inputs"),
        *("smooth", "normalized", "padded by name", "on the last axis", "used twice"),
    ],
)
def test_other_networks_are_left_to_automatic_differentiation(module):
    made = module()
    parameters = {name: value.detach().unsqueeze(0).double() for name, value in made.named_parameters()}
    buffers = {name: value.unsqueeze(0) for name, value in made.double().named_buffers()}
    splits = {"train": (torch.randn(EXAMPLES, 2, 5, 5).double(), torch.arange(EXAMPLES) % 3)}
    stack = NetworkStack.build(Network(made.eval()), parameters, None, splits, buffers, "cross_entropy", 1.0, None, {})
    assert relu_sequence(stack.measured_network(stack.tensors_at(0))) is None
