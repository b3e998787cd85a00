"""Functions that are known by their names until they are called, so that a list of measures imports no torch."""

import ast
import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any


class DeferredFunction:
    """A function in another module of this folder, which is imported when the function is first called.

    Args:
        place: `module.function`.

    >>> norm = DeferredFunction("norms.parameter_norm")
    >>> norm.__name__, docstring_of(norm)
    ('parameter_norm', 'The L2 norm of all parameters: ||theta||_2.')
    """

    def __init__(self, place: str) -> None:
        module, _, name = place.partition(".")
        self.module = f"{__package__}.{module}"
        self.__name__ = name

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    @functools.cached_property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(importlib.import_module(self.module), self.__name__)
        return function


def docstring_of(function: Callable[..., Any]) -> str:
    """Return the docstring of a function; that of a deferred one is read from the text of its module."""
    if isinstance(function, DeferredFunction):
        return _docstrings_in(function.module)[function.__name__]
    return function.__doc__ or ""


@functools.cache
def _docstrings_in(module: str) -> dict[str, str]:
    """Return the docstrings of a module's functions by name; the module is not imported."""
    specification = importlib.util.find_spec(module)
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError(module)
    with open(specification.origin, encoding="utf-8") as file:
        statements = ast.parse(file.read()).body
    functions = [statement for statement in statements if isinstance(statement, ast.FunctionDef)]
    return {function.name: ast.get_docstring(function) or "" for function in functions}
