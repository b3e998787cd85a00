"""Tables that no sweep of ours made: what `judge` reads, what it leaves out and says so, and what it refuses."""

import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis import statistics
from benevolent.analysis.judging import Verdicts
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.left_out import left_out_lines
from benevolent.analysis.statistics.same_order import orders_alike
from benevolent.trainables.errors import BadInput

AXES = ["lr", "width"]


def models(seed: int = 0) -> pd.DataFrame:
    """48 models of 12 configurations; `norm` goes with the loss inside them."""
    random = np.random.default_rng(seed)
    grid = itertools.product((0.1, 0.2, 0.3), (8, 16, 32, 64), range(4))
    table = pd.DataFrame(grid, columns=[*AXES, "seed"])
    table["norm"] = random.normal(size=48)
    table["test_loss"] = table["lr"] + table["norm"] + 0.3 * random.normal(size=48)
    return table


def judged(table: pd.DataFrame, **options) -> Verdicts:
    arguments = {"target": "test_loss", "axes": AXES, "permutations": 20, "resamples": 20} | options
    return judge(table, **arguments)


def estimates(verdicts: Verdicts, predictor: str = "norm") -> list[float]:
    verdict = verdicts[predictor]
    return [verdict.kendall_tau, verdict.gain_r2, verdict.within, verdict.psi]


def note(verdicts: Verdicts, beginning: str) -> str:
    """The one note that begins so; empty without any."""
    (found,) = [text for text in verdicts.notes if text.startswith(beginning)] or [""]
    return found


# What is read ---------------------------------------------------------------------------------------


def test_columns_may_be_numbered():
    table = models()
    numbered = table.rename(columns={"lr": 0, "width": 1, "norm": 3, "test_loss": 4})
    verdicts = judged(numbered, target=4, axes=[0, 1])
    assert verdicts.names == ["3"] and verdicts.target == "4" and verdicts.axes == ("0", "1")
    assert estimates(verdicts, "3") == estimates(judged(table))
    assert judged(numbered, target=4, axes=[0, 1], predictors=[3], match={3: (-9, 9)}).match == {"3": (-9.0, 9.0)}
    assert verdicts[3] == verdicts["3"]
    plain = statistics.granulated_kendall(numbered, 3, 4, [0, 1])
    assert plain.tolist() == statistics.granulated_kendall(table, "norm", "test_loss", AXES).tolist()
    assert statistics.within_configuration(numbered, 3, 4, [0, 1], permutations=0).correlation == pytest.approx(
        judged(table)["norm"].within
    )


def test_names_of_trackers_are_predictors_axes_and_outcomes():
    table = models().rename(columns={"lr": "params.lr", "norm": "metrics.path_norm", "test_loss": "metrics.test_loss"})
    table = table.assign(**{"metrics.gap": 1.0 * table.index, "params.momentum": np.arange(48) % 5, "run_id": "r"})
    verdicts = judged(table, target="metrics.test_loss", axes=["params.lr", "width"])
    assert verdicts.names == ["metrics.path_norm"]
    assert verdicts.left_out == {
        "metrics.gap": "computed from test data",
        "params.momentum": "configuration, not named as an axis",
        "run_id": "identifies or describes runs",
    }


def test_fields_of_our_configurations_are_no_predictors_by_default():
    table = models().assign(**{"data.train_size": np.arange(48) % 7, "model.own": np.arange(48) % 5})
    assert judged(table).names == ["norm", "model.own"]  # no field that is known here: a stranger's statistic
    assert judged(table.assign(run_id="r")).names == ["norm"]


@pytest.mark.parametrize("write", [str, "{:,.6f}".format, "{:.6%}".format, "{:.12e}".format])
def test_numbers_that_are_written_as_text_are_read(write):
    table = models().assign(norm=lambda rows: (1000 * rows["norm"]).round(4))
    table.loc[3, "norm"] = np.nan
    as_text = table.assign(norm=["na" if value != value else write(value) for value in table["norm"]])
    verdicts = judged(as_text)
    assert verdicts["norm"].missing == 1
    assert estimates(verdicts) == estimates(judged(table))
    assert note(verdicts, "text read as numbers") == "text read as numbers: norm"
    assert statistics.partial_rank_correlation(as_text, "norm", "test_loss", AXES) == pytest.approx(
        judged(table)["norm"].partial_rank_correlation, nan_ok=True
    )


