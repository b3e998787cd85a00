"""YAML 1.2 text: `1e-3` is a number, `on` is a string, and a key that is given twice is an error."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from benevolent.trainables.errors import BadInput

LINE_WIDTH = 110
#: Values of a document, at most; a grid makes more runs than that of a few lines.
MOST_VALUES = 1_000_000


class _Constructor(SafeConstructor):
    """Makes the values that JSON has, too; dates stay text, since YAML 1.2 has none and no field is one."""

    def construct_document(self, node: Node) -> Any:
        """Return the value of a document."""
        _check_nodes(node)
        return super().construct_document(node)

    def construct_yaml_str(self, node: Node) -> str:
        """Return a text, as JSON spells it, too: large characters in two halves; raise `ValueError` for half a one."""
        text: str = super().construct_yaml_str(node)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")

    def construct_yaml_int(self, node: Node) -> int:
        """Return a whole number; raise `ValueError` if it is too long to be shown, which decimal ones are not."""
        number: int = super().construct_yaml_int(node)
        str(number)
        return number


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_yaml_str)
_Constructor.add_constructor("tag:yaml.org,2002:str", _Constructor.construct_yaml_str)
_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)
for _name in ("binary", "omap", "pairs", "set"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_name}", SafeConstructor.construct_undefined)


def loads(text: str) -> Any:
    r"""Return the value of a YAML document.

    Raises:
        BadInput: the text is not YAML, or has a key twice; the line says where.

    >>> loads("{lr: 1e-3, shuffle: on, layers: [1, 2.5, null]}")
    {'lr': 0.001, 'shuffle': 'on', 'layers': [1, 2.5, None]}
    >>> loads(r'"\ud83d\ude00"') == "\N{GRINNING FACE}"
    True
    """
    try:
        return _yaml().load(text)
    except BadInput:
        raise
    except RecursionError:
        raise BadInput("not YAML: nested too deeply, or within itself") from None
    except MarkedYAMLError as error:
        raise BadInput(f"{_line(error, text)}{_problem(error)}") from None
    except (YAMLError, ValueError, LookupError) as error:
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


def _check_nodes(document: Node) -> None:
    """Refuse keys that are not scalars, and documents that are too large once aliases (`*name`) are replaced."""
    sizes: dict[Node, int] = {}

    def size(node: Node) -> int:
        if isinstance(node, ScalarNode):
            return 1
        if node in sizes:
            return sizes[node]
        inner = node.value
        if isinstance(node, MappingNode):
            for key, _ in node.value:
                if not isinstance(key, ScalarNode):
                    raise BadInput(f"line {key.start_mark.line + 1}: expected a name as a key, not a list or a mapping")
            inner = [value for _, value in node.value]
        sizes[node] = 1 + sum(map(size, inner))
        return sizes[node]

    if size(document) > MOST_VALUES:
        raise BadInput(f"more than {MOST_VALUES:,} values, aliases (*name) replaced by what they stand for")


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
