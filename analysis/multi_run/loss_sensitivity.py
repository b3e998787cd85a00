"""Loss sensitivity of training examples, through the unrolled steps of training (Arpit et al. 2017).

With L_t the mean loss over all training examples after t steps of SGD, the loss sensitivity of an example x at t is
`g_x^t = ||d L_t / d x||_1`. Its input acts on L_t in two ways, and both are differentiated: x is one of the examples of
the mean, and it has moved the parameters in each of the t steps whose batch it was in. Reverse-mode differentiation of
L_t goes back through all t steps, so that a sensitivity at t costs a few times as much as these steps.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benevolent.trainables.config.optimization import LossConfig
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.network import Network


class StackExamples(NamedTuple):
    """The training examples of K networks, each its own, and what is minimized on them.

    Attributes:
        network: the architecture, of layers in batched form that neither draw random numbers nor have statistics.
        buffers: `(K, B)`, laid out by `network.buffers`.
        inputs: `(K, N, *input_shape)`.
        labels: `(K, N)`.
        loss: as runs are given it.
    """

    network: Network
    buffers: Tensor
    inputs: Tensor
    labels: Tensor
    loss: LossConfig

    def mean_losses(self, parameters: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the mean losses `(K,)` on inputs `(K, n, ...)`, differentiable in parameters `(K, P)` and inputs."""
        views = self.network.parameters.views(parameters)
        buffers = self.network.buffers.views(self.buffers)
        logits = self.network.logits(views, buffers, inputs, mode=Mode(training=True))
        loss = LOSSES[self.loss.name].having(self.loss.margin)
        losses = loss.differentiable(logits.flatten(0, 1), labels.flatten())
        return losses.view(labels.shape).mean(1)


class UnrolledTraining(NamedTuple):
    """Loss sensitivities along the training of K networks.

    Attributes:
        sensitivities: `g_x^t`, `(T, K, N)` of T times.
        parameters: `(K, P)`, after the last step.
    """

    sensitivities: Tensor
    parameters: Tensor


def loss_sensitivity(
    examples: StackExamples,
    parameters: Tensor,
    learning_rates: Tensor,
    batches: Sequence[Tensor],
    times: Collection[int],
) -> UnrolledTraining:
    """Compute `||d L_t / d x||_1` for every training example x of K networks that are trained by plain SGD.

    Source: Arpit et al. 2017, "A closer look at memorization in deep networks", section 3.2.

    Args:
        examples: the training examples.
        parameters: `(K, P)` at the start, laid out by `examples.network.parameters`.
        learning_rates: `(K,)`.
        batches: positions of the examples of each step, `(K, n)` each.
        times: numbers of steps t, from 1 on, after which L_t is differentiated.

    One network w x with w = 1, one example x = 1 with y = -1, and a step that takes w to w' = 0: then
    d L / d x = (w' x + 1) (w' + x d w' / d x), with d w' / d x = -0.5 (2 w x + 1).

    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False)), 1)
    >>> weight = network.parameters.rows({"0.weight": torch.ones(1, 1, 1)})
    >>> examples = StackExamples(
    ...     network, torch.zeros(1, 0), torch.ones(1, 1, 1), torch.tensor([[0]]), LossConfig(name="squared")
    ... )
    >>> batch = torch.tensor([[0]])
    >>> loss_sensitivity(examples, weight, torch.tensor([0.5]), [batch], [1]).sensitivities.item()
    1.5
    """
    parameters = parameters.detach().requires_grad_()
    rates = learning_rates.to(parameters).unsqueeze(1)
    seen: list[Tensor] = []
    sensitivities = []
    for step, positions in enumerate(batches, 1):
        # Each step has inputs of its own: the gradients of all examples in all steps would take much memory.
        inputs = examples.inputs[_networks(positions), positions].requires_grad_()
        seen.append(inputs)
        losses = examples.mean_losses(parameters, inputs, examples.labels.gather(1, positions))
        (gradient,) = torch.autograd.grad(losses.sum(), parameters, create_graph=True)
        parameters = parameters - rates * gradient
        if step in times:
            input_gradients = _input_gradients(examples, parameters, seen, batches)
            sensitivities.append(input_gradients.flatten(2).abs().sum(2))
    return UnrolledTraining(torch.stack(sensitivities), parameters.detach())


def _input_gradients(
    examples: StackExamples, parameters: Tensor, seen: Sequence[Tensor], batches: Sequence[Tensor]
) -> Tensor:
    """Return `d L_t / d x` `(K, N, ...)`, at parameters that depend on the inputs of the steps so far."""
    inputs = examples.inputs.detach().requires_grad_()
    losses = examples.mean_losses(parameters, inputs, examples.labels)
    of_own_loss, *of_steps = torch.autograd.grad(losses.sum(), [inputs, *seen], retain_graph=True)
    total = of_own_loss.clone()
    for positions, gradient in zip(batches, of_steps, strict=False):
        total.index_put_((_networks(positions), positions), gradient, accumulate=True)
    return total


def _networks(positions: Tensor) -> Tensor:
    """Return `(K, 1)`, the place of each network, as an index beside positions `(K, n)`."""
    return torch.arange(len(positions)).unsqueeze(1)
