"""Information between labels, in bits: how much of what one classifier knows another one explains.

Source: Nakkiran et al. 2019, "SGD on neural networks learns functions of increasing complexity". All are
plug-in estimates from the frequencies of integer labels `(N,)`: predictions F of a network, true labels Y, predictions
L of a simpler classifier. Their bias is about (|F| - 1)(|Y| - 1) / (2 N log 2) bits.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

BISECTIONS = 60  # halve [0, 1] below the precision of a double


def mutual_information(f: Tensor, y: Tensor, classes: int | None = None) -> Tensor:
    """Mutual information I(F; Y) = H(F) + H(Y) - H(F, Y) in bits.

    Args:
        f: `(N,)` integers.
        y: `(N,)` integers.
        classes: number of possible values; by default one more than the largest value.

    Returns:
        A scalar tensor.

    >>> mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0])).item()
    1.0
    """
    return _information(joint_frequencies(f, y, classes=classes))


def conditional_information(f: Tensor, y: Tensor, given: Tensor, classes: int | None = None) -> Tensor:
    """Conditional mutual information I(F; Y | L) = sum_l P(L = l) I(F; Y | L = l) in bits.

    Args:
        f: `(N,)` integers.
        y: `(N,)` integers.
        given: `(N,)` integers, L.
        classes: number of possible values; by default one more than the largest value.

    >>> f = torch.tensor([0, 0, 1, 1])
    >>> conditional_information(f, f, f).item()
    0.0
    """
    return _conditional_information(joint_frequencies(f, y, given, classes=classes))


def explained_information(f: Tensor, y: Tensor, by: Tensor, classes: int | None = None) -> Tensor:
    """Explained information mu_Y(F; L) = I(F; Y) - I(F; Y | L) in bits: the part of what F knows of Y that L explains.

    Nakkiran et al. 2019 call it performance correlation. It also equals I(L; Y) - I(L; Y | F) and
    I(F; L) - I(F; L | Y), and may be negative.

    Args:
        f: `(N,)` integers.
        y: `(N,)` integers.
        by: `(N,)` integers, L.
        classes: number of possible values; by default one more than the largest value.

    >>> f = torch.tensor([0, 0, 1, 1])
    >>> explained_information(f, f, f).item()
    1.0
    """
    return _explained_information(joint_frequencies(f, y, by, classes=classes))


def null_explained_information(f: Tensor, y: Tensor, by: Tensor, classes: int | None = None) -> Tensor:
    """Explained information mu_Y(F; N) in bits of a null model N that knows as much of Y as L does.

    N equals Y with probability p, else it is uniform on the classes, independent of F given Y; p is such that
    I(N; Y) = I(L; Y). Computed in closed form, without sampling.

    Args:
        f: `(N,)` integers.
        y: `(N,)` integers.
        by: `(N,)` integers, L.
        classes: number of possible values; by default one more than the largest value.

    >>> f = torch.tensor([0, 0, 1, 1])
    >>> null_explained_information(f, f, torch.tensor([0, 1, 0, 1])).round(decimals=6).abs().item()
    0.0
    """
    joint = joint_frequencies(f, y, by, classes=classes)
    f_and_y = joint.sum(2)
    y_frequencies = f_and_y.sum(0).unsqueeze(1)
    target = _information(joint.sum(0))
    kinds = f_and_y.shape[1]
    identity = torch.eye(kinds, dtype=joint.dtype, device=joint.device)
    low = torch.zeros_like(target)
    high = torch.ones_like(target)
    for _ in range(BISECTIONS):  # I(N; Y) increases with p
        p = (low + high) / 2
        n_given_y = p * identity + (1 - p) / kinds
        too_small = _information(y_frequencies * n_given_y) < target
        low = torch.where(too_small, p, low)
        high = torch.where(too_small, high, p)
    n_given_y = high * identity + (1 - high) / kinds
    return _explained_information(f_and_y.unsqueeze(2) * n_given_y)


def joint_frequencies(*labels: Tensor, classes: int | None = None) -> Tensor:
    """Joint frequencies of several labels `(N,)`, with one axis for each.

    >>> joint_frequencies(torch.tensor([0, 1]), torch.tensor([1, 1])).tolist()
    [[0.0, 0.5], [0.0, 0.5]]
    """
    if classes is None:  # under `vmap` no value can be read, so that `classes` is needed
        largest = max(int(values.max()) for values in labels)
        classes = max(2, 1 + largest)
    indicators = [functional.one_hot(values, classes).double() for values in labels]
    axes = "abcdefgh"[: len(indicators)]
    terms = ",".join(f"n{axis}" for axis in axes)
    counts = torch.einsum(f"{terms}->{axes}", *indicators)
    return counts / len(labels[0])


def _entropy(joint: Tensor) -> Tensor:
    """Entropy in bits of frequencies of any shape."""
    nats = -torch.special.xlogy(joint, joint).sum()
    return nats / math.log(2)


def _information(joint: Tensor) -> Tensor:
    """I(F; Y) of frequencies `(F, Y)`."""
    f_entropy = _entropy(joint.sum(1))
    y_entropy = _entropy(joint.sum(0))
    return f_entropy + y_entropy - _entropy(joint)


def _conditional_information(joint: Tensor) -> Tensor:
    """I(F; Y | L) of frequencies `(F, Y, L)`."""
    f_and_l = _entropy(joint.sum(1))
    y_and_l = _entropy(joint.sum(0))
    l_alone = _entropy(joint.sum((0, 1)))
    return f_and_l + y_and_l - _entropy(joint) - l_alone


def _explained_information(joint: Tensor) -> Tensor:
    """mu_Y(F; L) of frequencies `(F, Y, L)`."""
    information = _information(joint.sum(2))
    return information - _conditional_information(joint)
