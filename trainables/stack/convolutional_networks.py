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
    """K networks of layers of images in a row, and then of linear layers.

    Args:
        images: the layers of images.
        dense: the linear layers.
        names: of the parameters, in the order in which their gradients are wanted.
    """

    def __init__(self, images: Sequence[ImageLayer], dense: Sequence[DenseLayer], names: Sequence[str]) -> None:
        self.images = images
        self.dense = DenseNetworks(dense, [])
        self.names = names
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

    def gradients(self, tensors: Tensors, derivatives: Tensor) -> list[Tensor]:
        """Return the gradients of all parameters, in the form of the tensors.

        Args:
            tensors: that `logits` was called with.
            derivatives: of a number by those logits, `(K, B, C)`.
        """
        found: dict[str, Tensor] = {}
        flat = self.dense.slopes(tensors, derivatives, found, wanted=True)
        slopes = side_by_side(flat.unflatten(2, self._shape)).contiguous(memory_format=torch.channels_last)
        for number in reversed(range(len(self.images))):
            slopes = self.images[number].slopes(slopes, self._kept[number], found, wanted=number > 0)
        return [found[name] for name in self.names]


def image_layers(batched: BatchedModule, trained: Iterable[str]) -> tuple[list[ImageLayer], list[DenseLayer]]:
    """Return the layers of convolutions with BatchNorm, ReLU and max-pooling in a row, and those of a perceptron after.

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
    of_images = {name for layer in images for name in layer.parameters}
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