def test_target_axes_and_windows_may_be_text_too():
    table = models()
    texts = table.assign(lr=table["lr"].map("{:.1e}".format), test_loss=table["test_loss"].map("{:.15f}".format))
    assert estimates(judged(texts)) == pytest.approx(estimates(judged(table)))
    window = {"test_loss": (-1.0, 1.0)}
    assert judged(texts, match=window).runs == judged(table, match=window).runs < 48


def test_statuses_of_trackers_are_read_and_a_column_of_something_else_is_not():
    table = models().assign(status=["FAILED", *["FINISHED"] * 47])
    verdicts = judged(table)
    assert verdicts.runs == 47 and verdicts.excluded == {"failed": 1}
    assert note(verdicts, "status") == "status: read 'FAILED' as failed, 'FINISHED' as converged"
    civil = judged(models().assign(status="married"))
    assert civil.runs == 48 and "'married': every row counts" in note(civil, "column 'status'")
    named = judged(table.rename(columns={"status": "State"}), status_column="State")
    assert named.runs == 47
    with pytest.raises(BadInput, match="status column 'status' has 'mystery'; allowed are converged"):
        judged(table.assign(status=["mystery", *["FINISHED"] * 47]))
    with pytest.raises(BadInput, match="status column 'State' is not a column of the table; allowed: lr, "):
        judged(table, status_column="State")


def test_axis_values_that_differ_in_the_last_digit_are_one():
    table = models()
    rounded = table.assign(lr=table["lr"].mask((table["lr"] == 0.3) & (table["seed"] > 1), 0.1 + 0.2))
    verdicts = judged(rounded)
    assert verdicts.baseline.configurations == 12
    assert estimates(verdicts) == estimates(judged(table))
    assert "0.30000000000000004 and 0.3" in note(verdicts, "axis lr: values that differ by rounding only")
    assert statistics.granulated_kendall(rounded, "norm", "test_loss", AXES).tolist() == pytest.approx(
        statistics.granulated_kendall(table, "norm", "test_loss", AXES).tolist()
    )
    apart = table.assign(lr=table["lr"].mask((table["lr"] == 0.3) & (table["seed"] > 1), 0.3001))
    assert judged(apart).baseline.configurations == 16 and not note(judged(apart), "axis")


def test_types_that_notebooks_make_are_read_too():
    table = models()
    typed = table.assign(
        lr=table["lr"].astype("category"),
        width=table["width"].astype("Int64"),
        norm=[Decimal(repr(value)) for value in table["norm"]],
        bins=pd.cut(table["norm"], 4),
        day=pd.date_range("2026-01-01", periods=48),
    ).rename(columns={"norm": "self", "lr": ""})
    verdicts = judged(typed, axes=["", "width"])
    assert estimates(verdicts, "self") == pytest.approx(estimates(judged(table)))
    assert list(verdicts.left_out) == ["bins", "day"] and verdicts.notes == judged(table).notes


# What is left out -----------------------------------------------------------------------------------


def odd() -> pd.DataFrame:
    return models().assign(
        optimizer="adam",
        comma=["0,5", *["1"] * 47],
        mixed=["95%", *range(47)],
        flag=True,
        day=pd.Timestamp("2026-01-01"),
        shape=[[1, 2]] * 48,
        empty=np.nan,
        flat=2.5,
        test_error=np.arange(48.0),
        **{"Unnamed: 0": range(48)},
    )


def test_every_column_that_is_left_out_is_listed_with_its_reason():
    verdicts = judged(odd())
    assert verdicts.names == ["norm"]
    assert verdicts.left_out == {
        "optimizer": "text: 'adam' in row 0",
        "comma": "text with what may be a decimal comma: '0,5' in row 0",
        "mixed": "percentages beside other numbers: 0 in row 1",
        "flag": "truth values",
        "day": "dates or times",
        "shape": "lists or mappings: [1, 2] in row 0",
        "empty": "no values",
        "flat": "one value: 2.5",
        "test_error": "computed from test data",
        "Unnamed: 0": "identifies or describes runs",
    }
    assert judged(odd(), predictors=["flat"]).left_out["norm"] == "not named as a predictor"
    page = verdicts.to_html()
    assert (
        "text: optimizer (&#39;adam&#39; in row 0)" in page
        and "may be a decimal comma: comma" in page
        and "10 columns are not judged" in page
    )
    assert Verdicts.from_json(verdicts.to_json()).left_out == verdicts.left_out


