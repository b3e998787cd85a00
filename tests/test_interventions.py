"""What every intervention does, trained on digits: pruning, resets, sources, subspaces, schedules, losses, stops."""

import copy
import itertools
import re

import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from torch import nn

from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.config.optimization import OptimizerConfig
from benevolent.trainables.config.pruning import SubspaceConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.optimization.optimizers import learning_rate, norms
from benevolent.trainables.rng import RandomStream, generator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.subspace import PROJECTIONS
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.interventions import reused
from benevolent.trainables.training.starting import start_training

DATA = {"train_size": 100, "validation_size": 50, "test_size": 100}
MLP = {"family": "mlp", "width": 16, "depth": 3}
TWO = DATA | {"classes": "low_high"}
NORMED = MLP | {"batch_norm": "plain"}
HUGE = {"batch_size": 30, "lr": 1e12}


def run(seed: int = 0, **sections) -> dict:
    stop = {"train_loss": None, "max_epochs": 2}
    rest = {"data": DATA, "model": MLP, "optimizer": {"batch_size": 30, "lr": 0.05}, "stop": stop, "seed": seed}
    return rest | sections


def built(config: RunConfig) -> Network:
    task = data.describe(config.data)
    return built_network.for_run(config, task)


class Family:
    """Cohorts made by the planner and trained in its order, each parent before its children."""

    def __init__(self, cohort, name: str = "", kernel: str | None = None, **keys) -> None:
        self.trained, self.of, cohort_of_run = {}, {}, {}
        for made in expand(SweepSpec.parse({"name": "test", **keys})).new_manifests():
            configs = [config.model_dump() for config in made.configs]
            record = made.record.model_dump()
            waits_for = [cohort_of_run[cohort_id] for cohort_id in made.waits_for]  # those that come before are there
            cohort_of_run[made.cohort_id] = f"{name}{made.cohort_id}"
            plan_ = (kernel, len(configs)) if kernel else None
            trained = cohort(cohort_of_run[made.cohort_id], configs, waits_for, record, plan_).train()
            self.trained[made.cohort_id] = trained
            self.of |= {config.run_id: (config, trained) for config in made.configs}

    def end(self, config: RunConfig) -> dict[str, torch.Tensor]:
        return self.of[config.run_id][1].final()[config.run_id]

    def start(self, config: RunConfig) -> dict[str, torch.Tensor]:
        return self.of[config.run_id][1].checkpoint(f"{config.phases[0].name}-00000000")[config.run_id]

    def row(self, config: RunConfig):
        return self.of[config.run_id][1].table("runs").set_index("run_id").loc[config.run_id]

    def having(self, **fields) -> list[RunConfig]:
        """The runs that have these values, a dot in a name written `__`."""
        wanted = {name.replace("__", "."): value for name, value in fields.items()}
        return [c for c, _ in self.of.values() if all(c.flat()[name] == value for name, value in wanted.items())]


def base(**sections) -> dict:
    return {name: value for name, value in run(**sections).items() if name != "seed"}


def weights(values: dict) -> dict:
    """Of tensors or of shapes."""
    return {name: value for name, value in values.items() if len(getattr(value, "shape", value)) >= 2}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


# Pruning.


@pytest.mark.parametrize("method", ["magnitude", "layer_magnitude"])
def test_each_round_prunes_its_fraction_and_keeps_pruned_weights(cohort, method):
    grid = {"prune.rounds": [1, 2, 3], "init.scale": [0.5, 1]}
    family = Family(cohort, base=base() | {"prune": {"fraction": 0.3, "method": method}}, grid=grid, seeds=2)
    assert len(family.of) == 3 * 4 + 4  # every dense run was trained once
    assert sorted(len(trained.configs) for trained in family.trained.values()) == [4, 4, 4, 4]
    for child in [config for config in family.having() if config.prune.prunes]:
        own, before = weights(family.end(child)), weights(family.end(child.parent))
        counts = {name: (int((value == 0).sum()), value.numel()) for name, value in own.items()}
        share = 1 - 0.7**child.prune.rounds
        if method == "magnitude":
            counts = {"all": tuple(map(sum, zip(*counts.values(), strict=True)))}
        assert all(gone == round(share * size) for gone, size in counts.values())
        assert all((own[name] == 0)[before[name] == 0].all() for name in own)
        magnitudes = {name: value.abs() for name, value in before.items()}
        groups = [list(own)] if method == "magnitude" else [[name] for name in own]
        for group in groups:
            gone = torch.cat([own[name].flatten() for name in group]) == 0
            sizes = torch.cat([magnitudes[name].flatten() for name in group])
            assert sizes[gone].max() <= sizes[~gone].min()


def test_output_rate_scales_the_pruned_fraction_of_the_output_layer(cohort):
    prune = {"fraction": 0.4, "method": "layer_magnitude", "output_rate": 0.5, "rounds": 2}
    family = Family(cohort, base=base() | {"prune": prune})
    (ticket,) = family.having(prune__rounds=2, prune__fraction=0.4)
    for name, value in weights(family.end(ticket)).items():
        share = 1 - (0.8 if name == "5.weight" else 0.6) ** 2
        assert (value == 0).sum() == round(share * value.numel())


