"""`ModelConfig`: the `model:` section, whose fields are the keyword arguments of the builder that `family` names.

The user's plugins are loaded here, before the fields are derived, since they may add builders to `MODELS`. Every
process that reads configurations imports this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Discriminator, Tag, create_model

from benevolent.trainables import plugins
from benevolent.trainables.config.base import Section
from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models import MODELS

#: Arguments of every builder that are not fields: the shape of one input and the number of outputs.
POSITIONAL = 2

DEFAULT_FAMILY = "mlp"


def _section_of(family: str, builder: Callable[..., nn.Module]) -> type[Section]:
    """Return the configuration of a builder: its keyword-only arguments, tagged with the name of the family.

    Raises:
        BadInput: an argument cannot be a field.
    """
    where = f"the builder of model.family = {family!r}"
    fields: dict[str, Any] = {"family": (Literal[family], family)}
    function = inspect.unwrap(getattr(builder, "func", builder))  # that of a `functools.partial`
    names = getattr(function, "__globals__", {})
    for position, argument in enumerate(inspect.signature(builder).parameters.values()):
        if argument.kind is argument.KEYWORD_ONLY:
            fields[argument.name] = _field_of(argument, names, where)
        elif position >= POSITIONAL:
            raise BadInput(f"{where}: argument {argument.name!r} needs a * before it, as every field of model: does")
    try:
        return create_model(family, __base__=Section, __doc__=builder.__doc__, **fields)
    except Exception as error:  # pydantic has an error of its own for each kind of annotation that is not a type
        lines = str(error).splitlines() or [type(error).__name__]
        raise BadInput(f"{where}: {lines[0]}") from error


def _field_of(argument: inspect.Parameter, names: dict[str, Any], where: str) -> tuple[Any, Any]:
    """Return the type and the default of a field; `...` stands for no default.

    Args:
        argument: of the builder.
        names: those that its annotation may use where it is text. Other annotations of the builder are left alone,
            since they would import torch.
        where: the beginning of an error line.
    """
    annotation = argument.annotation
    if annotation is argument.empty:
        raise BadInput(f"{where}: argument {argument.name!r} needs an annotation, as in {argument.name}: int")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, names)
        except Exception as error:
            raise BadInput(f"{where}: argument {argument.name!r}: {error}") from error
    default = ... if argument.default is argument.empty else argument.default
    return annotation, default


def _family_of(section: Any) -> str | None:
    """Return the family of a `model:` section, given as a mapping or as a model."""
    if isinstance(section, dict):
        return section.get("family", DEFAULT_FAMILY)
    return getattr(section, "family", None)


plugins.load()

MODEL_CONFIGS: dict[str, type[Section]] = {family: _section_of(family, builder) for family, builder in MODELS.items()}

if TYPE_CHECKING:
    ModelConfig = Section
else:
    _TAGGED = tuple(Annotated[config, Tag(family)] for family, config in MODEL_CONFIGS.items())
    ModelConfig = Annotated[Union[_TAGGED], Discriminator(_family_of)]  # noqa: UP007 (a tuple, not a union)
