"""Codes of labels by the probabilities of networks, in bits (Blier and Ollivier 2018)."""

import math
from collections.abc import Sequence

import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn import functional

#: Logits `(N, K)` and the labels `(N,)` of the same examples.
Predictions = tuple[Tensor, Tensor]


def prequential_bits(
    first: int,
    blocks: Sequence[Predictions],
    validation: Sequence[Predictions] | None = None,
    temperature: bool = True,
) -> float:
    """Length of the prequential code in bits; see `analysis.multi_run.description_length`.

    Args:
        first: t_1, number of labels that are sent before there is a network.
        blocks: for each network, its logits `(n, K)` for the next block and the labels `(n,)` of that block.
        validation: for each network, the same on examples that sender and receiver know.
        temperature: see `description_length`.

    >>> fair = torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)
    >>> prequential_bits(4, [fair])
    12.0
    """
    classes = blocks[0][0].shape[1]
    bits = first * math.log2(classes)
    for i, (logits, labels) in enumerate(blocks):
        scale = 1.0
        if validation is not None:
            scale = validated_scale(*validation[i], temperature)
        bits += label_bits(logits, labels, scale)
    return bits


def validated_scale(logits: Tensor, labels: Tensor, temperature: bool) -> float:
    """Return the scale of logits chosen on held-out examples.

    Args:
        logits: `(N, K)` for examples that sender and receiver know.
        labels: `(N,)` of these examples.
        temperature: fit it (`fit_inverse_temperature`); else it is 1 if the logits help, and 0 if they do not.

    >>> validated_scale(torch.zeros(3, 2), torch.tensor([0, 1, 1]), temperature=False)
    0.0
    """
    if temperature:
        return fit_inverse_temperature(logits, labels)
    helps = label_bits(logits, labels) < label_bits(logits, labels, 0.0)
    return float(helps)


def label_bits(logits: Tensor, labels: Tensor, scale: float = 1.0) -> float:
    """Sum of -log2 softmax(scale z)_y over examples, in bits.

    Args:
        logits: z, `(N, K)`.
        labels: y, `(N,)` integers.
        scale: inverse temperature; 0 gives the uniform code, whatever the logits.

    >>> label_bits(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    6.0
    """
    z = torch.zeros_like(logits, dtype=torch.float64)
    if scale:
        z = logits.double() * scale
    return functional.cross_entropy(z, labels, reduction="sum").item() / math.log(2)


def fit_inverse_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the inverse temperature b >= 0 to held-out labels; 0, the uniform code, if the logits do not help.

    Minimizes the log-loss of softmax(b z), a convex function of b (Guo et al. 2017, "On calibration of modern neural
    networks"), with one additional example on which every label is seen equally often. For two classes and logits that
    only name a class, this is the estimator of Krichevsky and Trofimov, (right + 1/2) / (N + 1): if all answers are
    right, b stays finite.

    Args:
        logits: z, `(N, K)`; if some are not finite, they do not help.
        labels: `(N,)` integers.

    >>> z = torch.tensor([[1.0, 0.0]]).expand(7, 2)
    >>> round(1 / (1 + math.exp(-fit_inverse_temperature(z, torch.tensor([0, 0, 0, 0, 0, 1, 1])))), 6)  # 5.5 / 8
    0.6875
    """
    z = logits.double()
    if not z.isfinite().all():
        return 0.0
    # both sums end with the term of the additional example
    of_labels = z.gather(1, labels.unsqueeze(1))
    observed = of_labels.sum() + z.mean()

    def slope(scale: float) -> float:
        expected = ((scale * z).softmax(1) * z).sum(1)
        return (expected.sum() + expected.mean() - observed).item()

    if slope(0.0) >= 0:
        return 0.0
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return float(brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12))
