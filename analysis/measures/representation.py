"""Separation of the training labels: by the last hidden representation, and at mixtures of inputs."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, forward_with_hooks
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.rounding import without_rounding


@computed_once
def features(network: MeasuredNetwork) -> Tensor:
    """Return the inputs `(N, d)` of the last layer with weights at the training inputs, in float64."""
    parts: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        parts.append(arguments[0].flatten(1).double().clone())  # a later layer may change them

    last = network.architecture.weights[-1].layer
    for inputs, _ in network.batches():
        forward_with_hooks(network, inputs, {last: keep})
    return torch.cat(parts)


def davies_bouldin(network: MeasuredNetwork) -> Tensor:
    """The Davies-Bouldin index of the labels at the last layer's inputs: mean_c max_c' (s_c + s_c') / ||m_c - m_c'||.

    m_c is the mean of a class, s_c the mean distance from it; over the classes that have examples.
    """
    points = features(network)
    classes = network.architecture.classes
    member = _members(network)
    count = member.sum(0)
    means = _class_means(network)
    from_mean = (points - means[network.train.labels]).norm(dim=1)
    spread = from_mean @ member / count.clamp(min=1)
    apart = without_rounding(network, _between_means, means.norm(dim=1).amax())
    present = (count > 0).double()
    different = 1 - torch.eye(classes, dtype=apart.dtype, device=apart.device)
    comparable = present.unsqueeze(1) * present * different
    both_spreads = spread.unsqueeze(1) + spread
    ratios = torch.where(comparable > 0, both_spreads / apart, -torch.inf)
    worst = ratios.amax(1)
    return torch.where(present > 0, worst, 0.0).sum() / present.sum()


def _members(network: MeasuredNetwork) -> Tensor:
    """Return 1 for the label of each training example, else 0, `(N, C)`."""
    return functional.one_hot(network.train.labels, network.architecture.classes).double()


def _class_means(network: MeasuredNetwork) -> Tensor:
    """Return the mean `(C, d)` of the features of each class."""
    member = _members(network)
    return member.mT @ features(network) / member.sum(0).clamp(min=1).unsqueeze(1)


def _between_means(network: MeasuredNetwork) -> Tensor:
    """Return the distances `(C, C)` of the classes' means."""
    means = _class_means(network)
    return torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist")  # products would lose digits


def mixup_accuracy(network: MeasuredNetwork) -> Tensor:
    """The accuracy on the mean of each training input and another of its label, the pairs drawn from one key."""
    labels = network.train.labels
    partners = _partners(labels, network.architecture.classes)
    start = 0
    right = []
    for inputs, own_labels in network.batches():
        stop = start + len(own_labels)
        others = network.train.sets.gather(partners[start:stop].unsqueeze(0))[0]
        midpoints = (inputs + others) / 2
        answers = network.logits_of(network.parameters, midpoints).argmax(-1)
        right.append((answers == own_labels).double())
        start = stop
    return torch.cat(right).mean()


def _partners(labels: Tensor, classes: int) -> Tensor:
    """Return, for each example `(N,)`, the next one of its class in a random circle of them."""
    like = torch.empty(0, dtype=torch.float64, device=labels.device)
    ranks = normal((len(labels),), like, "mixup").argsort().argsort()
    order = (labels * len(labels) + ranks).argsort()  # by class, then at random
    count = functional.one_hot(labels, classes).sum(0)
    first_of_class = (count.cumsum(0) - count)[labels[order]]
    end_of_class = first_of_class + count[labels[order]]
    following = torch.arange(len(labels), device=labels.device) + 1
    following = torch.where(following < end_of_class, following, first_of_class)
    return order[following][order.argsort()]
