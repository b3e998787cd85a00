"""Layers of one trained network set back or moved: the same as runs with layers reset, and naive computations."""

import copy

import pytest
import torch
from test_interventions import NORMED, Family, base

from benevolent.analysis import load_results
from benevolent.analysis.multi_run.changed_layers import errors_of_changes
from benevolent.analysis.multi_run.examples import load_examples
from benevolent.analysis.multi_run.layer_moves import layer_moves, reset_errors
from benevolent.analysis.multi_run.layer_robustness import reset_drops


def test_resets_of_one_network_are_those_of_runs_with_layers_reset(cohort, tmp_path):
    grid = {"reset.layers": [[1], [2], [3]], "reset.to": ["init", 2, "random"]}
    record = {"epochs": [0, 2], "measure_at": "checkpoints"}
    Family(cohort, base=base(stop={"train_loss": None, "max_epochs": 5}), grid=grid, record=record)
    results = load_results(tmp_path)
    table = results.table(parents=True)
    (parent,) = table.loc[table["reset.layers"] == "", "run_id"]
    keys = ["reset.to", "reset.layers"]
    expected = reset_drops(table).set_index(keys).sort_index()
    found = reset_errors(results, parent, ["init", 2, "random"]).set_index(keys).sort_index()
    assert found["seed"].tolist() == expected["seed"].tolist() and len(found) == 9
    assert found["error"].tolist() == pytest.approx(expected["error"].tolist())
    assert found["drop"].tolist() == pytest.approx(expected["drop"].tolist())


def test_moves_of_layers_are_those_of_naive_computations(cohort, tmp_path):
    record = {"epochs": [0], "measure_at": "checkpoints"}
    stop = {"train_loss": None, "max_epochs": 4}
    Family(cohort, base={**base(stop=stop), "model": NORMED}, record=record)
    results = load_results(tmp_path)
    (run_id,) = results.runs["run_id"]
    trained, start = results.network(run_id), results.network(run_id, step=0)
    examples = load_examples(results, run_id, ["train", "test"])
    inputs, labels = examples["test"]
    moves = layer_moves(results, run_id)
    layers = [name for name, value in trained.named_parameters() if value.ndim > 1]
    assert moves["layer"].tolist() == list(range(1, len(layers) + 1))
    for row, weight in zip(moves.to_dict("records"), layers, strict=True):
        reset = copy.deepcopy(trained)
        layer, before = (module.get_submodule(weight.removesuffix(".weight")) for module in (reset, start))
        change = layer.weight - before.weight
        assert row["distance"] == pytest.approx(change.norm().item())
        assert row["relative_distance"] == pytest.approx((change.norm() / before.weight.norm()).item())
        assert row["largest_change"] == pytest.approx(change.abs().max().item())
        layer.load_state_dict(before.state_dict())
        assert row["reset_error"] == pytest.approx(wrong(reset, inputs, labels))
        assert row["error"] == pytest.approx(wrong(trained, inputs, labels))
        for part in reset.modules():
            if isinstance(part, torch.nn.BatchNorm1d):
                part.reset_running_stats()
                part.momentum = 1.0
                part.train()
        with torch.no_grad():
            reset(examples["train"][0])
        assert row["fitted_reset_error"] == pytest.approx(wrong(reset.eval(), inputs, labels))
    assert layer_moves(results, run_id).equals(moves)


@torch.no_grad()
def wrong(module, inputs, labels):
    return (module(inputs).argmax(1) != labels).double().mean().item()


def test_a_change_in_the_middle_of_a_network_is_not_seen_before_it():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    inputs, labels = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 2
    changes = [{}, {"2.weight": -module[2].weight.detach()}, {"0.bias": torch.ones(4), "3.bias": torch.ones(2)}]
    expected = []
    for change in changes:
        changed = copy.deepcopy(module)
        changed.load_state_dict({**module.state_dict(), **change})
        expected.append(wrong(changed, inputs, labels))
    assert errors_of_changes(module, changes, (inputs, labels)) == pytest.approx(expected)


def test_layers_that_are_there_twice_act_twice():
    torch.manual_seed(0)
    relu, shared = torch.nn.ReLU(), torch.nn.Linear(4, 4)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), relu, shared, relu, shared, torch.nn.Linear(4, 2))
    inputs = 3 * torch.randn(50, 3)
    with torch.no_grad():
        module[5].bias -= module(inputs).mean(0)  # each class is given to some
        labels = module(inputs).argmax(1)
    changes = [{"5.bias": module[5].bias.detach().clone()}, {"2.bias": -3 * torch.ones(4)}]
    changed = copy.deepcopy(module)
    changed[2].bias.data.fill_(-3)
    expected = [0, wrong(changed, inputs, labels)]
    assert 0 < expected[1] < 1
    assert errors_of_changes(module, changes, (inputs, labels)) == pytest.approx(expected)
