"""Memorization and influence of examples, against values worked out by hand and networks loaded one by one."""

import numpy as np
import pytest
import torch

from benevolent.analysis import load_results
from benevolent.analysis.multi_run import answers_of_runs, influence, memorization, train_on_examples
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput

DATA = {"train_size": 40, "validation_size": 0, "test_size": 30, "subset": 0.5}


def run(seed: int, **sections) -> dict:
    base = {
        "data": DATA | {"label_corruption": 0.2, "intervention_seed": 3},
        "model": {"width": 16, "depth": 2},
        "optimizer": {"batch_size": 10, "lr": 0.1},
        "stop": {"train_loss": None, "max_epochs": 4},
    }
    return base | {"seed": seed} | sections


def test_memorization_and_influence_equal_values_worked_out_by_hand():
    """Five runs; example 0 was seen by the first two, example 1 by all but the last, example 2 by all."""
    seen = torch.tensor([[1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    right = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0]]).bool()
    found = influence(seen, right)
    assert found[0].tolist() == pytest.approx([1 - 1 / 3, 1 / 2 - 1, 1 / 2 - 1 / 3])
    assert found[1].tolist() == pytest.approx([1 / 2 - 1, 3 / 4 - 1, 1 / 2 - 0])
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(memorization(seen, right), np.diag(found))


def test_an_example_is_memorized_where_a_table_of_neighbors_decides():
    """A network that knows only what it saw memorizes it all; one that knows the rule memorizes nothing."""
    seen = torch.rand(200, 30, generator=torch.Generator().manual_seed(0)) < 0.7
    assert (memorization(seen, seen) == 1).all() and (memorization(seen, torch.ones(200, 30).bool()) == 0).all()
    noise = torch.rand(200, 30, generator=torch.Generator().manual_seed(1)) < 0.5
    assert np.std(memorization(seen, noise)) == pytest.approx(0.5 / np.sqrt(0.21 * 200), rel=0.3)


def test_answers_are_those_of_networks_loaded_one_by_one(cohort, tmp_path):
    made = cohort("a", [run(seed) for seed in range(3)]).train()
    others = cohort("b", [run(5, model={"width": 8, "depth": 2})]).train()
    run_ids = [*others.run_ids, *made.run_ids[::-1]]
    results = load_results(tmp_path)
    dataset = data.load(made.configs[0].data)
    for split in ("train", "test"):
        answers = answers_of_runs(results, run_ids, split)
        examples = dataset.splits[split]
        labels = examples.labels
        if split == "train":
            labels = data.corrupt(labels, 10, 0.2, "redraw", 3, "train")
        for row, run_id in enumerate(run_ids):
            expected = results.network(run_id)(examples.inputs).argmax(1)
            assert torch.equal(answers.predicted[row], expected)
            assert torch.equal(answers.right[row], expected == labels)
            positions = data.subset_positions(results.config(run_id).data, results.config(run_id).seed)
            seen = positions.tolist() if split == "train" else []
            assert answers.seen[row].nonzero().flatten().tolist() == seen
        assert torch.equal(answers.true_labels, examples.labels)
    trained = answers_of_runs(results, run_ids, "train")
    errors = 1 - (trained.right & trained.seen).sum(1) / trained.seen.sum(1)
    assert errors.tolist() == pytest.approx(results.runs.set_index("run_id").loc[run_ids, "train_error"].tolist())


def test_networks_trained_on_the_examples_of_runs_are_these_runs(cohort):
    made = cohort("c", [run(seed, model={"width": 16, "depth": 2, "dropout": 0.2}) for seed in range(3)]).train()
    positions = torch.stack([data.subset_positions(made.configs[0].data, seed) for seed in range(3)])
    found = train_on_examples(made.configs[0], [0, 1, 2], positions)
    for name in ("loss", "error"):
        assert found[name].tolist() == [made.value(run_id, name, "test") for run_id in made.run_ids]
    others = train_on_examples(made.configs[0], [0, 1, 2], positions.flip(0))
    assert others["loss"][1] == found["loss"][1] and others["loss"][0] != found["loss"][0]


@pytest.mark.parametrize(
    ("sections", "message"),
    [({"stop": {"train_loss": 0.1}}, "train_loss: null"), ({"pretrain": {"epochs": 1}}, "one phase of steps")],
)
def test_other_training_is_refused(sections, message):
    with pytest.raises(BadInput, match=message):
        train_on_examples(RunConfig.parse(run(0, **sections)), [0], torch.arange(20)[None])


def test_runs_on_other_splits_are_refused(cohort, tmp_path):
    made = [cohort(name, [run(0, data=DATA | {"split_seed": seed})]).train() for seed, name in enumerate("ab")]
    with pytest.raises(BadInput, match="splits are not those of run"):
        answers_of_runs(load_results(tmp_path), [one.run_ids[0] for one in made], "test")
