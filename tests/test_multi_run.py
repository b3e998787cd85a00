"""Statistics across runs, from tables made up by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize_scalar

from benevolent.analysis.multi_run import (
    fit_inverse_temperature,
    intrinsic_dimension,
    label_bits,
    layer_drops,
    layer_robustness,
    prequential_bits,
    smallest_tickets,
    ticket_curves,
)
from benevolent.trainables.errors import BadInput


def frame(columns: str, *rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


# Intrinsic dimension.

SWEEP = "seed subspace.dimension validation_error"


def test_intrinsic_dimension_is_interpolated_on_a_log_grid():
    """Direct accuracy 0.9, so 0.81 is asked for: two thirds of the way from 0.75 at 100 to 0.84 at 800."""
    direct = [(0, None, 0.08), (1, None, 0.12)]
    inside = [(0, 10, 0.6), (1, 10, 0.7), (0, 100, 0.24), (1, 100, 0.26), (0, 800, 0.16), (1, 800, 0.16)]
    (found,) = intrinsic_dimension(frame(SWEEP, *direct, *inside)).to_dict("records")
    assert found["dimension"] == pytest.approx(100 * 8 ** (2 / 3))
    assert (found["above"], found["up_to"], found["seeds"]) == (100, 800, 2)
    assert (found["direct"], found["threshold"]) == pytest.approx((0.9, 0.81))


def test_interval_of_two_seeds_spans_both():
    """A resample has the first seed twice, the second twice, or both."""
    rows = [(0, None, 0.0), (0, 100, 0.2), (0, 400, 0.0), (1, None, 0.0), (1, 100, 0.15), (1, 400, 0.05)]
    (found,) = intrinsic_dimension(frame(SWEEP, *rows)).to_dict("records")
    assert [found["low"], found["dimension"], found["high"]] == pytest.approx([200] * 3)
    rows[4] = (1, 100, 0.11)
    (found,) = intrinsic_dimension(frame(SWEEP, *rows)).to_dict("records")
    alone = 100 * 4 ** (0.01 / 0.06)
    assert (found["low"], found["high"]) == pytest.approx((alone, 200.0)) and alone < found["dimension"] < 200


def test_dimension_outside_the_grid_is_bounded():
    never = frame(SWEEP, (0, None, 0.0), (0, 10, 0.5), (0, 20, 0.11))
    at_once = frame(SWEEP, (0, None, 0.0), (0, 10, 0.1), (0, 20, 0.0))
    found = intrinsic_dimension(pd.concat([never.assign(width=1), at_once.assign(width=2)]), ["width"])
    assert found["dimension"].isna().all() and found[["low", "high"]].isna().all(axis=None)  # of one seed
    assert found[["width", "above", "up_to"]].to_numpy().tolist() == [[1, 20, np.inf], [2, 0, 10]]
    seeds = [never.assign(seed=seed) for seed in range(3)]
    (found,) = intrinsic_dimension(pd.concat(seeds)).to_dict("records")
    assert (found["low"], found["high"]) == (np.inf, np.inf)
    some = pd.concat([at_once, never.assign(seed=1), never.assign(seed=2)])
    (found,) = intrinsic_dimension(some).to_dict("records")
    assert (found["low"], found["high"], found["up_to"]) == (0, np.inf, 20)


def test_every_projection_is_compared_with_direct_training():
    columns = "seed subspace.dimension subspace.projection model.width test_error"
    direct = [(0, None, "dense", width, 0.0) for width in (8, 16)]
    inside = [(0, d, p, w, 0.2 if d == 100 else 0.0) for d in (100, 400) for p in ("dense", "sparse") for w in (8, 16)]
    table, axes = frame(columns, *direct, *inside), ["model.width", "subspace.projection"]
    found = intrinsic_dimension(table, axes, error="test_error")
    assert len(found) == 4 and found["dimension"].tolist() == pytest.approx([200] * 4)
    with pytest.raises(BadInput, match="2 runs .* differ in subspace.projection: name it in axes"):
        intrinsic_dimension(table, ["model.width"], error="test_error")
    with pytest.raises(BadInput, match="subspace: no run without it to compare with at model.width = 16"):
        intrinsic_dimension(table.drop(index=1), axes, error="test_error")
    with pytest.raises(BadInput, match="subspace: no run of the table sets it"):
        intrinsic_dimension(table[:2], axes, error="test_error")
    with pytest.raises(BadInput, match="'validation_error' is not a column"):
        intrinsic_dimension(table, axes)


# Description length.


def known(probabilities: list[float], others: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax has these probabilities for label 0, and the rest shared by so many others."""
    own = torch.tensor(probabilities, dtype=torch.float64).unsqueeze(1)
    rest = ((1 - own) / others).expand(-1, others)
    return torch.cat([own, rest], 1).log() + 3.0, torch.zeros(len(own), dtype=torch.long)


