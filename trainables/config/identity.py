"""The identity of runs: the one place where ids are made from the values of a configuration.

The text of a section names every field that differs from its default; the id of a run hashes the texts of all sections
and the seed. Nothing reads these texts back. An id is 64 bits, written as 16 hexadecimal digits.
"""

import hashlib
from typing import Any

from benevolent.trainables.config.base import Section

#: Raised when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 2
#: The same for single families of models: only their runs, and those that start or learn from one of these, get other
#: ids. `module` 1: what a module's constructor sets stays, and weights that it computes are drawn as those that act.
#: An id cannot tell which modules that concerns, since none is built for it.
FAMILY_REVISIONS = {"module": 1}
ID_DIGITS = 16
ID_CHARACTERS = "0123456789abcdef"


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


def configuration_id(text: str) -> int:
    """Return the id of a configuration (a run without its seed) as a number below 2^64.

    Args:
        text: `identity_text` of all sections, sorted by name and joined.
    """
    return _hash(text)


def run_id(text: str, seed: int, revision: int = 0) -> int:
    """Return the id of a run as a number below 2^64; it also depends on `ALGORITHM_VERSION`.

    Args:
        text: as for `configuration_id`.
        seed: of the run.
        revision: `family_revision` of its model, and those of its parent, its teacher, theirs, and so on, added up.
    """
    revised = f"revision={revision}\n" if revision else ""
    return _hash(f"version={ALGORITHM_VERSION}\n{revised}{text}seed={seed}")


def family_revision(model: Any) -> int:
    """Return the revision of the family of a `model:` section; 0 for one that has not changed.

    >>> from benevolent.trainables.config.model import MODEL_CONFIGS
    >>> family_revision(MODEL_CONFIGS["mlp"]())
    0
    """
    return FAMILY_REVISIONS.get(model.family, 0)


def id_text(number: int) -> str:
    """Return an id as text.

    >>> id_text(255)
    '00000000000000ff'
    """
    return f"{number:0{ID_DIGITS}x}"


def is_id(text: str) -> bool:
    """Return True for a text as `id_text` makes it; it is safe as the name of a file, and in a tracker.

    >>> is_id(id_text(255)), is_id("../00000000000ff")
    (True, False)
    """
    return len(text) == ID_DIGITS and set(text) <= set(ID_CHARACTERS)


def _hash(text: str) -> int:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big")
