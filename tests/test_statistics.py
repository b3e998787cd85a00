"""Each statistic against hand-worked cases, published figures, and slow versions of its definition."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, kendalltau, norm, pearsonr, rankdata, spearmanr
from sklearn.model_selection import LeaveOneGroupOut

from benevolent.analysis import statistics as st
from benevolent.analysis.statistics.aligned_ranks import aligned_ranks, moderated_spread
from benevolent.analysis.statistics.axes_baseline import TREES, AxesBaseline
from benevolent.analysis.statistics.conditional_mutual_information import PairCells
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.design_matrix import axes_design
from benevolent.analysis.statistics.held_out_ridge import PENALTIES, HeldOutRidge
from benevolent.analysis.statistics.lineages import ExchangeableReplicates, Lineages
from benevolent.analysis.statistics.noise_ceiling import measurement_variance
from benevolent.analysis.statistics.pair_counts import pair_counts
from benevolent.analysis.statistics.resampled_kendall import ResampledKendall, kendall_interval, run_sums
from benevolent.analysis.statistics.resampling import configuration_permutations, seed_rotations
from benevolent.analysis.statistics.sequential_permutation import (
    Claim,
    ExceedanceCount,
    PredictorTests,
    draw_until_decided,
)
from benevolent.analysis.statistics.sign_flips import sign_flips
from benevolent.analysis.statistics.transfer import TransferProducts
from benevolent.trainables.errors import BadInput

AXES = ["a", "b", "c"]


def ragged_table(seed: int = 0, levels: tuple[int, ...] = (3, 2, 2), seeds: int = 3) -> pd.DataFrame:
    """Runs of a grid, some missing, with ties, in random order."""
    random = np.random.default_rng(seed)
    rows = [row for row in itertools.product(*map(range, levels), range(seeds)) if random.random() > 0.15]
    table = pd.DataFrame(rows, columns=[*AXES[: len(levels)], "seed"])
    table["g"] = (table["a"] + random.normal(size=len(table))).round(1)
    table["p"] = (0.5 * table["g"] + random.normal(size=len(table))).round(1)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


# Kendall's tau --------------------------------------------------------------------------------


def test_kendall_tau_by_hand():
    assert st.kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)  # 5 concordant, 1 discordant
    assert st.kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))  # one tie in x
    assert st.kendall_tau([1, 2, np.nan, np.inf], [1, 2, 0, 3]) == 1.0
    assert math.isnan(st.kendall_tau([1, 1, 1], [1, 2, 3]))
    assert math.isnan(st.kendall_tau([1], [2]))


def test_kendall_interval_weights_pairs_by_configuration_counts():
    table = ragged_table()
    runs = GroupedRuns.from_table(table, AXES)
    x, y = table["p"].to_numpy()[runs.order], table["g"].to_numpy()[runs.order]
    counts = np.random.default_rng(0).multinomial(12, np.full(len(runs.sizes), 1 / len(runs.sizes)), size=3)
    for drawn in counts:
        sums = np.zeros(3)
        for i, j in itertools.combinations(range(len(x)), 2):
            g, h = runs.configuration[[i, j]]
            signs = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            sums += (drawn[g] if g == h else drawn[g] * drawn[h]) * np.array([np.prod(signs), *np.abs(signs)])
        interval = kendall_interval(runs, Lineages.from_runs(runs), x, y, drawn[None].astype(float))
        expected = sorted([sums[0] / np.sqrt(sums[1] * sums[2]), kendalltau(x, y).statistic])  # contains the estimate
        assert interval == pytest.approx(expected, abs=1e-12)


def test_kendall_tau_from_pairs_of_configurations_is_that_of_all_runs(monkeypatch):
    table = ragged_table()
    runs = GroupedRuns.from_table(table, AXES)
    lineages = Lineages.from_runs(runs)
    outcome = rankdata(table["g"].to_numpy()[runs.order])
    undrawn = np.zeros((0, len(lineages)))
    for largest in (5000, 0):
        monkeypatch.setattr("benevolent.analysis.statistics.resampled_kendall.PAIRED_RUNS", largest)
        resampled = ResampledKendall(runs, lineages, outcome, undrawn)
        ranks = rankdata(table["p"].to_numpy()[runs.order])
        assert resampled.interval(ranks) == pytest.approx(
            (kendalltau(ranks, outcome).statistic, np.nan, np.nan), nan_ok=True
        )
        assert math.isnan(resampled.interval(np.ones(len(outcome))).tau)


@pytest.mark.parametrize("largest", [3, 300])
def test_pairs_are_counted_for_configurations_of_any_size(largest):
    sizes = np.array([1, largest, 2])
    runs = GroupedRuns.from_table(pd.DataFrame({"a": np.repeat([0, 1, 2], sizes)}), ["a"])
    every_pair = np.ones((sizes.sum(), sizes.sum()), dtype=bool)
    counts = pair_counts(runs, lambda rows: [every_pair[rows]])
    assert (counts == np.outer(sizes, sizes)).all()


@pytest.mark.parametrize("pairs_at_once", [1, 2000, 2**19])
def test_pair_counts_do_not_depend_on_how_many_pairs_are_compared_at_once(monkeypatch, pairs_at_once):
    monkeypatch.setattr("benevolent.analysis.statistics.pair_counts.BLOCK_PAIRS", pairs_at_once)
    runs = GroupedRuns.from_table(pd.DataFrame({"a": np.repeat(np.arange(5), [3, 1, 7, 40, 2])}), ["a"])
    values = np.random.default_rng(0).integers(9, size=53)
    counted = pair_counts(runs, lambda rows: [values[rows, None] > values, values[rows, None] < values])
    members = runs.configuration[:, None] == np.arange(5)
    for counts, pairs in zip(counted, (values[:, None] > values, values[:, None] < values), strict=True):
        assert (counts == members.T.astype(int) @ pairs @ members).all()


@pytest.mark.parametrize("ties", [(), (0,), (1,), (0, 1)])
def test_sums_over_the_pairs_of_each_run_are_those_of_all_pairs(ties):
    rng = np.random.default_rng(5)
    columns = list(rng.normal(size=(2, 200)))
    for column in ties:
        columns[column] = columns[column].round(1)
    signs = [np.sign(values[:, None] - values) for values in columns]
    concordance, untied_x, untied_y = run_sums(*columns)
    assert (concordance == (signs[0] * signs[1]).sum(axis=1)).all()
    assert (untied_x == np.abs(signs[0]).sum(axis=1)).all() and (untied_y == np.abs(signs[1]).sum(axis=1)).all()


def test_linearized_kendall_interval_of_long_tables_agrees_with_that_of_all_pairs(monkeypatch):
    random = np.random.default_rng(0)
    table = grid_table(seeds=5, configurations=100)
    effect = random.normal(size=100)[table["a"]]
    x = effect + random.normal(size=500)
    y = (effect + random.normal(size=500)).round(1)
    runs = GroupedRuns.from_table(table, ["a"], None)
    lineages = Lineages.from_runs(runs)
    counts = random.multinomial(100, np.full(100, 0.01), size=2000).astype(float)
    paired = kendall_interval(runs, lineages, x, y, counts)
    monkeypatch.setattr("benevolent.analysis.statistics.resampled_kendall.PAIRED_RUNS", 0)
    assert kendall_interval(runs, lineages, x, y, counts) == pytest.approx(paired, abs=0.01)


def test_interval_contains_the_estimate_despite_ties():
    table = pd.DataFrame({"size": np.repeat(range(7), 3), "gap": -np.arange(21.0)})
    rank = st.bootstrap(table, lambda rows: st.spearman(rows["size"], rows["gap"]), ["size"], resamples=200)
    assert rank.low <= rank.value <= rank.high < -0.8


# Granulated Kendall -------------------------------------------------------------------------------


def test_granulated_kendall_by_hand():
    table = pd.DataFrame({"lr": [1, 1, 2, 2], "width": [4, 8, 4, 8], "p": [1, 2, 3, 4], "g": [1, 2, 5, 3]})
    result = st.granulated_kendall(table, "p", "g", ["lr", "width"])
    assert result.to_dict() == {"lr": 1.0, "width": 0.0, "Psi": 0.5}


def test_granulated_kendall_equals_a_naive_version():
    table = ragged_table()
    result = st.granulated_kendall(table, "p", "g", AXES)
    for axis in AXES:
        others = [name for name in [*AXES, "seed"] if name != axis]
        taus = [kendalltau(rows["p"], rows["g"]).statistic for _, rows in table.groupby(others) if len(rows) > 1]
        assert result[axis] == pytest.approx(np.nan_to_num(taus).mean())
    assert result["Psi"] == pytest.approx(result[AXES].mean())


def test_granulated_kendall_is_zero_for_an_ignored_axis():
    table = ragged_table().assign(p=lambda t: t["a"])
    assert st.granulated_kendall(table, "p", "g", AXES)["b"] == 0


def test_granulated_interval_contains_the_estimate():
    interval = st.granulated_interval(ragged_table(levels=(4, 4, 3)), "p", "g", AXES, resamples=500)
    assert (interval["low"] <= interval["estimate"]).all() and (interval["estimate"] <= interval["high"]).all()
    assert interval.loc["Psi", "groups"] == interval["groups"][AXES].sum()


def test_unshared_seeds_are_numbered_in_ascending_order():
    table = pd.DataFrame([(a, b, s) for a in range(3) for b in range(2) for s in range(3)], columns=["a", "b", "seed"])
    table["p"], table["g"] = np.random.default_rng(2).normal(size=(2, len(table)))
    own = table.assign(seed=10 + np.arange(len(table)))
    expected = st.granulated_kendall(table, "p", "g", ["a", "b"])
    assert expected.notna().all()
    pd.testing.assert_series_equal(st.granulated_kendall(own, "p", "g", ["a", "b"]), expected)
    of_lineages = table.assign(seed=table["seed"] + 10 * table["a"])  # independent replicates, shared along b
    pd.testing.assert_series_equal(st.granulated_kendall(of_lineages, "p", "g", ["a", "b"]), expected)
    shuffled = own.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(st.granulated_kendall(shuffled, "p", "g", ["a", "b"]), expected)


# Partial rank correlation -------------------------------------------------------------------------


def test_partial_rank_correlation_equals_the_textbook_formula():
    table = ragged_table()
    xy, xz, yz = (spearmanr(table[i], table[j]).statistic for i, j in (("p", "g"), ("p", "a"), ("g", "a")))
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert st.partial_rank_correlation(table, "p", "g", ["a"]) == pytest.approx(expected)


def test_partial_rank_correlation_removes_means_of_a_category():
    table = ragged_table().assign(kind=lambda t: t["a"].map({0: "x", 1: "y", 2: "z"}))
    ranks = pd.DataFrame({"p": rankdata(table["p"]), "g": rankdata(table["g"])})
    left = ranks - ranks.groupby(table["kind"]).transform("mean")
    expected = pearsonr(left["p"], left["g"]).statistic
    assert st.partial_rank_correlation(table, "p", "g", ["kind"]) == pytest.approx(expected)


def test_partial_rank_correlation_is_nan_for_a_function_of_the_given_columns():
    table = ragged_table().assign(kind=lambda t: t["a"].astype(str), p=lambda t: t["a"] ** 2)
    assert math.isnan(st.partial_rank_correlation(table, "p", "g", ["kind"]))


# Conditional mutual information -------------------------------------------------------------------


def slow_cmi(table: pd.DataFrame, predictor: str, target: str, axes: list[str]) -> float:
    scores = []
    for pair in itertools.combinations(axes, 2):
        cells: dict[tuple, list[tuple[bool, bool]]] = {}
        for _, i in table.iterrows():
            for _, j in table.iterrows():
                key = tuple(i[a] for a in pair) + tuple(j[a] for a in pair)
                cells.setdefault(key, []).append((i[predictor] > j[predictor], i[target] > j[target]))
        information, entropy = [], []
        for signs in cells.values():
            joint = pd.Series(signs).value_counts(normalize=True)
            marginals = [pd.Series(side).value_counts(normalize=True) for side in zip(*signs, strict=True)]
            entropy.append(-(marginals[1] * np.log2(marginals[1])).sum())
            information.append(sum(n * np.log2(n / (marginals[0][v] * marginals[1][w])) for (v, w), n in joint.items()))
        scores.append(np.mean(information) / np.mean(entropy))
    return min(scores)


def test_cmi_equals_a_naive_version():
    table = ragged_table(seeds=2)
    fast = st.conditional_mutual_information(table, "p", "g", AXES)
    assert fast == pytest.approx(slow_cmi(table, "p", "g", AXES), abs=1e-12)


def test_the_null_of_cmi_scores_predictors_whose_configurations_are_permuted():
    table = ragged_table()
    runs = GroupedRuns.from_table(table, AXES)
    x = table["p"].to_numpy()[runs.order]
    cells = PairCells(runs, rankdata(table["g"].to_numpy()[runs.order]))
    donors = configuration_permutations(runs, 5, np.random.default_rng(0))
    groups = np.split(x, runs.starts[1:])
    permuted = [np.concatenate([groups[donor] for donor in permutation]) for permutation in donors]
    assert cells.null(x, donors).tolist() == [cells.score(values) for values in permuted]


def test_cmi_is_one_for_the_target_and_zero_for_a_constant():
    table = ragged_table().assign(copy=lambda t: 2 * t["g"], constant=1.0)
    assert st.conditional_mutual_information(table, "copy", "g", AXES) == pytest.approx(1)
    assert st.conditional_mutual_information(table, "constant", "g", AXES) == pytest.approx(0, abs=1e-12)
    with pytest.raises(BadInput, match="at least two axes"):
        st.conditional_mutual_information(table, "p", "g", ["a"])


PUBLISHED = {  # PGDL task 1: conditional mutual information, |Pearson|, Kendall tau
    "VPM_1": (0.060700993773, 0.657140412705, 0.5004),
    "VPM_80": (0.056105256539, 0.680144358142, 0.5035),
    "WCV": (0.277451042877, 0.896790453243, 0.7855),
    "VR": (0.093162888051, 0.697525388471, 0.5443),
}


@pytest.mark.skipif("BENEVOLENT_REFERENCE" not in os.environ, reason="BENEVOLENT_REFERENCE names no folder")
@pytest.mark.parametrize("predictor", PUBLISHED)
def test_cmi_reproduces_published_scores_of_pgdl_task_1(predictor):
    table = pd.read_csv(Path(os.environ["BENEVOLENT_REFERENCE"]) / "pgdl_task1.csv")
    axes = [name for name in table if name.startswith("hp.")]
    information, pearson, tau = PUBLISHED[predictor]
    # The published WCV ends in ...877; the definition in 40-digit arithmetic gives 0.277451042875271.
    found = st.conditional_mutual_information(table, predictor, "gen_gap", axes)
    assert found == pytest.approx(information, abs=2e-12 if predictor == "WCV" else 5e-13)
    assert math.sqrt(st.linear_fit(table[predictor], table["gen_gap"]).r2) == pytest.approx(pearson, abs=6e-13)
    assert round(st.kendall_tau(table[predictor], table["gen_gap"]), 4) == tau


# Intervals, comparisons, worst environments, trees ----------------------------------------------


def test_bootstrap_draws_whole_configurations():
    table = pd.DataFrame({"a": np.repeat([0, 1, 2], 4), "g": np.repeat([0.0, 1.0, 5.0], 4)})
    means = set()
    st.bootstrap(table, lambda rows: means.add(round(rows["g"].mean(), 6)) or 0.0, ["a"], resamples=500)
    assert means <= {round(sum(draw) / 3, 6) for draw in itertools.product([0, 1, 5], repeat=3)} and len(means) == 10
    one_by_one = st.bootstrap(table, lambda rows: rows["g"].mean(), [])
    assert one_by_one.configurations == 12 and one_by_one.high - one_by_one.low < 5


def test_correlations_equal_scipy_and_skip_missing_values():
    x, y = np.random.default_rng(0).normal(size=(2, 30)).round(1)
    assert st.pearson(x, y) == pytest.approx(pearsonr(x, y).statistic)
    assert st.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert st.spearman([1, 2, 3, np.nan], [1, 2, np.inf, 0]) == pytest.approx(1)
    assert st.pearson([1, 2, 4, 9], [1, 2, 4, np.inf]) == pytest.approx(1)
    assert math.isnan(st.pearson([1, 1], [0, 1])) and math.isnan(st.spearman([], []))


def test_compare_separates_a_good_predictor_from_a_bad_one():
    random = np.random.default_rng(0)
    table = pd.DataFrame(list(itertools.product(range(5), range(5), range(3))), columns=["a", "b", "seed"])
    table["g"] = table["a"] + random.normal(size=len(table))
    noise = random.normal(size=(3, len(table)))
    table["good"], table["twin"], table["bad"] = -table["g"] + 0.2 * noise[0], table["g"] + 0.2 * noise[1], noise[2]
    better = st.compare(table, "good", "bad", "g", ["a", "b"], resamples=300)
    assert better.difference.low > 0.3 and better.first == pytest.approx(abs(st.kendall_tau(table["good"], table["g"])))
    same = st.compare(table, "good", "twin", "g", ["a", "b"], st.spearman, resamples=300).difference
    assert same.low < 0 < same.high and same.configurations == 25 and same.resamples == 300
    swapped = st.compare(table, "bad", "good", "g", ["a", "b"], resamples=300).difference
    assert swapped.high == pytest.approx(-better.difference.low)


@pytest.mark.parametrize("seed", range(3))
def test_minimax_fit_minimizes_the_largest_error(seed):
    random = np.random.default_rng(seed)
    environment = random.integers(0, 6, 60)
    x = 1e3 + random.normal(size=60) * 50
    y = 0.02 * x * (1 + environment % 2) + random.normal(size=60)
    fit = st.minimax_fit(x, y, environment)

    def worst(slope: float, intercept: float) -> float:
        squares = (y - intercept - slope * x) ** 2
        return max(math.sqrt(squares[environment == e].mean()) for e in range(6))

    assert fit.worst == pytest.approx(worst(fit.slope, fit.intercept)) == fit.rmse.iloc[0]
    middle = fit.intercept + fit.slope * 1e3
    for turn, shift in itertools.product(
        np.linspace(-0.02, 0.02, 21), np.linspace(-2, 2, 21)
    ):  # nowhere near is better
        slope = fit.slope + turn
        assert worst(slope, middle + shift - slope * 1e3) >= fit.worst - 1e-6
    plain = st.linear_fit(x, y)
    assert fit.worst < worst(plain.slope, plain.intercept)
    with pytest.raises(BadInput, match="at least 2 finite points"):
        st.minimax_fit([1, 1, np.nan], [1, 2, 3], [0, 0, 0])


def baseline_of(table: pd.DataFrame, axes: list[str]) -> AxesBaseline:
    runs = GroupedRuns.from_table(table, axes)
    return AxesBaseline(runs, Lineages.from_runs(runs), rankdata(table["g"])[runs.order])


def test_trees_of_text_axes_predict_like_those_of_numbers():
    random = np.random.default_rng(0)
    rows = itertools.product(range(8), range(8), range(3), range(2))
    table = pd.DataFrame(list(rows), columns=["a", "b", "c", "seed"])
    apart = (table["a"] - table["b"]).abs()
    table["g"] = apart.where(table["c"] == 1, (table["a"] > 3) * 8 - apart * (table["c"] == 2))  # three axes at once
    table["g"] += 0.1 * random.normal(size=len(table))
    numbers = baseline_of(table, AXES)
    text = baseline_of(table.assign(c=table["c"].map({0: "x", 1: "y", 2: "z"})), AXES)
    assert numbers.name == text.name == TREES and numbers.r2 == pytest.approx(text.r2)
    assert numbers.r2 > ridge_r2(table) + 0.1


def ridge_r2(table: pd.DataFrame) -> float:
    """R2 of the ridge regression alone."""
    runs = GroupedRuns.from_table(table, AXES)
    y = rankdata(table["g"])[runs.order]
    held_out = HeldOutRidge(runs, Lineages.from_runs(runs), axes_design(runs.levels)[0]).fit(y[:, None]).held_out
    return 1 - (held_out**2).sum() / ((y - y.mean()) ** 2).sum()


def test_gain_is_nan_for_a_constant_outcome():
    table = grid_table(seeds=2, configurations=6).assign(g=1.0, p=np.arange(12.0))
    gain = st.cross_validated_gain(table, "p", "g", ["a"], permutations=9)
    assert all(math.isnan(number) for number in (gain.gain, gain.baseline_r2, gain.p))


# Robust sign error --------------------------------------------------------------------------------


def slow_sign_error(table: pd.DataFrame, predictor: str, certainty) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {axis: [] for axis in AXES}
    groups = list(table.groupby(AXES))
    for (key, left), (other, right) in itertools.permutations(groups, 2):
        differ = [axis for axis, u, v in zip(AXES, key, other, strict=True) if u != v]
        if len(differ) != 1:
            continue
        pairs = [(i, j) for _, i in left.iterrows() for _, j in right.iterrows()]
        weight = np.array([max(0.0, certainty(i, j) - 0.5) for i, j in pairs])
        wrong = [(1 - np.sign(i[predictor] - j[predictor]) * np.sign(i["g"] - j["g"])) / 2 for i, j in pairs]
        if weight.sum() > 0 and weight.sum() ** 2 / (weight**2).sum() >= 12:
            found[differ[0]].append(float(weight @ wrong / weight.sum()))
    return found


def hoeffding(i: pd.Series, j: pd.Series, n: int = 400) -> float:
    return max(0, 1 - 2 * math.exp(-2 * n * (abs(i["g"] - j["g"]) / 2) ** 2)) ** 2


def normal_noise(i: pd.Series, j: pd.Series, n: int = 400) -> float:
    half = abs(i["g"] - j["g"]) / 2
    return math.prod(2 * norm.cdf(half / math.sqrt(run["variance"] / n)) - 1 for run in (i, j))


@pytest.mark.parametrize("loss", [False, True])
def test_robust_sign_error_equals_a_naive_version(loss):
    table = ragged_table(seeds=6)
    table["g"] = table["g"] * (1 if loss else 0.2)
    table["variance"] = np.linspace(10, 40, len(table))
    extra = {"loss_variance": "variance"} if loss else {}
    result = st.robust_sign_error(table, ["p"], "g", AXES, test_size=400, **extra)
    slow = slow_sign_error(table, "p", normal_noise if loss else hoeffding)
    for axis, errors in [*slow.items(), ("all", sum(slow.values(), []))]:
        row = result.loc["p", axis]
        assert row["environments"] == len(errors) > 0
        assert row["mean"] == pytest.approx(np.mean(errors))
        assert row["p90"] == pytest.approx(np.quantile(errors, 0.9))
        assert row["max"] == pytest.approx(max(errors))


def test_robust_sign_error_by_hand():
    table = pd.DataFrame({"a": np.repeat([0, 1], 4), "g": np.repeat([0.1, 0.6], 4), "right": np.repeat([1, 2], 4)})
    table["wrong"], table["flat"] = -table["right"], 0.0
    result = st.robust_sign_error(table, ["right", "wrong", "flat"], "g", ["a"], test_size=1000)
    assert result.xs("all", level="axis")["mean"].tolist() == [0.0, 1.0, 0.5]
    assert result.xs("all", level="axis")["environments"].tolist() == [2, 2, 2]
    few = st.robust_sign_error(table[::2], ["right"], "g", ["a"], test_size=1000)  # 4 pairs are under 12
    assert few.loc[("right", "all"), "environments"] == 0 and math.isnan(few.loc[("right", "all"), "mean"])


def test_effective_size_does_not_depend_on_the_scale_of_weights():
    size, weight = 1000, 1e-6  # of the one pair: (sum w)^2 / sum w^2 is 1
    dg = 2 * math.sqrt(-math.log((1 - math.sqrt(0.5 + weight)) / 2) / (2 * size))
    table = pd.DataFrame({"a": [0, 1], "g": [0, dg], "p": [1, 0]})
    assert (st.robust_sign_error(table, ["p"], "g", ["a"], test_size=size)["environments"] == 0).all()


def test_robust_sign_error_refuses_a_loss_without_variance():
    with pytest.raises(BadInput, match="loss_variance"):
        st.robust_sign_error(ragged_table().assign(g=lambda t: t["g"] + 5), ["p"], "g", AXES, test_size=100)


# Gain over the axes -------------------------------------------------------------------------------


def refitted_residuals(design: np.ndarray, y: np.ndarray, groups: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Errors on held-out lineages, each fitted anew."""
    residuals = np.empty(len(y))
    for train, test in LeaveOneGroupOut().split(design, y, groups):
        mean = design[train].mean(axis=0)
        intercept = y[train].mean()
        centered = design[train] - mean
        gram = centered.T @ centered + np.diag(penalties)
        slopes = np.linalg.solve(gram, centered.T @ (y[train] - intercept))
        residuals[test] = y[test] - intercept - (design[test] - mean) @ slopes
    return residuals


