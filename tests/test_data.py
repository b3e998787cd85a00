import numpy as np
import pytest
import torch

from trainables import data
from trainables.config import DataConfig, Phase, RunConfig
from trainables.errors import BadInput
from trainables.streams import generator


def pixels(split: data.Split) -> set[bytes]:
    """The examples of a split as they are in the files, so that they can be told apart."""
    return {row.tobytes() for row in split.inputs.numpy()}


def labels(count: int = 1000) -> torch.Tensor:
    return torch.from_numpy(generator(0, "test").integers(0, 10, count))


def test_the_splits_have_the_sizes_asked_for_and_share_no_example():
    dataset = data.load(DataConfig())
    assert [len(split) for split in dataset.splits.values()] == [1000, 197, 600]
    digits = data.read("digits").train
    positions = data.stratified_order(digits.labels, generator(0, "split"))
    assert sorted(positions) == list(range(1797))
    assert len(set.union(*map(pixels, dataset.splits.values()))) == len({*map(bytes, digits.inputs)})


def test_the_splits_are_stratified():
    shares = np.bincount(data.read("digits").train.labels) / 1797
    for split in data.load(DataConfig(split_seed=3)).splits.values():
        assert np.abs(split.labels.bincount().numpy() - shares * len(split)).max() < 2


def test_inputs_are_scaled_by_the_training_split():
    train = data.load(DataConfig(), "float64").train.inputs
    assert train.mean().item() == pytest.approx(0, abs=1e-12)
    assert train.std(correction=0).item() == pytest.approx(1)


def test_the_test_split_does_not_depend_on_how_much_is_trained_on():
    found = []
    for size in (50, 1000):
        dataset = data.load(DataConfig(train_size=size), "float64")
        test = dataset.test.inputs - dataset.test.inputs.min()
        found.append((test / test.max(), dataset.test.labels))
    torch.testing.assert_close(found[0], found[1])


def test_another_split_seed_is_another_split_and_the_run_seed_is_not():
    first, second = data.load(DataConfig()), data.load(DataConfig(split_seed=1))
    assert first.checksum != second.checksum and not torch.equal(first.test.labels, second.test.labels)
    assert RunConfig(seed=1).data == RunConfig(seed=2).data


def test_without_validation_there_is_no_such_split():
    assert list(data.load(DataConfig(validation_size=0)).splits) == ["train", "test"]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"name": "digit"},
            "data.name = 'digit': unknown data set; did you mean 'digits'? allowed: cifar10",
        ),
        ({"train_size": 1001}, "1001 + 197 + 600 = 1798: digits has 1797 examples"),
    ],
)
def test_what_is_not_there_is_refused(config, line):
    with pytest.raises(BadInput, match="data") as refused:
        data.load(DataConfig(**config))
    assert line in str(refused.value)


@pytest.mark.parametrize("fraction", [0, 0.001, 0.25, 0.3337, 1])
def test_swap_makes_exactly_the_fraction_wrong(fraction):
    clean = labels()
    wrong = data.corrupt(clean, 10, fraction, "swap", 0, "train")
    assert (wrong != clean).sum() == round(fraction * 1000)
    assert wrong.min() >= 0 and wrong.max() < 10


def test_redraw_leaves_some_right_and_is_uniform_over_the_classes():
    clean = torch.zeros(20_000, dtype=torch.long)
    counts = data.corrupt(clean, 10, 0.5, "redraw", 0, "train").bincount(minlength=10)
    assert counts[0] == pytest.approx(11_000, abs=150)
    assert counts[1:].tolist() == pytest.approx([1_000] * 9, abs=150)


@pytest.mark.parametrize("method", ["swap", "redraw"])
def test_a_smaller_corruption_is_part_of_a_larger_one(method):
    clean = labels()
    small, large = (data.corrupt(clean, 10, fraction, method, 7, "train") for fraction in (0.2, 0.6))
    changed = small != clean
    assert torch.equal(large[changed], small[changed]) and changed.any()


def test_corruption_is_seeded_by_run_and_stream():
    clean = labels()
    draws = [data.corrupt(clean, 10, 0.5, "swap", *key) for key in [(0, "a"), (0, "a"), (1, "a"), (0, "b")]]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[3])


def test_retraining_after_pruning_sees_the_labels_of_training_and_pretraining_others():
    dataset = data.load(DataConfig())
    pretrain, train, prune = (
        data.train_labels(dataset, Phase(name, 0.5, "swap", 1, None), 4) for name in ("pretrain", "train", "prune1")
    )
    assert torch.equal(train, prune) and not torch.equal(pretrain, train)
