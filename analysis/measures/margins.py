"""Output margins and losses of the normalized network, in float64 from the logits and the norms on.

Dividing the logits f by rho = prod_k ||W_k||_F gives the network whose weights have norm one: a positively
homogeneous network with weights W_k / ||W_k||_F and biases b_k / prod_{j <= k} ||W_j||_F has the logits
f / rho. So biases of later layers are scaled by the cumulative product, and no parameter is touched.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional

from benevolent.analysis.measures.distances import log_spectral_complexity
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, logits
from benevolent.analysis.measures.norms import log_frobenius_product, log_norm_product, log_spectral_product
from benevolent.analysis.measures.quantiles import quantile
from benevolent.analysis.measures.rounding import without_rounding


@computed_once
def margins(network: MeasuredNetwork) -> Tensor:
    """Return the output margins `(N,)` of the training examples: f_y - max_{j != y} f_j."""
    return margins_of(logits(network, "train"), network.train.labels)


def margins_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return f_y - max_{j != y} f_j `(N,)` of logits `(N, C)`."""
    index = labels.unsqueeze(-1)
    others = outputs.scatter(-1, index, -torch.inf).amax(-1)
    return outputs.gather(-1, index).squeeze(-1) - others


def margin_p10(network: MeasuredNetwork) -> Tensor:
    """The 10th percentile of the training margins f_y - max_{j != y} f_j."""
    return quantile(margins(network), 0.1)


def margin_min(network: MeasuredNetwork) -> Tensor:
    """The smallest training margin f_y - max_{j != y} f_j."""
    return margins(network).amin()


def margin_p25(network: MeasuredNetwork) -> Tensor:
    """The 25th percentile of the training margins f_y - max_{j != y} f_j."""
    return quantile(margins(network), 0.25)


def margin_median(network: MeasuredNetwork) -> Tensor:
    """The median of the training margins f_y - max_{j != y} f_j."""
    return quantile(margins(network), 0.5)


def margin_p75(network: MeasuredNetwork) -> Tensor:
    """The 75th percentile of the training margins f_y - max_{j != y} f_j."""
    return quantile(margins(network), 0.75)


def margin_p90(network: MeasuredNetwork) -> Tensor:
    """The 90th percentile of the training margins f_y - max_{j != y} f_j."""
    return quantile(margins(network), 0.9)


def margin_mean(network: MeasuredNetwork) -> Tensor:
    """The mean of the training margins f_y - max_{j != y} f_j."""
    return margins(network).mean()


def margin_p10_frobenius(network: MeasuredNetwork) -> Tensor:
    """The 10th percentile of the training margins over the product of Frobenius norms."""
    return margin_p10(network) * (-log_frobenius_product(network)).exp()


def margin_p10_complexity(network: MeasuredNetwork) -> Tensor:
    """The 10th percentile of the training margins over the spectral complexity (see `log_spectral_complexity`)."""
    return margin_p10(network) * (-log_spectral_complexity(network)).exp()


def margin_quantiles(network: MeasuredNetwork) -> Tensor:
    """The 0, 5, ..., 100 % quantiles of the training margins over the product of Frobenius norms."""
    return _quantiles(margins(network) * (-log_frobenius_product(network)).exp())


def top_output_quantiles(network: MeasuredNetwork) -> Tensor:
    """The 0, 5, ..., 100 % quantiles of the largest logit over the product of Frobenius norms, on training inputs."""
    largest = logits(network, "train").amax(-1)
    scale = (-log_frobenius_product(network)).exp()
    return _quantiles(largest * scale)


def _quantiles(values: Tensor) -> Tensor:
    quantiles = [quantile(values, step / 20) for step in range(21)]
    return torch.stack(quantiles)


@computed_once
def input_margins(network: MeasuredNetwork) -> Tensor:
    """Return the linearized distances `(N,)` of training inputs to the boundary, see `input_margin_p10`."""
    slopes = _slopes_of_margins(network)
    lengths = without_rounding(network, lambda same: _slopes_of_margins(same).lengths, slopes.usual)
    return slopes.margins / lengths


class _MarginSlopes(NamedTuple):
    """Margins and their slopes at the inputs, all `(N,)`.

    Attributes:
        margins: of the outputs.
        lengths: of the slopes.
        usual: lengths that the slopes would have without cancellation: the largest logit over the size of an input.
    """

    margins: Tensor
    lengths: Tensor
    usual: Tensor


