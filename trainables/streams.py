"""Random draws keyed by (seed, stream, step): no global generator, no order of events.

Philox is a counter-based generator (Salmon et al. 2011), so the draws of one key are independent of those of every
other key, and a run draws the same numbers alone, in a stack, or after a restart.
"""

import hashlib

import numpy as np


def generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """The generator of one key.

    Args:
        seed: the run's seed (or a split seed); any integer >= 0.
        stream: what the draws are for, such as ``"init"`` or ``"order/train"``.
        step: an index within the stream, such as the epoch or the layer.

    Returns:
        A numpy Generator over Philox with a 128-bit key.

    >>> generator(0, "order", 3).permutation(4).tolist() == generator(0, "order", 3).permutation(4).tolist()
    True
    >>> generator(0, "order", 3).random() == generator(0, "order", 4).random()
    False
    """
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
