"""Logits and gradients of K convolutional networks on a CPU without autograd."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from benevolent.trainables.stack.batched_module import BatchedModule
from benevolent.trainables.stack.dense_networks import DenseLayer, DenseNetworks, dense_layers, innermost
from benevolent.trainables.stack.image_layers import BatchNorm, Convolution, ImageLayer, Kept, MaxPool, Relu
from benevolent.trainables.stack.layers import Tensors
from benevolent.trainables.stack.memory_layout import channels_last, per_network, side_by_side


class ConvolutionalNetworks:
    """K networks, each a plain sequence of layers of images, followed by linear layers.

    Args:
        images: the layers of images.
        dense: the linear layers.
    """

    def __init__(self, images: Sequence[ImageLayer], dense: Sequence[DenseLayer]) -> None:
        self.images = images
        self.dense = DenseNetworks(dense)
        self._kept: list[Kept] = []  # of each layer of images, from the latest `logits`
        self._shape = torch.Size()  # of their last output

    def logits(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Return the logits `(K, B, C)` of inputs `(K, B, *input_shape)`; tensors as for `BatchedModule`."""
        values = channels_last(inputs).contiguous(memory_format=torch.channels_last)
        self._kept = []
        for layer in self.images:
            values, kept = layer.outputs(tensors, values)
            self._kept.append(kept)
        networks = per_network(values, len(inputs))
        self._shape = networks.shape[2:]
        return self.dense.logits(tensors, networks)

    def gradients(self, tensors: Tensors, grad_logits: Tensor, names: Iterable[str]) -> list[Tensor]:
        """Return the gradients of parameters, in the form of the tensors.

        Args:
            tensors: that `logits` was called with.
            grad_logits: the gradient of a number with respect to those logits, `(K, B, C)`.
            names: of the parameters, in the order of the result.
        """
        gradients: dict[str, Tensor] = {}
        flat = self.dense.backward(tensors, grad_logits, gradients, needs_input_grad=True)
        grad = side_by_side(flat.unflatten(2, self._shape)).contiguous(memory_format=torch.channels_last)
        for number in reversed(range(len(self.images))):
            grad = self.images[number].backward(grad, self._kept[number], gradients, needs_input_grad=number > 0)
        return [gradients[name] for name in names]


def image_layers(batched: BatchedModule, trained: Iterable[str]) -> tuple[list[ImageLayer], list[DenseLayer]]:
    """Return the layers of images and the linear layers of a plain sequence that needs no autograd.

    It has convolutions first, BatchNorm, ReLU and max-pooling, and then `nn.Flatten` and linear layers.

    Args:
        batched: the sequence.
        trained: names of its trained parameters: all must be.

    Returns:
        the layers before `nn.Flatten`, and the linear layers; empty lists of another module.
    """
    children = innermost(batched)
    kinds = [child.kind for child in children]
    flat = kinds.index(nn.Flatten) if nn.Flatten in kinds else 0
    images = [layer for child in children[:flat] if (layer := _image_layer(child)) is not None]
    if len(images) < flat or kinds[:1] != [nn.Conv2d]:
        return [], []
    of_images = set[str]().union(*(layer.parameters for layer in images))
    dense = dense_layers(children[flat:], set(trained) - of_images)
    return (images, dense) if dense and of_images <= set(trained) else ([], [])


def _image_layer(child: BatchedModule) -> ImageLayer | None:
    """Return a layer with its derivatives; None if there is none."""
    layer = child.layer
    names = child.full_names
    if isinstance(layer, nn.Conv2d):
        # Strided convolutions of single pixels leave out inputs first, see `layers.conv2d`.
        is_sparse = layer.kernel_size == (1, 1) and layer.stride != (1, 1)
        return None if is_sparse else Convolution(layer, names)
    if isinstance(layer, nn.BatchNorm2d):
        return BatchNorm(layer, names)
    if isinstance(layer, nn.MaxPool2d):
        return MaxPool(layer)
    return Relu() if isinstance(layer, nn.ReLU) else None