@computed_once
def _slopes_of_margins(network: MeasuredNetwork) -> _MarginSlopes:
    """Return the slopes of the margins at the training inputs."""
    parts: dict[str, list[Tensor]] = {"margins": [], "lengths": [], "outputs": [], "squares": []}
    for inputs, labels in network.batches():
        slopes, (each, largest) = grad(_margins_at, argnums=1, has_aux=True)(network, inputs, labels)
        parts["margins"].append(each.double())
        parts["lengths"].append(slopes.flatten(1).double().norm(dim=1))
        parts["outputs"].append(largest.double())
        parts["squares"].append(inputs.flatten(1).double().square().sum(1))
    values = {name: torch.cat(pieces) for name, pieces in parts.items()}
    usual = values["outputs"] / values["squares"].mean().sqrt()
    return _MarginSlopes(values["margins"], values["lengths"], usual)


def _margins_at(network: MeasuredNetwork, points: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the sum of the margins at inputs `(n, *input_shape)`; the margins `(n,)`, and the largest logits."""
    outputs = network.logits_of(network.parameters, points)
    each = margins_of(outputs, labels)
    return each.sum(), (each, outputs.abs().amax(-1))


def input_margin_p10(network: MeasuredNetwork) -> Tensor:
    """The 10th percentile of the distance to the boundary, linearized: (f_y - f_j) / ||d (f_y - f_j) / d x||_2.

    j is the class with the largest logit but for y.
    """
    return quantile(input_margins(network), 0.1)


def input_margin_median(network: MeasuredNetwork) -> Tensor:
    """The median of the linearized distance to the boundary: (f_y - f_j) / ||d (f_y - f_j) / d x||_2."""
    return quantile(input_margins(network), 0.5)


def margin_p10_spectral(network: MeasuredNetwork) -> Tensor:
    """The 10th percentile of the training margins over the product of spectral norms."""
    return margin_p10(network) * (-log_spectral_product(network)).exp()


def normalized_loss(network: MeasuredNetwork, split: str = "train", p: float = 2) -> Tensor:
    """Return the cross-entropy (nats) of the logits over the product of entrywise p-norms of weights: CE(f / rho_p, y).

    For norms that are not in the registry, `lambda network: normalized_loss(network, p=3)` is a measure.

    Args:
        network: a positively homogeneous network.
        split: name of the split with the examples.
        p: exponent of the norm (sum_ij |W_k,ij|^p)^(1/p), positive; inf for the largest entry.

    Raises:
        BadInput: p is not positive.
    """
    return _loss_over(network, split, log_norm_product(network, p))


def normalized_train_loss(network: MeasuredNetwork) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return normalized_loss(network)


def normalized_train_loss_l1(network: MeasuredNetwork) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of entrywise L1 norms: CE(f / rho_1, y)."""
    return normalized_loss(network, p=1)


def normalized_train_loss_l4(network: MeasuredNetwork) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of entrywise L4 norms: CE(f / rho_4, y)."""
    return normalized_loss(network, p=4)


def normalized_train_loss_max(network: MeasuredNetwork) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of largest entries: CE(f / rho_inf, y)."""
    return normalized_loss(network, p=math.inf)


def normalized_test_loss(network: MeasuredNetwork) -> Tensor:
    """The test cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return normalized_loss(network, "test")


def normalized_train_loss_by_output(network: MeasuredNetwork) -> Tensor:
    """The training cross-entropy (nats) of the logits over the norm of those of one input: CE(f / ||f(x_1)||, y).

    x_1 is the first training input. For ResNets and others whose layers' norms do not multiply.
    """
    return _loss_over(network, "train", _log_first_output(network))


def normalized_test_loss_by_output(network: MeasuredNetwork) -> Tensor:
    """The test cross-entropy (nats) of the logits over the norm of those of one input: CE(f / ||f(x_1)||, y).

    x_1 is the first training input.
    """
    return _loss_over(network, "test", _log_first_output(network))


def _log_first_output(network: MeasuredNetwork) -> Tensor:
    return logits(network, "train")[0].norm().log()


def _loss_over(network: MeasuredNetwork, split: str, log_size: Tensor) -> Tensor:
    outputs = logits(network, split) * (-log_size).exp()
    return functional.cross_entropy(outputs, network.splits[split].labels)
