import itertools
import json

import pytest

from benevolent.trainables.config import identity
from benevolent.trainables.config.base import flatten
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.config.stored_run import StoredRun
from benevolent.trainables.errors import BadInput

NORMAL = {"scheme": "normal", "std": 0.1}


def run_id(**sections) -> str:
    return RunConfig.parse(sections).run_id


@pytest.mark.parametrize(
    ("sections", "same"),
    [
        ({"data": {"corruption": "swap"}}, {}),
        ({"pretrain": {"label_corruption": 0.5, "corruption": "swap"}}, {}),
        ({"pretrain": {"epochs": 2, "corruption": "swap"}}, {"pretrain": {"epochs": 2}}),
        ({"prune": {"method": "layer_magnitude", "rewind": "none"}}, {}),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, {"optimizer": {"name": "adam"}}),
        ({"loss": {"name": "logistic", "margin": 2}}, {"loss": {"name": "logistic"}}),
        ({"init": {"scheme": "run", "source": {}, "first": 2.0}}, {"init": {"scheme": "run", "source": {}}}),
        ({"init": {"scheme": "zeros", "scale": 2}}, {"init": {"scheme": "zeros"}}),
        ({"init": {"scheme": "torch", "bias_std": 0.1}}, {"init": {"scheme": "torch"}}),
        ({"init": {"scale": 1}, "stop": {"max_epochs": 100}}, {}),
    ],
)
def test_fields_without_effect_name_the_same_run(sections, same):
    assert run_id(**sections) == run_id(**same)


def test_fields_with_effect_name_different_runs():
    sections = [
        {},
        {"data": {"label_corruption": 0.5}},
        {"data": {"label_corruption": 0.5, "corruption": "swap"}},
        {"pretrain": {"epochs": 2}},
        {"pretrain": {"epochs": 2, "label_corruption": 0.5}},
        {"pretrain": {"epochs": 2, "label_corruption": 0.5, "corruption": "swap"}},
        {"prune": {"fraction": 0.5}},
        {"prune": {"fraction": 0.5, "rewind": "none"}},
        {"optimizer": {"momentum": 0.9}},
        {"optimizer": {"name": "adam"}},
        {"init": NORMAL},
        {"model": {"family": "puzzles_cnn"}},
        {"stop": {"train_loss": None}},
        {"precision": "float64"},
        {"seed": 1},
    ]
    assert len({run_id(**one) for one in sections}) == len(sections)


OF_A_MODULE = {"model": {"family": "module", "path": "some_modules:Some"}}
TAUGHT_BY_A_MODULE = {"labels": {"source": {"model.family": "module", "model.path": "a:B"}}}


@pytest.mark.parametrize(
    ("sections", "run"),
    [
        ({}, "b7fe5c5985f67ddc"),
        ({"model": {"width": 16}, "seed": 3}, "ce7b043dceff8406"),
        ({"prune": {"fraction": 0.5}, "seed": 1}, "8187e14cd81d38fd"),
        ({"model": {"family": "puzzles_cnn"}, "labels": {"source": {"model.family": "mlp"}}}, "aef104e637a3526f"),
    ],
)
def test_ids_of_runs_stay_until_their_results_change(sections, run):
    assert run_id(**sections) == run


def test_a_new_revision_of_a_family_renames_its_runs_and_those_that_depend_on_them(monkeypatch):
    pruned = {**OF_A_MODULE, "prune": {"fraction": 0.5, "rounds": 2}}
    concerned = [OF_A_MODULE, pruned, TAUGHT_BY_A_MODULE]
    names = [run_id(**sections) for sections in concerned]
    configurations = [RunConfig.parse(sections).configuration for sections in concerned]
    plain = run_id()
    monkeypatch.setitem(identity.FAMILY_REVISIONS, "module", 2)
    for sections, name, configuration in zip(concerned, names, configurations, strict=True):
        assert run_id(**sections) != name
        assert RunConfig.parse(sections).configuration == configuration  # and with it the seeds
    assert run_id() == plain


def test_an_integer_names_the_run_of_the_float():
    assert run_id(optimizer={"lr": 1}) == run_id(optimizer={"lr": 1.0})


def test_a_pruned_run_has_a_dense_parent_with_its_own_phases():
    child = RunConfig.parse({"prune": {"fraction": 0.5}, "pretrain": {"epochs": 2}, "seed": 3})
    assert child.parent == RunConfig.parse({"pretrain": {"epochs": 2}, "seed": 3})
    assert [phase.name for phase in child.phases] == ["prune1"] and child.parent.parent is None
    assert [phase.name for phase in child.parent.phases] == ["pretrain", "train"]


def test_runs_share_a_cohort_only_if_their_tensors_and_phases_are_alike():
    alike = [
        {},
        {"seed": 5},
        {"init": NORMAL},
        {"optimizer": {"lr": 1, "momentum": 0.5}},
        {"stop": {"max_epochs": 3}},
    ]
    apart = [
        {"model": {"width": 65}},
        {"optimizer": {"batch_size": 33}},
        {"optimizer": {"name": "adam"}},
        {"pretrain": {"epochs": 1}},
        {"prune": {"fraction": 0.5}},
        {"precision": "float64"},
        {"data": {"train_size": 9}},
        {"model": {"dropout": 0.2}},
        {"loss": {"name": "hinge", "margin": 2}},
    ]
    assert len({RunConfig.parse(one).cohort_key for one in alike}) == 1
    rates = [RunConfig.parse({"model": {"dropout": rate}}) for rate in (0.1, 0.5)]
    assert rates[0].cohort_key == rates[1].cohort_key and rates[0].run_id != rates[1].run_id
    keys = [RunConfig.parse(one).cohort_key for one in [{}, *apart]]
    assert all(left != right for left, right in itertools.combinations(keys, 2))