def lineage_table(seed: int = 0) -> pd.DataFrame:
    """Ragged runs in lineages of two configurations, c = 0 and 1, that share their seeds."""
    table = ragged_table(seed, levels=(5, 4, 2), seeds=3)
    return table.assign(seed=table["seed"] + 10 * (4 * table["a"] + table["b"]))


@pytest.mark.parametrize("pairs", [False, True])
def test_residuals_of_held_out_lineages_equal_those_of_refits(pairs):
    table = lineage_table()
    if not pairs:
        table["seed"] = range(len(table))
    runs = GroupedRuns.from_table(table, AXES)
    lineages = Lineages.from_runs(runs)
    assert len(lineages) == (20 if pairs else len(runs.sizes))
    y = rankdata(table["g"])[runs.order]
    columns = runs.per_run(axes_design(runs.levels)[0])
    columns = columns - columns.mean(axis=0)
    singular = np.linalg.svd(columns, compute_uv=False)
    unit = (singular[singular > 1e-10 * len(runs.sizes) * singular.max()] ** 2).mean()
    groups = lineages.lineage[runs.configuration]
    ridge = np.full(columns.shape[1], unit)
    naive = [refitted_residuals(columns, y, groups, penalty * ridge) for penalty in PENALTIES]
    expected = min(naive, key=lambda residuals: residuals @ residuals)
    fit = HeldOutRidge(runs, lineages, axes_design(runs.levels)[0]).fit(np.column_stack([y, y[::-1]]))
    assert fit.held_out[:, 0] == pytest.approx(expected, abs=1e-4)


