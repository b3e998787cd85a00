"""What the studies of normalized losses decide on data where the answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.nn import functional

from benevolent.analysis.studies.shared import far_from_data, normalized_loss
from benevolent.analysis.studies.shared.answer import over_seeds, rank_over_seeds

SEEDS, NETWORKS = 5, 12


def networks(test_error, draw: np.random.Generator) -> pd.DataFrame:
    """Networks of five seeds; `test_error(norm, loss)` of the ranks of the norm and of the normalized loss."""
    rows = []
    for seed in range(SEEDS):
        norm, loss = draw.permutation(NETWORKS), draw.permutation(NETWORKS)
        for one, other in zip(norm, loss, strict=True):
            columns = {"log_norm": one, "normalized_train_loss": one + other, "test_error": test_error(one, other)}
            rows.append({"seed": seed, **columns})
    return pd.DataFrame(rows)


def test_a_partial_rank_correlation_is_that_of_the_formula_of_three():
    table = networks(lambda norm, loss: norm * loss, np.random.default_rng(0)).query("seed == 0")
    columns = ("normalized_train_loss", "test_error", "log_norm")
    xy, xz, yz = (stats.spearmanr(table[columns[a]], table[columns[b]])[0] for a, b in ((0, 1), (0, 2), (1, 2)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert normalized_loss.partial_rank(table, *columns) == pytest.approx(expected)


def test_a_loss_that_ranks_as_the_norm_does_says_nothing_beyond_it():
    table = networks(lambda norm, loss: loss, np.random.default_rng(0))
    table["normalized_train_loss"] = 2.0 ** table["log_norm"]
    assert normalized_loss.partial_rank(table, "normalized_train_loss", "test_error", "log_norm") == 0
    finding = normalized_loss.beyond_norm("here", table, "log_norm")
    assert finding.decision == "does not hold" and finding.ours.startswith("it ranks the networks as the norm does")


@pytest.mark.parametrize(("told_by", "decision"), [("loss", "holds"), ("norm", "does not hold")])
def test_what_the_loss_tells_beyond_the_norm_is_found_where_it_is(told_by, decision):
    draw = np.random.default_rng(1)
    table = networks(lambda norm, loss: loss + norm if told_by == "loss" else norm + draw.normal(), draw)
    assert normalized_loss.beyond_norm("here", table, "log_norm").decision == decision


def test_outputs_are_divided_before_the_loss():
    outputs, labels = torch.randn(6, 3).double(), torch.tensor([0, 1, 2, 0, 1, 2])
    known = {"train": [(outputs, labels)], "test": [(2 * outputs, labels)]}
    found = normalized_loss.divided(known, np.array([4.0])).iloc[0]
    naive = [-torch.log_softmax(outputs / by, 1)[range(6), labels].mean().item() for by in (4, 2)]
    assert found.tolist() == pytest.approx(naive)


@pytest.mark.parametrize(("own", "decision"), [(True, "holds"), (False, "does not hold")])
def test_the_line_is_mechanical_where_any_norm_will_do(own, decision):
    """Leads of the true class, a on training examples and b on test examples: b = rho + a, or b = 0.8 a for all."""
    draw, labels = np.random.default_rng(0), torch.zeros(4, dtype=torch.int64)
    rho = np.exp(draw.uniform(0, 3, 30))
    train = 0.1 * rho * draw.uniform(0, 1, 30) if own else draw.uniform(0.99, 1.01, 30)
    leads = {"train": train, "test": 0.1 * rho + train if own else 0.8 * train}
    known = {s: [(torch.tensor([[lead, 0.0]] * 4).double(), labels) for lead in values] for s, values in leads.items()}
    table = normalized_loss.divided(known, rho)
    deals = normalized_loss.dealt(known, rho)
    assert len(deals) == normalized_loss.DEALS and normalized_loss.line(table).r2 > 0.99
    naive = [functional.cross_entropy(z / r, y).item() for (z, y), r in zip(known["train"], rho, strict=True)]
    assert table["normalized_train_loss"].tolist() == pytest.approx(naive)
    assert normalized_loss.own_norm("here", table, deals).decision == decision


def test_where_there_is_no_line_none_needs_its_own_norm():
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.random((30, 2)), columns=["normalized_train_loss", "normalized_test_loss"])
    finding = normalized_loss.own_norm("here", table, [table.sample(frac=1) for _ in range(5)])
    assert finding.decision == "undecided" and finding.remarks == ["there is no line that could need it"]


def test_intervals_over_seeds_are_student_s():
    table = networks(lambda norm, loss: norm + loss, np.random.default_rng(0))
    values = [stats.spearmanr(rows["log_norm"], rows["test_error"])[0] for _, rows in table.groupby("seed")]
    found = rank_over_seeds(table, "log_norm", "test_error")
    low, high = stats.t.interval(0.95, SEEDS - 1, np.mean(values), stats.sem(values))
    assert found == pytest.approx((np.mean(values), max(low, -1), min(high, 1), SEEDS))
    one = over_seeds(table.query("seed == 0"), len)
    assert one == (NETWORKS, -np.inf, np.inf, 1)


def test_some_patterns_are_different_ones_among_those_marked():
    patterns = np.random.default_rng(0).random((200, 4)) < 0.5
    among = np.arange(200) >= 50
    chosen = far_from_data.some_different(patterns, among, 10)
    assert len(chosen) == 10 and (chosen >= 50).all() and len({tuple(patterns[i]) for i in chosen}) == 10
    assert len(far_from_data.some_different(patterns, among, 100)) == 16
