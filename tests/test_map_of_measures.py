"""The map of measures: unions of sweeps whose truth is known, the statistics behind it, and runs of other studies."""

import functools
import io
import itertools
import sys
import types

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from in_process import measure_folders, train_sweep
from rich.console import Console
from scipy.stats import kendalltau
from scipy.stats import t as student

from benevolent.analysis.figures import render_figure
from benevolent.analysis.multi_run.pooled_effects import (
    chosen_on_the_others,
    effects_matrix,
    mean_carried_over,
    pooled_effects,
)
from benevolent.analysis.multi_run.sweep_effects import sweep_effects
from benevolent.analysis.results import load_results
from benevolent.analysis.statistics.permuted_configurations import configuration_p_values
from benevolent.analysis.statistics.random_effects import random_effects
from benevolent.analysis.statistics.replicate_taus import replicate_taus
from benevolent.analysis.studies import Finding, StudyAnswer
from benevolent.analysis.studies.shared.map_choices import choice_findings
from benevolent.analysis.studies.shared.map_effects import all_effects, recovered_by_choice
from benevolent.analysis.studies.shared.map_findings import found, pooled_findings
from benevolent.analysis.studies.shared.map_predictors import (
    FAMILIES,
    PER_CONFIGURATION,
    PROPOSED,
    random_names,
    with_controls,
)
from benevolent.analysis.studies.shared.map_reversals import changes_sign, reversal_findings, significant_signs
from benevolent.orchestrator import study, study_run
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.dynamics_names import DYNAMICS

EVERYWHERE, REVERSING, NOISE, MARGIN = "path_norm", "parameter_norm", "l1_norm", "margin_p10"
STUDIES = 12
CONFIGURATIONS = 6
RUNS = 4 * CONFIGURATIONS


