"""The identity of runs: the one place where ids are made from the values of a configuration, and seeds from ids.

The text of a section names every field that differs from its default; the id of a run hashes the texts of all sections
and the seed. Nothing reads these texts back. An id is 64 bits, written as 16 hexadecimal digits.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benevolent.trainables.config.base import Section
from benevolent.trainables.philox import philox

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray

#: Raised when a default or the training algorithm changes, so that old results are not taken for new ones.
ALGORITHM_VERSION = 2
#: The same for single families of models: only their runs, and those that start or learn from one of these, get other
#: ids. `module` 1: what a module's constructor sets stays, and weights that it computes are drawn as those that act.
#: An id cannot tell which modules that concerns, since none is built for it.
FAMILY_REVISIONS = {"module": 1}
ID_DIGITS = 16
SEED_BITS = 52
#: Words that are computed together: their intermediate results stay in the cache.
WORDS_AT_ONCE = 2**15

Array = np.ndarray[Any, Any]


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


def id_texts(numbers: Array) -> "ExtensionArray":
    """Return ids as an array of texts; no string of Python is made for each, so that a million take 24 MB.

    >>> id_texts(np.array([255, 1], np.uint64)).tolist()
    ['00000000000000ff', '0000000000000001']
    """
    import pandas as pd  # half a second that a list of names and fields need not wait for
    import pyarrow as pa

    characters = np.empty((len(numbers), ID_DIGITS), np.uint8)
    symbols = np.frombuffer(b"0123456789abcdef", np.uint8)
    for column in range(ID_DIGITS):
        place = np.uint64(4 * (ID_DIGITS - 1 - column))
        characters[:, column] = symbols[(numbers >> place) & np.uint64(15)]
    offsets = np.arange(0, ID_DIGITS * len(numbers) + 1, ID_DIGITS, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(characters)]
    texts = pa.Array.from_buffers(pa.large_string(), len(numbers), buffers)
    return pd.array(texts, dtype="str")


def replicate_seeds(lineages: Array, replicates: Sequence[int]) -> Array:
    """Return the seeds of independent replicates: 52 bits that depend on the lineage and the replicate alone.

    They are the upper bits of the first Philox word whose key is the lineage and whose counter is the replicate, so no
    two lineages share random numbers. 52 bits are exact in floating-point numbers, and so in JSON and pandas.

    Args:
        lineages: `(L,)` ids of configurations (`RunConfig.lineage`), as numbers in uint64.
        replicates: their n numbers.

    Returns:
        seeds `(L, n)`.

    >>> replicate_seeds(np.array([int("00ff00ff00ff00ff", 16)], np.uint64), [0, 1, 200]).tolist()
    [[1479237251478022, 264680638676385, 222648182070549]]
    """
    counters = np.array(replicates, np.int64)[None]
    zero = np.zeros((1, 1), np.int64)
    seeds = np.empty((len(lineages), len(replicates)), np.int64)
    at_once = max(1, WORDS_AT_ONCE // len(replicates))
    for start in range(0, len(lineages), at_once):
        part = slice(start, start + at_once)
        keys = lineages[part].view(np.int64)[:, None]
        words, *_ = philox((counters, zero, zero, zero), (keys, zero))
        seeds[part] = (words >> (64 - SEED_BITS)) & (2**SEED_BITS - 1)
    return seeds


def _hash(text: str) -> int:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big")