def test_a_config_survives_its_flat_and_its_nested_form():
    config = RunConfig.parse({"init": NORMAL, "prune": {"fraction": 0.5}})
    assert RunConfig.parse(config.model_dump(mode="json")) == config
    assert config.flat().keys() == dict(flatten(config.model_dump())).keys()
    assert config.flat()["init.std"] == 0.1


def test_a_column_of_a_table_has_values_of_one_type():
    """So that parts unite: a batch of all examples is a number, and what layers are reset to is text."""
    source = {"model.width": 8, "init": {"scale": 2}}
    config = RunConfig.parse(
        {
            "data": {"train_size": 70},
            "optimizer": {"batch_size": "full"},
            "reset": {"layers": [1, 3], "to": 4},
            "init": {"scheme": "run", "source": source},
        }
    )
    flat = config.flat()
    assert flat["optimizer.batch_size"] == 70
    assert (flat["reset.layers"], flat["reset.to"]) == ("1,3", "4")
    assert json.loads(flat["init.source"]) == source
    assert {type(value) for value in flat.values()} <= {int, float, str, bool, type(None)}


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"modle": {}}, "modle: unknown key; did you mean 'model'?"),
        (
            {"model": {"widht": 3}},
            "model.widht: unknown key of family 'mlp'; did you mean 'width'? allowed: batch_norm, bias, depth, ",
        ),
        ({"model": {"family": "puzzles_cnn", "width": 3}}, "model.width: unknown key"),
        ({"model": {"family": "mpl"}}, "model.family = 'mpl': unknown; did you mean 'mlp'?"),
        ({"model": {"family": "module"}}, "model.path: missing"),
        ({"data": {"zzz": 1}}, "data.zzz: unknown key; `bth list fields data` shows all"),
        ({"optimizer": {"lr": "0.1"}}, "optimizer.lr = '0.1': expected a number; remove the quotes"),
        ({"stop": {"max_epochs": 2.5}}, "stop.max_epochs = 2.5: expected a whole number"),
        ({"seed": True}, "seed = True: expected a whole number"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr = nan: expected a finite"),
        ({"optimizer": {"lr": float("inf")}}, "optimizer.lr = inf: expected a finite number"),
        ({"optimizer": 3}, "optimizer = 3: expected keys and values"),
        ({"model": {"width": 0}}, "model.width = 0: expected a number >= 1"),
        (
            {"data": {"label_corruption": 1.5}},
            "data.label_corruption = 1.5: expected a number <= 1",
        ),
        (
            {"pretrain": {"label_corruption": -0.1}},
            "pretrain.label_corruption = -0.1: expected a number >= 0",
        ),
        ({"prune": {"fraction": 1.0}}, "prune.fraction = 1.0: expected a number < 1"),
        ({"prune": {"fraction": -1}}, "prune.fraction = -1: expected a number >= 0"),
        ({"prune": {"rewind": "start"}}, "prune.rewind = 'start': expected init, train or none"),
        ({"optimizer": {"momentum": 1}}, "optimizer.momentum = 1: expected a number < 1"),
        (
            {"optimizer": {"batch_size": 0}},
            "optimizer.batch_size = 0: expected a number >= 1, or full",
        ),
        ({"stop": {"max_epochs": 0}}, "stop.max_epochs = 0: expected a number >= 1"),
        ({"init": {"scale": 0}}, "init.scale = 0: expected a number > 0"),
        ({"init": {"scheme": "normal"}}, "schemes 'normal' and 'reuse' need std, and only they take it"),
        ({"init": {"std": 0.1}}, "schemes 'normal' and 'reuse' need std, and only they take it"),
        ({"init": {"scheme": "reuse", "std": 0.1}}, "schemes 'run', 'kmeans' and 'reuse' need source, and only they"),
        ({"seed": -1}, "seed = -1: expected a number >= 0"),
    ],
)
def test_bad_values_are_one_line_with_the_path_and_what_is_allowed(sections, line):
    with pytest.raises(BadInput) as refused:
        RunConfig.parse(sections, "base")
    assert str(refused.value).startswith("base.") and line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_config_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        DataConfig().name = "other"


@pytest.mark.parametrize(
    "sections",
    [
        {"init": {"scheme": "run", "source": {"optimizer.lr": 0.2}}, "prune": {"fraction": 0.5, "rounds": 3}},
        {"reset": {"layers": [1]}, "prune": {"fraction": 0.5}, "labels": {"source": {"model.width": 8}}},
        {"data": {"pixels": "gaussian"}, "pretrain": {"epochs": 2}},
    ],
)
def test_a_stored_run_says_of_itself_and_its_relatives_what_its_config_says(sections):
    config = RunConfig.parse(sections | {"seed": 3})
    stored = StoredRun(config.model_dump(mode="json"))
    assert (stored.phases, stored.flat(), stored.dense.run_id) == (config.phases, config.flat(), config.dense.run_id)
    assert [run.run_id for run in (stored, *stored.ancestors)] == [run.run_id for run in (config, *config.ancestors)]
    assert (stored.lineage, stored.configuration) == (config.lineage, config.configuration)
