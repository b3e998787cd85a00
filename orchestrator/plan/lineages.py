"""Lineages: which configurations share their seeds, and which train with the seeds of several lineages.

A lineage is the configurations with one root. The parents and teachers of a run train with its seed. So a configuration
that is the teacher of a run with another root trains with the seeds of that root, and, if the sweep names it, with
those of its own as well.
"""

from typing import NamedTuple

import numpy as np

from benevolent.orchestrator.plan.section_table import Codes

#: In the arrays of relatives: the configuration has none.
NONE = -1


class LineageRows(NamedTuple):
    """Configurations, each with the lineage whose seeds it trains with.

    Attributes:
        configuration: of every row `(M,)`.
        root: of its lineage, a configuration `(M,)`.
        parent: row that each one starts from, or `NONE` `(M,)`.
        teacher: row that labels its inputs, or `NONE` `(M,)`.
    """

    configuration: Codes
    root: Codes
    parent: Codes
    teacher: Codes


def roots(parent: Codes, teacher: Codes) -> Codes:
    """Return the root of every configuration: follow the parent where there is one, else the teacher `(N,)`.

    Args:
        parent: the configuration that each one starts from, or `NONE` `(N,)`.
        teacher: the configuration that labels its inputs, or `NONE` `(N,)`.

    >>> roots(np.array([NONE, 0, 1, NONE]), np.array([NONE, NONE, NONE, 2])).tolist()
    [0, 0, 0, 0]
    """
    own = np.arange(len(parent))
    step = np.where(parent != NONE, parent, teacher)
    step = np.where(step != NONE, step, own)
    while (step[step] != step).any():
        step = step[step]
    return step


def all_share_roots(root: Codes, parent: Codes, teacher: Codes) -> bool:
    """Return True if the parent and the teacher of every configuration have its root: each trains for one lineage."""
    for relatives in (parent, teacher):
        rows = np.flatnonzero(relatives != NONE)
        if (root[relatives[rows]] != root[rows]).any():
            return False
    return True


def rows_by_lineage(parent: Codes, teacher: Codes, named: int) -> LineageRows:
    """Return every configuration once for each lineage with whose seeds it must train.

    Args:
        parent: as in `roots`.
        teacher: as in `roots`.
        named: the configurations 0 to named - 1 train with the seeds of their own lineage, and come first; the others
            only where one of those, or of their relatives, needs them.

    Here 1 starts from 0 and learns from 2, which the sweep names too:

    >>> rows = rows_by_lineage(np.array([NONE, 0, NONE]), np.array([NONE, 2, NONE]), named=3)
    >>> rows.configuration.tolist(), rows.root.tolist(), rows.teacher.tolist()
    ([0, 1, 2, 2], [0, 0, 2, 0], [-1, 3, -1, -1])
    """
    size = len(parent)
    root = roots(parent, teacher)
    own_keys = np.arange(named) * size + root[:named]
    known = own_keys
    new = own_keys
    while len(new):
        configurations = new // size
        lineages = new % size
        needed = []
        for relatives in (parent, teacher):
            relative = relatives[configurations].astype(np.int64)
            keys = relative * size + lineages
            needed.append(keys[relative != NONE])
        new = np.setdiff1d(np.concatenate(needed), known)
        known = np.union1d(known, new)
    others = np.setdiff1d(known, own_keys)
    keys = np.concatenate([own_keys, others])
    configuration = keys // size
    lineage = keys % size
    sorter = np.argsort(keys)
    found = []
    for relatives in (parent, teacher):
        relative = relatives[configuration].astype(np.int64)
        place = np.searchsorted(keys, relative * size + lineage, sorter=sorter)
        row = sorter[np.minimum(place, len(keys) - 1)]
        found.append(np.where(relative == NONE, NONE, row))
    return LineageRows(configuration, lineage, *found)
