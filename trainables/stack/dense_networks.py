"""Logits and gradients of K perceptrons without autograd, whose bookkeeping takes longer than products of small layers.

The operations are those that autograd would run, in their order, so that the gradients are the same bit for bit
(`tests/test_dense_networks.py`).
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.trainables.stack.batched_module import BatchedModule
from benevolent.trainables.stack.layers import EVAL, Tensors
from benevolent.trainables.stack.layers import linear as batched_linear


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer, and what follows it.

    Attributes:
        module: the layer.
        weight: full name of its weight.
        bias: full name of its bias; None without one.
        has_relu: True if ReLU follows.
    """

    module: nn.Linear
    weight: str
    bias: str | None
    has_relu: bool

    def outputs(self, parameters: Tensors, inputs: Tensor) -> Tensor:
        """Return the outputs `(K, N, out)`, after ReLU if it follows."""
        own = {"weight": parameters[self.weight]}
        if self.bias is not None:
            own["bias"] = parameters[self.bias]
        outputs = batched_linear(self.module, own, inputs, EVAL)
        return outputs.relu() if self.has_relu else outputs


class DenseNetworks:
    """K networks, each a plain sequence of linear layers and ReLUs.

    Args:
        layers: in their order.
    """

    def __init__(self, layers: Sequence[DenseLayer]) -> None:
        self.layers = layers
        self._kept: list[Tensor] = []  # inputs of the layers, and the outputs of the last, from the latest `logits`

    def logits(self, parameters: Tensors, inputs: Tensor) -> Tensor:
        """Return the logits `(K, B, C)` of inputs `(K, B, *input_shape)`; parameters are in their stored form."""
        values = inputs.flatten(2)
        self._kept = [values]
        for layer in self.layers:
            values = layer.outputs(parameters, values)
            self._kept.append(values)
        return values

    def gradients(self, parameters: Tensors, grad_logits: Tensor, names: Iterable[str]) -> list[Tensor]:
        """Return the gradients of parameters in their stored form.

        Args:
            parameters: that `logits` was called with.
            grad_logits: the gradient of a number with respect to those logits, `(K, B, C)`.
            names: of the parameters, in the order of the result.
        """
        gradients: dict[str, Tensor] = {}
        self.backward(parameters, grad_logits, gradients, needs_input_grad=False)
        return [gradients[name] for name in names]

    def backward(
        self, parameters: Tensors, grad_logits: Tensor, gradients: dict[str, Tensor], needs_input_grad: bool
    ) -> Tensor:
        """Return the gradient with respect to the flat inputs `(K, B, in)`, and store the parameters' gradients.

        Args:
            parameters: that `logits` was called with.
            grad_logits: the gradient of a number with respect to those logits, `(K, B, C)`.
            gradients: the place for the gradients with respect to the parameters in their stored form, by name.
            needs_input_grad: False if the gradient with respect to the inputs may be left out.
        """
        grad = grad_logits
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            if layer.has_relu:
                grad = torch.ops.aten.threshold_backward(grad, self._kept[number + 1], 0)
            weight = parameters[layer.weight]
            gap = weight.shape[-1] - grad.shape[-1]
            if gap:
                grad = functional.pad(grad, (0, gap))
            if layer.bias is not None:
                gradients[layer.bias] = grad.sum(1)
            gradients[layer.weight] = self._kept[number].transpose(1, 2).bmm(grad)
            if number or needs_input_grad:
                grad = grad.bmm(weight.transpose(1, 2))
        return grad


def dense_layers(children: Sequence[BatchedModule], trained: Iterable[str]) -> list[DenseLayer]:
    """Return the linear layers of a sequence of these and ReLUs, after `nn.Flatten` or none; an empty list of another.

    Args:
        children: the sequence, see `innermost`.
        trained: names of its trained parameters: all must be.
    """
    if children[:1] and children[0].kind is nn.Flatten:
        children = children[1:]
    layers: list[DenseLayer] = []
    for child, following in itertools.zip_longest(children, children[1:]):
        layer = child.layer
        if type(layer) is nn.Linear and layer.in_features > 1:
            has_relu = following is not None and following.kind is nn.ReLU
            names = child.full_names
            layers.append(DenseLayer(layer, names["weight"], names.get("bias"), has_relu))
        elif child.kind is not nn.ReLU:
            return []
    relus = sum(child.kind is nn.ReLU for child in children)
    tensors = {name for child in children for name in child.full_names.values()}
    is_dense = relus == sum(layer.has_relu for layer in layers)
    return layers if is_dense and tensors == set(trained) else []


def innermost(batched: BatchedModule) -> list[BatchedModule]:
    """Return the layers of a sequence of layers and sequences, in their order."""
    if batched.kind is not nn.Sequential:
        return [batched]
    found: list[BatchedModule] = []
    for child in batched.children.values():
        found += innermost(child)
    return found