def test_a_table_of_many_columns_takes_few_lines():
    many = {f"column {place}": f"text: 'x' in row {place}" for place in range(200)}
    (line,) = left_out_lines(many)
    assert line.endswith("column 5 ('x' in row 5) and 194 more") and len(line) < 250


def test_what_was_asked_for_and_is_no_number_is_refused_with_the_first_value():
    table = models().assign(norm=["1,014.45", "na", "1e-3", "oops", *["2"] * 44])
    table.index = pd.RangeIndex(1, 49, name="line")
    with pytest.raises(BadInput, match="predictor 'norm' must be numeric; it has text: 'oops' in line 4"):
        judged(table, predictors=["norm"])
    with pytest.raises(BadInput, match=r"no predictors: text: norm \('oops' in line 4\)"):
        judged(table)


def test_a_decimal_comma_is_no_comma_between_thousands():
    commas = [f"{abs(value):.3f}".replace(".", ",") for value in models()["norm"]]
    verdicts = judged(models().assign(german=["1,456", "0,123", *commas[2:]], english=["1,456", "10,123"] * 24))
    assert verdicts.left_out == {"german": "text with what may be a decimal comma: '0,123' in row 1"}
    assert verdicts.names == ["norm", "english"]


# What is refused ------------------------------------------------------------------------------------


def with_a_copy(**changes: object) -> pd.DataFrame:
    """The models, and the last of them again with other values in some columns."""
    table = models().assign(status="converged", dropout=0.0, train_loss=0.01)
    return pd.concat([table, table.tail(1).assign(**changes)], ignore_index=True)


@pytest.mark.parametrize("changes", [{"status": "failed"}, {"test_loss": np.nan}, {"train_loss": 5.0}])
def test_a_repeated_row_that_is_not_judged_is_not_refused(changes):
    assert judged(with_a_copy(**changes), match={"train_loss": (0, 1)}).runs == 48


def test_a_refusal_names_the_rows_and_the_columns_in_which_they_differ():
    table = with_a_copy(dropout=0.5, test_loss=9.0)
    message = (
        r"row 47 and row 48 have the same axes and seed \(lr = 0.3, width = 64, seed = 3\) and differ in dropout, "
        "test_loss: drop duplicates or add an axis"
    )
    with pytest.raises(BadInput, match=message):
        judged(table)
    with pytest.raises(BadInput, match="row 47 and row 48 .* are equal in every column: drop duplicates"):
        judged(with_a_copy())
    doubled = pd.concat([table, table], ignore_index=True)
    with pytest.raises(BadInput, match=r"row 0 and row 49 \(and 96 more like them\) have"):
        judged(doubled)
    assert judged(table, axes=[*AXES, "dropout"]).runs == 49


def test_runs_of_other_configurations_are_no_replicates():
    table = models().assign(**{"model.dropout": 0.0}, configuration=lambda rows: rows.groupby(AXES).ngroup().map(str))
    assert judged(table).runs == 48
    table.loc[47, ["model.dropout", "configuration"]] = 0.5, "other"
    table["seed"] = range(48)  # replicates: no two runs share a seed
    with pytest.raises(BadInput, match=r"row 44 and row 47 have the same axes .* differ in model.dropout: name what"):
        judged(table)
    assert judged(table, axes=[*AXES, "model.dropout"]).runs == 48
    assert judged(table.assign(status=["converged"] * 47 + ["failed"])).runs == 47


