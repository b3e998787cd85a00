"""The networks that a sweep can name: one builder each, and its keyword arguments are the fields of `model:`.

A model is added by writing a builder and naming it in `MODELS`. A builder takes the shape of one input and the number
of classes, and returns a fresh `nn.Module` from inputs `(N, *input_shape)` to logits `(N, classes)`. A
`nn.Sequential` of the layers known to `trainables.layers` trains in batched layers; any other module through vmap.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag, create_model
from torch import nn

from trainables.errors import BadInput
from trainables.section import Section

Positive = Annotated[int, Field(ge=1)]
Bias = Literal["all", "first", "none"]


def mlp(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: Positive = 64,
    depth: Positive = 3,
    bias: Bias = "all",
) -> nn.Sequential:
    """ReLU multi-layer perceptron of `depth` linear layers; hidden layers have `width` units.

    `bias`: which layers have one. With `first` or `none` the network is positively homogeneous in the weights of
    every later layer, as the normalised losses of Liao et al. 2018 need.

    >>> [tuple(p.shape) for p in mlp((64,), 10, width=32, depth=2, bias="first").parameters()]
    [(32, 64), (32,), (10, 32)]
    """
    sizes = [int(_product(input_shape)), *[width] * (depth - 1), classes]
    layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
    for index, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layers += [nn.Linear(fan_in, fan_out, bias=_has_bias(bias, index)), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def puzzles_cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    filters: Positive = 24,
    kernel: Positive = 5,
    stride: Positive = 1,
    padding: Annotated[int, Field(ge=0)] = 0,
    bias: Bias = "first",
) -> nn.Sequential:
    """The 3-layer ReLU network of Liao et al. 2018, 'Generalization puzzles in deep networks', appendix L.1.

    Two convolutions without pooling and a linear layer; by default only the first layer has a bias. With 24 filters
    on 3 x 32 x 32 inputs it has 154,464 parameters, with 34 on 1 x 28 x 28 it has 165,784.

    >>> sum(p.numel() for p in puzzles_cnn((3, 32, 32), 10).parameters())
    154464
    >>> sum(p.numel() for p in puzzles_cnn((1, 28, 28), 10, filters=34).parameters())
    165784
    """
    channels, *size = input_shape
    for _ in range(2):
        size = [(side + 2 * padding - kernel) // stride + 1 for side in size]
    if len(size) != 2 or min(size) < 1:
        raise BadInput(
            f"model.kernel = {kernel}: two convolutions of this size do not fit on inputs of shape {input_shape}"
        )
    conv: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": padding}
    return nn.Sequential(
        nn.Conv2d(channels, filters, bias=_has_bias(bias, 0), **conv),
        nn.ReLU(),
        nn.Conv2d(filters, filters, bias=_has_bias(bias, 1), **conv),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(filters * size[0] * size[1], classes, bias=_has_bias(bias, 2)),
    )


def module(
    input_shape: tuple[int, ...], classes: int, *, path: str, arguments: dict[str, Any] | None = None
) -> nn.Module:
    """A user's own `nn.Module`: `path` is `package.module:Class`, called with `arguments` as keywords.

    Raises:
        BadInput: the path does not import, or the call fails.
    """
    name, _, attribute = path.partition(":")
    try:
        kind = getattr(importlib.import_module(name), attribute)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise TypeError(f"{attribute} is no class of torch.nn.Module")
        network = kind(**(arguments or {}))
    except Exception as error:
        raise BadInput(
            f"model.path = {path!r}: {type(error).__name__}: {error}; expected package.module:Class"
        ) from error
    return network


MODELS: dict[str, Callable[..., nn.Module]] = {"mlp": mlp, "puzzles_cnn": puzzles_cnn, "module": module}


def _has_bias(policy: Bias, layer: int) -> bool:
    return policy == "all" or (policy == "first" and layer == 0)


def _product(sizes: tuple[int, ...]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result


def _fields_of(family: str, builder: Callable[..., nn.Module]) -> type[Section]:
    """The configuration model of a builder: its keyword-only arguments, tagged with the family's name."""
    fields: dict[str, Any] = {"family": (Literal[family], family)}
    for parameter in inspect.signature(builder).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (parameter.annotation, default)
    return create_model(family, __base__=Section, __doc__=builder.__doc__, **fields)


MODEL_CONFIGS: dict[str, type[Section]] = {name: _fields_of(name, builder) for name, builder in MODELS.items()}


def _family(value: Any) -> str | None:
    """The tag of a `model:` section; a section that names no family is an MLP's."""
    return value.get("family", "mlp") if isinstance(value, dict) else getattr(value, "family", None)


if TYPE_CHECKING:
    ModelConfig = Section
else:
    _TAGGED = tuple(Annotated[config, Tag(name)] for name, config in MODEL_CONFIGS.items())
    ModelConfig = Annotated[Union[_TAGGED], Discriminator(_family)]  # noqa: UP007 (a tuple, not a union)


def build(config: Section, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A fresh module of a `model:` section, its parameters as the builder left them."""
    arguments = config.model_dump()
    return MODELS[arguments.pop("family")](input_shape, classes, **arguments)
