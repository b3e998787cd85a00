"""Decisions of the studies of normalized losses on data whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.nn import functional

from benevolent.analysis.studies.shared import far_from_data, normalized_loss
from benevolent.analysis.studies.shared.normalized_loss_findings import beyond_norm_finding, own_norm_finding
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, rank_correlation

SEEDS = 5
NETWORKS = 12


def networks(test_error, rng: np.random.Generator) -> pd.DataFrame:
    """Networks of five seeds; `test_error(norm, loss)` of the ranks of the norm and of the normalized loss."""
    rows = []
    for seed in range(SEEDS):
        norms = rng.permutation(NETWORKS)
        losses = rng.permutation(NETWORKS)
        for norm, loss in zip(norms, losses, strict=True):
            columns = {"log_norm": norm, "normalized_train_loss": norm + loss, "test_error": test_error(norm, loss)}
            rows.append({"seed": seed, **columns})
    return pd.DataFrame(rows)


def test_a_partial_rank_correlation_is_that_of_the_textbook():
    table = networks(lambda norm, loss: norm * loss, np.random.default_rng(0)).query("seed == 0")
    x, y, z = (table[name] for name in ("normalized_train_loss", "test_error", "log_norm"))
    xy, xz, yz = (stats.spearmanr(*pair)[0] for pair in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    found = normalized_loss.partial_rank_correlation(table, "normalized_train_loss", "test_error", "log_norm")
    assert found == pytest.approx(expected)


def test_a_loss_that_ranks_as_the_norm_does_is_nothing_beyond_it():
    table = networks(lambda norm, loss: loss, np.random.default_rng(0))
    table["normalized_train_loss"] = 2.0 ** table["log_norm"]
    partial = normalized_loss.partial_rank_correlation(table, "normalized_train_loss", "test_error", "log_norm")
    assert partial == 0
    finding = beyond_norm_finding("here", table, "log_norm")
    assert finding.decision == "does not hold"
    assert finding.evidence.startswith("it ranks the networks as the norm does")


@pytest.mark.parametrize(("depends_on", "decision"), [("loss", "holds"), ("norm", "does not hold")])
def test_a_loss_beyond_the_norm_is_found_where_it_is(depends_on, decision):
    rng = np.random.default_rng(1)
    errors = {"loss": lambda norm, loss: loss + norm, "norm": lambda norm, loss: norm + rng.normal()}
    table = networks(errors[depends_on], rng)
    assert beyond_norm_finding("here", table, "log_norm").decision == decision


def test_outputs_are_divided_before_the_loss():
    outputs = torch.randn(6, 3).double()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    by_split = {"train": [(outputs, labels)], "test": [(2 * outputs, labels)]}
    losses = normalized_loss.normalized_losses(by_split, np.array([4.0])).iloc[0]
    naive = [-torch.log_softmax(outputs / by, 1)[range(6), labels].mean().item() for by in (4, 2)]
    assert losses.tolist() == pytest.approx(naive)


@pytest.mark.parametrize(("needs_own_norm", "decision"), [(True, "holds"), (False, "does not hold")])
def test_a_line_is_mechanical_where_any_norm_will_do(needs_own_norm, decision):
    """Leads of the true class, a on training examples and b on test examples: b = rho + a, or b = 0.8 a for all."""
    rng = np.random.default_rng(0)
    labels = torch.zeros(4, dtype=torch.int64)
    rho = np.exp(rng.uniform(0, 3, 30))
    train = 0.1 * rho * rng.uniform(0, 1, 30) if needs_own_norm else rng.uniform(0.99, 1.01, 30)
    leads = {"train": train, "test": 0.1 * rho + train if needs_own_norm else 0.8 * train}
    outputs = {}
    for split, values in leads.items():
        outputs[split] = [(torch.tensor([[lead, 0.0]] * 4).double(), labels) for lead in values]
    table = normalized_loss.normalized_losses(outputs, rho)
    deals = normalized_loss.deal_norms(outputs, rho)
    assert len(deals) == normalized_loss.DEALS
    assert normalized_loss.loss_line(table).r2 > 0.99
    naive = [functional.cross_entropy(z / r, y).item() for (z, y), r in zip(outputs["train"], rho, strict=True)]
    assert table["normalized_train_loss"].tolist() == pytest.approx(naive)
    assert own_norm_finding("here", table, deals).decision == decision


def test_without_a_line_the_own_norm_is_undecided():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((30, 2)), columns=["normalized_train_loss", "normalized_test_loss"])
    finding = own_norm_finding("here", table, [table.sample(frac=1) for _ in range(5)])
    assert finding.decision == "undecided"
    assert len(finding.remarks) == 1


def test_intervals_over_seeds_are_student_s():
    table = networks(lambda norm, loss: norm + loss, np.random.default_rng(0))
    values = [stats.spearmanr(rows["log_norm"], rows["test_error"])[0] for _, rows in table.groupby("seed")]
    found = rank_correlation(table, "log_norm", "test_error")
    low, high = stats.t.interval(0.95, SEEDS - 1, np.mean(values), stats.sem(values))
    assert found == pytest.approx((np.mean(values), max(low, -1), min(high, 1), SEEDS))
    assert mean_over_seeds(table.query("seed == 0"), len) == (NETWORKS, -np.inf, np.inf, 1)


def test_patterns_are_chosen_among_the_eligible_and_differ():
    patterns = np.random.default_rng(0).random((200, 4)) < 0.5
    eligible = np.arange(200) >= 50
    chosen = far_from_data.choose_different(patterns, eligible, 10)
    assert len(chosen) == 10
    assert (chosen >= 50).all()
    assert len({tuple(patterns[position]) for position in chosen}) == 10
    assert len(far_from_data.choose_different(patterns, eligible, 100)) == 16
