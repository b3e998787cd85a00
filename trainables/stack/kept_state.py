"""What a module keeps in attributes that are no parameters and no buffers, so that no checkpoint has it.

Layers count, keep features or fill caches in numbers, tensors, lists and dictionaries. That is harmless as long as
outputs do not depend on it, as `disturbed` shows: it puts other values there.
"""

import contextlib
import copy
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

#: Containers and objects in each other that are followed.
DEPTH = 6
#: Numbers that are put in the place of others: steps at which a schedule may change, and those just before.
NUMBERS = (0, 1, 9, 10, 49, 50, 99, 100, 499, 500, 999, 1000, 4999, 5000, 9999, 10_000, 10**5 - 1, 10**5, 10**6, 10**9)
#: Numbers that are added to others.
STEPS = (1, 2, 3, 5, 7, -1)
#: Kinds of other values; each is one way to change all that an attribute holds.
KINDS = len(NUMBERS) + len(STEPS) + 1
#: The kind in which containers are empty, and numbers have the other sign.
EMPTY = KINDS - 1

#: What attributes hold, by name.
State = dict[str, object]

#: Attributes that torch keeps in each module.
_OF_TORCH = frozenset(vars(nn.Module()))


class Attribute(NamedTuple):
    """An attribute of a part of a module.

    Attributes:
        part: the module that has it.
        name: in that module.
        full_name: in the whole module.
    """

    part: nn.Module
    name: str
    full_name: str

    @property
    def value(self) -> Any:
        """What it is now."""
        return vars(self.part).get(self.name)


def attributes(module: nn.Module) -> list[Attribute]:
    """Return the attributes of all parts of a module that are neither torch's own nor modules.

    >>> layer = nn.Linear(2, 3)
    >>> layer.calls = 5
    >>> [one.name for one in attributes(layer)]
    ['in_features', 'out_features', 'calls']
    """
    found = []
    for prefix, part in module.named_modules():
        for name in vars(part):
            if name not in _OF_TORCH:
                found.append(Attribute(part, name, f"{prefix}.{name}".lstrip(".")))
    return found


def kept_state(module: nn.Module) -> State:
    """Return what the attributes of a module hold, by name, in a form that later changes leave alone.

    >>> layer = nn.Identity()
    >>> layer.seen = [1]
    >>> before = kept_state(layer)
    >>> layer.seen.append(2)
    >>> changed_attributes(before, kept_state(layer))
    {'seen'}
    """
    return {attribute.full_name: _frozen(attribute.value, DEPTH) for attribute in attributes(module)}


def changed_attributes(before: State, after: State) -> set[str]:
    """Return the names of the attributes that hold something else than before, new ones included."""
    return {name for name in before.keys() | after.keys() if before.get(name, "") != after.get(name, "")}


def can_be_disturbed(attribute: Attribute) -> bool:
    """Return True if some other values can be put into an attribute; texts, for instance, have none."""
    value = attribute.value
    own = _frozen(value, DEPTH)
    return any(_frozen(_other(value, kind, DEPTH), DEPTH) != own for kind in range(KINDS))


@contextlib.contextmanager
def disturbed(attribute: Attribute, kind: int) -> Iterator[None]:
    """Put other values into an attribute within the block.

    Args:
        attribute: of a module.
        kind: below `KINDS`: which other values.

    >>> layer = nn.Identity()
    >>> layer.seen = {"batches": 3}
    >>> (attribute,) = attributes(layer)
    >>> with disturbed(attribute, 2):
    ...     layer.seen
    {'batches': 9}
    >>> layer.seen
    {'batches': 3}
    """
    value = attribute.value
    setattr(attribute.part, attribute.name, _other(value, kind, DEPTH))
    try:
        yield
    finally:
        setattr(attribute.part, attribute.name, value)


def _frozen(value: Any, depth: int) -> object:
    """Return something that is equal for equal values; tensors and arrays become their bytes."""
    if isinstance(value, bool | int | float | complex | str | bytes | None):
        return repr(value)  # NaN equals itself
    if isinstance(value, Tensor):
        return ("tensor", str(value.dtype), tuple(value.shape), _bytes(value))
    if isinstance(value, np.ndarray | np.generic):
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if depth == 0 or isinstance(value, nn.Module | type) or callable(value):
        return None
    if isinstance(value, dict):
        return ("dict", tuple((repr(key), _frozen(item, depth - 1)) for key, item in value.items()))
    if isinstance(value, list | tuple | deque):
        return ("list", tuple(_frozen(item, depth - 1) for item in value))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(repr, value)))
    return ("object", _frozen(getattr(value, "__dict__", None), depth - 1))


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def _other(value: Any, kind: int, depth: int) -> Any:
    """Return a value of the same type with other numbers in it, or an empty one."""
    if isinstance(value, bool):
        return not value if kind % 2 else value
    if isinstance(value, int | float):
        return type(value)(_other_number(value, kind))
    if isinstance(value, Tensor):
        return _other_tensor(value, kind)
    if depth == 0 or isinstance(value, nn.Module | type) or callable(value):
        return value
    if isinstance(value, dict | list | deque | set) and kind == EMPTY:
        return type(value)()
    if isinstance(value, list | deque) or type(value) is tuple:
        return type(value)([_other(item, kind, depth - 1) for item in value])
    if isinstance(value, dict):
        changed = copy.copy(value)
        changed.update({key: _other(item, kind, depth - 1) for key, item in value.items()})
        return changed
    if isinstance(getattr(value, "__dict__", None), dict):
        return _other_object(value, kind, depth)
    return value


def _other_object(value: Any, kind: int, depth: int) -> Any:
    try:
        changed = copy.copy(value)
    except Exception:  # whatever refuses to be copied
        return value
    changed.__dict__.update({key: _other(item, kind, depth - 1) for key, item in vars(value).items()})
    return changed


def _other_number(value: float, kind: int) -> float:
    if kind < len(NUMBERS):
        return NUMBERS[kind]
    if kind < EMPTY:
        return value + STEPS[kind - len(NUMBERS)]
    return -value


def _other_tensor(value: Tensor, kind: int) -> Tensor:
    if value.dtype == torch.bool:
        return ~value if kind % 2 else value.clone()
    if value.is_floating_point() and kind % 2:
        return torch.randn_like(value)
    return torch.full_like(value, _other_number(1, kind) % 100)
