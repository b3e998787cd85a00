"""PAC-Bayes bounds, from the largest noise on the parameters that costs little training accuracy.

Dziugaite et al. 2020, appendix, as in the authors' code, but for one slip: there the variance of the noise is passed
where a standard deviation is meant, so that their sigma is the root of ours. All trained parameters are perturbed and
counted, biases too; pruned weights are neither perturbed nor counted. With m training examples, w the parameters, w_0
the initial ones and omega their number:

    plain      noise N(0, sigma^2):                    ||w - v||^2 / (4 sigma^2) + log(m / sigma) + 10
    magnitude  noise N(0, sigma^2 |w_i|^2 + eps^2):    1/4 sum_i log((eps^2 + (sigma^2 + 1) ||w - v||^2 / omega)
                                                       / (eps^2 + sigma^2 |w_i - w_0,i|^2)) + log(m / sigma) + 10

with v = w_0 (`init`) or 0 (`origin`), and 1 / sigma^2 alone (`flatness`).
"""

import math

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, flatten
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.training_loss import theta, unflatten, unpruned

#: Sigma is the largest for which noise costs less than `DROP` of the training accuracy in the mean over `SAMPLES`
#: draws, the same at every sigma; searched for in (0, `LARGEST`] by `HALVINGS`.
DROP = 0.1
SAMPLES = 10
LARGEST = 2.0
HALVINGS = 15
#: The least standard deviation of the noise that is scaled by magnitude.
EPSILON = 1e-3


def pac_bayes_init(network: MeasuredNetwork) -> Tensor:
    """The PAC-Bayes bound around the initialization: ||w - w_0||^2 / (4 sigma^2) + log(m / sigma) + 10."""
    return _bound(network, _change(network))


def pac_bayes_origin(network: MeasuredNetwork) -> Tensor:
    """The PAC-Bayes bound around the origin: ||w||^2 / (4 sigma^2) + log(m / sigma) + 10."""
    return _bound(network, theta(network).double())


def pac_bayes_flatness(network: MeasuredNetwork) -> Tensor:
    """1 / sigma^2, with sigma the largest Gaussian noise on the parameters that costs < 10% training accuracy."""
    return sigma(network, False).square().reciprocal()


def pac_bayes_magnitude_init(network: MeasuredNetwork) -> Tensor:
    """The PAC-Bayes bound around the initialization with noise that grows with the parameter (see `pac_bayes`)."""
    return _magnitude_bound(network, _change(network))


def pac_bayes_magnitude_origin(network: MeasuredNetwork) -> Tensor:
    """The PAC-Bayes bound around the origin with noise that grows with the parameter (see `pac_bayes`)."""
    return _magnitude_bound(network, theta(network).double())


def pac_bayes_magnitude_flatness(network: MeasuredNetwork) -> Tensor:
    """1 / sigma^2, with sigma the largest noise in units of each parameter that costs < 10% training accuracy."""
    return sigma(network, True).square().reciprocal()


@computed_once
def sigma(network: MeasuredNetwork, by_magnitude: bool) -> Tensor:
    """Return the largest sigma in (0, 2] with less than `DROP` loss of accuracy, to 2 / 2^15; NaN if none costs it."""
    at = theta(network)
    # Right answers of all samples together.
    right = SAMPLES * _count_right(network, at)
    allowed = right - DROP * SAMPLES * len(network.train)
    low = torch.zeros((), dtype=torch.float64, device=at.device)
    high = low + LARGEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        right = 0 * low
        for index in range(SAMPLES):
            right = right + _count_right(network, _with_noise(network, middle, by_magnitude, index))
        cheap = right > allowed
        low = torch.where(cheap, middle, low)
        high = torch.where(cheap, high, middle)
    return torch.where(high < LARGEST, (low + high) / 2, torch.nan)


def _count_right(network: MeasuredNetwork, vector: Tensor) -> Tensor:
    """Return the number of training examples that the network with parameters `(P,)` classifies correctly."""
    parameters = unflatten(network, vector)
    counts = []
    for inputs, labels in network.batches():
        answers = network.logits_of(parameters, inputs).argmax(-1)
        counts.append((answers == labels).double().sum())
    return torch.stack(counts).sum()


def _with_noise(network: MeasuredNetwork, scale: Tensor, by_magnitude: bool, index: int) -> Tensor:
    """Return the parameters `(P,)` with the noise of one sample."""
    at = theta(network)
    deviation = (scale.square() * at.double().square() + EPSILON**2).sqrt() if by_magnitude else scale
    noise = normal((len(at),), at.double(), "perturbation", index)
    return at + (deviation * unpruned(network).double() * noise).to(at.dtype)


def _change(network: MeasuredNetwork) -> Tensor:
    """Return w - w_0 `(P,)` in float64."""
    assert network.initial is not None
    return theta(network).double() - flatten(network.initial).double()


def _bound(network: MeasuredNetwork, from_center: Tensor) -> Tensor:
    noise = sigma(network, False)
    divergence = from_center.square().sum() / (4 * noise.square())
    return divergence + _remainder(network, noise)


def _magnitude_bound(network: MeasuredNetwork, from_center: Tensor) -> Tensor:
    variance = sigma(network, True).square()
    counted = unpruned(network).double()
    above = EPSILON**2 + (variance + 1) * from_center.square().sum() / counted.sum()
    below = EPSILON**2 + variance * _change(network).square()
    divergence = (counted * (above / below).log()).sum() / 4
    return divergence + _remainder(network, variance.sqrt())


def _remainder(network: MeasuredNetwork, noise: Tensor) -> Tensor:
    """Return log(m / sigma) + 10."""
    return math.log(len(network.train)) - noise.log() + 10
