"""Values of the base that axes replace: nothing else would read them, and a mistake in them would stay unseen."""

from benevolent.orchestrator.spec.axes import SECTION_MODELS, Axes, section_of
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import parse_section
from benevolent.trainables.errors import BadInput


def check_replaced(axes: Axes) -> None:
    """Check each value of the base whose field is on an axis, by the field's type and bounds alone.

    Raises:
        BadInput: the field does not take the value.

    >>> from benevolent.orchestrator.spec.axes import Axis
    >>> axis = Axis("grid", ({"init.scale": 1.0}, {"init.scale": 2.0}))
    >>> check_replaced(Axes({"init": {"scale": "he"}}, [axis]))
    Traceback (most recent call last):
    ...
    benevolent.trainables.errors.BadInput: base.init.scale = 'he': expected a number
    """
    for field in axes.fields:
        section = section_of(field)
        values = axes.base.get(section)
        name = field.removeprefix(f"{section}.")
        if values is None or (name != section and name not in values):
            continue
        if name == section or name == "family" and values[name] not in MODEL_CONFIGS:
            _check_whole(section, values)
        else:
            _check_value(section, name, values[name])


def _check_whole(section: str, values: object) -> None:
    try:
        parse_section(section, values)
    except BadInput as error:
        raise BadInput(f"base.{error}") from None


def _check_value(section: str, name: str, value: object) -> None:
    """Refuse a value that the field takes in no model of its section, such as in no family of networks."""
    refused: list[BadInput] = []
    models: list[type[Section]] = [model for model in SECTION_MODELS[section] if name in model.model_fields]
    for model in models:
        try:
            model.check_value(name, value, f"base.{section}")
        except BadInput as error:
            refused.append(error)
    if models and len(refused) == len(models):
        raise refused[0]