def test_convolutions_and_output_layer_have_their_own_pruning_rates(cohort):
    """Frankle and Carbin's Conv-2: of convolutions and of the output half of what goes of the other layers."""
    prune = {"fraction": 0.2, "method": "layer_magnitude", "conv_rate": 0.5, "output_rate": 0.5, "rounds": 2}
    model = {"family": "frankle_conv", "depth": 2, "width": 4, "units": 12}
    family = Family(cohort, base=base(model=model) | {"prune": prune})
    (ticket,) = family.having(prune__rounds=2, prune__fraction=0.2)
    found, names = weights(family.end(ticket)), list(weights(built(ticket).shapes))
    rates = {name: 0.5 if name in (names[0], names[1], names[-1]) else 1 for name in names}
    assert len(names) == 5 and [found[name].ndim for name in names] == [4, 4, 2, 2, 2]
    for name, value in found.items():
        assert (value == 0).sum() == round((1 - (1 - 0.2 * rates[name]) ** 2) * value.numel())


@pytest.mark.parametrize(
    ("prune", "line"),
    [
        ({"conv_rate": 0.5}, "prune.conv_rate = 0.5: the network has no convolutions to prune"),
        ({"conv_rate": 0.5, "method": "magnitude"}, "conv_rate needs method 'layer_magnitude'"),
        ({"output_rate": 1.5}, "prune.output_rate = 1.5: expected a number <= 1"),
        ({"draw": -1}, "prune.draw = -1: expected a number >= 0"),
    ],
)
def test_invalid_rates_and_draws_are_refused_at_planning(prune, line):
    prune = {"fraction": 0.5, "method": "layer_magnitude"} | prune
    with pytest.raises(BadInput, match=re.escape(line)):
        expand(SweepSpec.parse({"name": "t", "base": base() | {"prune": prune}})).new_manifests()


def test_draws_of_a_control_differ_and_share_earlier_rounds(cohort):
    controls = [{"prune.control": name, "prune.draw": draw} for name in ("reinit", "random_mask") for draw in range(3)]
    points = [{"prune.control": "ticket"}, *controls]
    family = Family(cohort, base=base() | {"prune": {"fraction": 0.5, "rounds": 2}}, list=points)
    assert len(family.of) == 2 + 7  # the dense network, its first round, the ticket and six controls
    (ticket,) = family.having(prune__control="ticket", prune__rounds=2, prune__fraction=0.5)
    mask = {name: value != 0 for name, value in weights(family.start(ticket)).items()}
    for name in ("reinit", "random_mask"):
        starts = [weights(family.start(config)) for config in family.having(prune__control=name)]
        for left, right in itertools.combinations(starts, 2):
            for key, own in mask.items():
                both = (left[key] != 0) & (right[key] != 0)
                assert both.any() and not (left[key] == right[key])[both].any()
                alike = torch.equal(left[key] != 0, own) and torch.equal(right[key] != 0, own)
                assert alike == (name == "reinit") and (left[key] != 0).sum() == own.sum()
    with pytest.raises(BadInput, match="no effect where prune.control = 'ticket'"):
        expand(
            SweepSpec.parse({"name": "t", "base": {"prune": {"fraction": 0.5}}, "grid": {"prune.draw": [0, 1]}})
        ).new_manifests()


@pytest.mark.parametrize("rounds", [1, 2])
def test_controls_have_the_same_mask_or_counts_and_new_weights(cohort, rounds):
    prune = {"fraction": 0.5, "rounds": rounds}
    axis = {"prune.control": ["ticket", "reinit", "shuffle", "random_mask"]}
    family = Family(cohort, base=base() | {"prune": prune}, grid=axis)
    starts, kept = {}, {}
    for control in axis["prune.control"]:
        (config,) = family.having(prune__control=control, prune__rounds=rounds, prune__fraction=0.5)
        starts[control] = weights(family.start(config))
        kept[control] = {name: value != 0 for name, value in starts[control].items()}
        # The random draw that it walks away from is its own.
        cohort_ = family.of[config.run_id][1]
        walked = cohort_.table("dynamics").query("run_id == @config.run_id and step == 0").set_index("name").value
        assert walked["distance_from_init"] == 0
    first = family.having(prune__fraction=0)[0]
    drawn = built(first).initial(first.init, first.seed)
    for name, mask in kept["ticket"].items():
        assert torch.equal(starts["ticket"][name], drawn[name].float() * mask)
        assert torch.equal(mask, kept["reinit"][name])
        own, moved = starts["ticket"][name][mask], starts["shuffle"][name][mask]
        assert torch.equal(mask, kept["shuffle"][name]) and not torch.equal(own, moved)
        assert torch.equal(own.sort().values, moved.sort().values)
        both = mask & kept["random_mask"][name]
        assert not (starts["reinit"][name] == starts["ticket"][name])[mask].any()
        assert mask.sum() == kept["random_mask"][name].sum() > both.sum()
        assert not (starts["random_mask"][name] == starts["ticket"][name])[both].any()


