"""Information in bits, by hand."""

import math

import pytest
import torch

from benevolent.analysis.statistics.label_information import (
    conditional_information,
    explained_information,
    joint_frequencies,
    mutual_information,
    null_explained_information,
)


def labels(*counts: tuple[int, ...]) -> list[torch.Tensor]:
    """Labels of examples: each entry is the values of all labels, and how many such examples there are."""
    rows = [entry[:-1] for entry in counts for _ in range(entry[-1])]
    return [torch.tensor(column) for column in zip(*rows, strict=True)]


def entropy(*shares: float) -> float:
    return -sum(share * math.log2(share) for share in shares if share)


def test_information_of_a_binary_classifier():
    f, y = labels((0, 0, 9), (1, 0, 1), (1, 1, 9), (0, 1, 1))
    assert mutual_information(f, y).item() == pytest.approx(1 - entropy(0.1, 0.9))
    assert mutual_information(f, 1 - y).item() == pytest.approx(1 - entropy(0.1, 0.9))
    assert mutual_information(f, torch.zeros_like(f)).item() == 0


def test_information_of_three_classes_by_hand():
    """F tells class 0 from the others, and nothing else."""
    f, y = labels((0, 0, 2), (1, 1, 2), (1, 2, 2))
    assert mutual_information(f, y).item() == pytest.approx(entropy(1 / 3, 2 / 3))
    assert mutual_information(y, y).item() == pytest.approx(math.log2(3))


def test_only_shared_information_is_explained():
    """Y is two bits; L knows the first, F both: I(F; Y) = 2, of which L explains 1."""
    y = torch.arange(8) % 4
    assert mutual_information(y, y).item() == pytest.approx(2)
    assert explained_information(y, y, y // 2).item() == pytest.approx(1)
    assert conditional_information(y, y, y // 2).item() == pytest.approx(1)
    first, second = labels((0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1))  # together they know Y, each alone nothing
    assert explained_information(first, first ^ second, second).item() == pytest.approx(-1)


@pytest.mark.parametrize("classes", [2, 4])
def test_three_formulas_of_explained_information_agree(classes):
    draw = torch.Generator().manual_seed(classes)
    f, y, by = torch.randint(0, classes, (3, 200), generator=draw)
    f[:100], by[50:120] = y[:100], y[50:120]
    found = explained_information(f, y, by).item()
    for one, other, given in ((by, y, f), (f, by, y)):
        rest = mutual_information(one, other) - conditional_information(one, other, given)
        assert rest.item() == pytest.approx(found, abs=1e-12)
    joint = joint_frequencies(f, y, by)
    assert joint.sum().item() == pytest.approx(1) and joint.shape == (classes,) * 3


def test_null_model_equals_sampled_null_models():
    """N = Y with probability p, else uniform: at p = 0.6, drawn for a million examples."""
    f, y = labels((0, 0, 8), (1, 0, 2), (1, 1, 9), (0, 1, 1), (2, 2, 10))
    many = [one.repeat(40_000) for one in (f, y)]
    draw = torch.Generator().manual_seed(0)
    guess = torch.randint(0, 3, many[1].shape, generator=draw)
    null = torch.where(torch.rand(guess.shape, generator=draw) < 0.6, many[1], guess)
    drawn = explained_information(*many, null).item()
    assert null_explained_information(*many, null).item() == pytest.approx(drawn, abs=2e-3)


def test_null_model_at_full_and_zero_information():
    f, y = labels((0, 0, 8), (1, 0, 2), (1, 1, 9), (0, 1, 1))
    known = mutual_information(f, y).item()
    assert null_explained_information(f, y, y).item() == pytest.approx(known)
    assert null_explained_information(f, y, torch.zeros_like(y)).item() == pytest.approx(0, abs=1e-9)
