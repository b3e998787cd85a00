"""The place of a validation error: the section and the key that it is about."""

import json
import types
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Place(NamedTuple):
    """The place of an error.

    Attributes:
        owner: the model with the last key.
        keys: the keys on the way to it, as the user wrote them.
        tried_union: the field may have values of several types, and this is the error of one of them.
    """

    owner: type[BaseModel] | None
    keys: list[str]
    tried_union: bool

    @classmethod
    def of(cls, model: type[BaseModel], location: Sequence[int | str]) -> "Place":
        """Return the place that pydantic's location of an error means.

        Between the keys a location has the tag of a union's member, or the type that a union tried.
        """
        owner: type[BaseModel] | None = model
        keys: list[str] = []
        tried_union = False
        for part in location:
            members = _models_of_field(owner, keys[-1]) if keys else {}
            if part in members:  # the tag of a member
                owner = members[str(part)]
            elif keys and not members and owner and _is_union(owner, keys[-1]):
                tried_union = True
            else:
                if keys and len(members) == 1:
                    owner = next(iter(members.values()))
                keys.append(f"[{part}]" if isinstance(part, int) else part)
        return cls(owner, keys, tried_union)

    @property
    def section(self) -> str:
        """The section with the last key; empty at the top."""
        return self.keys[-2] if len(self.keys) > 1 else ""

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The fields of the section with the last key, by name."""
        return self.owner.model_fields if self.owner else {}

    @property
    def example(self) -> str:
        """An example of the field, as YAML; empty if it has none."""
        info = self.fields.get(self.keys[-1]) if self.keys else None
        if info is None or not info.examples:
            return ""
        example = info.examples[0]
        return example if isinstance(example, str) else json.dumps(example)

    def first_field(self, given: Any) -> str:
        """Return the first field of the section that the last key should hold, with a value; empty if it is unknown.

        Args:
            given: what is there instead: if it is a word, it may be meant as the value.
        """
        models = _models_of_field(self.owner, self.keys[-1]) if self.keys else {}
        if len(models) != 1:
            return ""
        (model,) = models.values()
        name, info = next(iter(model.model_fields.items()))
        if isinstance(given, str) and given.isidentifier():
            return f"{name}: {given}"
        return f"{name}: {info.examples[0] if info.examples else info.get_default()}"


def _is_union(owner: type[BaseModel], field: str) -> bool:
    info = owner.model_fields.get(field)
    return info is not None and typing.get_origin(info.annotation) in (typing.Union, types.UnionType)


def _models_of_field(owner: type[BaseModel] | None, field: str) -> dict[str, type[BaseModel]]:
    """Return the models that a field may hold, by the tag of each; a model without a tag has an empty one."""
    info = owner.model_fields.get(field) if owner else None
    if info is None:
        return {}
    models = {}
    for annotation in (info.annotation, *typing.get_args(info.annotation)):
        kind = getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            family = kind.model_fields.get("family")
            models[str(family.default) if family else ""] = kind
    return models