def test_rewind_selects_the_parameters_before_retraining(cohort):
    sections = {"pretrain": {"epochs": 1, "label_corruption": 1.0}, "prune": {"fraction": 0.5, "rounds": 2}}
    family = Family(cohort, base=base() | sections, grid={"prune.rewind": ["init", "train", "none"]})
    (dense,) = family.having(prune__fraction=0)
    train = family.of[dense.run_id][1].checkpoint("train-00000000")[dense.run_id]
    for rewind, origin in (("init", family.start(dense)), ("train", train), ("none", None)):
        (config,) = family.having(prune__rewind=rewind, prune__rounds=2, prune__fraction=0.5)
        start, origin = family.start(config), origin or family.end(config.parent)
        assert all(torch.equal(start[name], origin[name] * (start[name] != 0)) for name in weights(start))
        assert all(torch.equal(start[name], origin[name]) for name in start if start[name].ndim < 2)


def test_adam_pruning_and_batch_norm_go_together(cohort):
    sections = {"model": NORMED, "optimizer": {"name": "adam", "lr": 0.01, "batch_size": 30}}
    sections |= {"data": DATA | {"train_size": 90}, "prune": {"fraction": 0.6, "rounds": 2}}
    family = Family(cohort, base=base(**sections), seeds=3, grid={"prune.method": ["magnitude", "layer_magnitude"]})
    for config in family.having(prune__rounds=2):
        values = family.end(config)
        gone = sum(int((value == 0).sum()) for value in weights(values).values())
        assert gone == pytest.approx(0.84 * sum(value.numel() for value in weights(values).values()), abs=2)
        means = [value for name, value in values.items() if name.endswith("running_mean")]
        assert len(means) == 2 and all(value.any() for value in means)
        assert family.row(config).status == "limit"


# Resets.


def test_reset_changes_the_named_layers_only(cohort):
    grid = {"reset.layers": [[1], [2, 3]], "reset.to": ["init", "random", 0, 1]}
    keys = {"record": {"measure_at": "checkpoints"}, "seeds": 2}
    family = Family(cohort, base=base(pretrain={"epochs": 1}), grid=grid, **keys)
    origins = {"init": "pretrain-00000000", "0": "train-00000000", "1": "train-00000004"}
    for config in (config for config in family.having() if config.reset.layers):
        own, trained = family.end(config), family.end(config.parent)
        inner = family.of[config.parent.run_id][1]
        for number, names in enumerate(built(config).layers, 1):
            for name in names:
                if number not in config.reset.layers:
                    assert torch.equal(own[name], trained[name])
                elif config.reset.to == "random":
                    assert own[name].ndim < 2 or not (own[name] == trained[name]).any()
                    assert own[name].std() < 2 * (2 / own[name].shape[-1]) ** 0.5
                else:
                    origin = inner.checkpoint(origins[str(config.reset.to)])[config.parent.run_id]
                    assert torch.equal(own[name], origin[name])
        assert family.row(config).status == family.row(config.parent).status
        assert (family.row(config).phase, family.row(config).step) == ("reset", 0)


def test_outcomes_of_a_reset_network_are_those_of_that_network(cohort):
    config = base(data=DATA | {"label_corruption": 0.2}, stop={"train_loss": 1.5, "max_epochs": 30})
    family = Family(cohort, base=config | {"reset": {"layers": [2]}})
    (own,) = family.having(reset__layers="2")
    assert family.row(own).status == family.row(own.parent).status == "converged"
    module, dataset = built(own).module, data.load(own.data)
    module.load_state_dict(family.end(own))
    for name, split in dataset.splits.items():
        labels = data.train_labels(dataset, own.phases[-1], own.seed) if name == "train" else split.labels
        logits = module(split.inputs)
        expected = [nn.CrossEntropyLoss()(logits, labels), (logits.argmax(1) != labels).float().mean()]
        found = [family.of[own.run_id][1].value(own.run_id, key, name) for key in ("loss", "error")]
        assert found == pytest.approx([float(value) for value in expected], rel=1e-5)
    walked = [family.of[c.run_id][1].value(c.run_id, "path_length_from_init") for c in (own, own.parent)]
    assert walked[0] == pytest.approx(walked[1], rel=1e-9)


def test_reset_to_an_epoch_after_the_end_uses_the_final_parameters(cohort):
    keys = {"record": {"measure_at": "checkpoints", "epochs": [4]}}
    config = base(stop={"train_loss": 2.0, "max_epochs": 9}, optimizer={"batch_size": 30, "lr": 0.2})
    family = Family(cohort, base=config | {"reset": {"layers": [1], "to": 4}}, **keys)
    (own,) = family.having(reset__to="4")
    assert family.row(own.parent).epoch < 4 and same(family.end(own), family.end(own.parent))


