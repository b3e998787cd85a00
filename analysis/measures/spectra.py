"""The shape of the spectra of the weights, kernels of convolutions reshaped to (filters, rest)."""

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once
from benevolent.analysis.measures.norms import kernel_eigenvalues

#: Eigenvalues below this fraction of the largest are zero up to rounding.
ZERO = 1e-12


@computed_once
def power_laws(network: MeasuredNetwork) -> Tensor:
    """Return the exponent alpha of the tail of the eigenvalues of W_k W_k^T, and the largest, per layer `(L, 2)`."""
    layers = range(len(network.architecture.weights))
    return torch.stack([_power_law(kernel_eigenvalues(network, place)) for place in layers])


def power_law_alpha(network: MeasuredNetwork) -> Tensor:
    """The mean over the layers of the exponent alpha of the power law in the tail of the eigenvalues of W_k W_k^T.

    Layers without two different eigenvalues, such as one of a single unit, are left out.
    """
    return power_laws(network)[:, 0].nanmean()


def weighted_alpha(network: MeasuredNetwork) -> Tensor:
    """The mean over the layers of alpha_k log10 of the largest eigenvalue of W_k W_k^T, with alpha_k that exponent."""
    alpha, largest = power_laws(network).unbind(1)
    return (alpha * largest.log10()).nanmean()


def _power_law(values: Tensor) -> Tensor:
    """Return alpha and the largest of eigenvalues in rising order `(2,)`; NaN for alpha where no two differ.

    For every eigenvalue as the beginning of the tail, alpha = 1 + n / sum_i log(x_i / x_min) over the n from it on, the
    maximum likelihood estimate; the beginning is the one whose tail is nearest to its power law in the
    Kolmogorov-Smirnov distance (Clauset et al. 2009, of continuous data).
    """
    count = len(values)
    nonzero = values > ZERO * values[-1]
    logs = torch.where(nonzero, values, values[-1]).log()
    above = (logs - logs.unsqueeze(1)).clamp(min=0)  # row: where the tail begins
    size = torch.arange(count, 0, -1, dtype=values.dtype, device=values.device)
    total = above.triu().sum(1)
    slope = size / total
    first = (count - size).unsqueeze(1)
    below = torch.arange(count, dtype=values.dtype, device=values.device) - first
    fitted = 1 - (-slope.unsqueeze(1) * above).exp()
    lower_gap = fitted - below / size.unsqueeze(1)
    upper_gap = (below + 1) / size.unsqueeze(1) - fitted
    gaps = torch.stack([lower_gap, upper_gap]).abs().amax(0)
    distance = torch.where(nonzero & (total > 0), gaps.triu().amax(1), torch.inf)
    best = distance.argmin()
    alpha = torch.where(distance[best].isfinite(), 1 + slope[best], torch.nan)
    return torch.stack([alpha, values[-1]])
