"""Output margins and losses of the normalised network, in float64 from the logits and the norms on.

Dividing the logits f by rho = prod_k ||W_k||_F gives the network whose weights have norm one: a positively
homogeneous network with weights W_k / ||W_k||_F and biases b_k / prod_{j <= k} ||W_j||_F has the logits
f / rho. So biases of later layers are scaled by the cumulative product, and no parameter is touched.
"""

import torch
from torch import Tensor

from analysis.measures.norms import log_frobenius_product, log_l1_product, log_spectral_product
from analysis.measures.subject import Subject, logits, shared
from trainables.losses import cross_entropy


@shared
def margins(subject: Subject) -> Tensor:
    """The output margins `(N,)` of the training examples: f_y - max_{j != y} f_j."""
    outputs, index = logits(subject, "train"), subject.train.labels.unsqueeze(-1)
    others = outputs.scatter(-1, index, -torch.inf).amax(-1)
    return outputs.gather(-1, index).squeeze(-1) - others


def margin_p10(subject: Subject) -> Tensor:
    """The 10th percentile of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).quantile(0.1)


def margin_min(subject: Subject) -> Tensor:
    """The smallest training margin f_y - max_{j != y} f_j."""
    return margins(subject).amin()


def margin_p25(subject: Subject) -> Tensor:
    """The 25th percentile of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).quantile(0.25)


def margin_median(subject: Subject) -> Tensor:
    """The median of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).quantile(0.5)


def margin_p75(subject: Subject) -> Tensor:
    """The 75th percentile of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).quantile(0.75)


def margin_p90(subject: Subject) -> Tensor:
    """The 90th percentile of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).quantile(0.9)


def margin_mean(subject: Subject) -> Tensor:
    """The mean of the training margins f_y - max_{j != y} f_j."""
    return margins(subject).mean()


def margin_p10_frobenius(subject: Subject) -> Tensor:
    """The 10th percentile of the training margins over the product of Frobenius norms."""
    return margin_p10(subject) * (-log_frobenius_product(subject)).exp()


def margin_p10_spectral(subject: Subject) -> Tensor:
    """The 10th percentile of the training margins over the product of spectral norms."""
    return margin_p10(subject) * (-log_spectral_product(subject)).exp()


def normalised_train_loss(subject: Subject) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return _normalised_loss(subject, "train", log_frobenius_product(subject))


def normalised_train_loss_l1(subject: Subject) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of entrywise L1 norms: CE(f / rho_1, y)."""
    return _normalised_loss(subject, "train", log_l1_product(subject))


def normalised_test_loss(subject: Subject) -> Tensor:
    """The test cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return _normalised_loss(subject, "test", log_frobenius_product(subject))


def _normalised_loss(subject: Subject, split: str, log_product: Tensor) -> Tensor:
    outputs = logits(subject, split) * (-log_product).exp()
    losses, _ = cross_entropy(outputs, subject.splits[split].labels)
    return losses.mean()