def test_a_reset_network_whose_loss_is_not_finite_has_diverged(cohort):
    config = base(init={"scale": 1e30}, optimizer={"batch_size": 30, "lr": 1e-30})
    family = Family(cohort, base=config | {"reset": {"layers": [1], "to": "random"}})
    (own,) = family.having(reset__layers="1")
    assert family.row(own).status == "diverged"


def test_a_pruned_network_keeps_its_mask_when_layers_are_reset(cohort):
    sections = {"prune": {"fraction": 0.5, "control": "reinit"}, "reset": {"layers": [1, 2, 3]}}
    family = Family(cohort, base=base() | sections, grid={"reset.to": ["init", "random"]})
    for config in (config for config in family.having() if config.reset.layers):
        own, before = weights(family.end(config)), weights(family.end(config.parent))
        start = weights(family.start(config.parent))
        for name in own:
            assert torch.equal(own[name] == 0, before[name] == 0)
            assert torch.equal(own[name], start[name]) == (config.reset.to == "init")


# Starts from other runs.


def test_run_starts_from_the_final_parameters_of_its_source(cohort):
    source = {"data.label_corruption": 1.0, "optimizer.lr": 0.1, "stop.max_epochs": 1}
    family = Family(cohort, base=base(init={"scheme": "run", "source": source}, model=NORMED), seeds=2)
    for config in family.having(init__scheme="run"):
        assert config.parent.seed == config.seed and config.parent.data.label_corruption == 1
        assert same(family.start(config), family.end(config.parent))
        table = family.of[config.run_id][1].table("dynamics").query("run_id == @config.run_id and step == 0")
        assert set(table.set_index("name").value[["distance_from_init", "path_length_from_init"]]) == {0.0}


def test_source_and_child_may_both_be_pruned(cohort):
    source = {"prune.fraction": 0.5}
    sections = {"init": {"scheme": "run", "source": source}, "prune": {"fraction": 0.3}}
    family = Family(cohort, base=base() | sections)
    (config,) = family.having(init__scheme="run", prune__fraction=0.3)
    assert [before.prune.fraction for before in config.ancestors] == [0.0, 0.5, 0.0]
    origin, start = family.end(config.ancestors[1]), family.start(config)
    assert all(torch.equal(start[name], origin[name] * (start[name] != 0)) for name in weights(start))


def test_kmeans_init_clusters_filters_of_each_sign_separately(cohort):
    xord = {"name": "xord", "train_size": 60, "validation_size": 10, "test_size": 10}
    model, source = {"family": "xord", "filters": 2}, {"model.filters": 6}
    config = base(data=xord, model=model, loss={"name": "hinge"})
    family = Family(cohort, base=config | {"init": {"scheme": "kmeans", "scale": 0.5, "source": source}})
    (small,) = family.having(init__scheme="kmeans")
    (large,) = family.end(small.parent).values()
    (start,) = family.start(small).values()
    assert large.shape == (12, 2) and start.shape == (4, 2)
    for found, part in zip(start.split(2), large.split(6), strict=True):
        centers = torch.from_numpy(KMeans(2, n_init=10, random_state=0).fit(part.double().numpy()).cluster_centers_)
        torch.testing.assert_close(found.double().sort(0).values, (centers * 0.5).sort(0).values)


# Draws.


@pytest.mark.parametrize("model", [MLP, {"family": "puzzles_cnn", "filters": 4, "kernel": 3}])
def test_orthogonal_weights_have_orthonormal_rows_or_columns(model):
    values = built(RunConfig.parse(run(model=model))).initial(InitConfig(scheme="orthogonal", scale=3.0), 0)
    for value in weights(values).values():
        flat = value.flatten(1) / 3
        gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
        torch.testing.assert_close(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-10, rtol=0)


def test_the_first_weight_is_replaced_and_no_other():
    net = built(RunConfig.parse(run()))
    plain, changed = (net.initial(InitConfig(first=first), 0) for first in (None, -5.0))
    assert changed["1.weight"][0, 0] == -5
    changed["1.weight"][0, 0] = plain["1.weight"][0, 0]
    assert same(plain, changed)
    frozen = built(RunConfig.parse(run(model={"family": "random_features", "features": 8})))
    plain, changed = (frozen.initial(InitConfig(first=first), 0) for first in (None, -5.0))
    assert [name for name in plain if not torch.equal(plain[name], changed[name])] == ["2.weight"]  # of what is trained