def test_gain_is_what_a_slope_from_the_other_lineages_saves():
    table = lineage_table()
    result = st.cross_validated_gain(table, "p", "g", AXES, permutations=0)
    runs = GroupedRuns.from_table(table, AXES)
    lineages = Lineages.from_runs(runs)
    x, y = (rankdata(table[name])[runs.order] for name in ("p", "g"))
    baseline = AxesBaseline(runs, lineages, y)
    of_x = HeldOutRidge(runs, lineages, axes_design(runs.levels)[0]).fit(x[:, None]).held_out[:, 0]
    with_predictor = baseline.residual.copy()
    for lineage in range(len(lineages)):
        test = lineages.lineage[runs.configuration] == lineage
        slope = (of_x[~test] @ baseline.residual[~test]) / (of_x[~test] @ of_x[~test])
        with_predictor[test] -= slope * of_x[test]
    total = ((y - y.mean()) ** 2).sum()
    assert result.baseline_r2 == pytest.approx(1 - baseline.residual @ baseline.residual / total)
    saved = baseline.residual @ baseline.residual - with_predictor @ with_predictor
    assert result.gain == pytest.approx(saved / total)


def test_p_values_of_the_gain_are_uniform_though_the_axes_take_half_of_the_freedom():
    """Held-out residuals of two unrelated numbers correlate here: 10% of naive p-values would be at most 0.05."""
    random = np.random.default_rng(0)
    rows = list(itertools.product(range(4), range(3), range(2), range(2), range(3)))
    table = pd.DataFrame(rows, columns=[*AXES, "d", "seed"]).assign(seed=range(len(rows)))
    runs = GroupedRuns.from_table(table, [*AXES, "d"])
    lineages = Lineages.from_runs(runs)

    def numbers(columns: int) -> np.ndarray:
        effects = np.repeat(random.normal(size=(48, columns)), 3, axis=0)
        return effects + 0.3 * random.normal(size=(144, columns))

    p_values = []
    for _ in range(10):
        baseline = AxesBaseline(runs, lineages, rankdata(numbers(1)[:, 0]))
        signs = sign_flips(48, 200, random)
        p_values.append((1 + TransferProducts(baseline, numbers(30)).count_exceedances(signs)) / 201)
    assert np.mean(np.array(p_values) <= 0.05) < 0.08 and 0.4 < np.mean(p_values) < 0.6


