"""The model families that a sweep can name: one builder each, whose keyword arguments are the fields of `model:`.

Add a model by writing a builder and naming it in `MODELS`. A builder takes the shape of one input and the number of
outputs (classes, or 1), and returns a fresh `nn.Module` from inputs `(N, *input_shape)` to `(N, outputs)`. A
`nn.Sequential` of the layers in `trainables.stack.layer_types` trains in batched form, any other module by vmap or one
network after the other. The docstring's paragraph `Source: ...` says where the network comes from.
`trainables.config.model` derives the configuration of each family from its builder.
"""

from __future__ import annotations

from collections.abc import Callable

from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.convolutional import (
    arpit_cnn,
    frankle_conv,
    lenet5,
    loukas_cnn,
    nakkiran_cnn,
    vgg,
    zhang_alexnet,
)
from benevolent.trainables.models.features import fixed_signs, random_features, xord
from benevolent.trainables.models.inception import zhang_inception
from benevolent.trainables.models.perceptrons import deep_linear, lenet_300_100, linear, mlp
from benevolent.trainables.models.puzzles import narrow_cnn, puzzles_bn, puzzles_cnn
from benevolent.trainables.models.random_forest import random_forest
from benevolent.trainables.models.residual import preact_resnet, resnet
from benevolent.trainables.models.user_module import module

MODELS: dict[str, Callable[..., nn.Module]] = {
    builder.__name__: builder
    for builder in (
        mlp,
        linear,
        deep_linear,
        lenet_300_100,
        lenet5,
        frankle_conv,
        vgg,
        resnet,
        preact_resnet,
        puzzles_cnn,
        puzzles_bn,
        narrow_cnn,
        zhang_alexnet,
        zhang_inception,
        arpit_cnn,
        nakkiran_cnn,
        loukas_cnn,
        xord,
        random_features,
        fixed_signs,
        random_forest,
        module,
    )
}
