"""YAML 1.2 text: `1e-3` is a number, `on` is a string, and a key that is given twice is an error."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from benevolent.trainables.errors import BadInput

LINE_WIDTH = 110


class _Constructor(SafeConstructor):
    """Leaves dates as text: YAML 1.2 has none, and no field is one."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def loads(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        BadInput: the text is not YAML, or has a key twice; the line says where.

    >>> loads("{lr: 1e-3, shuffle: on, layers: [1, 2.5, null]}")
    {'lr': 0.001, 'shuffle': 'on', 'layers': [1, 2.5, None]}
    """
    try:
        return _yaml().load(text)
    except MarkedYAMLError as error:
        raise BadInput(f"{_line(error, text)}{_problem(error)}") from None
    except (YAMLError, ValueError) as error:
        raise BadInput(f"not YAML: {' '.join(str(error).split())}") from None


def dumps(value: Any) -> str:
    """Return YAML text that `loads` reads back to an equal value, keys in the order given.

    >>> loads(dumps({"rate": "1e-3", "steps": 3})) == {"rate": "1e-3", "steps": 3}
    True
    """
    stream = io.StringIO()
    _yaml().dump(value, stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # annotated as None
    yaml.width = LINE_WIDTH
    return yaml


def _line(error: MarkedYAMLError, text: str) -> str:
    if error.problem_mark is None:
        return ""
    last = max(1, len(text.splitlines()))  # a bracket that is left open is noticed after the end
    return f"line {min(error.problem_mark.line + 1, last)}: "


def _problem(error: MarkedYAMLError) -> str:
    if isinstance(error, DuplicateKeyError):
        key = str(error.problem).split('"')[1]
        return f"key {key!r} is given twice"
    problem = error.problem or error.context or ""
    if "'\\t'" in problem:
        return "not YAML: a tab; indent by spaces"
    problem = problem.replace("'<stream end>'", "the end of the file")
    return f"not YAML: {problem}"
