"""YAML as people mean it: the scalars of YAML 1.2, and no key twice.

PyYAML reads YAML 1.1, where `1e-3` is a string, `on` is true and `010` is eight; of equal keys the last wins.
"""

import re
from typing import Any

import yaml

from benevolent.trainables.errors import BadInput

#: The core schema of YAML 1.2 (section 10.3.2): tag, pattern, the characters that a match starts with.
SCALARS = [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise BadInput(f"line {key.start_mark.line + 1}: key {key.value!r} is given twice")
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in SCALARS:
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), _first)


def loads(text: str) -> Any:
    """The value of a YAML 1.2 document.

    Raises:
        BadInput: the text is no YAML, or has a key twice; the line says where.

    >>> loads("{lr: 1e-3, shuffle: on, layers: [1, 2.5, null]}")
    {'lr': 0.001, 'shuffle': 'on', 'layers': [1, 2.5, None]}
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        last = max(1, len(text.splitlines()))  # what is left open is noticed after the end
        line = f"line {min(error.problem_mark.line + 1, last)}: " if error.problem_mark else ""
        raise BadInput(f"{line}not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"not YAML: {' '.join(str(error).split())}") from None


def dumps(value: Any) -> str:
    """YAML text that `loads` reads back to an equal value, keys in the order given.

    >>> loads(dumps({"rate": "1e-3", "steps": 3})) == {"rate": "1e-3", "steps": 3}
    True
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
