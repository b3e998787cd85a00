"""The networks that a sweep can name: one builder each, and its keyword arguments are the fields of `model:`.

A model is added by writing a builder and naming it in `MODELS`. A builder takes the shape of one input and the number
of outputs (classes, or 1), and returns a fresh `nn.Module` from inputs `(N, *input_shape)` to `(N, outputs)`. A
`nn.Sequential` of the layers known to `trainables.stack.layers` trains in batched layers; any other module through vmap. The
docstring's paragraph `Source: ...` says where the network comes from.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Discriminator, Tag, create_model
from torch import nn

from benevolent.trainables import plugins
from benevolent.trainables.config.base import Section
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.convolutional import (
    arpit_cnn,
    frankle_conv,
    lenet5,
    loukas_cnn,
    nakkiran_cnn,
    narrow_cnn,
    puzzles_bn,
    puzzles_cnn,
    vgg,
    zhang_alexnet,
)
from benevolent.trainables.models.features import random_features, xord
from benevolent.trainables.models.forest import random_forest
from benevolent.trainables.models.inception import zhang_inception
from benevolent.trainables.models.perceptrons import deep_linear, lenet_300_100, linear, mlp
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
        random_forest,
        module,
    )
}
plugins.load()  # they may add to `MODELS`, of which the fields of `model:` are made below


def _fields_of(family: str, builder: Callable[..., nn.Module]) -> type[Section]:
    """The configuration model of a builder: its keyword-only arguments, tagged with the family's name.

    Raises:
        BadInput: an argument that cannot be a field.
    """
    where = f"the builder of model.family = {family!r}"
    fields: dict[str, Any] = {"family": (Literal[family], family)}
    try:
        for place, argument in enumerate(inspect.signature(builder, eval_str=True).parameters.values()):
            if argument.kind is argument.KEYWORD_ONLY:
                if argument.annotation is argument.empty:
                    raise BadInput(
                        f"{where}: argument {argument.name!r} needs an annotation, as in {argument.name}: int"
                    )
                default = ... if argument.default is argument.empty else argument.default
                fields[argument.name] = (argument.annotation, default)
            elif place > 1:  # after the shape of an input and the number of outputs
                raise BadInput(
                    f"{where}: argument {argument.name!r} needs a * before it, as every field of model: does"
                )
        return create_model(family, __base__=Section, __doc__=builder.__doc__, **fields)
    except BadInput:
        raise
    except Exception as error:  # whatever pydantic makes of an annotation that is no type
        raise BadInput(f"{where}: {next(iter(str(error).splitlines()), type(error).__name__)}") from error


MODEL_CONFIGS: dict[str, type[Section]] = {name: _fields_of(name, builder) for name, builder in MODELS.items()}


def _family(value: Any) -> str | None:
    """The tag of a `model:` section; a section that names no family is an MLP's."""
    return value.get("family", "mlp") if isinstance(value, dict) else getattr(value, "family", None)


if TYPE_CHECKING:
    ModelConfig = Section
else:
    _TAGGED = tuple(Annotated[config, Tag(name)] for name, config in MODEL_CONFIGS.items())
    ModelConfig = Annotated[Union[_TAGGED], Discriminator(_family)]  # noqa: UP007 (a tuple, not a union)


def build(config: Section, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A fresh module of a `model:` section, its parameters as the builder left them."""
    arguments = config.model_dump()
    return MODELS[arguments.pop("family")](input_shape, outputs, **arguments)
