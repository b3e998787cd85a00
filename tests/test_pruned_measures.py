"""Pruned weights: those that a mask marks, and no others."""

import copy

import pytest
import torch
from test_measures import hessian_eigenvalues, make_task, theta
from torch import nn
from torch.nn.utils import prune

from benevolent.analysis.measures import measure_network
from benevolent.trainables.errors import BadInput

NAMES = ["effective_parameters", "sharpness", "hessian_trace", "frobenius_distance", "pac_bayes_init"]


def with_zero_layer():
    """A task whose last layer is zero but not pruned, as with `init.scheme: zeros`."""
    task = make_task("mlp")
    task.module[4].weight.data.zero_()
    return task


def test_weights_that_are_zero_are_not_pruned():
    task = with_zero_layer()
    table = measure_network(task.module, task.inputs, task.labels, task.init, NAMES)
    eigenvalues = hessian_eigenvalues(task)
    distance = ((theta(task.module) - theta(task.init)) ** 2).sum() ** 0.5
    assert table.loc["effective_parameters", "value"] == theta(task.module).size
    assert table.loc["sharpness", "value"] == pytest.approx(eigenvalues[-1], rel=1e-5)
    assert table.loc["hessian_trace", "value"] == pytest.approx(eigenvalues.sum(), rel=1e-9)
    assert table.loc["frobenius_distance", "value"] == pytest.approx(distance, rel=1e-12)


def test_masks_of_torch_prune_are_read_and_the_module_is_left_unchanged():
    task = make_task("mlp")
    module = copy.deepcopy(task.module)
    prune.random_unstructured(module[0], "weight", 0.5)
    prune.l1_unstructured(module[4], "weight", 7)
    masks = {"0.weight": module[0].weight_mask, "4.weight": module[4].weight_mask}
    plain = task.module
    for name, mask in masks.items():
        plain.get_parameter(name).data *= mask
    state = copy.deepcopy(module.state_dict())
    names = [name for name in NAMES if name != "pac_bayes_init"]  # its noise is drawn in the order of the parameters
    found = measure_network(module, task.inputs, task.labels, task.init, names)["value"]
    expected = measure_network(plain, task.inputs, task.labels, task.init, names, masks=masks)["value"]
    assert found.to_dict() == pytest.approx(expected.to_dict(), rel=1e-5)
    assert found["effective_parameters"] == theta(plain).size - 15 - 7
    assert prune.is_pruned(module) and all(
        torch.equal(state[name], value) for name, value in module.state_dict().items()
    )


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"weights": torch.ones(3, 5)}, "'weights' of shape (3, 5) is not the name and shape of a parameter"),
        ({"weight": torch.ones(5, 3)}, "'weight' of shape (5, 3) is not"),
        ({"weight": torch.full((3, 5), 0.5)}, "'weight' has other values than 0 and 1"),
        ({"weight": torch.zeros(3, 5)}, "'weight' is 0 at weights that are not 0"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(BadInput) as caught:
        measure_network(nn.Linear(5, 3), torch.zeros(2, 5), torch.tensor([0, 1]), masks=masks)
    assert message in str(caught.value)
