"""Scores of predictions: of every example, and of K networks on a whole split."""

import math

import torch
from torch import Tensor

from benevolent.trainables.optimization.losses import Loss

#: Bins of equal width on [0, 1] of the calibration error (Guo et al. 2017, section 5).
CALIBRATION_BINS = 15

#: Smallest and largest value of the outcomes that have one: those of `summary`, and others of the same kinds. The error
#: of real targets is an absolute error, and has no largest value. A loss may be any number: that of a user is unknown.
OUTCOME_RANGES = {
    "loss_variance": (0.0, math.inf),
    "error": (0.0, 1.0),
    "population_error": (0.0, 1.0),
    "early_stop_error": (0.0, 1.0),
    "ece": (0.0, 1.0),
    "brier": (0.0, 2.0),
    "brier_variance": (0.0, 1.0),
    "nll": (0.0, math.inf),
}

#: Scores `(K, N)` in float64 by name: `loss`, `mistake`, and of predicted probabilities `confidence` (the largest) and
#: `squared_distance` (see there).
Scores = dict[str, Tensor]


def predicted(logits: Tensor) -> Tensor:
    """Return the class `(...)` of each example: of the largest logit `(..., C)`; of one logit, if it is positive."""
    return logits.argmax(-1) if logits.shape[-1] > 1 else (logits.squeeze(-1) > 0).long()


def mistakes(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 for misclassified examples and 0 for others, `(...)` in float64; of real targets the absolute error."""
    if labels.is_floating_point():
        return (logits.squeeze(-1).double() - labels.double()).abs()
    return (predicted(logits) != labels).double()


def example_scores(logits: Tensor, labels: Tensor, loss: Loss, probabilistic: bool = False) -> Scores:
    """Score every example of K networks.

    Args:
        logits: `(K, N, C)`.
        labels: `(K, N)`.
        loss: the minimized loss.
        probabilistic: score the predicted probabilities too, where outputs under this loss mean probabilities.
    """
    losses, _ = loss.function(logits, labels, None)
    scores = {"loss": losses.double(), "mistake": mistakes(logits, labels)}
    if probabilistic and loss.probabilities is not None:
        probabilities = loss.probabilities(logits)
        scores["confidence"] = probabilities.amax(-1)
        scores["squared_distance"] = squared_distance(probabilities, labels)
    return scores


def squared_distance(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the squared distance of probabilities from the one-hot label, `sum_c (p_c - [c = y])^2`.

    Its mean is the Brier score (Brier 1950), from 0 to 2. For two classes it is twice `(p_1 - y)^2`, which some
    libraries call the Brier score.

    Args:
        probabilities: `(..., C)`.
        labels: `(...)` integers.

    >>> squared_distance(torch.tensor([0.7, 0.3], dtype=torch.float64), torch.tensor(0)).item()
    0.18000000000000002
    """
    index = labels.unsqueeze(-1)
    minus_one = probabilities.new_full((), -1).expand(index.shape)
    return probabilities.scatter_add(-1, index, minus_one).square().sum(-1)


def calibration_error(confidence: Tensor, mistake: Tensor) -> Tensor:
    """Return the expected calibration error (ECE) of K networks (Guo et al. 2017, equation 3).

    Examples are put into `CALIBRATION_BINS` bins `(m / M, (m + 1) / M]` by their confidence, the probability of the
    predicted class; ECE is `sum_m n_m / N |accuracy_m - mean confidence_m|`. An empty bin counts nothing. It is biased
    upwards on few examples, alike for networks of equal accuracy and confidence.

    Args:
        confidence: `(K, N)` in float64.
        mistake: `(K, N)` in float64, 1 for misclassified examples and 0 for others.

    Returns:
        `(K,)`, from 0 to 1.

    >>> confidence = torch.tensor([[0.9, 0.9, 0.6, 0.6]], dtype=torch.float64)
    >>> calibration_error(confidence, torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64))
    tensor([0.1000], dtype=torch.float64)
    """
    upper_ends = torch.arange(1, CALIBRATION_BINS, dtype=torch.float64, device=confidence.device) / CALIBRATION_BINS
    bins = torch.bucketize(confidence, upper_ends)
    differences = (1 - mistake) - confidence
    total = differences.new_zeros(len(differences))
    for number in range(CALIBRATION_BINS):  # one order of summation for any stack, which scatter_add lacks on a GPU
        in_bin = differences.where(bins == number, 0)
        total += in_bin.sum(1).abs()
    return total / confidence.shape[1]


def summary(scores: Scores) -> dict[str, Tensor]:
    """Return the outcomes of K networks on a split, each `(K,)` in float64.

    Returns:
        `loss` (mean over the examples), `loss_variance` and `error`; where probabilities were scored also `ece` (see
        `calibration_error`), `brier` (mean of `squared_distance`), `brier_variance` and `nll`, the mean negative
        log-likelihood of the labels. Losses that give probabilities are negative log-likelihoods, so `nll` equals
        `loss`: it is the column that means the same in all rows of a sweep over losses.
    """
    loss, loss_variance = _moments(scores["loss"])
    outcomes = {"loss": loss, "loss_variance": loss_variance, "error": scores["mistake"].mean(1)}
    if "confidence" in scores:
        outcomes["ece"] = calibration_error(scores["confidence"], scores["mistake"])
        outcomes["brier"], outcomes["brier_variance"] = _moments(scores["squared_distance"])
        outcomes["nll"] = loss
    return outcomes


def _moments(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance `(K,)` over the examples of scores `(K, N)`."""
    mean = scores.mean(1)
    # Not `var`: of a single row it takes another algorithm, and a run alone would differ in the last bits.
    return mean, (scores - mean.unsqueeze(1)).square().mean(1)