def test_a_function_of_two_axes_gains_nothing():
    table = ragged_table(levels=(5, 4, 3)).assign(p=lambda t: np.exp(t["a"] * t["b"]))
    result = st.cross_validated_gain(table, "p", "g", AXES, permutations=99)
    assert result.gain == 0 and result.p == 1


def test_gain_is_significant_for_a_cause_of_the_target():
    table = ragged_table(levels=(5, 4, 3)).assign(p=lambda t: t["g"] - t["a"])
    result = st.cross_validated_gain(table, "p", "g", AXES, permutations=199)
    assert result.gain > 0.2 and result.p == 1 / 200


def test_statistics_are_invariant_to_row_order_and_monotone_maps():
    table = ragged_table(levels=(5, 4, 3))
    other = table.sample(frac=1, random_state=1).assign(p=lambda t: np.exp(t["p"]))
    for statistic in (st.cross_validated_gain, st.within_configuration, st.granulated_kendall):
        first, second = statistic(table, "p", "g", AXES), statistic(other, "p", "g", AXES)
        numbers = [np.asarray(list(result)[:3], dtype=float) for result in (first, second)]
        assert np.allclose(*numbers, atol=1e-9)


# Within configurations ----------------------------------------------------------------------------


def test_within_equals_the_correlation_of_aligned_ranks():
    """Deviations from the configuration's mean over its moderated spread, ranked over all runs, centered again."""
    table = ragged_table(seeds=5)
    table = table[table.groupby(AXES)["g"].transform("size") > 1]
    groups = [table[axis] for axis in AXES]
    scores = {}
    for name in ("p", "g"):
        by_configuration = table[name].groupby(groups)
        spread = pd.Series(
            moderated_spread(np.log(by_configuration.var()), by_configuration.size() - 1), by_configuration.size().index
        )
        scaled = (table[name] - by_configuration.transform("mean")) / by_configuration.ngroup().map(
            dict(enumerate(spread))
        )
        ranks = scaled.round(9).rank()
        scores[name] = ranks - ranks.groupby(groups).transform("mean")
    result = st.within_configuration(table.drop(columns="seed"), "p", "g", AXES)
    assert result.correlation == pytest.approx(pearsonr(scores["p"], scores["g"]).statistic, abs=2e-3)
    assert result.degrees_of_freedom == len(table) - table.groupby(AXES).ngroups


