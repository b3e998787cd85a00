"""Names of a package that are imported when they are first used (PEP 562), so that its other modules load quickly."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazy_names(package: str, names_of: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that gives names of its modules.

    A package repeats its imports below `if TYPE_CHECKING`, for type checkers and editors.

    Args:
        package: its `__name__`.
        names_of: module of the package -> the names that are taken from it. No name may be that of a module beside it:
            once that module is imported, it has the name.

    >>> lazy_names("benevolent.trainables", {"errors": ["BadInput"]})("BadInput").__name__
    'BadInput'
    """
    module_of: dict[str, str] = {}
    for module, names in names_of.items():
        module_of |= dict.fromkeys(names, f"{package}.{module}")

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module_of[name]), name)

    return get
