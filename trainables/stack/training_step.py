"""One step of K networks in training, as operations on tensors that stay where they are."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benevolent.trainables.config.data import Augment
from benevolent.trainables.data import augmented
from benevolent.trainables.optimization.losses import Out
from benevolent.trainables.stack.convolutional_networks import ConvolutionalNetworks
from benevolent.trainables.stack.dense_networks import DenseNetworks
from benevolent.trainables.stack.kernel_names import Kernel
from benevolent.trainables.stack.layers import Mode, Tensors
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.updates import Update

#: `(parameters, buffers, inputs (K, B, ...)) -> logits (K, B, C)` in training.
Logits = Callable[[Tensors, Tensors, Tensor], Tensor]


@dataclass
class TrainingStep:
    """The step of K networks. It reads nothing from the device, so that it can be recorded once and replayed.

    Attributes:
        network: the architecture.
        parameters: in their stored form, sharing the memory that the update changes.
        buffers: in their stored form; changed in place.
        mask: `(K, P)`, 0 where a weight is pruned; None if no run is pruned.
        gradient: `(K, P)`, the place for the gradient.
        loss: `(logits, labels, out) -> out`.
        augment: method of augmentation.
        border: pixels that images have beyond each side.
        kernel: way to compute the logits.
        mode: of training, with the random numbers of layers and augmentation.
        update_rule: the change of the parameters by the gradient.
        compiled: the logits of networks that draw nothing by a program of torch's compiler; None without one.
    """

    network: Network
    parameters: Tensors
    buffers: Tensors
    mask: Tensor | None
    gradient: Tensor
    loss: Callable[..., Out]
    augment: Augment
    border: int
    kernel: Kernel
    mode: Mode
    update_rule: Update
    compiled: Logits | None = None

    def __post_init__(self) -> None:
        gradients = self.network.parameters.views(self.gradient)
        on_cpu = self.gradient.device.type == "cpu"
        self.networks = self.network.without_autograd(self.kernel) if on_cpu else None
        if self.networks is None:
            self.leaves = {name: view.detach().requires_grad_() for name, view in self.parameters.items()}
        else:
            self.tensors = self.network.batched_tensors(self.parameters, self.buffers)
            gradients = self.network.batched_tensors(gradients, {})
        self.gradient_names = list(gradients)
        self.gradient_views = list(gradients.values())

    def __call__(self, inputs: Tensor, labels: Tensor, out: Out) -> Tensor:
        """Train every network on its batch.

        Args:
            inputs: `(K, B, *input_shape)`, images with their border.
            labels: `(K, B)`.
            out: the places for the losses `(K, B)` and their derivatives `(K, B, C)`.

        Returns:
            what was subtracted from the parameters `(K, P)`, divided by the learning rate.
        """
        if self.mode.draws is not None:
            inputs = augmented(inputs, self.augment, self.mode.draws, self.border)
        if self.networks is not None:
            self._write_own_gradient(self.networks, inputs, labels, out)
        else:
            logits = self._logits(inputs)
            derivatives = self.loss(logits.detach(), labels, out)[1]
            _write_gradient(self.gradient_views, logits, derivatives, list(self.leaves.values()))
        if self.mask is not None:
            self.gradient.mul_(self.mask)
        return self.update_rule.apply(self.gradient, inputs, labels)

    def compile(self, backend: str) -> None:
        """Use torch's compiler from now on: for the logits, or for the draws of networks that draw."""
        if self.network.draws or self.augment != "none":
            assert self.mode.draws is not None
            self.mode.draws.compile(backend)
            return
        mode = Mode(training=True)

        def logits(parameters: Tensors, buffers: Tensors, inputs: Tensor) -> Tensor:
            return self.network.logits(parameters, buffers, inputs, self.kernel, mode)

        self.compiled = torch.compile(logits, backend=backend)

    def _write_own_gradient(
        self, networks: DenseNetworks | ConvolutionalNetworks, inputs: Tensor, labels: Tensor, out: Out
    ) -> None:
        """Write the gradient of the batch's mean loss as `_write_gradient` does, without autograd."""
        logits = networks.logits(self.tensors, inputs)
        derivatives = self.loss(logits, labels, out)[1]
        examples = logits.shape[1]
        derivatives = derivatives if examples == 1 else derivatives / examples
        gradients = networks.gradients(self.tensors, derivatives, self.gradient_names)
        torch._foreach_copy_(self.gradient_views, gradients)

    def _logits(self, inputs: Tensor) -> Tensor:
        if self.compiled is not None:
            return self.compiled(self.leaves, self.buffers, inputs)
        return self.network.logits(self.leaves, self.buffers, inputs, self.kernel, self.mode)


def _write_gradient(views: list[Tensor], logits: Tensor, derivatives: Tensor, leaves: list[Tensor]) -> None:
    """Write the gradient of the batch's mean loss into the views of its rows.

    Args:
        views: of the gradient, as the parameters are stored.
        logits: `(K, B, C)`, with their graph.
        derivatives: `(K, B, C)`, of every example's loss by its logits.
        leaves: the parameters in their stored form.
    """
    examples = logits.shape[1]
    derivative = derivatives.flatten() if examples == 1 else derivatives.flatten() / examples
    # A number whose gradient by the logits is the derivative of the mean loss. (Given to autograd as an output
    # gradient, the derivative would make torch import sympy: two seconds in every worker.)
    gradients = torch.autograd.grad(logits.flatten().dot(derivative), leaves, materialize_grads=True)
    # One call for all copies: with one example a step they would take as long as a layer.
    torch._foreach_copy_(views, gradients)