def test_reuse_copies_a_smaller_network_and_draws_the_other_weights(cohort):
    """Belkin et al. 2018: two widenings in a row."""
    step = {"scheme": "reuse", "std": 0.1, "bias_std": 0.2}
    half = {"model.width": 30, "init": step | {"source": {"model.width": 10}}}
    model = {"family": "mlp", "width": 400, "depth": 2}
    family = Family(cohort, base=base(model=model, init=step | {"source": half}))
    (large,), (middle,), (small,) = (family.having(model__width=width) for width in (400, 30, 10))
    for config, other, width in ((middle, small, 10), (large, middle, 30)):
        start, end = family.start(config), family.end(other)
        assert torch.equal(start["1.weight"][:width], end["1.weight"])
        assert torch.equal(start["3.weight"][:, :width], end["3.weight"])
        assert torch.equal(start["1.bias"][:width], end["1.bias"]) and torch.equal(start["3.bias"], end["3.bias"])
    assert start["1.weight"][30:].std().item() == pytest.approx(0.1, rel=0.05)
    assert start["3.weight"][:, 30:].std().item() == pytest.approx(0.1, rel=0.05)
    assert start["1.bias"][30:].std().item() == pytest.approx(0.2, rel=0.2)


def test_reuse_keeps_the_signs_of_filters():
    small, drawn = torch.arange(8.0).view(4, 2), torch.zeros(6, 2)
    found = reused({"weight": small}, {"weight": drawn}, {"weight": 2})["weight"]
    assert torch.equal(found, torch.stack([small[0], small[1], drawn[2], small[2], small[3], drawn[5]]))


@pytest.mark.parametrize("edit", ["shrink", "perturb"])
def test_edits_change_the_start_and_rewinding_to_it(cohort, edit):
    init = {"scheme": "run", "source": {"stop.max_epochs": 1}, "edit": edit, "amount": 0.5}
    family = Family(cohort, base=base(init=init) | {"prune": {"fraction": 0.3}})
    (child,) = family.having(prune__fraction=0.3)
    dense, source = family.start(child.parent), family.end(child.parent.parent)
    assert child.parent.parent.init.edit is None
    for name in dense:
        if dense[name].ndim < 2:
            assert torch.equal(dense[name], source[name])
        elif edit == "shrink":
            assert torch.equal(dense[name], source[name] * 0.5)
        else:
            ratio = (dense[name] - source[name]).square().mean().sqrt() / source[name].square().mean().sqrt()
            assert ratio.item() == pytest.approx(0.5, rel=0.2)
    pruned = family.start(child)
    assert all(torch.equal(pruned[name], dense[name] * (pruned[name] != 0)) for name in weights(pruned))


# Subspaces.


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("size", [37, 64, 300])
def test_pull_is_the_transpose_of_push_and_columns_have_norm_one(name, size):
    like = torch.zeros((), dtype=torch.float64)
    projection = PROJECTIONS[name](size, 7, RandomStream(0, "subspace"), like)
    matrix = projection.push(torch.eye(7, dtype=torch.float64)).t()
    assert matrix.shape == (size, 7) and torch.linalg.matrix_rank(matrix) == 7
    torch.testing.assert_close(projection.pull(torch.eye(size, dtype=torch.float64)), matrix)
    norms = matrix.norm(dim=0)
    tolerance = 1e-6 if name != "fastfood" else 3 / size**0.5  # that of Fastfood is one in the mean
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=tolerance, rtol=0)


def test_columns_of_fastfood_have_nearly_norm_one_in_large_networks():
    columns = PROJECTIONS["fastfood"](5000, 64, RandomStream(0, "subspace"), torch.zeros(1)).push(torch.eye(64))
    assert 0.001 < (columns.norm(dim=1) - 1).abs().max() < 3 / 5000**0.5


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_subspace_training_equals_training_of_phi(cohort, name, optimizer):
    """Against autograd by phi: a plain loop over theta = theta_0 + P phi with torch's own optimizer, in float64."""
    sections = {"subspace": {"dimension": 9, "projection": name}, "precision": "float64", "model": MLP | {"width": 5}}
    rates = {"name": optimizer, "lr": 0.1, "batch_size": 30} | ({"momentum": 0.5} if optimizer == "sgd" else {})
    trained = cohort("c", [run(seed, optimizer=rates, **sections) for seed in (0, 1)], plan=("batched", 2)).train()
    for config in trained.configs:
        net, dataset = built(config), data.load(config.data, "float64")
        start = net.initial(config.init, config.seed)
        filled = net.parameters.filled().nonzero().flatten()
        like = torch.zeros((), dtype=torch.float64)
        projection = PROJECTIONS[name](len(filled), 9, RandomStream(config.seed, "subspace"), like)
        matrix = torch.zeros(net.parameters.width, 9, dtype=torch.float64)
        matrix[filled] = projection.push(torch.eye(9, dtype=torch.float64)).t()
        phi, theta_0 = torch.zeros(9, dtype=torch.float64, requires_grad=True), _row(net, start)
        choice = {"lr": config.optimizer.lr}
        steps = (
            torch.optim.Adam([phi], **choice)
            if optimizer == "adam"
            else torch.optim.SGD([phi], momentum=config.optimizer.momentum, **choice)
        )
        for epoch in range(2):
            order = torch.from_numpy(RandomStream(config.seed, "order/train", epoch).permutation(100))
            for batch in order.split(30):
                steps.zero_grad()
                theta = (theta_0 + matrix @ phi).unsqueeze(0)
                tensors = {k: v[0] for k, v in net.parameters.named(net.parameters.views(theta)).items()}
                logits = net.single(tensors, dataset.train.inputs[batch])
                nn.CrossEntropyLoss()(logits, dataset.train.labels[batch]).backward()
                steps.step()
        found = _row(net, trained.final()[config.run_id])
        torch.testing.assert_close(found, (theta_0 + matrix @ phi).detach(), rtol=1e-9, atol=1e-11)
        moved = (found - theta_0).unsqueeze(1)
        assert moved.any() and torch.linalg.matrix_rank(torch.cat([matrix, moved], 1), rtol=1e-9) == 9


