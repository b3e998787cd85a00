"""Change of the parameters in one training step, from the gradient."""

from torch import Tensor

from benevolent.trainables.optimization.optimizers import Sgd
from benevolent.trainables.stack.least_squares import solution
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.stack.subspace import Subspaces


class Update:
    """Steps of an optimizer in the space of all parameters.

    Args:
        state: parameters and optimizer memory of K networks, changed in place.
        optimizer: of the K runs.
        steps_before: steps of the phase before the first one here: a number, or a tensor `()`, counted up in place.
    """

    def __init__(self, state: StackState, optimizer: Sgd, steps_before: int | Tensor) -> None:
        self.optimizer = optimizer
        self.parameters = state.parameters
        self.memory = state.optimizer
        self.learning_rate = optimizer.learning_rate
        self.steps = steps_before

    def apply(self, gradient: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Change the parameters by one step.

        Args:
            gradient: `(K, P)` of the batch's mean loss, zero where weights are pruned.
            inputs: `(K, B, *input_shape)` of the batch.
            labels: `(K, B)` of the batch.

        Returns:
            what was subtracted from the parameters `(K, P)`, divided by the learning rate.
        """
        update = self.direction(self.optimizer.slope(gradient, self.parameters))
        self.parameters.addcmul_(update, self.learning_rate, value=-1)
        return update

    def direction(self, slope: Tensor) -> Tensor:
        """Return where the optimizer goes `(K, P)` from the gradient with clipping and weight decay."""
        direction = self.optimizer.direction(slope, self.memory, self.steps)
        self.steps += 1
        return direction


class SubspaceUpdate(Update):
    """Steps of an optimizer in random subspaces (Li et al. 2018)."""

    def __init__(self, state: StackState, optimizer: Sgd, steps_before: int | Tensor, subspaces: Subspaces) -> None:
        super().__init__(state, optimizer, steps_before)
        self.subspaces = subspaces

    def direction(self, slope: Tensor) -> Tensor:
        """As `Update.direction`."""
        return self.subspaces.push(super().direction(self.subspaces.pull(slope)))


class LeastSquaresUpdate(Update):
    """The one step to the least-squares solution of the last layer."""

    def __init__(self, state: StackState, optimizer: Sgd, steps_before: int | Tensor, network: Network) -> None:
        super().__init__(state, optimizer, steps_before)
        self.network = network
        self.state = state

    def apply(self, gradient: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """As `Update.apply`; the gradient is not used."""
        solved = solution(self.network, self.state.named(self.network), inputs, labels)
        update = self.parameters - solved
        self.parameters.copy_(solved)
        return update