def test_bits_of_known_probabilities():
    """4 labels of 4 classes at 2 bits, then 1 and 2 bits, then 3 bits and 1/2."""
    blocks = [known([0.5, 0.25], 3), known([0.125, 2**-0.5], 3)]
    assert prequential_bits(4, blocks) == pytest.approx(4 * 2 + 1 + 2 + 3 + 0.5)
    assert label_bits(*blocks[0]) == pytest.approx(3) and label_bits(*blocks[0], scale=0.0) == pytest.approx(4)


def test_unhelpful_logits_are_replaced_by_the_uniform_code():
    block, right = known([0.5, 0.5], 3), known([0.9, 0.4, 0.6], 3)
    wrong = known([0.01] * 9, 3)
    diverged = torch.full((2, 4), torch.nan), torch.zeros(2, dtype=torch.long)
    for temperature in (True, False):
        assert prequential_bits(4, [block], [wrong], temperature) == pytest.approx(8 + 4)
        assert prequential_bits(4, [diverged], [diverged], temperature) == pytest.approx(8 + 4)
    assert prequential_bits(4, [block], [right], False) == pytest.approx(8 + 2)
    scale = fit_inverse_temperature(*right)
    assert prequential_bits(4, [block], [right]) == pytest.approx(8 + label_bits(*block, scale)) and scale != 1


@pytest.mark.parametrize("right", [5, 7, 10, 12])
def test_inverse_temperature_equals_krichevsky_trofimov_for_two_classes(right):
    """Logits (0.3, 0), which say only that it is class 0, of 12 examples."""
    labels = (torch.arange(12) >= right).long()
    share = (right + 0.5) / 13
    scale = fit_inverse_temperature(torch.tensor([[0.3, 0.0]]).expand(12, 2), labels)
    assert scale == pytest.approx(max(0.0, math.log(share / (1 - share)) / 0.3), rel=1e-5)


def test_inverse_temperature_minimizes_the_smoothed_loss():
    draw = torch.Generator().manual_seed(0)
    z, labels = torch.randn(40, 5, generator=draw).double() * 4, torch.randint(0, 5, (40,), generator=draw)
    z[torch.arange(40), labels] += 2

    def loss(scale: float) -> float:
        total = 0.0
        for row, label in zip((scale * z).tolist(), labels.tolist(), strict=True):
            norm = math.log(sum(map(math.exp, row)))
            total += norm - row[label] + sum(norm - one for one in row) / 5 / 40
        return total

    best = minimize_scalar(loss, bounds=(0, 3), method="bounded", options={"xatol": 1e-9}).x
    assert fit_inverse_temperature(z, labels) == pytest.approx(best, abs=1e-6) and 0.05 < best < 1


# Layers.

RESETS = "seed reset.layers reset.to test_error"


def test_critical_layers_by_hand():
    before = [(0, "", "init", 0.05), (1, "", "init", 0.1)]
    init = [(0, "1", "init", 0.45), (1, "1", "init", 0.3), (0, "2", "init", 0.1), (1, "2", "init", 0.15)]
    random = [(seed, layer, "random", 0.9) for seed in (0, 1) for layer in ("1", "2", "1,2")]
    drops = layer_drops(frame(RESETS, *before, *init, *random))
    assert drops["reset.layers"].tolist() == ["1", "2", "1", "1,2", "2"]
    assert drops["drop"].tolist() == pytest.approx([0.3, 0.05, 0.825, 0.825, 0.825])
    assert drops[["least", "most", "seeds"]].iloc[0].tolist() == pytest.approx([0.2, 0.4, 2])
    found = layer_robustness(drops).set_index("reset.to")
    assert found.loc["init"].tolist() == pytest.approx([2, 1, 0.175])  # five points are not more than five points
    assert found.loc["random"].tolist() == pytest.approx([2, 2, 0.825])
    assert layer_robustness(drops, tolerance=0.04).set_index("reset.to").loc["init", "critical"] == 2