def _row(net: Network, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return net.parameters.rows({name: tensors[name].double().unsqueeze(0) for name in net.shapes})[0]


def test_a_subspace_of_all_dimensions_fits_as_well_as_the_whole_space(cohort):
    model = MLP | {"width": 2, "depth": 2, "bias": "none"}
    fits = {"stop": {"train_loss": None, "max_epochs": 40}, "model": model, "data": TWO}
    size = 64 * 2 + 2 * 2
    trained = [cohort(str(given), [run(subspace={"dimension": given}, **fits)]).train() for given in (1, size, None)]
    losses = [one.value(one.run_ids[0], "loss", "train") for one in trained]
    assert losses[1] < 0.6 * losses[0] and losses[2] < 0.6 * losses[0]


# Schedules, full batches, stops.


def serial(config: RunConfig) -> dict[str, torch.Tensor]:
    """One network, a plain loop of torch's own losses, optimizers and schedules."""
    dtype, given = getattr(torch, config.precision), config.optimizer
    dataset, net = data.load(config.data, config.precision), built(config)
    module = copy.deepcopy(net.module).to(dtype).requires_grad_()
    module.load_state_dict({k: v.to(dtype) for k, v in net.initial(config.init, config.seed).items()})
    choice = {"lr": given.lr, "weight_decay": given.weight_decay}
    optimizer = (
        torch.optim.SGD(module.parameters(), momentum=given.momentum, **choice)
        if given.name == "sgd"
        else torch.optim.Adam(module.parameters(), **choice)
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, given.decay_every, given.decay)
    if given.schedule:
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(at) for at, _ in given.schedule], 0.1)
    labels = data.train_labels(dataset, config.phases[0], config.seed)
    size, steps = given.examples_per_step(len(labels)), 0
    for epoch in range(config.stop.max_epochs):
        order = torch.from_numpy(RandomStream(config.seed, "order/train", epoch).permutation(len(labels)))
        for batch in order.split(size):
            if steps == config.stop.max_steps:
                break
            optimizer.zero_grad()
            TORCH[config.loss.name](module(dataset.train.inputs[batch]), labels[batch]).backward()
            if given.clip:
                nn.utils.clip_grad_norm_(module.parameters(), given.clip)
            optimizer.step()
            steps += 1
        schedule.step()
    return {name: value.detach() for name, value in module.named_parameters()}