def test_spread_is_shared_if_configurations_scatter_alike_and_their_own_if_they_do_not():
    random = np.random.default_rng(0)
    freedom = np.full(400, 4)
    alike = np.log(random.chisquare(4, size=400) / 4)
    assert np.ptp(moderated_spread(alike, freedom)) < 0.3  # their own: 0.2 to 2
    apart = alike + np.log(random.uniform(1e-4, 1e4, size=400))
    own = np.exp(apart / 2)
    assert np.median(np.abs(np.log(moderated_spread(apart, freedom) / own))) < 0.2
    huge = moderated_spread(np.array([700.0, 0.0, -700.0]), np.array([4, 4, 4]))
    assert np.isfinite(huge).all() and (np.diff(huge) < 0).all()


def test_an_infinite_value_is_the_largest_of_its_configuration():
    scores = aligned_ranks(np.array([1.0, 2.0, np.inf, 5.0, 6.0, 7.0]), np.array([3, 3]))
    assert scores[2] == scores.max() and scores.sum() == pytest.approx(0)
    assert (aligned_ranks(np.array([np.inf, np.inf, 1.0, 2.0]), np.array([2, 2]))[:2] == 0).all()


def test_replicates_are_permuted_jointly_in_all_configurations_of_a_lineage():
    table = lineage_table()
    runs = GroupedRuns.from_table(table, AXES)
    lineages = Lineages.from_runs(runs)
    replicates = ExchangeableReplicates(runs, lineages)
    seeds, of_lineage = runs.seeds[replicates.kept], lineages.lineage[runs.configuration[replicates.kept]]
    configuration = runs.configuration[replicates.kept]
    for permuted in replicates.permutations(20, np.random.default_rng(0)):
        assert (np.sort(permuted) == np.arange(len(seeds))).all()
        assert (configuration[permuted] == configuration).all()
        for lineage in np.unique(of_lineage):
            members = of_lineage == lineage
            pairs = {*zip(seeds[members].tolist(), seeds[permuted][members].tolist(), strict=True)}
            assert len(pairs) == len({before for before, _ in pairs})  # one seed goes to one seed
    alone = (runs.sizes == 1).sum()
    assert 0 < replicates.left_out == len(table) - len(seeds) - alone


