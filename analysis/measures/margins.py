"""Output margins and losses of the normalised network, in float64 from the logits and the norms on.

Dividing the logits f by rho = prod_k ||W_k||_F gives the network whose weights have norm one: a positively
homogeneous network with weights W_k / ||W_k||_F and biases b_k / prod_{j <= k} ||W_j||_F has the logits
f / rho. So biases of later layers are scaled by the cumulative product, and no parameter is touched.
"""

import torch
from torch import Tensor

from analysis.measures.norms import log_frobenius_product, log_spectral_product
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


def margin_p10_frobenius(subject: Subject) -> Tensor:
    """The 10th percentile of the training margins over the product of Frobenius norms."""
    return margin_p10(subject) * (-log_frobenius_product(subject)).exp()


def margin_p10_spectral(subject: Subject) -> Tensor:
    """The 10th percentile of the training margins over the product of spectral norms."""
    return margin_p10(subject) * (-log_spectral_product(subject)).exp()


def normalised_train_loss(subject: Subject) -> Tensor:
    """The training cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return _normalised_loss(subject, "train")


def normalised_test_loss(subject: Subject) -> Tensor:
    """The test cross-entropy (nats) of the logits over the product of Frobenius norms: CE(f / rho, y)."""
    return _normalised_loss(subject, "test")


def _normalised_loss(subject: Subject, split: str) -> Tensor:
    outputs = logits(subject, split) * (-log_frobenius_product(subject)).exp()
    losses, _ = cross_entropy(outputs, subject.splits[split].labels)
    return losses.mean()
