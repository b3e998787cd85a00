"""Networks with their units in another order, and paths between networks that no loss on them exceeds."""

import itertools

import pytest
import torch
from torch import nn

from benevolent.analysis.multi_run import (
    barrier,
    fit_curve,
    fit_curves,
    linear_path,
    loss_along_path,
    match_units,
    needed_units,
    permuted,
    sublevel_path,
)
from benevolent.trainables.errors import BadInput


def perceptron(seed: int, *sizes: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


def distance(first: nn.Module, second: nn.Module) -> float:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return sum((a - b).square().sum().item() for a, b in pairs)


def test_a_permuted_network_computes_the_same_function_and_is_found_again():
    network = perceptron(0, 5, 8, 6, 7, 3)
    orders = [torch.randperm(units) for units in (8, 6, 7)]
    other = permuted(network, orders)
    inputs = torch.randn(20, 5).double()
    torch.testing.assert_close(other(inputs), network(inputs), rtol=0, atol=1e-13)
    assert not torch.equal(other[1].weight, network[1].weight)
    found = match_units(other, network)
    assert [order.tolist() for order in found] == [order.tolist() for order in orders]


def test_one_hidden_layer_is_matched_as_by_trying_every_order():
    first, second = perceptron(1, 3, 5, 2), perceptron(2, 3, 5, 2)
    orders = [torch.tensor(order) for order in itertools.permutations(range(5))]
    best = min(distance(first, permuted(second, [order])) for order in orders)
    found = permuted(second, match_units(first, second))
    assert distance(first, found) == pytest.approx(best)


def test_matching_several_layers_ends_where_no_layer_alone_can_be_improved():
    first, second = perceptron(3, 3, 4, 4, 2), perceptron(4, 3, 4, 4, 2)
    found = match_units(first, second, random_seed=1)
    reached = distance(first, permuted(second, found))
    assert reached < distance(first, second)
    for layer, order in itertools.product(range(2), itertools.permutations(range(4))):
        changed = [torch.tensor(order) if place == layer else found[place] for place in range(2)]
        assert distance(first, permuted(second, changed)) >= reached - 1e-12


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_no_loss_along_the_path_of_the_proof_exceeds_that_of_the_worse_network(loss):
    """Two networks with one function, so that the squared error for its values is zero all along the path."""
    first = perceptron(5, 3, 24, 2 if loss == "cross_entropy" else 1)
    with torch.no_grad():
        first[3].weight.mul_(20)
    second = permuted(first, [torch.randperm(24)])
    inputs = torch.randn(10, 3).double()
    targets = first(inputs).detach()
    examples = inputs, targets.argmax(1) if loss == "cross_entropy" else targets[:, 0]
    corners = sublevel_path(first, second, inputs)
    assert corners is not None and distance(corners[0], first) == distance(corners[-1], second) == 0
    pieces = [
        loss_along_path(linear_path(*ends), {"all": examples}, loss=loss, points=9)["all_loss"]
        for ends in itertools.pairwise(corners)
    ]
    worse = max(pieces[0].iloc[0], pieces[-1].iloc[-1])
    assert max(piece.max() for piece in pieces) <= worse + 1e-9
    straight = loss_along_path(linear_path(first, second), {"all": examples}, loss=loss)["all_loss"]
    assert barrier(straight) > 0.01


def test_needed_units_span_the_others_and_a_narrow_network_has_no_such_path():
    network = perceptron(7, 4, 30, 2)
    inputs = torch.randn(6, 4).double()
    units = needed_units(network, inputs)
    features = network[:3](inputs)
    assert len(units) == torch.linalg.matrix_rank(features) == torch.linalg.matrix_rank(features[:, units]) <= 6
    assert sublevel_path(perceptron(8, 4, 8, 2), perceptron(9, 4, 8, 2), torch.randn(40, 4)) is None


def test_curves_of_several_pairs_are_those_of_each():
    pairs = [(perceptron(seed, 3, 4, 2), perceptron(seed + 1, 3, 4, 2)) for seed in (10, 20)]
    examples = torch.randn(30, 3).double(), torch.arange(30) % 2
    options = {"steps": 20, "lr": 0.2, "batch_size": 8, "random_seed": 4}
    for pair, path in zip(pairs, fit_curves(pairs, *examples, **options), strict=True):
        alone = fit_curve(*pair, *examples, **options)
        for name, value in alone.bend.items():
            torch.testing.assert_close(path.bend[name], value)
        assert not torch.equal(path.bend["1.weight"], linear_path(*pair).bend["1.weight"])


def test_networks_of_other_parts_are_refused():
    normed = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    for call in (lambda: match_units(normed, normed), lambda: permuted(normed, [torch.arange(3)])):
        with pytest.raises(BadInput, match="needs linear layers only"):
            call()
    with pytest.raises(BadInput, match="has buffers"):
        fit_curves([(normed, normed)], torch.zeros(4, 2), torch.zeros(4).long())
    with pytest.raises(BadInput, match="1 orders of units for 2 hidden layers"):
        permuted(perceptron(0, 2, 2, 2, 2), [torch.arange(2)])
    with pytest.raises(BadInput, match="needs one hidden layer"):
        sublevel_path(perceptron(0, 2, 2, 2, 2), perceptron(1, 2, 2, 2, 2), torch.zeros(1, 2))
    with pytest.raises(BadInput, match="needs equal architectures"):
        match_units(perceptron(0, 2, 3, 2), perceptron(0, 2, 4, 2))