def _targets(labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    if labels.is_floating_point():
        return labels.unsqueeze(1)
    if logits.shape[1] == 1:
        return (2.0 * labels - 1).unsqueeze(1).to(logits)
    return nn.functional.one_hot(labels, logits.shape[1]).to(logits)


TORCH = {
    "cross_entropy": nn.CrossEntropyLoss(),
    "logistic": lambda z, y: nn.BCEWithLogitsLoss()(z[:, 0], y.to(z)),
    "squared": lambda z, y: nn.MSELoss(reduction="sum")(z, _targets(y, z)) / (2 * len(z)),
    "hinge": lambda z, y: (MARGIN - _targets(y, z) * z).relu().mean(),
}
MARGIN = 0.7
FREQUENCY = {"name": "frequency", "train_size": 100, "validation_size": 10, "test_size": 10, "frequency": 0.5}


@pytest.mark.parametrize(
    ("loss", "data_"),
    [
        ("cross_entropy", DATA),
        ("cross_entropy", TWO),
        ("logistic", TWO),
        ("hinge", TWO),
        ("squared", DATA),
        ("squared", TWO),
        ("squared", FREQUENCY),
    ],
)
@pytest.mark.parametrize(
    "optimizer",
    [
        {"batch_size": 30, "momentum": 0.5, "weight_decay": 0.01, "decay": 0.5, "decay_every": 2},
        {"name": "adam", "batch_size": 30, "decay": 0.1},
        {"batch_size": "full", "momentum": 0.9},
        {"batch_size": 30, "weight_decay": 0.1, "clip": 0.3, "schedule": [[1, 0.1], [3, 0.01]]},
        {"name": "adam", "batch_size": 30, "clip": 0.1},
    ],
    ids=["sgd", "adam", "full", "clipped", "adam, clipped"],
)
@pytest.mark.parametrize("max_steps", [None, 14])
def test_training_equals_plain_torch(cohort, loss, data_, optimizer, max_steps):
    """Losses, schedules, full batches, and a last epoch cut short, which Adam's bias correction has to notice."""
    stop = {"train_loss": None, "max_epochs": 20 if optimizer["batch_size"] == "full" else 5, "max_steps": max_steps}
    lr = {"lr": 0.002 if data_ is FREQUENCY else 0.01}
    chosen = {"name": loss} | ({"margin": MARGIN} if loss == "hinge" else {})
    configs = [
        run(seed, data=data_, loss=chosen, optimizer=optimizer | lr, stop=stop, precision="float64")
        for seed in range(2)
    ]
    trained = cohort("c", configs).train()
    for config in trained.configs:
        torch.testing.assert_close(trained.final()[config.run_id], serial(config), rtol=1e-8, atol=1e-10)
    assert set(trained.table("runs").step) == {max_steps or 20}


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ("hold", [1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ("linear", [1, 0.55, 0.1, 0.0775, 0.055, 0.0325, 0.01, 0.01]),
        ("geometric", [1, 10**-0.5, 0.1, 10**-1.25, 10**-1.5, 10**-1.75, 0.01, 0.01]),
    ],
)
def test_learning_rate_of_a_schedule(between, expected):
    given = OptimizerConfig(lr=2.0, schedule=[[2, 0.1], [6, 0.01]], between=between)
    assert [learning_rate(given, epoch) / 2 for epoch in range(8)] == pytest.approx(expected)
    assert learning_rate(OptimizerConfig(lr=0.3, decay=0.7), 5) == 0.3 * 0.7**5  # to the last bit as ever


def test_learning_rate_of_an_epoch_is_used_in_its_steps(cohort):
    """A path of one step an epoch is as long as the rate times the gradient's norm."""
    schedule = [[1, 0.5], [2, 0.1]]
    optimizer = {"batch_size": "full", "lr": 0.05, "schedule": schedule}
    stop = {"train_loss": None, "max_epochs": 3}
    trained = cohort("c", [run(optimizer=optimizer, stop=stop)], record={"epochs": [0, 1, 2, 3]}).train()
    table = trained.table("dynamics").pivot_table(index="epoch", columns="name", values="value")
    rates = table.path_length.diff() / table.gradient_norm
    assert rates.iloc[1:].tolist() == pytest.approx([0.05, 0.025, 0.005], rel=1e-5)


@pytest.mark.parametrize("size", [10, 1024, 5000, 200_000])
def test_norms_used_in_training_do_not_depend_on_the_stack(size):
    rows = torch.from_numpy(generator(0, "rows").standard_normal((9, size), dtype="float32"))
    together, threads = norms(rows), torch.get_num_threads()
    torch.testing.assert_close(together.squeeze(1), torch.linalg.vector_norm(rows.double(), dim=1))
    for count in (1, 2):
        torch.set_num_threads(count)
        alone = [norms(rows[i : i + 1]) for i in range(len(rows))]
        assert torch.equal(torch.cat(alone), together) and torch.equal(norms(rows), together)
    torch.set_num_threads(threads)


def test_each_network_of_a_stack_is_clipped_by_its_own_norm(cohort):
    """Bit for bit, next to networks with other norms and to one that is not clipped."""
    optimizers = [{"batch_size": 30, "lr": 0.1} | ({"clip": clip} if clip else {}) for clip in (None, 0.1, 1e-4, 1e6)]
    configs = [run(seed, optimizer=one, init={"scale": 1 + seed}) for seed, one in enumerate(optimizers)]
    together = cohort("together", configs).train()
    for position, config in enumerate(configs):
        alone = cohort(f"alone{position}", [config]).train()
        (run_id,) = alone.run_ids
        assert same(alone.final()[run_id], together.final()[run_id])
    walked = [together.value(run_id, "path_length") for run_id in together.run_ids]
    assert walked[2] == pytest.approx(8 * 0.1 * 1e-4, rel=1e-2) and walked[1] <= 8 * 0.1 * 0.1 * (1 + 1e-6)
    loose = cohort("loose", [configs[3] | {"optimizer": optimizers[0]}]).train()
    assert same(loose.final()[loose.run_ids[0]], together.final()[together.run_ids[3]])


@pytest.mark.parametrize(
    ("optimizer", "line"),
    [
        ({"schedule": [[2.5, 0.1]]}, "expected points [epoch, factor], of whole epochs >= 0 and factors > 0"),
        ({"schedule": [[1, 0]]}, "expected points [epoch, factor], of whole epochs >= 0 and factors > 0"),
        ({"schedule": [[1]]}, "expected points [epoch, factor], of whole epochs >= 0 and factors > 0"),
        ({"schedule": [[3, 0.1], [2, 0.1]]}, "epochs must be strictly increasing"),
        ({"schedule": 3}, "base.optimizer.schedule = 3: expected a list"),
        ({"clip": 0}, "base.optimizer.clip = 0: expected a number > 0"),
        ({"between": "cosine"}, "base.optimizer.between = 'cosine': expected hold, linear or geometric"),
    ],
)
def test_invalid_schedules_are_refused(optimizer, line):
    with pytest.raises(BadInput, match=re.escape(line)):
        SweepSpec.parse({"name": "t", "base": {"optimizer": optimizer}})


def test_steps_are_counted_where_the_last_epoch_is_cut_short(cohort):
    stop = {"train_loss": None, "max_epochs": 9, "max_steps": 10}  # 4 steps an epoch
    trained = cohort("c", [run(stop=stop, pretrain={"epochs": 1})]).train()
    (row,) = trained.table("runs").to_dict("records")
    assert (row["phase"], row["step"], row["epoch"], row["status"]) == ("train", 10, 3, "limit")
    steps = trained.table("dynamics").query("phase == 'train'").groupby("epoch").step.unique()
    assert {int(epoch): list(found) for epoch, found in steps.items()} == {0: [0], 1: [4], 2: [8], 3: [10]}
    assert trained.table("dynamics").query("phase == 'pretrain'").step.max() == 4


def test_a_phase_ends_at_the_error_or_at_both_targets(cohort):
    stops = [
        {"train_loss": None, "train_error": 0.3, "max_epochs": 60},
        {"train_loss": 0.2, "train_error": 0.3, "max_epochs": 60},
        {"train_loss": 0.2, "max_epochs": 60},
        {"train_loss": 5.0, "train_error": 0.0, "max_epochs": 60},
    ]
    optimizer = {"batch_size": 30, "lr": 0.1}
    trained = cohort("c", [run(stop=stop, optimizer=optimizer) for stop in stops]).train()
    runs = trained.table("runs").set_index("run_id").loc[trained.run_ids]
    assert set(runs.status) == {"converged"}
    errors = [trained.value(run_id, "error", "train") for run_id in trained.run_ids]
    losses = [trained.value(run_id, "loss", "train") for run_id in trained.run_ids]
    assert errors[0] <= 0.3 and losses[1] <= 0.2 and errors[3] == 0
    assert runs.epoch.iloc[0] < runs.epoch.iloc[1] == runs.epoch.iloc[2]


# Diverged parents, and processes that are killed.


@pytest.mark.parametrize("lr", [1e12, 1e20])
@pytest.mark.parametrize(
    "child",
    [
        {"prune": {"fraction": 0.5, "rounds": 2}},
        {"prune": {"fraction": 0.5, "control": "random_mask"}},
        {"reset": {"layers": [1]}},
        {"reset": {"layers": [2], "to": 0}},
        {"prune": {"fraction": 0.5}, "reset": {"layers": [1], "to": "random"}},
        {"init": {"scheme": "run", "source": {}}},
        {"init": {"scheme": "run", "source": {}}, "prune": {"fraction": 0.5}},
        {"model": {"family": "xord", "filters": 2}, "init": {"scheme": "kmeans", "source": {"model.filters": 4}}},
    ],
)
def test_runs_started_from_a_diverged_run_have_diverged(cohort, child, lr):
    xord = {"name": "xord", "train_size": 60, "validation_size": 10, "test_size": 10}
    extra = {"data": xord, "loss": {"name": "squared"}} if "model" in child else {}
    family = Family(cohort, base=base(optimizer={"batch_size": "full", "lr": lr}, **extra) | child)
    assert {family.row(config).status for config in family.having()} == {"diverged"}


def test_three_generations_killed_after_every_epoch_give_the_same_results(cohort, tmp_path):
    sections = {"model": NORMED, "optimizer": {"name": "adam", "lr": 0.01, "batch_size": 30}}
    sections |= {"prune": {"fraction": 0.5, "rounds": 2}, "data": DATA | {"train_size": 90}, "reset": {"layers": [2]}}
    keys = {"base": base(**sections), "seeds": 2, "grid": {"prune.control": ["ticket", "reinit"]}}
    family = Family(cohort, **keys)
    assert max(len(config.ancestors) for config in family.having()) == 3
    broken, starts = Folder(tmp_path / "broken"), 0
    for made in expand(SweepSpec.parse({"name": "test", **keys})).new_manifests():
        made.write(broken)
        while not start_training(broken, made.cohort_id, save_every_seconds=0).advance(1e-6).done:
            starts += 1
        whole, twin = family.trained[made.cohort_id], copy.copy(family.trained[made.cohort_id])
        twin.results = broken
        assert all(same(values, twin.final()[run_id]) for run_id, values in whole.final().items())
        for kind in ("runs", "dynamics", "outcomes"):
            tables = [one.table(kind).drop(columns="role", errors="ignore") for one in (whole, twin)]
            pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert starts >= 3


def test_subspace_is_the_same_after_a_restart(cohort):
    def one(name: str):
        return cohort(name, [run(seed, subspace={"dimension": 8, "projection": "fastfood"}) for seed in range(2)])

    whole, broken = one("whole").train(), one("broken")
    while not broken.start(save_every_seconds=0).advance(1e-6).done:
        pass
    assert all(same(whole.final()[run_id], broken.final()[run_id]) for run_id in whole.run_ids)
    assert SubspaceConfig().dimension is None
