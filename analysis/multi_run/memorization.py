"""Memorization of training examples and their influence on others, from networks trained on random subsets.

Source: Feldman and Zhang 2020, "What neural networks memorize and why", section 2. With A(S) a network trained on S and
probabilities over its randomness and over the subsets of a sweep with `data.subset`,

    mem(i)     = P[A(S) is right on i | i in S] - P[A(S) is right on i | i not in S]
    infl(i, j) = P[A(S) is right on j | i in S] - P[A(S) is right on j | i not in S]

for a training example i and any other example j, so that mem(i) = infl(i, i). Both are estimated by frequencies over
the runs. With R runs and a fraction s the standard error is at most 0.5 / sqrt(s (1 - s) R), 0.063 for 300 and 0.7.
"""

import numpy as np
from torch import Tensor


def influence(seen: Tensor, right: Tensor) -> np.ndarray:
    """Estimate the influence of N training examples on M others.

    Args:
        seen: `(R, N)` booleans, True where the run was trained on the example (`Answers.seen` of the training split).
        right: `(R, M)` booleans, True where the run is right (`Answers.right` of any split).

    Returns:
        `(N, M)`, infl(i, j) from -1 to 1; NaN for an example that all runs saw, or none.

    >>> import torch
    >>> seen = torch.tensor([[True], [True], [False], [False]])
    >>> right = torch.tensor([[True, True], [True, False], [False, True], [True, False]])
    >>> influence(seen, right).tolist()
    [[0.5, 0.0]]
    """
    into = seen.double()
    out_of = 1 - into
    answers = right.double()
    with_example = _frequencies(into, answers)
    without_example = _frequencies(out_of, answers)
    return (with_example - without_example).numpy()


def memorization(seen: Tensor, right: Tensor) -> np.ndarray:
    """Estimate how much N training examples are memorized.

    Args:
        seen: `(R, N)` booleans, True where the run was trained on the example.
        right: `(R, N)` booleans, True where the run is right on it.

    Returns:
        `(N,)`, mem(i) from -1 to 1; NaN for an example that all runs saw, or none.

    >>> import torch
    >>> seen = torch.tensor([[True, False], [True, False], [False, True], [False, True]])
    >>> right = torch.tensor([[True, True], [True, True], [False, True], [True, True]])
    >>> memorization(seen, right).tolist()
    [0.5, 0.0]
    """
    into = seen.double()
    out_of = 1 - into
    answers = right.double()
    with_example = (into * answers).sum(0) / into.sum(0)
    without_example = (out_of * answers).sum(0) / out_of.sum(0)
    return (with_example - without_example).numpy()


def _frequencies(among: Tensor, answers: Tensor) -> Tensor:
    """Return the frequency `(N, M)` of right answers to j among the runs that `among` `(R, N)` marks for i."""
    return among.t() @ answers / among.sum(0).unsqueeze(1)
