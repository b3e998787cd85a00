"""The identity of runs: the one place where ids are made from the values of a configuration.

The text of a section names every field that differs from its default; the id of a run hashes the texts of all sections
and the seed. Nothing reads these texts back.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from benevolent.trainables.config.base import Section

#: Raised when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 1


def identity_text(name: str, value: Any) -> str:
    r"""Return the text that tells a section (or the scalar field) `name` of a run from others.

    >>> from benevolent.trainables.config.initialization import InitConfig
    >>> identity_text("init", InitConfig(scale=2)), identity_text("init", InitConfig())
    ('init.scale=2.0\n', '')
    >>> identity_text("precision", "float32")
    'precision=float32\n'
    """
    if not isinstance(value, Section):
        return f"{name}={value}\n"
    return "".join([f"{line}\n" for line in value.identity_lines(name).values()])


def shared_text(name: str, value: Any) -> str:
    """Return the part of `identity_text` in which the runs of one cohort agree.

    Fields marked `PerRun` are left out. Those of the network are named without their value, because a network with
    dropout has layers that one without it has not.
    """
    if not isinstance(value, Section):
        return identity_text(name, value)
    shared = type(value).shared_fields()
    text = ""
    for field, line in value.identity_lines(name).items():
        if field in shared:
            text += f"{line}\n"
        elif name == "model":
            text += f"{name}.{field}\n"
    return text


def configuration_id(texts: Iterable[str]) -> str:
    """Return the id of a configuration (a run without its seed): 16 hexadecimal digits.

    Args:
        texts: `identity_text` of every section, sorted by name.
    """
    return _digest("".join(texts))


def run_id(texts: Iterable[str], seed: int) -> str:
    """Return the id of a run: 16 hexadecimal digits that also depend on `ALGORITHM_VERSION`.

    Args:
        texts: `identity_text` of every section, sorted by name.
        seed: of the run.
    """
    return _digest(f"version={ALGORITHM_VERSION}\n{''.join(texts)}seed={seed}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