def test_permutation_test_within_lineages_is_exact_for_luck_that_two_configurations_share():
    random, p_values = np.random.default_rng(0), []
    for _ in range(300):
        table = pd.DataFrame(list(itertools.product(range(12), range(2), range(4))), columns=["a", "b", "seed"])
        luck = random.normal(size=(2, 12, 1, 4)) + 0.3 * random.normal(size=(2, 12, 2, 4))
        table["p"], table["g"] = luck.reshape(2, -1)
        table["seed"] += 10 * table["a"]
        p_values.append(st.within_configuration(table, "p", "g", ["a", "b"], permutations=200).p)
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09 and 0.45 < np.mean(p_values) < 0.55


def test_within_residualizes_shared_seeds_over_complete_configurations():
    ragged = ragged_table(seeds=4, levels=(5, 4, 3))
    table = ragged[ragged.groupby(AXES)["seed"].transform("size") == 4]
    assert len(table) < len(ragged)
    ranks = table.groupby(AXES)[["p", "g"]].rank()
    configuration = pd.get_dummies(table.groupby(AXES).ngroup().astype(str), dtype=float).to_numpy()
    seeds = pd.get_dummies(table["seed"].astype(str), dtype=float).to_numpy()
    mains = np.hstack([np.ones((len(table), 1))] + [pd.get_dummies(table[a].astype(str)) for a in AXES])
    crossed = (seeds[:, :, None] * mains.astype(float)[:, None, :]).reshape(len(table), -1)
    design = np.hstack([configuration, crossed])
    left = ranks.to_numpy() - design @ np.linalg.lstsq(design, ranks.to_numpy(), rcond=None)[0]
    result = st.within_configuration(ragged, "p", "g", AXES)
    assert result.correlation == pytest.approx(pearsonr(*left.T).statistic)
    assert result.degrees_of_freedom == len(table) - np.linalg.matrix_rank(design)


def test_rounding_noise_within_configurations_is_a_tie():
    table = ragged_table()
    table["p"] = (table["a"] + 0.1) * (1 + 1e-14 * np.arange(len(table)))
    assert math.isnan(st.within_configuration(table, "p", "g", AXES).correlation)


# Resampling --------------------------------------------------------------------------------


def test_permutations_stay_within_their_groups():
    runs = GroupedRuns.from_table(ragged_table(levels=(5, 4, 3)), AXES)
    random = np.random.default_rng(0)
    donors = configuration_permutations(runs, 50, random)
    assert (np.sort(donors, axis=1) == np.arange(len(runs.sizes))).all()
    assert (runs.sizes[donors] == runs.sizes).all() and (donors != donors[0]).any()


