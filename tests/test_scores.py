"""Scores of predicted probabilities: against naive loops in float64, by hand, and where the answer is known."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from benevolent.trainables import data
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.scores import calibration_error, example_scores, summary

ODD_OR_EVEN = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
SMALL = {"train_size": 60, "validation_size": 20, "test_size": 50}
OF_PROBABILITIES = {"ece", "brier", "brier_variance", "nll"}


def naive(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The definitions, one example at a time."""
    bins = [[] for _ in range(15)]
    squares, likelihoods = [], []
    for row, label in zip(probabilities, labels, strict=True):
        number = next(m for m in range(15) if row.max() <= (m + 1) / 15 or m == 14)
        bins[number].append((row.max(), row.argmax() == label))
        squares.append(sum((p - (c == label)) ** 2 for c, p in enumerate(row)))
        likelihoods.append(-math.log(row[label]))
    ece = 0.0
    for members in bins:
        if members:
            confidence, right = np.mean(members, axis=0)
            ece += len(members) / len(labels) * abs(right - confidence)
    brier = {"brier": float(np.mean(squares)), "brier_variance": float(np.var(squares))}
    return {"ece": ece, **brier, "nll": float(np.mean(likelihoods))}


def outcomes_of(logits: torch.Tensor, labels: torch.Tensor, loss: str) -> dict[str, torch.Tensor]:
    return summary(example_scores(logits, labels, LOSSES[loss], probabilistic=True))


@pytest.mark.parametrize("networks", [1, 4])
@pytest.mark.parametrize("absent", [(), (0,), (0, 2)])
def test_scores_of_several_classes_equal_naive_ones(networks, absent):
    rng = np.random.default_rng(networks)
    logits = torch.from_numpy(3 * rng.normal(size=(networks, 70, 4)))
    present = [label for label in range(4) if label not in absent]
    labels = torch.from_numpy(rng.choice(present, (networks, 70)))
    found = outcomes_of(logits, labels, "cross_entropy")
    for row in range(networks):
        expected = naive(logits[row].softmax(-1).numpy(), labels[row].numpy())
        for name, value in expected.items():
            assert found[name][row].item() == pytest.approx(value, rel=1e-12)


def test_one_logit_means_two_probabilities():
    rng = np.random.default_rng(0)
    z = torch.from_numpy(2 * rng.normal(size=(2, 40, 1)))
    labels = torch.from_numpy(rng.integers(0, 2, (2, 40)))
    found = outcomes_of(z, labels, "logistic")
    as_two_classes = outcomes_of(torch.cat([torch.zeros_like(z), z], -1), labels, "cross_entropy")
    for row in range(2):
        p = z[row].sigmoid().numpy()
        for name, value in naive(np.concatenate([1 - p, p], 1), labels[row].numpy()).items():
            assert found[name][row].item() == pytest.approx(value, rel=1e-9)
    for name, values in as_two_classes.items():
        torch.testing.assert_close(found[name], values)


def test_a_confidence_on_the_edge_belongs_to_the_bin_below_it():
    edge = 3 / 15
    mistake = torch.tensor([[0.0, 1.0]], dtype=torch.float64)

    def error(first: float, second: float) -> float:
        return calibration_error(torch.tensor([[first, second]], dtype=torch.float64), mistake).item()

    in_one_bin = abs((1 - edge) + (0 - edge)) / 2
    in_two_bins = (abs(1 - edge) + abs(0 - edge)) / 2
    assert error(edge, np.nextafter(edge, 0)) == pytest.approx(in_one_bin)
    assert error(edge, np.nextafter(edge, 1)) == pytest.approx(in_two_bins)
    assert error(0.95, 1.0) == pytest.approx(abs((1 - 0.95) + (0 - 1)) / 2)  # the last bin holds both


def test_certain_networks_have_the_scores_that_are_known():
    logits = torch.tensor([[[1e4, 0.0], [0.0, 1e4]], [[0.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    labels = torch.tensor([[0, 1], [0, 1]])
    right = outcomes_of(logits, labels, "cross_entropy")
    wrong = outcomes_of(logits, 1 - labels, "cross_entropy")
    assert [right[name].tolist() for name in ("ece", "brier")] == [[0, 0], [0, 0.5]]
    assert [wrong[name].tolist() for name in ("ece", "brier")] == [[1, 0], [2, 0.5]]


def test_labels_drawn_from_the_probabilities_are_calibrated_and_sharpened_ones_are_not():
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(1.5 * rng.normal(size=(1, 20_000, 3)))
    noise = torch.from_numpy(rng.gumbel(size=logits.shape))
    labels = (logits + noise).argmax(-1)
    honest = outcomes_of(logits, labels, "cross_entropy")
    boastful = outcomes_of(3 * logits, labels, "cross_entropy")
    assert honest["ece"].item() < 0.02 < 0.15 < boastful["ece"].item()
    assert honest["brier"] < boastful["brier"] and honest["nll"] < boastful["nll"]
    assert honest["error"] == boastful["error"]


def test_logits_that_are_not_finite_give_scores_that_are_missing():
    found = outcomes_of(torch.full((1, 3, 2), torch.nan), torch.zeros(1, 3, dtype=torch.long), "cross_entropy")
    assert all(found[name].isnan().all() for name in OF_PROBABILITIES)


@pytest.mark.parametrize("loss", ["cross_entropy", "logistic", "squared", "hinge"])
def test_trained_runs_have_the_scores_of_their_final_networks(cohort, loss):
    two_classes = {} if loss == "cross_entropy" else {"classes": ODD_OR_EVEN}
    configs = []
    for seed in range(2):
        configs.append(
            {
                "data": SMALL | two_classes,
                "model": {"family": "mlp", "width": 8, "depth": 2},
                "loss": {"name": loss},
                "stop": {"train_loss": None, "max_epochs": 2},
                "seed": seed,
            }
        )
    trained = cohort("c", configs).train()
    outcomes = trained.table("outcomes")
    assert not OF_PROBABILITIES & set(outcomes.loc[outcomes["split"] != "test", "name"])
    names = set(outcomes.loc[outcomes["split"] == "test", "name"])
    if loss in ("squared", "hinge"):
        assert not OF_PROBABILITIES & names
        return
    for config in trained.configs:
        dataset = data.load(config.data)
        built = built_network.for_run(config, dataset)
        module: nn.Module = copy.deepcopy(built.module)
        module.load_state_dict(trained.final()[config.run_id])
        logits = module(dataset.test.inputs).detach().double()
        if loss == "logistic":
            logits = torch.cat([torch.zeros_like(logits), logits], -1)
        expected = naive(logits.softmax(-1).numpy(), dataset.test.labels.numpy())
        for name, value in expected.items():
            assert trained.value(config.run_id, name, "test") == pytest.approx(value, rel=1e-5)
        assert trained.value(config.run_id, "nll", "test") == trained.value(config.run_id, "loss", "test")


def test_numbers_are_predicted_without_probabilities(cohort):
    waves = {"name": "frequency", **SMALL}
    config = {
        "data": waves,
        "model": {"family": "mlp", "width": 8, "depth": 2},
        "loss": {"name": "squared"},
        "stop": {"train_loss": None, "max_epochs": 1},
    }
    outcomes = cohort("c", [config]).train().table("outcomes")
    assert set(outcomes["name"]) == {"loss", "loss_variance", "error"}
