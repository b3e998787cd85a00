"""How well representations tell the training labels apart: the last hidden one, and mixtures of inputs."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, forward_with_hooks
from benevolent.analysis.measures.rng import normal


@computed_once
def features(network: MeasuredNetwork) -> Tensor:
    """The inputs `(N, d)` of the last layer with weights at the training inputs, in float64."""
    found: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(given[0].flatten(1).double())

    for inputs, _ in network.batches():
        forward_with_hooks(network, inputs, {network.architecture.weights[-1].layer: note})
    return torch.cat(found)


def davies_bouldin(network: MeasuredNetwork) -> Tensor:
    """The Davies-Bouldin index of the labels at the last layer's inputs: mean_c max_c' (s_c + s_c') / ||m_c - m_c'||.

    m_c is the mean of a class, s_c the mean distance from it; over the classes that there are.
    """
    points, classes = features(network), network.architecture.classes
    member = functional.one_hot(network.train.labels, classes).double()
    count = member.sum(0)
    means = member.mT @ points / count.clamp(min=1).unsqueeze(1)
    spread = (points - means[network.train.labels]).norm(dim=1) @ member / count.clamp(min=1)
    apart = (means.unsqueeze(1) - means).norm(dim=2)
    there = (count > 0).double()
    both = there.unsqueeze(1) * there * (1 - torch.eye(classes, dtype=apart.dtype, device=apart.device))
    ratios = torch.where(both > 0, (spread.unsqueeze(1) + spread) / apart, -torch.inf).amax(1)
    return torch.where(there > 0, ratios, 0.0).sum() / there.sum()


def mixup_accuracy(network: MeasuredNetwork) -> Tensor:
    """The accuracy on the mean of each training input and another of its label, the pairs drawn from one key."""
    labels = network.train.labels
    partners = _partners(labels, network.architecture.classes)
    start, right = 0, []
    for inputs, own in network.batches():
        others = network.train.sets.gather(partners[start : start + len(own)].unsqueeze(0))[0]
        answers = network.logits_of(network.parameters, (inputs + others) / 2).argmax(-1)
        right.append((answers == own).double())
        start += len(own)
    return torch.cat(right).mean()


def _partners(labels: Tensor, classes: int) -> Tensor:
    """For each example the next one of its class `(N,)`, in a random circle of them."""
    keys = (
        normal((len(labels),), torch.empty(0, dtype=torch.float64, device=labels.device), "mixup").argsort().argsort()
    )
    order = (labels * len(labels) + keys).argsort()  # by class, then at random
    count = functional.one_hot(labels, classes).sum(0)
    first = (count.cumsum(0) - count)[labels[order]]
    place = torch.arange(len(labels), device=labels.device) + 1
    following = torch.where(place < first + count[labels[order]], place, first)
    return order[following][order.argsort()]