def test_groups_of_layer_drops_use_their_own_parents():
    table = frame(RESETS, (0, "", "init", 0.1), (0, "1", "init", 0.3), (1, "1", "init", 0.9))
    wide = table.assign(**{"model.width": 8, "test_error": table["test_error"] / 2})
    both = pd.concat([table.assign(**{"model.width": 4}), wide])
    assert layer_drops(both, ["model.width"])["drop"].tolist() == pytest.approx([0.2, 0.1])  # of seed 0: 1 has no whole
    assert layer_drops(both, ["model.width"])["seeds"].tolist() == [1, 1]
    with pytest.raises(BadInput, match="differ in model.width: name it in axes"):
        layer_drops(both)


# Tickets.

TICKETS = (
    "seed prune.fraction prune.rounds prune.control prune.draw prune.conv_rate prune.output_rate "
    "test_early_stop_error early_stop_epoch"
)


def ticket(seed: int, rounds: int, control: str, error: float, epoch: float, draw: int = 0) -> tuple:
    return (seed, 0.5 if rounds else 0.0, rounds or 1, control, draw, 1.0, 1.0, error, epoch)


RUNS = [
    *(ticket(seed, 0, "ticket", 0.1, 12) for seed in (0, 1)),
    *(ticket(seed, 1, "ticket", 0.08 + 0.02 * seed, 8) for seed in (0, 1)),
    *(ticket(seed, 1, "reinit", error, 16, draw) for seed, draw, error in ((0, 0, 0.1), (0, 1, 0.14), (1, 0, 0.12))),
    *(ticket(seed, 2, "ticket", 0.105, 4) for seed in (0, 1)),
    ticket(0, 2, "reinit", 0.205, 6),
    ticket(0, 3, "ticket", 0.106, 24),
    ticket(0, 3, "random_mask", 0.156, 24),
]


def test_tickets_by_hand():
    curves = ticket_curves(frame(TICKETS, *RUNS)).set_index("weights_left")
    assert curves.index.tolist() == [1, 0.5, 0.25, 0.125] and curves["seeds"].tolist() == [2, 2, 2, 1]
    assert curves["ticket"].tolist() == pytest.approx([0.9, 0.91, 0.895, 0.894])
    assert curves["gain"].tolist() == pytest.approx([0, 0.01, -0.005, -0.006])
    assert curves["reinit"].tolist() == pytest.approx([np.nan, 0.88, 0.795, np.nan], nan_ok=True)
    assert curves["over_reinit"].tolist() == pytest.approx([np.nan, 0.03, 0.1, np.nan], nan_ok=True)
    assert curves["over_random_mask"].tolist() == pytest.approx([np.nan] * 3 + [0.05], nan_ok=True)
    assert curves["speed_up"].tolist() == pytest.approx([1, 1.5, 3, 0.5])
    assert curves["reinit_speed_up"].tolist() == pytest.approx([np.nan, 2, 1.5, np.nan], nan_ok=True)
    (found,) = smallest_tickets(curves.reset_index()).to_dict("records")
    assert np.isnan(found.pop("reinit")) and found == {"ticket": 0.25, "tried": 0.125, "speed_up": 3, "fastest": 0.25}


def test_every_pruning_method_shares_the_dense_network():
    table = frame(TICKETS, *RUNS).assign(**{"prune.method": "magnitude"})
    both = pd.concat([table, table[table["prune.fraction"] > 0].assign(**{"prune.method": "layer_magnitude"})])
    curves = ticket_curves(both, ["prune.method"])
    assert curves.groupby("prune.method")["ticket"].first().tolist() == pytest.approx([0.9, 0.9])
    assert smallest_tickets(curves, ["prune.method"])["ticket"].tolist() == [0.25, 0.25]
    with pytest.raises(BadInput, match="differ in prune.method: name it in axes"):
        ticket_curves(both)


def test_rates_by_layer_need_the_weights_left():
    table = frame(TICKETS, *RUNS).assign(**{"prune.output_rate": 0.5, "left": 0.75})
    with pytest.raises(BadInput, match="set left to the column with the fraction of weights left"):
        ticket_curves(table)
    one = table[table["prune.rounds"] == 1]
    assert ticket_curves(one, left="left")["weights_left"].tolist() == [1.0, 0.75]


def test_what_is_no_table_is_refused_in_a_line():
    with pytest.raises(BadInput, match=r"^table: \[1\]; expected a DataFrame$"):
        layer_drops([1])
    with pytest.raises(BadInput, match="needs a table from ticket_curves"):
        smallest_tickets(pd.DataFrame({"init.scale": [1.0]}))
