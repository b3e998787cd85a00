"""Memorization: wrong labels that a network fits, and inputs near which its answer changes."""

import torch
from torch import Tensor
from torch.func import grad

from benevolent.analysis.measures.margins import margins_of
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, logits
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.rounding import without_rounding

#: Number of inputs that are searched around, steps of the search, and half-width of the box around an input, in
#: standard deviations of all numbers of the training inputs. Arpit et al. 2017 take 0.3 of 255 gray levels; on small
#: standardized images at 0.3 deviations nearly every input is critical.
POINTS = 400
STEPS = 30
RADIUS = 0.02
#: Lengths of a step in half-widths of the box: along the sign of the gradient, and of the noise (there 0.25 and 0.2 of
#: 0.3).
ALONG = 0.25 / 0.3
NOISE = 0.2 / 0.3


def clean_train_accuracy(network: MeasuredNetwork) -> Tensor:
    """The accuracy on the training examples whose label is the true one."""
    right = _right(network)
    true = _labels_are_true(network)
    return (right * true).sum() / true.sum()


def corrupted_train_accuracy(network: MeasuredNetwork) -> Tensor:
    """The fraction of training examples with a wrong label to which the network gives that wrong label."""
    right = _right(network)
    wrong = 1 - _labels_are_true(network)
    return (right * wrong).sum() / wrong.sum()


def _right(network: MeasuredNetwork) -> Tensor:
    """Return 1 for the training examples that are classified as labeled, else 0, `(N,)`."""
    predicted = logits(network, "train").argmax(-1)
    return (predicted == network.train.labels).double()


def _labels_are_true(network: MeasuredNetwork) -> Tensor:
    """Return 1 for the training examples whose label is the true one, else 0, `(N,)`."""
    assert network.true_labels is not None
    return (network.train.labels == network.true_labels).double()


@computed_once
def loss_sensitivities(network: MeasuredNetwork) -> Tensor:
    """Return ||d loss_i / d x_i||_1 `(N,)` in float64 at the training examples."""

    def total(inputs: Tensor, labels: Tensor) -> Tensor:
        return network.loss(network.logits_of(network.parameters, inputs), labels).sum()

    gradients = [grad(total)(inputs, labels) for inputs, labels in network.batches()]
    return torch.cat([gradient.flatten(1).double().abs().sum(1) for gradient in gradients])


def loss_sensitivity_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over the training examples of the loss sensitivity ||d loss / d x||_1."""
    return loss_sensitivities(network).mean()


def loss_sensitivity_gini(network: MeasuredNetwork) -> Tensor:
    """The Gini coefficient of the loss sensitivities g: sum_ij |g_i - g_j| / (2 N sum_i g_i)."""
    sensitivities = without_rounding(network, loss_sensitivities, _usual_sensitivities(network))
    ordered = sensitivities.sort().values
    count = len(ordered)
    ranks = torch.arange(1, count + 1, dtype=ordered.dtype, device=ordered.device)
    return 2 * (ranks * ordered).sum() / (count * ordered.sum()) - (count + 1) / count


def _usual_sensitivities(network: MeasuredNetwork) -> Tensor:
    """Return what loss sensitivities would be without cancellation `(N,)`: losses over the largest input number."""
    losses = network.loss(logits(network, "train"), network.train.labels)
    sizes = [inputs.flatten(1).double().abs().amax() for inputs, _ in network.batches()]
    return losses / torch.stack(sizes).amax()


def critical_sample_ratio(network: MeasuredNetwork) -> Tensor:
    """The fraction of validation inputs x with another answer in the box |x' - x| <= 0.02 deviations (LASS)."""
    return critical(network, "validation").mean()


def critical_sample_ratio_train(network: MeasuredNetwork) -> Tensor:
    """The fraction of training inputs x with another answer in the box |x' - x| <= 0.02 deviations (LASS)."""
    return critical(network, "train").mean()


def critical(network: MeasuredNetwork, split: str) -> Tensor:
    """Return 1 for the critical ones of the first 400 inputs of a split, else 0, `(n,)`, by Langevin search (LASS).

    x' <- clip(x' - a sign(d m / d x') + b eta) to the box, for 30 steps, with eta standard normal and m the margin of
    the answer at x: f_k - max_{j != k} f_j. (Arpit et al. 2017 write sign(d f_k / d x'), which ignores the other
    logits, and leave the direction of the step implicit.)
    """
    inputs = network.splits[split].inputs[:POINTS]
    radius = RADIUS * network.train.inputs.std(correction=0)
    answers = network.logits_of(network.parameters, inputs).argmax(-1)

    def margin(points: Tensor) -> Tensor:
        return margins_of(network.logits_of(network.parameters, points), answers).sum()

    points = inputs
    changed = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
    for step in range(STEPS):
        noise = normal(tuple(inputs.shape), inputs, "critical samples", step)
        direction = grad(margin)(points).sign()
        moved = points - ALONG * radius * direction + NOISE * radius * noise
        shift = (moved - inputs).clamp(min=-radius, max=radius)
        points = inputs + shift
        answers_there = network.logits_of(network.parameters, points).argmax(-1)
        changed = changed | (answers_there != answers)
    return changed.double()