def test_seed_rotations_are_uniform_and_keep_the_mean():
    rotations = seed_rotations(5, 2000, np.random.default_rng(0))
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(5), (2000, 5, 5)))
    assert rotations.sum(axis=1) == pytest.approx(1)
    # uniform on the orthogonal group of 4 dimensions: the trace beside the mean has mean 0 and variance 1
    traces = np.trace(rotations, axis1=1, axis2=2) - 1
    assert abs(traces.mean()) < 0.1 and traces.var() == pytest.approx(1, abs=0.15)
    assert 0.4 < (np.linalg.det(rotations) > 0).mean() < 0.6


def test_rotation_test_is_exact_for_normal_seed_effects():
    """One number per seed is all that varies in either; its 4 degrees of freedom are those of the p-value."""
    random, p_values = np.random.default_rng(0), []
    for _ in range(300):
        table = pd.DataFrame(list(itertools.product(range(20), range(5))), columns=["a", "seed"])
        loads = random.normal(size=(2, 20, 1)) * random.normal(size=(2, 1, 5)) + 0.7 * random.normal(size=(2, 20, 5))
        table["p"], table["g"] = loads.reshape(2, -1)
        p_values.append(st.within_configuration(table, "p", "g", ["a"], permutations=300).p)
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09 and 0.4 < np.mean(p_values) < 0.6


def test_false_discovery_by_hand():
    # sorted 0.01, 0.03, 0.04 times 3/1, 3/2, 3/3, made monotone from the right
    assert st.false_discovery([0.01, 0.04, np.nan, 0.03])[[0, 1, 3]] == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(st.false_discovery([np.nan])).all()


def test_p_value_interval_equals_the_exact_binomial_interval():
    low, high = ExceedanceCount(7, 2000).interval(0.01)
    assert binom.sf(6, 2000, low) == pytest.approx(0.005) and binom.cdf(7, 2000, high) == pytest.approx(0.005)
    assert ExceedanceCount(0, 10).interval(0.01)[0] == 0 and ExceedanceCount(10, 10).interval(0.01)[1] == 1


