"""Modules whose weights are computed, by a parametrization or a hook: drawn, trained and measured as what acts."""

import math
from pathlib import PurePosixPath

import pandas as pd
import pytest
import torch
from test_training import SMALL, run
from test_user_modules import Flat
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from benevolent.analysis import measure_network
from benevolent.analysis.measures.missing_measures import ExistingMeasures, missing_jobs
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.trainables import data
from benevolent.trainables.compatibility import check
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.module_calls import load_tensors
from benevolent.trainables.store import paths

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:There is a performance drop:UserWarning")
MEASURES = ["parameter_norm", "frobenius_distance", "log_frobenius_product", "margin_p10", "lipschitz_mean"]
MEASURES += ["effective_parameters", "fisher_rao_norm", "hessian_trace"]


class Doubled(nn.Module):
    """A parametrization without an inverse."""

    def forward(self, weight):
        return 2 * weight


class WeightNorm(Flat):
    def __init__(self):
        super().__init__()
        parametrizations.weight_norm(self.hidden)


class SpectralNorm(Flat):
    def __init__(self):
        super().__init__()
        parametrizations.spectral_norm(self.hidden)


class Orthogonal(Flat):
    def __init__(self):
        super().__init__()
        parametrizations.orthogonal(self.hidden)


class Own(Flat):
    def __init__(self):
        super().__init__()
        parametrize.register_parametrization(self.hidden, "weight", Doubled())


class HookedWeightNorm(Flat):
    def __init__(self):
        super().__init__()
        weight_norm(self.hidden)


class HookedSpectralNorm(Flat):
    def __init__(self):
        super().__init__()
        spectral_norm(self.hidden)


class Pruned(Flat):
    def __init__(self):
        super().__init__()
        prune.random_unstructured(self.hidden, "weight", 0.5)


class FixedLengths(Flat):
    """Rows of fixed length, of which only the direction is trained."""

    def __init__(self):
        super().__init__()
        parametrizations.weight_norm(self.hidden)
        self.hidden.parametrizations.weight.original0.data.fill_(3)
        self.hidden.parametrizations.weight.original0.requires_grad_(False)


MODULES = [WeightNorm, SpectralNorm, Orthogonal, Own, HookedWeightNorm, HookedSpectralNorm, Pruned]


def of(module: type, seed: int, **sections) -> dict:
    model = {"family": "module", "path": f"test_computed_weights:{module.__name__}"}
    return run(seed, model=model, data=SMALL, stop={"train_loss": None, "max_epochs": 2}, **sections)


def built(module: type, seed: int, tensors=None, **sections) -> nn.Module:
    """The module with given tensors; by default those that a run starts from."""
    config = RunConfig.parse(of(module, seed, **sections))
    architecture = built_network.for_run(config, data.describe(config.data))
    load_tensors(architecture.module, architecture.initial(config.init, seed) if tensors is None else tensors)
    return architecture.module


@pytest.mark.parametrize("module", MODULES)
def test_what_a_sweep_measures_is_what_measure_network_measures(module, cohort):
    record = {"measures": MEASURES, "measure_at": "checkpoints"}
    trained = cohort("c", [of(module, seed) for seed in range(2)], record=record).train()
    frames = []
    for job in missing_jobs(ExistingMeasures(trained.results), ["c"], MEASURES, checkpoints=True):
        measure_file(trained.results, job, trust=True)
        frames.append(trained.results.read_table(job.output).to_pandas())
    table = pd.concat(frames).drop_duplicates(["run_id", "step", "name"])  # the last step is a checkpoint, too
    split = data.load(trained.configs[0].data).train
    first = PurePosixPath(paths.checkpoint("train", 0)).name
    networks = {0: trained.checkpoint(first), table["step"].max(): trained.final()}
    for config in trained.configs:
        for step, states in networks.items():
            rows = table[(table["run_id"] == config.run_id) & (table["step"] == step)].set_index("name")
            own = built(module, config.seed, states[config.run_id])
            initial = built(module, config.seed)
            expected = measure_network(own, split.inputs, split.labels, init=initial, measures=MEASURES)
            assert rows["status"].to_dict() == expected["status"].to_dict()
            assert rows["value"].to_dict() == pytest.approx(
                expected["value"].to_dict(), rel=1e-3, abs=1e-5, nan_ok=True
            )
            own(split.inputs)  # hooks compute weights as they are called
            squares = [own.hidden.weight, own.hidden.bias, *own.head.parameters()]
            norm = math.sqrt(sum(float(value.double().square().sum()) for value in squares))
            assert rows.loc["parameter_norm", "value"] == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("module", MODULES)
