"""What measures say of awkward networks, and laws that hold for each of them."""

import copy
import warnings

import pytest
import torch
from awkward_networks import AWKWARD, LABELS, built
from torch import nn

from benevolent.analysis import measure_network
from benevolent.analysis.measures import MappingWarning, measure_stack
from benevolent.analysis.measures.effective_weights import plain_copy, without_hooks
from benevolent.trainables.stack.network import Network

#: Measures of weights, outputs and derivatives that are quick.
QUICK = [
    *("parameter_count", "parameter_norm", "log_frobenius_product", "log_spectral_product", "log_kernel_product"),
    *("path_norm", "margin_p10", "normalized_train_loss", "lipschitz_mean", "input_margin_median", "fisher_rao_norm"),
    *("davies_bouldin", "layer_margins", "activation_regions"),
]
#: Of those, the ones that do not change where a factor moves from one layer to the next.
SCALE_FREE = [
    *("log_frobenius_product", "log_spectral_product", "log_kernel_product", "margin_p10", "lipschitz_mean"),
    *("input_margin_median", "layer_margins", "activation_regions"),
]


def measured(name: str, module: nn.Module, measures: list[str]):
    inputs = AWKWARD[name].inputs()
    table = measure_network(module, inputs, LABELS, measures=measures)
    return table.set_index(table.groupby("measure").cumcount(), append=True)


def assert_same(one, other, relative: float = 1e-4) -> None:
    assert one["status"].to_dict() == other["status"].to_dict()
    expected = pytest.approx(other["value"].to_dict(), rel=relative, abs=1e-5, nan_ok=True)
    assert one["value"].to_dict() == expected


@pytest.mark.parametrize("name", AWKWARD)
def test_a_measure_is_right_or_says_why_not(name):
    said = AWKWARD[name].says
    statuses = measure_network(built(name), AWKWARD[name].inputs(), LABELS, measures=[*said])["status"]
    for measure, beginning in said.items():
        assert set(statuses.loc[[measure]].str.startswith(beginning)) == {True}, statuses.to_dict()


@pytest.mark.parametrize("name", [name for name, one in AWKWARD.items() if one.hidden])
def test_permuting_hidden_units_changes_no_measure(name):
    module = built(name)
    permuted = copy.deepcopy(module)
    state = permuted.state_dict()
    for tensor, axis in AWKWARD[name].hidden:
        units = torch.arange(state[tensor].shape[axis]).flip(0)
        state[tensor] = state[tensor].index_select(axis, units)
    permuted.load_state_dict(state)
    assert_same(measured(name, permuted, QUICK), measured(name, module, QUICK))


@pytest.mark.parametrize("name", [name for name, one in AWKWARD.items() if one.scaled[0]])
def test_moving_a_factor_between_homogeneous_layers_changes_no_scale_free_measure(name):
    module = built(name)
    rescaled = copy.deepcopy(module)
    state = rescaled.state_dict()
    for tensors, factor in zip(AWKWARD[name].scaled, (4, 1 / 4), strict=True):
        for tensor in tensors:
            state[tensor].mul_(factor)
    first = AWKWARD[name].scaled[0][0]
    assert not torch.equal(rescaled.state_dict()[first], module.state_dict()[first])
    assert_same(measured(name, rescaled, SCALE_FREE), measured(name, module, SCALE_FREE))


@pytest.mark.parametrize("name", AWKWARD)
def test_a_network_has_the_same_measures_in_a_stack(name):
    modules = [built(name, seed) for seed in range(2)]
    plain = [without_hooks(plain_copy(module)[0]) for module in modules]
    if name == "hook that changes":
        plain = [plain_copy(module)[0] for module in modules]
    inputs = AWKWARD[name].inputs()
    parameters = [dict(one.named_parameters()) for one in plain]
    stacked = {key: torch.stack([one[key].detach() for one in parameters]) for key in parameters[0]}
    buffers = [dict(one.named_buffers()) for one in plain]
    stacked_buffers = {key: torch.stack([one[key] for one in buffers]) for key in buffers[0]}
    measures = [one for one in QUICK if one != "parameter_count"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MappingWarning)
        network = Network(plain[0].requires_grad_())
        table = measure_stack(network, stacked, None, {"train": (inputs, LABELS)}, measures, stacked_buffers)
    for position, module in enumerate(modules):
        own = table[table["position"] == position].set_index(["name", "index"])
        assert_same(own, measured(name, module, measures))


@pytest.mark.parametrize("name", [name for name, one in AWKWARD.items() if not one.has_precision])
def test_float32_is_near_float64(name):
    single = measured(name, built(name), QUICK)
    assert_same(single, measured(name, built(name).double(), QUICK), 1e-3)