def sweep(number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Runs of a sweep: one measure goes with the gap, one does so in even studies and against it in odd ones."""
    configuration = np.repeat(np.arange(CONFIGURATIONS), 4)
    gap = np.sort(rng.normal(size=CONFIGURATIONS))[configuration] + 0.05 * rng.normal(size=RUNS)
    table = pd.DataFrame(
        {"configuration": configuration, "replicate": np.tile(np.arange(4), CONFIGURATIONS), "gap": gap}
    )
    table["seed"] = rng.permutation(RUNS)
    table["epoch"] = 3
    table[EVERYWHERE] = gap + 0.03 * rng.normal(size=RUNS)
    table[MARGIN] = -gap + 0.03 * rng.normal(size=RUNS)
    table[REVERSING] = (1 if number % 2 else -1) * configuration + rng.normal(size=RUNS)
    table[NOISE] = rng.normal(size=CONFIGURATIONS)[configuration] + 0.1 * rng.normal(size=RUNS)
    return table.assign(test_error=gap, test_loss=gap**3, train_loss=rng.normal(size=RUNS))


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    made = {}
    for number in range(STUDIES):
        place = f"study{number:02}/sweep"
        made[place] = with_controls(sweep(number, rng), place)
    return made


@pytest.fixture(scope="module")
def effects(tables):
    every = all_effects(tables, {})
    return every[every["target"] == "gap"]


def test_what_predicts_everywhere_is_found_what_reverses_is_not_and_noise_is_not(effects):
    across = pooled_effects(effects, "tau", PROPOSED, "paper")
    within = pooled_effects(effects, "within", PROPOSED, "paper")
    assert list(found(across, 0.05).index) in ([EVERYWHERE, MARGIN], [MARGIN, EVERYWHERE])
    assert across.loc[MARGIN, "low"] > 0.5  # a small margin is a complex network
    assert across.loc[EVERYWHERE, ["positive", "negative"]].tolist() == [STUDIES, 0]
    assert set(found(within, 0.05).index) == {EVERYWHERE, MARGIN}
    signs = significant_signs(effects, 0.05)
    assert changes_sign(effects, [EVERYWHERE, REVERSING, MARGIN], signs) == [REVERSING]
    decisions = {one.claim: one.decision for one in pooled_findings(effects, across, within, 0.05)}
    assert decisions["Some measures predict generalization in the studies of most papers"] == "holds"
    assert decisions["Every measure fails in some environment"] == "does not hold"
    assert decisions["Random numbers predict as rarely as chance allows"] == "holds"


def test_numbers_drawn_for_each_configuration_fail_as_rarely_as_the_level_says(effects):
    random = random_names(PER_CONFIGURATION)
    failing = set(effects.loc[significant_signs(effects, 0.05) < 0, "predictor"])
    assert len(failing & set(random)) <= 12  # of 100; 5 are expected at most
    by_interval = set(effects.loc[effects["tau_high"] < 0, "predictor"])
    assert set(random) <= by_interval  # each keeps its order over seeds
    across = pooled_effects(effects, "tau", PROPOSED, "paper")
    evidence = reversal_findings(effects, across, 0.05)[0].evidence
    assert f"drawn at random for each configuration, {len(failing & set(random))} of 100 do" in evidence
    assert evidence.startswith("1 of 4 do; not ")


def test_a_measure_that_is_wrong_everywhere_does_not_predict_but_a_statistic_may_go_either_way(effects):
    turned = effects.assign(tau=-effects["tau"])
    across = pooled_effects(turned, "tau", PROPOSED, "paper")
    assert across.loc[EVERYWHERE, "high"] < -0.5 and found(across, 0.05).empty
    renamed = turned.assign(predictor=turned["predictor"].replace(EVERYWHERE, "path_length"))
    assert list(found(pooled_effects(renamed, "tau", PROPOSED, "paper"), 0.05).index) == ["path_length"]


def test_studies_of_one_paper_are_one_unit(tables):
    papers = {f"study{number:02}": "one paper" for number in range(8)}
    every = all_effects(tables, papers)
    effects = every[every["target"] == "gap"]
    pooled = pooled_effects(effects, "tau", [EVERYWHERE], "paper").loc[EVERYWHERE]
    assert pooled["studies"] == 1 + STUDIES - 8
    matrix = effects_matrix(effects, "tau", [REVERSING], "paper")
    own = effects[(effects["predictor"] == REVERSING) & (effects["paper"] == "one paper")]
    assert matrix.loc[REVERSING, "one paper"] == pytest.approx(own["tau"].mean()) and len(own) == 8


def test_p_values_of_permuted_configurations_are_those_of_a_naive_loop():
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"replicate": np.repeat([0, 1], 5), "configuration": list("abcde") * 2})
    table["x"] = rng.integers(0, 4, 10).astype(float)
    table["y"] = rng.integers(0, 5, 10)
    table["part"] = table["x"].where(table["configuration"] != "e")
    found_here = configuration_p_values(table.sample(frac=1, random_state=0), ["x", "part"], "y")
    for name, letters in (("x", "abcde"), ("part", "abcd")):
        rows = table[table["configuration"].isin(list(letters))]
        x = rows[name].to_numpy().reshape(2, -1)
        y = rows["y"].to_numpy().reshape(2, -1)
        taus = []
        for order in itertools.permutations(range(len(letters))):
            moved = y[:, list(order)]
            taus.append(sum(kendalltau(x[row], moved[row]).statistic for row in range(2)))
        below = np.mean(np.array(taus) <= taus[0] + 1e-9)
        above = np.mean(np.array(taus) >= taus[0] - 1e-9)
        assert found_here.loc[name].tolist() == pytest.approx([below, above, 1 / len(taus)])


def test_a_reversal_among_many_configurations_is_found_and_few_are_never_enough():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"replicate": 0, "configuration": range(12), "gap": rng.normal(size=12)})
    table = table.assign(against=-table["gap"], random=rng.normal(size=12))
    many = configuration_p_values(table, ["against", "random"], "gap")
    assert many.loc["against", "p_below"] == many.loc["against", "p_least"] < 0.001
    assert many.loc["random", "p_below"] > 0.01 and many.loc["random", "p_above"] > 0.01
    few = configuration_p_values(table[:3], ["against"], "gap")
    assert few.loc["against", "p_below"] == pytest.approx(1 / 6)
    assert configuration_p_values(table[:3], [], "gap").empty


def test_numbers_drawn_for_each_configuration_fail_no_more_often_where_runs_are_missing():
    rng = np.random.default_rng(6)
    table = pd.DataFrame({"configuration": np.repeat(np.arange(8), 4), "replicate": np.tile(np.arange(4), 8)})
    names = [f"random{number}" for number in range(400)]
    drawn = pd.DataFrame(rng.normal(size=(8, 400)), columns=names).iloc[table["configuration"]]
    table = pd.concat([table.assign(gap=rng.normal(size=32)), drawn.reset_index(drop=True)], axis=1)
    table = table[rng.random(32) < 0.6]
    below = configuration_p_values(table, names, "gap")["p_below"]
    assert (below <= 0.05).sum() <= 34  # 20 are expected


def test_a_choice_on_other_studies_is_good_where_one_measure_predicts_and_not_where_it_reverses(tables, effects):
    decisions = {one.claim: one.decision for one in choice_findings(tables, effects)}
    assert set(decisions.values()) == {"holds"}
    reversing = effects_matrix(effects, "tau", [REVERSING, NOISE])
    _, low, _, pairs = mean_carried_over(reversing)
    assert low < 0 and pairs == STUDIES * (STUDIES - 1)
    assert np.mean([one.effect for one in chosen_on_the_others(reversing)]) < 0.2


def test_networks_chosen_by_the_outcome_itself_gain_all_and_against_it_lose(tables):
    places = list(tables)
    assert recovered_by_choice(tables, "test_error", 1, places) == pytest.approx(1)
    assert recovered_by_choice(tables, "test_error", -1, places) < -0.5
    assert np.isnan(recovered_by_choice(tables, "no such", 1, places))


def test_random_effects_agree_with_a_search_for_the_variance_between_studies():
    effects = np.array([0.1, 0.5, -0.2, 0.9, 0.4])
    variances = np.array([0.02, 0.05, 0.01, 0.1, 0.03])
    found_here = random_effects(effects, variances)
    candidates = np.linspace(0, 1, 200_001)
    weights = 1 / (variances[:, None] + candidates)
    means = (weights * effects[:, None]).sum(axis=0) / weights.sum(axis=0)
    squares = (weights * (effects[:, None] - means) ** 2).sum(axis=0)
    best = int(np.argmin(np.abs(squares - 4)))
    margin = student.ppf(0.975, 4) * np.sqrt(squares[best] / 4 / weights[:, best].sum())
    assert found_here.deviation**2 == pytest.approx(candidates[best], abs=1e-5)
    assert found_here.mean == pytest.approx(means[best], abs=1e-4)
    assert found_here.high == pytest.approx(means[best] + margin, abs=1e-4)
    near = random_effects([0.3, 0.4, 0.2], [0.1, 0.1, 0.1])
    half_width = student.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert near.deviation == 0 and near.high == pytest.approx(0.3 + half_width)


def test_intervals_of_random_effects_cover_the_mean():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        variances = rng.uniform(0.02, 0.4, 10)
        effects = 0.3 + rng.normal(0, 0.3, 10) + rng.normal(0, np.sqrt(variances))
        pooled = random_effects(effects, variances)
        covered += pooled.low <= 0.3 <= pooled.high
    assert 0.91 <= covered / 400 <= 0.985


def test_taus_are_those_of_scipy_with_ties_infinities_and_missing_values():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"replicate": np.repeat([0, 1], 8), "configuration": np.tile(np.arange(8), 2)})
    table["x"] = rng.integers(0, 4, 16).astype(float)
    table.loc[3, "x"] = np.inf
    table.loc[12, "x"] = np.nan
    table["constant"] = 1.0
    table["y"] = rng.integers(0, 5, 16)
    taus = replicate_taus(table.sample(frac=1, random_state=0), ["x", "constant"], "y")
    for number, rows in table.groupby("replicate"):
        present = rows[rows["x"].notna()]
        assert taus.loc[number, "x"] == pytest.approx(kendalltau(present["x"], present["y"]).statistic)
    assert taus["constant"].isna().all()


def test_a_sweep_of_one_configuration_only_compares_seeds():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"configuration": 0, "replicate": range(12), "seed": range(12), "norm": rng.normal(size=12)})
    found_here = sweep_effects(table.assign(loss=table["norm"]), ["norm"], "loss").iloc[0]
    assert np.isnan(found_here["tau"]) and found_here["within"] == pytest.approx(1)


def test_the_map_names_every_measure_that_it_asks_for_and_every_statistic_of_training():
    one = study.studies()["map-of-measures"]
    named = {name for names in FAMILIES.values() for name in names}
    assert set(one.reads.measures) | DYNAMICS.keys() <= named | {"early_stop_loss"}
    assert list(study.studies())[-1] == "map-of-measures" == study.find_studies("study:all")[-1].name


def small_study(name, reads=None, seeds=3):
    given = {
        "name": name,
        "title": name,
        "source": "Nobody 2026, Nothing",
        "question": "?",
        "small": {"takes": "seconds"},
        "paper": {"takes": "more"},
    }
    if reads:
        return study.Study.parse(
            {**given, "reads": {"studies": reads, "measures": ["parameter_norm"], "measured_replicates": 2}}
        )
    base = {
        "data": {"train_size": 60, "validation_size": 20, "test_size": 50},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 1},
    }
    sweeps = {"digits": {"base": base, "seeds": seeds, "record": {"measures": ["parameter_count"]}}}
    return study.Study.parse({**given, "sweeps": sweeps})


@pytest.fixture
def together(monkeypatch):
    """A study and one that reads it, trained and measured without Ray."""
    known = {name: small_study(name, reads) for name, reads in (("first", None), ("reading", ["first"]))}
    monkeypatch.setattr(study_run, "studies", lambda: known)
    monkeypatch.setattr(study_run, "train_sweep", train_sweep)
    monkeypatch.setattr(study_run, "measure_folders", measure_folders)
    seen = {"first": [], "reading": []}

    def answer(name):
        def answer_of_study(results, *papers):
            seen[name].append((results, papers))
            draw = functools.partial(matplotlib.figure.Figure)
            figure = render_figure("nothing", "Nothing", "Nothing.", draw)
            return StudyAnswer([Finding("so", "holds", "seen")], [figure], pd.DataFrame({"x": [1]}))

        return answer_of_study

    for name in known:
        module = types.ModuleType(name)
        module.RULE = "None."
        module.answer = answer(name)
        monkeypatch.setitem(sys.modules, f"benevolent.analysis.studies.{name}", module)
    return known, seen


def run(known, name, tmp_path, said=None):
    console = Console(file=said or io.StringIO(), width=200)
    return study_run.run_study(known[name], "small", str(tmp_path / name), console)


def test_a_study_that_reads_others_runs_them_first_and_measures_their_networks(together, tmp_path):
    known, seen = together
    said = io.StringIO()
    run(known, "reading", tmp_path, said)
    assert "1 of them are not answered yet and run first: first" in said.getvalue()
    ((results, (papers,)),) = seen["reading"]
    assert list(results) == ["first/digits"] and papers["first"] == "Nobody 2026, Nothing"
    table = results["first/digits"].table()
    assert "parameter_count" not in table
    measured = table.set_index("replicate")["parameter_norm"].notna()
    assert measured.to_dict() == {200: True, 201: True, 202: False}
    assert "first: 3 limit" in Folder(tmp_path / "reading").read("index.html").decode()
    assert "parameter_norm" in load_results(tmp_path / "first/digits").table()


def test_a_study_that_reads_others_sees_the_runs_of_their_last_plans(together, tmp_path):
    known, seen = together
    run(known, "reading", tmp_path)
    known["first"] = small_study("first", seeds=2)
    run(known, "reading", tmp_path)
    replicates = [set(results["first/digits"].runs["replicate"]) for results, _ in seen["reading"]]
    assert replicates == [{200, 201, 202}, {200, 201}]


def test_what_another_study_measures_changes_no_answer(together, tmp_path):
    known, seen = together
    run(known, "first", tmp_path)
    before = (tmp_path / "first/answer.json").read_bytes()
    run(known, "reading", tmp_path)
    run(known, "first", tmp_path)
    run(known, "reading", tmp_path)
    assert (len(seen["first"]), len(seen["reading"])) == (1, 1)
    assert (tmp_path / "first/answer.json").read_bytes() == before
    files = list((tmp_path / "first/digits/measures").iterdir())
    assert len(files) == 2
    for file in files:
        if "parameter_norm" in pd.read_parquet(file)["name"].tolist():
            file.rename(file.with_name(file.name.replace(".parquet", "_2.parquet")))
    run(known, "first", tmp_path)
    run(known, "reading", tmp_path)
    assert (len(seen["first"]), len(seen["reading"])) == (1, 2)


def test_a_study_cannot_read_one_that_is_not_there_or_reads_others(together, tmp_path):
    known, _ = together
    for name in ("nobody", "reading"):
        other = known["reading"].reads.model_copy(update={"studies": [name]})
        reading = known["reading"].model_copy(update={"reads": other})
        with pytest.raises(BadInput, match=f"reads.studies: '{name}'"):
            study_run.run_study(reading, "small", str(tmp_path / "reading"), Console(quiet=True))
