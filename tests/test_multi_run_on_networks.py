"""Statistics across runs, of networks: closed forms, and what tiny sweeps on digits left on disk."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from test_interventions import DATA, MLP, NORMED, Family, base, run
from torch import nn

from benevolent.analysis import load_results
from benevolent.analysis.multi_run import (
    barrier,
    description_length,
    explained_by,
    fit_curve,
    intrinsic_dimension,
    layer_drops,
    layer_robustness,
    linear_path,
    loss_along_path,
    loss_between_runs,
    smallest_tickets,
    ticket_curves,
    ticket_values,
    tickets_table,
)
from benevolent.analysis.statistics.label_information import conditional_information, mutual_information
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.plan_files import write_plan


def network(layers: nn.Sequential, *weights: list) -> nn.Sequential:
    for parameter, value in zip(layers.parameters(), weights, strict=True):
        parameter.data = torch.tensor(value, dtype=torch.float64)
    return layers


def linear(*weights: float) -> nn.Sequential:
    return network(nn.Sequential(nn.Linear(len(weights), 1, bias=False)), [list(weights)])


def product(a: list[float], b: list[float]) -> nn.Sequential:
    """x -> (sum of a_i b_i) x."""
    units = len(a)
    layers = nn.Sequential(nn.Linear(1, units, bias=False), nn.Linear(units, 1, bias=False))
    return network(layers, [[one] for one in a], [b])


ONE = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
IDENTITY = ONE, ONE[:, 0]  # what the products learn: y = x


def test_a_convex_loss_has_no_barrier():
    draw = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(20, 3, generator=draw).double(), torch.randn(20, generator=draw).double()
    first, second = [1.0, -2.0, 0.5], [-1.0, 0.0, 2.0]
    found = loss_along_path(
        linear_path(linear(*first), linear(*second)), {"all": (inputs, targets)}, loss="squared", points=5
    )
    for t, loss in found["all_loss"].items():
        weights = torch.tensor([(1 - t) * a + t * b for a, b in zip(first, second, strict=True)]).double()
        assert loss == pytest.approx(((inputs @ weights - targets) ** 2).mean().item() / 2)
    assert barrier(found["all_loss"]) == pytest.approx(0, abs=1e-12) and found.index.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_barrier_between_a_minimum_and_its_mirror_image():
    """theta = (1 - 2t, 1 - 2t), so the loss is ((1 - 2t)^2 - 1)^2 / 2, largest at t = 1/2; the error is its root."""
    found = loss_along_path(linear_path(product([1], [1]), product([-1], [-1])), {"train": IDENTITY}, loss="squared")
    expected = ((1 - 2 * found.index) ** 2 - 1) ** 2 / 2
    np.testing.assert_allclose(found["train_loss"], expected, atol=1e-12)
    np.testing.assert_allclose(found["train_error"], np.sqrt(2 * expected), atol=1e-12)
    assert barrier(found["train_loss"]) == pytest.approx(0.5) and barrier(found["train_error"]) == pytest.approx(1)


def test_fitted_curve_reaches_the_optimal_bend():
    """From the first unit to the second: the segment rises to 1/8, the best curve goes around through both.

    By symmetry its bend is (c, d) in both layers; the best is found by quadrature.
    """
    first, second = product([1, 0], [1, 0]), product([0, 1], [0, 1])
    before = {name: value.clone() for name, value in first.state_dict().items()}
    straight = loss_along_path(linear_path(first, second), {"train": IDENTITY}, loss="squared")["train_loss"]
    assert barrier(straight) == pytest.approx(1 / 8)
    t, weights = np.polynomial.legendre.leggauss(20)
    t, weights = (t + 1) / 2, weights / 2

    def mean_loss(bend: np.ndarray) -> float:
        a = np.stack([(1 - t) ** 2 + 2 * t * (1 - t) * bend[0], t**2 + 2 * t * (1 - t) * bend[1]])
        b = np.stack([(1 - t) ** 2 + 2 * t * (1 - t) * bend[2], t**2 + 2 * t * (1 - t) * bend[3]])
        return float(weights @ ((a * b).sum(0) - 1) ** 2 / 2)

    best = minimize(mean_loss, [0.5] * 4).x
    fit = {"loss": "squared", "steps": 300, "lr": 0.3, "batch_size": 8}
    path = fit_curve(first, second, *IDENTITY, **fit, random_seed=3)
    bend = torch.cat([value.flatten() for value in path.bend.values()]).numpy()
    np.testing.assert_allclose(bend, best, atol=0.02)
    assert mean_loss(bend) < 1.1 * mean_loss(best)
    curved = loss_along_path(path, {"train": IDENTITY}, loss="squared")["train_loss"]
    assert barrier(curved) < 0.05 * barrier(straight)
    again = fit_curve(first, second, *IDENTITY, **fit, random_seed=3)
    assert all(torch.equal(path.bend[name], value) for name, value in again.bend.items())
    assert all(torch.equal(value, before[name]) for name, value in first.state_dict().items())


def test_pruned_and_frozen_weights_stay_on_the_straight_path():
    first, second = product([1, 0], [1, 0]), product([-1, 0], [-1, 0])
    for one in (first, second):
        one[1].weight.requires_grad_(False)
    keep_first = {"0.weight": torch.tensor([[True], [False]]), "1.weight": torch.tensor([[True, False]])}
    path = fit_curve(first, second, *IDENTITY, masks=keep_first, loss="squared", steps=5)
    assert path.bend["0.weight"][1].item() == 0 and path.bend["0.weight"][0].item() != 0
    assert path.bend["1.weight"].tolist() == [[0, 0]]
    first[0].weight.requires_grad_(False)  # as a network that results give: then all are trained
    path = fit_curve(first, second, *IDENTITY, masks=keep_first, loss="squared", steps=5)
    assert path.bend["1.weight"][0, 0].item() != 0 and path.bend["1.weight"][0, 1].item() == 0
    with pytest.raises(BadInput, match="Flatten: has no parameters"):
        fit_curve(nn.Flatten(), nn.Flatten(), *IDENTITY, loss="squared")


def test_an_unpruned_zero_weight_is_trained_along_a_curve():
    first, second = product([1, 0], [1, 0.5]), product([-1, 0], [-1, 0.5])
    path = fit_curve(first, second, *IDENTITY, loss="squared", steps=5)
    assert path.bend["0.weight"][1].item() != 0


def test_batch_norm_statistics_are_recomputed_along_a_path():
    def built(seed: int) -> nn.Sequential:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)).double()

    first, second = built(0), built(1)
    inputs, labels = torch.randn(50, 3).double(), torch.arange(50) % 2
    path, t = linear_path(first, second), 0.3
    found = path.network(t, inputs)
    hidden = (
        inputs @ ((1 - t) * first[0].weight + t * second[0].weight).T + (1 - t) * first[0].bias + t * second[0].bias
    )
    torch.testing.assert_close(found[1].running_mean, hidden.mean(0).detach())
    torch.testing.assert_close(found[1].running_var, hidden.var(0).detach())
    assert not any(one.training for one in found.modules())
    many = inputs.repeat(60, 1)  # 3,000, so in three passes
    torch.testing.assert_close(path.network(t, many)[1].running_mean, hidden.mean(0).detach())
    ends = [copy.deepcopy(first), copy.deepcopy(second)]
    state = torch.get_rng_state()
    curve = fit_curve(first, second, inputs, labels, steps=50)
    assert torch.equal(state, torch.get_rng_state())  # no dropout, nothing drawn but from the seed
    losses = [loss_along_path(one, {"train": (inputs, labels)}, points=7)["train_loss"] for one in (path, curve)]
    assert losses[1].mean() < losses[0].mean() and losses[1].iloc[[0, -1]].equals(losses[0].iloc[[0, -1]])
    for one, end in zip((first, second), ends, strict=True):
        assert all(torch.equal(value, end.state_dict()[name]) for name, value in one.state_dict().items())


def test_different_architectures_and_bad_options_are_refused():
    with pytest.raises(
        BadInput, match=r"tensor '0.weight' is \(1, 2\) in the first network and \(1, 3\) in the second"
    ):
        linear_path(linear(1, 2), linear(1, 2, 3))
    path = linear_path(linear(1), linear(2))
    with pytest.raises(BadInput, match="loss = 'absolute': unknown; allowed: cross_entropy"):
        loss_along_path(path, {"train": IDENTITY}, loss="absolute")
    with pytest.raises(BadInput, match="points = 1, 1 splits"):
        loss_along_path(path, {"train": IDENTITY}, loss="squared", points=1)


# Of sweeps on digits.


@pytest.mark.parametrize("model", [MLP, NORMED])
def test_paths_between_two_runs(cohort, tmp_path, model):
    stop = {"train_loss": None, "max_epochs": 20}
    trained = cohort("c", [run(seed, model=model, stop=stop) for seed in (0, 1)]).train()
    results, ids = load_results(tmp_path), trained.run_ids
    straight = loss_between_runs(results, *ids, points=11)
    curved = loss_between_runs(results, *ids, curved=True, points=11, steps=200, random_seed=1)
    assert list(straight) == [
        f"{split}_{name}" for split in data.load(results.config(ids[0]).data).splits for name in ("loss", "error")
    ]
    runs = results.runs.set_index("run_id").loc[ids]
    if model is MLP:
        for name in ("train_loss", "test_error"):
            assert straight[name].iloc[[0, -1]].tolist() == pytest.approx(runs[name].tolist(), rel=1e-5)
    assert 0 <= barrier(curved["train_loss"]) < 0.5 * barrier(straight["train_loss"])


def test_runs_of_different_architectures_have_no_path(cohort, tmp_path):
    pair = [run(model=MLP), run(model={"family": "deep_linear", "depth": 3, "width": 16})]
    ids = [cohort(str(place), [one]).train().run_ids[0] for place, one in enumerate(pair)]
    with pytest.raises(BadInput, match=r'differ in .*model.family="deep_linear".*no path joins them'):
        loss_between_runs(load_results(tmp_path), *ids)


@pytest.mark.parametrize("normalize", ["split", "half"])
def test_description_length_of_digits_equals_a_naive_version(cohort, tmp_path, normalize):
    sizes, own = (20, 60, 150), DATA | {"normalize": normalize}
    keys = {"optimizer": {"batch_size": 10, "lr": 0.05}}
    keys["stop"] = {"train_loss": None, "max_epochs": 15}
    configs = [run(seed, data=own | {"train_size": size}, **keys) for size in sizes for seed in (0, 1)]
    for place, config in enumerate(configs):
        cohort(str(place), [config]).train()
    results = load_results(tmp_path)
    found = description_length(results, temperature=False)
    raw = data.load(RunConfig.parse(configs[-1] | {"data": own | {"train_size": 150, "normalize": "none"}}).data)
    for row in found.to_dict("records"):
        runs = results.runs[results.runs["seed"] == row["seed"]].set_index("data.train_size")["run_id"]
        bits, last = sizes[0] * math.log2(10), None
        for start, stop in [(20, 60), (60, 150), (0, 150)]:
            known = start or 150
            inputs, labels = raw.train.inputs[start:stop].double(), raw.train.labels[start:stop]
            seen = raw.train.inputs[:known].double()
            split = (inputs - seen.mean()) / seen.std(correction=0)
            inputs = split if normalize == "split" else 2 * inputs - 1
            last = results.network(runs[known])(inputs.float()).double().log_softmax(1)
            block = -last[torch.arange(len(labels)), labels].sum().item() / math.log(2)
            helps = results.runs.set_index("run_id").loc[runs[known], "validation_loss"] < math.log(10)
            bits += (block if helps else len(labels) * math.log2(10)) if start else 0
        assert helps  # of the last, so that the networks sent something
        assert row["bits"] == pytest.approx(bits, rel=1e-4)
        assert row["parameter_bits"] == pytest.approx(bits - block, rel=1e-4)
        assert row["ratio"] == pytest.approx(bits / (150 * math.log2(10)), rel=1e-4) and row["ratio"] < 1
        assert (row["examples"], row["blocks"], row["nested"]) == (150, 2, True)
    assert len(found) == 2 and (description_length(results)["ratio"] < 1).all()
    with pytest.raises(BadInput, match="data.train_size: all runs have the same; needs a sweep over it"):
        description_length(results, runs=results.runs[results.runs["data.train_size"] == 60])


def test_random_labels_are_not_compressed(cohort, tmp_path):
    own, small = DATA | {"label_corruption": 1.0}, {"optimizer": {"batch_size": 10, "lr": 0.05}}
    for size in (20, 100):
        cohort(str(size), [run(seed, data=own | {"train_size": size}, **small) for seed in range(2)]).train()
    cohort("moved", [run(data=DATA | {"train_size": 20, "validation_size": 40}, **small)]).train()
    cohort("here", [run(data=DATA)]).train()
    results = load_results(tmp_path)
    runs = results.runs[results.runs["data.label_corruption"] == 1]
    found = description_length(results, runs=runs)
    assert found["ratio"].between(0.98, 1.1).all() and not found["nested"].any()
    true = results.runs[results.runs["data.label_corruption"] == 0]
    with pytest.raises(BadInput, match="its 20 training examples are not the first of the largest run's"):
        description_length(results, runs=true)


def test_a_sweep_of_subspaces(cohort, tmp_path):
    keys = {
        "base": base(optimizer={"batch_size": 10, "lr": 0.1}, stop={"train_loss": None, "max_epochs": 8}),
        "grid": {"subspace.dimension": [None, 2, 200]},
        "seeds": 2,
    }
    plan = expand(SweepSpec.parse({"name": "test", **keys}))  # which says what replicate each run is
    write_plan(Folder(tmp_path), plan.runs, plan.cohorts.drop(columns="new"))
    Family(cohort, **keys)
    (found,) = intrinsic_dimension(load_results(tmp_path).table()).to_dict("records")
    assert found["above"] >= 2 and found["seeds"] == 2 and 0 < found["threshold"] < found["direct"] <= 1
    assert found["up_to"] == np.inf or found["above"] < found["dimension"] <= found["up_to"]


def test_a_sweep_of_resets(cohort, tmp_path):
    grid = {"reset.layers": [[1], [3]], "reset.to": ["init", "random"]}
    Family(cohort, base=base(stop={"train_loss": None, "max_epochs": 10}), grid=grid, seeds=2)
    table = load_results(tmp_path).table(parents=True)
    drops = layer_drops(table)
    errors = table.set_index(["reset.layers", "reset.to", "seed"])["test_error"].sort_index()
    for row in drops.to_dict("records"):
        own = errors.loc[row["reset.layers"], row["reset.to"]] - errors.loc[""].droplevel(0)
        assert row["drop"] == pytest.approx(own.mean()) and row["seeds"] == 2
    found = layer_robustness(drops).set_index("reset.to")
    assert found["layers"].tolist() == [2, 2] and found.loc["random", "critical"] == 2


def test_a_sweep_of_tickets(cohort, tmp_path):
    prune = {"fraction": 0.5, "method": "layer_magnitude", "output_rate": 0.5}
    grid = {"prune.rounds": [1, 2], "prune.control": ["ticket", "reinit"]}
    keys = {"record": {"early_stop": True}, "seeds": 2}
    Family(cohort, base=base() | {"prune": prune}, grid=grid, **keys)
    results = load_results(tmp_path)
    table = tickets_table(results).rename(columns={"weights_left": "left"})
    for run_id, left in zip(table["run_id"], table["left"], strict=True):
        weights = [value for value in results.network(run_id).parameters() if value.ndim >= 2]
        kept = sum(int((one != 0).sum()) for one in weights) / sum(one.numel() for one in weights)
        assert left == pytest.approx(kept)
    curves = ticket_curves(table, left="left")
    assert curves["weights_left"].tolist() == pytest.approx(sorted(set(table["left"]), reverse=True))
    error = table.groupby(["prune.rounds", "prune.fraction", "prune.control"])["test_early_stop_error"].mean()
    assert curves["ticket"].tolist() == pytest.approx(
        [1 - error[1, 0, "ticket"], *(1 - error[r, 0.5, "ticket"] for r in (1, 2))]
    )
    assert curves["over_reinit"].iloc[2] == pytest.approx(error[2, 0.5, "reinit"] - error[2, 0.5, "ticket"])
    assert smallest_tickets(curves)["tried"].tolist() == [curves["weights_left"].min()]
    values = ticket_values(table, ["test_early_stop_error"], left="left")
    tickets = values[values["prune.control"] == "ticket"].groupby("weights_left")["test_early_stop_error"]
    assert len(values) == 2 * 5 and (1 - tickets.mean())[::-1].tolist() == pytest.approx(curves["ticket"].tolist())


def test_information_explained_by_a_linear_run(cohort, tmp_path):
    stop = {"train_loss": None, "max_epochs": 10}
    one = cohort("one", [run(stop=stop)], record={"epochs": [0, 4], "measure_at": "checkpoints"}).train()
    other = cohort("other", [run(model={"family": "linear"}, stop=stop, data=DATA | {"train_size": 60})]).train()
    (f,), (by,), results = one.run_ids, other.run_ids, load_results(tmp_path)
    found = explained_by(results, f, by)
    sets = {run_id: data.load(results.config(run_id).data).test for run_id in (f, by)}
    answers = {run_id: results.network(run_id)(test.inputs).argmax(1) for run_id, test in sets.items()}
    y = sets[f].labels
    assert found.information == pytest.approx(mutual_information(answers[f], y).item())
    assert found.reference_information == pytest.approx(mutual_information(answers[by], y).item())
    assert found.unexplained == pytest.approx(conditional_information(answers[f], y, answers[by]).item())
    assert found.explained == pytest.approx(found.information - found.unexplained) and found.null > 0
    assert explained_by(results, f, f).unexplained == pytest.approx(0, abs=1e-12)
    assert explained_by(results, f, by, step=0).information < found.information
    with pytest.raises(BadInput, match="the labels of their train splits differ"):
        explained_by(results, f, by, split="train")
    with pytest.raises(BadInput, match="split = 'tset': .* did you mean 'test'"):
        explained_by(results, f, by, split="tset")
