"""How much of what a classifier knows another one explains, in bits (Nakkiran et al. 2019).

All are plug-in values, of the frequencies of integer labels `(N,)`: predictions F of a network, labels Y, predictions L
of a simpler classifier. Their bias is about (|F| - 1)(|Y| - 1) / (2 N log 2) bits.
"""

import torch
from torch import Tensor
from torch.nn import functional


def mutual_information(f: Tensor, y: Tensor, classes: int | None = None) -> Tensor:
    """I(F; Y) in bits.

    Args:
        f: `(N,)` integers.
        y: `(N,)` integers.
        classes: how many values there may be; by default as many as there are.

    >>> mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0])).item()
    1.0
    """
    joint = table(f, y, classes=classes)
    return _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint)


def conditional_information(f: Tensor, y: Tensor, given: Tensor, classes: int | None = None) -> Tensor:
    """I(F; Y | L) = sum_l P(L = l) I(F; Y | L = l) in bits; arguments as in `mutual_information`.

    >>> f = torch.tensor([0, 0, 1, 1])
    >>> conditional_information(f, f, f).item()
    0.0
    """
    return _conditional(table(f, y, given, classes=classes))


def explained_information(f: Tensor, y: Tensor, by: Tensor, classes: int | None = None) -> Tensor:
    """mu_Y(F; L) = I(F; Y) - I(F; Y | L) in bits: of what F knows of Y, what L explains (Nakkiran et al. 2019).

    Also I(L; Y) - I(L; Y | F) and I(F; L) - I(F; L | Y); it may be negative.
    """
    return _explained(table(f, y, by, classes=classes))


def null_explained_information(f: Tensor, y: Tensor, by: Tensor, classes: int | None = None) -> Tensor:
    """mu_Y(F; N) in bits of the null model N that knows as much of Y as L does, and nothing else of it.

    N is Y with probability p, else uniform on the classes, and independent of F given Y; p such that I(N; Y) is
    I(L; Y). In closed form, nothing is drawn.
    """
    counts = table(f, y, by, classes=classes)
    joint, wanted = counts.sum(2), _information(counts.sum(0))
    kinds = joint.shape[1]
    same = torch.eye(kinds, dtype=joint.dtype, device=joint.device)
    low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
    for _ in range(60):  # I(N; Y) rises with p
        middle = (low + high) / 2
        known = _information(joint.sum(0).unsqueeze(1) * (middle * same + (1 - middle) / kinds))
        low, high = torch.where(known < wanted, middle, low), torch.where(known < wanted, high, middle)
    return _explained(joint.unsqueeze(2) * (high * same + (1 - high) / kinds))


def table(*labels: Tensor, classes: int | None = None) -> Tensor:
    """The joint frequencies of several labels `(N,)` each, an axis for each.

    >>> table(torch.tensor([0, 1]), torch.tensor([1, 1])).tolist()
    [[0.0, 0.5], [0.0, 0.5]]
    """
    size = classes or max(2, 1 + max(int(one.max()) for one in labels))
    members = [functional.one_hot(one, size).double() for one in labels]
    axes = "abcdefgh"[: len(members)]
    terms = ",".join(f"n{axis}" for axis in axes)
    return torch.einsum(f"{terms}->{axes}", *members) / len(labels[0])


def _entropy(joint: Tensor) -> Tensor:
    return -torch.special.xlogy(joint, joint).sum() / torch.tensor(2.0).double().log().item()


def _information(joint: Tensor) -> Tensor:
    return _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint)


def _conditional(joint: Tensor) -> Tensor:
    """I(F; Y | L) of frequencies `(F, Y, L)`."""
    return _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint) - _entropy(joint.sum((0, 1)))


def _explained(joint: Tensor) -> Tensor:
    return _information(joint.sum(2)) - _conditional(joint)