class KnownNulls:
    """Nulls that exceed with known probabilities; the tests of beyond never do."""

    block = 1000

    def __init__(self, p_values: tuple[float, ...]) -> None:
        self.p_values = p_values

    def count_exceedances(self, start: int, size: int, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
        transfers = [np.random.default_rng([column, start]).binomial(size, self.p_values[column]) for column in columns]
        return np.zeros(len(columns), dtype=int), np.array(transfers)


def make_tests(*p_values: float, gain: float = 1.0) -> list[PredictorTests]:
    nulls = KnownNulls(p_values)
    return [
        PredictorTests(nulls, column, gain, beyond=True, transfers=True, shared_seeds=False)
        for column in range(len(p_values))
    ]


def test_only_undecided_tests_are_drawn_further():
    contests = make_tests(0.001, 0.03, 0.5)  # the bounds are 1/60, 2/60, 3/60: the second is just under its own
    ends = draw_until_decided(contests, 0.05, (1000, 2000, 4000, 8000, 16000, 32000, 64000))
    assert [contest.permutations for contest in contests] == [1000, contests[1].permutations, 1000]
    assert contests[1].permutations > 2000
    transfers = [of_claims[Claim.TRANSFERS] for of_claims in ends]
    assert [high <= 0.05 for _, high in transfers] == [True, True, False] and transfers[2][0] > 0.05
    assert all(of_claims[Claim.BEYOND][1] < 0.05 for of_claims in ends)


def test_an_undecided_test_has_the_level_inside_its_interval():
    (of_claims,) = draw_until_decided(make_tests(0.05), 0.05, (1000, 2000))
    low, high = of_claims[Claim.ADDS]
    assert low <= 0.05 < high
    (nothing,) = make_tests(0.05, gain=-1.0)
    draw_until_decided([nothing], 0.05, (1000, 2000))
    assert nothing.permutations == 1000  # no gain, no claim: what its p-value is changes nothing


def test_a_claim_of_transfer_has_to_pass_both_tests_if_seeds_are_shared():
    (test,) = make_tests(0.5)
    test.shared_seeds = True
    test.counts = {Claim.BEYOND: ExceedanceCount(99, 999), Claim.TRANSFERS: ExceedanceCount(0, 999)}
    assert test.p(Claim.TRANSFERS) == 0.1 == test.p(Claim.ADDS)
    test.beyond = False
    assert math.isnan(test.p(Claim.TRANSFERS)) and math.isnan(test.p(Claim.BEYOND))


@pytest.mark.parametrize("shares_seeds", [False, True])
def test_detectable_effects_are_found_with_the_stated_power(shares_seeds):
    """48 configurations of 5 runs and one predictor: the correlation that is stated is found in 80% of tables."""
    random, found = np.random.default_rng(0), []
    effect = st.detectable_effect(5, 1, 48) if shares_seeds else st.detectable_effect(5, 48)
    pearson_of_rank = 2 * math.sin(math.pi * effect / 6)  # of normal numbers
    for _ in range(200):
        table = grid_table(5, 48)
        if not shares_seeds:
            table = table.drop(columns="seed")
        noise = random.normal(size=(2, len(table)))
        table["p"] = noise[0]
        table["g"] = pearson_of_rank * noise[0] + math.sqrt(1 - pearson_of_rank**2) * noise[1]
        found.append(st.within_configuration(table, "p", "g", ["a"], permutations=200).p <= 0.05)
    assert 0.7 < np.mean(found) < 0.9


def test_designs_take_what_their_effects_say():
    effect = st.detectable_effect(5, 48)
    assert st.replicates_for(effect, 48) == 5 and st.replicates_for(effect * 0.99, 48) == 6
    assert st.detectable_gain(48, baseline_r2=0.8) == pytest.approx(2 * st.detectable_gain(48, baseline_r2=0.9))


def test_linear_fit_by_hand():
    fit = st.linear_fit([0, 1, 2, 3], [1, 3, 2, 5])  # residuals -0.1, 0.8, -1.3, 0.6; total squares 8.75
    assert (fit.slope, fit.intercept, fit.n) == (pytest.approx(1.1), pytest.approx(1.1), 4)
    assert fit.r2 == pytest.approx(1 - 2.7 / 8.75)
    assert fit.adjusted_r2 == pytest.approx(1 - 2.7 / 8.75 * 3 / 2)
    assert fit.rmse == pytest.approx(math.sqrt(2.7 / 4))
    reach = 4.302653 * math.sqrt(2.7 / 2 / 5)  # Student's t, 2 degrees of freedom
    assert fit.slope_interval == pytest.approx((1.1 - reach, 1.1 + reach), abs=1e-5)
    with pytest.raises(BadInput, match="at least 3 finite points"):
        st.linear_fit([1, 1, 1, np.nan], [1, 2, 3, 4])


@pytest.mark.parametrize(
    "statistic", [st.granulated_kendall, st.cross_validated_gain, st.conditional_mutual_information]
)
def test_a_misspelled_column_gets_a_suggestion(statistic):
    with pytest.raises(BadInput, match=r"'seeed' is not a column of the table; did you mean 'seed'"):
        statistic(ragged_table(), "p", "g", ["a", "seeed"])
    with pytest.raises(BadInput, match="predictor 'kind' must be numeric"):
        statistic(ragged_table().assign(kind="x"), "kind", "g", AXES)


# Ceilings ---------------------------------------------------------------------------------------


def grid_table(seeds: int, configurations: int = 60) -> pd.DataFrame:
    rows = itertools.product(range(configurations), range(seeds))
    return pd.DataFrame(rows, columns=["a", "seed"])


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_seed_ceiling_equals_the_score_of_the_true_means(noise):
    random = np.random.default_rng(1)
    table = grid_table(seeds=8, configurations=200)
    truth = random.normal(size=200)[table["a"]]
    runs = GroupedRuns.from_table(table, ["a"], "seed")
    outcome = truth + noise * random.normal(size=len(table))
    found = st.seed_ceiling(runs, outcome[runs.order])
    assert found.r2 == pytest.approx(spearmanr(truth, outcome).statistic ** 2, abs=0.06)
    assert found.kendall_tau == pytest.approx(st.kendall_tau(truth, outcome), abs=0.05)


def test_seed_ceiling_of_two_seeds_is_unbiased():
    random, found, truths = np.random.default_rng(0), [], []
    table = grid_table(seeds=2, configurations=48)
    runs = GroupedRuns.from_table(table, ["a"], "seed")
    for _ in range(40):
        truth = random.normal(size=48)[table["a"]]
        outcome = truth + 0.7 * random.normal(size=len(table))
        found.append(st.seed_ceiling(runs, outcome[runs.order]).kendall_tau)
        truths.append(st.kendall_tau(truth, outcome))
    assert np.mean(found) == pytest.approx(np.mean(truths), abs=0.02)


def test_seed_ceiling_by_hand():
    runs = GroupedRuns.from_table(grid_table(2, 2), ["a"], "seed")
    found = st.seed_ceiling(runs, np.array([1.0, 2.0, 3.0, 4.0]))
    # ranks 1 2 | 3 4: squares within 1 on 2 degrees, between 4 on 1, so (4 - 1/2) / 2 = 7/4 against 1/2
    assert found.r2 == pytest.approx(1.75 / 2.25) and found.kendall_tau == pytest.approx(1)
    assert st.seed_ceiling(runs, np.array([1.0, 4.0, 2.0, 3.0])).r2 == 0
    single = st.seed_ceiling(GroupedRuns.from_table(grid_table(1, 5), ["a"], "seed"), np.arange(5.0))
    assert math.isnan(single.kendall_tau) and math.isnan(single.r2)


def test_seed_ceiling_compares_each_run_with_the_runs_of_all_other_configurations():
    random = np.random.default_rng(3)
    runs = GroupedRuns.from_table(pd.DataFrame({"a": np.repeat(np.arange(6), [4, 1, 3, 9, 2, 5])}), ["a"])
    outcome = rankdata((runs.configuration + random.normal(size=24)).round(0))  # with ties
    size = runs.per_run(runs.sizes)
    others = (runs.per_run(runs.configuration_sums(outcome)) - outcome) / np.maximum(size - 1, 1)
    apart = (runs.configuration[:, None] != runs.configuration) & np.outer(size > 1, size > 1)
    dx, dy = (np.sign(values[:, None] - values)[apart] for values in (others, outcome))
    tau = (dx @ dy) / np.sqrt((dx @ dx) * (dy @ dy))
    assert st.seed_ceiling(runs, outcome).kendall_tau == pytest.approx(tau, abs=1e-12)


def test_measurement_variance_excludes_noise_that_all_runs_share():
    random = np.random.default_rng(0)
    skill, test, other = random.normal(size=(3, 3000))
    table = pd.DataFrame({"test_loss": skill + 0.1 * test + 0.3, "validation_loss": skill + 0.2 * other - 0.4})
    table["test_loss_variance"] = 100 * (0.1**2 + 0.3**2)  # 0.1 of its own, 0.3 that all share; 100 examples
    assert measurement_variance(table, "test_loss", 100) == pytest.approx(0.1)
    refined = measurement_variance(table, "test_loss", 100, 25)
    assert refined == pytest.approx(0.01, rel=0.05)
    found = st.measurement_ceiling(table["test_loss"].to_numpy(), refined)
    assert found.kendall_tau == pytest.approx(st.kendall_tau(skill, skill + 0.1 * random.normal(size=3000)), abs=0.02)
    errors = pd.DataFrame({"test_error": [0.0, 0.5], "gap": [0.0, 0.4], "odd": [1.0, 2.0]})
    assert measurement_variance(errors, "gap", 50).tolist() == [0, 0.005]
    assert np.isnan(measurement_variance(errors, "odd", 50)).all()
    next_number = np.nextafter(1.0, 2.0)  # nothing between the two: noise makes them equal in some of the test sets
    rounded = st.measurement_ceiling(np.array([1.0, next_number]), np.full(2, 1e-32))
    assert 0.5 < rounded.kendall_tau < 1 and 0.5 < rounded.r2 < 1