def test_a_run_is_the_same_alone_beside_others_and_in_a_loop(module, cohort):
    together = cohort("together", [of(module, seed) for seed in range(3)]).train().final()
    alone = cohort("alone", [of(module, 1)]).train()
    looped = cohort("looped", [of(module, seed) for seed in range(3)], plan=("loop", 3)).train().final()
    run_id = alone.run_ids[0]
    for name, value in alone.final()[run_id].items():
        torch.testing.assert_close(together[run_id][name], value, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(looped[run_id][name], value, rtol=1e-4, atol=1e-5)


def test_a_cohort_goes_on_from_its_saved_state_bit_for_bit(cohort):
    configs = [of(SpectralNorm, seed) for seed in range(2)]
    straight = cohort("straight", configs).train()
    interrupted = cohort("interrupted", configs)
    interrupted.start(save_every_seconds=0).advance(0)
    interrupted.train()
    for run_id, tensors in straight.final().items():
        for name, value in tensors.items():
            assert torch.equal(value, interrupted.final()[run_id][name]), name


@pytest.mark.parametrize("module", [WeightNorm, HookedWeightNorm, SpectralNorm, Own])
def test_the_weight_that_acts_is_drawn_as_a_plain_one(module):
    own = built(module, 3, init={"scheme": "xavier"})
    if module is HookedWeightNorm:
        own(torch.zeros(1, 1, 8, 8))
    plain = built(Flat, 3, init={"scheme": "xavier"}).hidden.weight
    assert plain.abs().max() <= math.sqrt(6 / 72) and own.hidden.weight.std() > 0
    if module is SpectralNorm:
        norm = torch.linalg.matrix_norm(own.hidden.weight.double(), 2)
        assert float(norm) == pytest.approx(1, abs=0.02)
    elif module is not Own:  # which has no inverse
        assert own.hidden.weight.abs().max() <= math.sqrt(6 / 72) + 1e-6


def test_orthogonal_weights_are_other_ones_in_other_runs():
    first, second = built(Orthogonal, 0).hidden.weight, built(Orthogonal, 1).hidden.weight
    torch.testing.assert_close(first @ first.mT, torch.eye(8))
    assert (first - second).abs().max() > 0.1


def test_a_frozen_source_stays_as_the_constructor_leaves_it():
    first, second = built(FixedLengths, 0).hidden.weight, built(FixedLengths, 1).hidden.weight
    torch.testing.assert_close(first.norm(dim=1), torch.full((8,), 3.0))
    assert not torch.equal(first, second)


def test_bias_statistics_are_those_of_the_layer_whose_weight_is_computed(cohort):
    trained = cohort("c", [of(WeightNorm, 0)]).train()
    moved = trained.value(trained.run_ids[0], "bias_distance_from_init")
    assert moved == pytest.approx(float(trained.final()[trained.run_ids[0]]["hidden.bias"].norm()), rel=1e-5)


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"prune": {"fraction": 0.5}}, "prune.fraction = 0.5: 'hidden.weight' is computed from other parameters"),
        ({"init": {"edit": "shrink", "amount": 0.5}}, "init.edit = 'shrink': 'hidden.weight' is computed"),
        ({"init": {"first": 1.0}}, "init.first = 1.0: 'hidden.weight' is computed"),
        ({"init": {"scheme": "zeros"}}, "init: the parametrization of 'hidden.weight' cannot stand for"),
    ],
)
def test_fields_that_change_single_weights_are_refused(sections, line):
    with pytest.raises(BadInput) as refused:
        check(RunConfig.parse(of(WeightNorm, 0, **sections)))
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)