def test_a_forgotten_axis_of_numbers_is_named_though_it_counts_as_a_predictor():
    table = models().assign(seed=range(48), momentum=0.0, sharpness=lambda rows: rows["norm"] ** 2)
    table.loc[table.index % 4 > 1, "momentum"] = 0.9
    table["configuration"] = table.groupby([*AXES, "momentum"]).ngroup()
    with pytest.raises(BadInput, match=r"row 0 and row 2 .* differ in momentum: name .* axis \(--axes; a column of nu"):
        judged(table)
    assert judged(table, axes=[*AXES, "momentum"]).runs == 48
    with pytest.raises(BadInput, match="they differ in no column that could be a setting: name what was varied as"):
        judged(table.drop(columns="momentum"))


def test_settings_are_named_before_columns_that_say_which_run_it_is():
    table = models().assign(cohort_id="a", phase="train", seconds=0.5, steps=range(48), **{"prune.fraction": 0.0})
    pruned = table.assign(cohort_id="b", phase="prune1", steps=7, norm=-table["norm"], **{"prune.fraction": 0.5})
    with pytest.raises(BadInput, match="differ in prune.fraction, steps, norm, cohort_id, phase: drop"):
        judged(pd.concat([table, pruned], ignore_index=True))


# What is said ---------------------------------------------------------------------------------------


def test_equal_axes_with_two_lineages_are_named():
    table = models().assign(seed=range(48), lineage=lambda rows: rows["lr"].map(str))
    assert note(judged(table), "row") == ""
    table.loc[47, "lineage"] = "other"
    beginning = "row 44 and row 47 have the same axes and different values of lineage (0.3 and other)"
    assert note(judged(table), beginning).endswith("an axis may be missing")


def test_what_the_units_of_evidence_are_is_said_where_seeds_are_shared():
    table = models()
    shared = "units of evidence are the values of seed (4), not the runs (48)"
    advice = "If equal seeds share no luck, say so: --independent-seeds, or independent_seeds=True"
    assert note(judged(table), "configurations share their seeds").endswith(f"{shared}. {advice}")
    assert "(1), not the runs (12)" in note(judged(table[table["seed"] == 0]), "configurations share their seeds")
    in_lineages = table.assign(lineage=table["lr"].map(str))
    assert note(judged(in_lineages), "configurations share their seeds").endswith(shared)
    pairs = table.assign(seed=table["seed"] + 10 * table["width"])
    assert "are one lineage: 4 lineages of 12 configurations. If" in note(judged(pairs), "configurations with common")
    assert not any("lineage" in text or "units" in text for text in judged(table.assign(seed=range(48))).notes)


def test_a_forgotten_axis_is_suspected():
    table = models().assign(seed=range(48), optimizer="sgd", rounds=7, noise=np.arange(48.0) ** 2)
    assert note(judged(table), "constant inside most") == ""
    table.loc[46:, ["optimizer", "rounds"]] = "adam", 8
    assert "not inside all: optimizer, rounds." in note(judged(table), "constant inside most")


@pytest.mark.parametrize(
    "other_units",
    [lambda loss: 100 - loss, lambda loss: np.exp(loss / 3), lambda loss: -(loss**3), lambda loss: (7 * loss).round(1)],
)
def test_the_target_in_other_units_is_found(other_units):
    table = models().assign(accuracy=lambda rows: other_units(rows["test_loss"]))
    table.loc[5, "accuracy"] = np.nan
    assert note(judged(table), "accuracy and test_loss determine each other")
    assert not any("determine" in text for text in judged(models()).notes)


def test_order_is_compared_with_ties_and_infinities():
    x = np.arange(12.0)
    assert orders_alike(x, np.where(x == 11, np.inf, x)) and orders_alike(x // 2, -(x // 2))
    assert not orders_alike(x, x // 4)  # three values: a rough order may be a coincidence
    assert not orders_alike(x, np.where(x == 5, 6.5, x)) and not orders_alike(x, np.ones(12))
    assert not orders_alike(x, np.full(12, np.nan))


def test_a_seed_of_its_own_for_every_row_means_replicates():
    table = models()
    replicates = judged(table.assign(seed=np.arange(48) + 1000))
    assert note(replicates, "every row has a seed of its own")
    assert estimates(replicates) == estimates(judged(table.drop(columns="seed")))
    assert np.isnan(replicates["norm"].within_seeds)


def test_seeds_that_only_count_are_judged_as_replicates_when_asked():
    table = models()
    independent = judged(table, independent_seeds=True, permutations=200)
    assert note(independent, "equal values of seed are taken as unrelated")
    assert np.isnan(independent["norm"].within_seeds) and judged(table)["norm"].within_seeds == 4
    without = judged(table.drop(columns="seed"), permutations=200)
    assert independent["norm"].beyond_p == without["norm"].beyond_p
    with pytest.raises(BadInput, match="have the same axes and seed"):
        judged(pd.concat([table, table]), independent_seeds=True)


def test_infinite_values_are_named():
    table = models().assign(margin=lambda rows: rows["norm"] ** 2)
    assert note(judged(table), "infinite") == ""
    table.loc[[3, 7], "margin"] = np.inf
    assert "\nnote: infinite values are" in repr(judged(table))
    assert note(judged(table), "infinite").endswith("largest or smallest: margin (2 of 48 runs)")


def test_copies_in_a_table_without_seeds_are_named():
    table = models().drop(columns="seed")
    assert judged(table).notes == ()
    copied = pd.concat([table, table.tail(1)], ignore_index=True).assign(host=["a"] * 48 + ["b"])
    assert note(judged(copied), "row 47 and row 48 are equal in axes, target and all predictors")
    assert judged(copied).runs == 49


def test_rows_that_repeat_others_in_every_column_are_judged_once():
    table = models().drop(columns="seed").assign(shape=[[1, 2]] * 48, host=["a", None] * 24)
    twice = pd.concat([table, table], ignore_index=True).assign(run_id=range(96), seconds=np.arange(96.0))
    verdicts = judged(twice)
    repeated = "row 48 repeats row 0 in every column"
    assert estimates(verdicts) == estimates(judged(table)) and verdicts.runs == 48
    assert note(verdicts, "row") == f"{repeated}, and 47 more rows do so: copies are judged once"
    once = judged(twice.head(49))
    assert note(once, "row") == f"{repeated}: copies are judged once" and once.runs == 48
    single = table[table.index % 4 == 0]
    assert judged(pd.concat([single, single], ignore_index=True)).runs == judged(single).runs == 12


def test_rows_that_are_equal_by_chance_are_all_judged():
    random = np.random.default_rng(0)
    table = models().drop(columns="seed")
    table = table.assign(norm=random.integers(3, size=48), test_loss=random.integers(4, size=48), layers=table["width"])
    assert table.duplicated().sum() > 5
    verdicts = judged(table)
    assert verdicts.runs == 48 and "drop them if they are copies" in note(verdicts, "row")
    failed = models().drop(columns="seed").assign(test_loss=lambda rows: rows["test_loss"].mask(rows["lr"] == 0.1))
    assert judged(failed.assign(norm=failed["norm"].mask(failed["lr"] == 0.1))).excluded == {"without test_loss": 16}


def pairs_of_a_lineage() -> pd.DataFrame:
    """12 lineages of two configurations with five replicates, whose luck is the same in both."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(list(itertools.product(range(12), range(2), range(5))), columns=["lr", "pruned", "replicate"])
    table["lineage"] = table["lr"].map("lineage {}".format)
    table["seed"] = 100 * table["lr"] + table["replicate"]
    for name in ("norm", "loss"):
        luck = random.normal(size=12 * 5)[table["lr"] * 5 + table["replicate"]]
        table[name] = table["pruned"] + luck + 0.1 * random.normal(size=len(table))
    return table


def test_without_seeds_the_replicates_of_a_lineage_share_their_luck():
    table = pairs_of_a_lineage()
    given = judge(table, "loss", ["lr", "pruned"], ["norm"], permutations=200)
    without_seeds = judge(table.drop(columns="seed"), "loss", ["lr", "pruned"], ["norm"], permutations=200)
    assert without_seeds["norm"].beyond_p == given["norm"].beyond_p
    assert "there is no seed: runs of one lineage and replicate share their luck" in without_seeds.notes
    unknown = judge(table.drop(columns=["seed", "replicate"]), "loss", ["lr", "pruned"], ["norm"], permutations=200)
    assert any("which runs of one lineage share their luck" in note for note in unknown.notes)
