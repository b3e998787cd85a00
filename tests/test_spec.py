import itertools
import random
import re

import pandas as pd
import pytest

from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.bundled_sweeps import bundled_sweeps
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput

LIST = """
name: listed
grid: {init.scale: [1, 2]}
list: [{model.family: puzzles_cnn, model.filters: 2, model.kernel: 3}, {model.width: 8}]
"""


def sweep(**keys) -> SweepSpec:
    return SweepSpec.parse({"name": "test", **keys})


def run_ids(spec: SweepSpec) -> list[str]:
    return list(expand(spec).runs["run_id"])


def configs_of(spec: SweepSpec) -> list[RunConfig]:
    """The runs of a plan, in its order."""
    plan = expand(spec)
    by_id = {config.run_id: config for cohort in plan.new_manifests() for config in cohort.configs}
    return [by_id[run_id] for run_id in plan.runs["run_id"]]


@pytest.mark.parametrize(
    ("config", "run_id"),
    [
        ({}, "b7fe5c5985f67ddc"),
        ({"seed": 7}, "f5b796553b44ee97"),
        ({"init": {"scale": 2}, "optimizer": {"lr": 0.1}}, "a42f7ee678bc02b4"),
        ({"model": {"family": "puzzles_cnn", "filters": 8}, "precision": "float64"}, "ede305083026a390"),
        (
            {"pretrain": {"epochs": 20, "label_corruption": 0.5}, "prune": {"fraction": 0.8}, "seed": 3},
            "928b50a229112d6f",
        ),
    ],
)
def test_run_ids_never_change(config, run_id):
    assert RunConfig.parse(config).run_id == run_id


def test_integer_and_float_values_give_the_same_run_id():
    assert run_ids(sweep(grid={"init.scale": [1, 2]})) == run_ids(sweep(grid={"init.scale": [1.0, 2.0]}))


def test_a_copy_with_another_seed_has_an_id_of_its_own():
    config = RunConfig.parse({"seed": 1, "prune": {"fraction": 0.5}})
    assert config.run_id and config.parent.seed == 1
    copy = config.model_copy(update={"seed": 2})
    assert copy.run_id == RunConfig.parse({"seed": 2, "prune": {"fraction": 0.5}}).run_id and copy.parent.seed == 2


def test_quickstart_has_480_distinct_runs_and_a_description():
    ids = run_ids(load_spec("quickstart"))
    assert len(ids) == len(set(ids)) == 480
    assert "test loss" in bundled_sweeps()["quickstart"]


def test_zip_varies_fields_together_and_list_sets_the_named_fields():
    zipped = sweep(zip=[{"init.scale": [1, 2], "optimizer.lr": [0.1, 0.2]}], seeds=[5])
    assert [(run.init.scale, run.optimizer.lr, run.seed) for run in configs_of(zipped)] == [
        (1, 0.1, 5),
        (2, 0.2, 5),
    ]
    listed = SweepSpec.parse(yaml_text.loads(LIST))
    assert [run.model.family for run in configs_of(listed)] == ["puzzles_cnn", "mlp"] * 2
    assert listed.axis_names == ("init.scale", "model.family", "model.filters", "model.kernel", "model.width")


def test_plan_has_the_ids_relatives_and_fields_of_its_runs():
    grid = {
        "prune.fraction": [0.8, 0],
        "pretrain.epochs": [0, 2],
        "precision": ["float32", "float64"],
        "stop.train_loss": [0.5, None],
        "data.label_corruption": [0, 1],
        "optimizer.batch_size": [16, "full"],
        "labels.source": [None, {"model.width": 16}, {"init": {"scheme": "run", "source": {"model.width": 64}}}],
    }
    spec = sweep(grid=grid, seeds=[3, 8])
    plan, configs = expand(spec), configs_of(spec)
    table = plan.runs.set_index("run_id", drop=False)
    for run in configs:
        row = table.loc[run.run_id]
        for name in ("parent", "teacher"):
            relative = getattr(run, name)
            assert row[name] == relative.run_id if relative else pd.isna(row[name])
        for field, value in run.flat().items():
            assert row[field] == value if value is not None else pd.isna(row[field])
        assert row["replicate"] == row["seed"] == run.seed
        lineage = next((relative for relative in (run.parent, run.teacher) if relative), run)
        if lineage is not run:
            assert row["lineage"] == table.loc[lineage.run_id, "lineage"]
            assert row["generation"] > table.loc[lineage.run_id, "generation"]
        else:
            assert row["lineage"] == row["configuration"]
            assert row["generation"] == 0
    roles = plan.runs["role"].value_counts()
    named = 2 * 2 * 2 * 2 * 2 * 2 * 3
    assert roles["run"] == 2 * named and list(plan.runs["role"]) == sorted(plan.runs["role"], reverse=True)


@pytest.mark.parametrize(
    "keys",
    [
        {"grid": {"optimizer.lr": [0.1, 0.05], "optimizer.weight_decay": [0, 1e-3], "optimizer.batch_size": [32, 8]}},
        {"grid": {"optimizer.momentum": [0.5, 0.9], "optimizer.lr": [0.1, 1]}, "base": {"optimizer": {"name": "adam"}}},
        {"grid": {"optimizer.momentum": [0, 0.9], "optimizer.name": ["sgd", "adam"], "optimizer.lr": [0.1, 1]}},
        {"grid": {"init.scale": [1, 2]}, "zip": [{"init.scheme": ["kaiming", "normal"], "init.std": [None, 1]}]},
        {"grid": {"model.width": [8, 64], "model.bias": ["all", "none"]}, "zip": [{"model.depth": [2, 3]}]},
        {"grid": {"optimizer.lr": [0.1, 1]}, "list": [{"optimizer.momentum": 0.5}, {"optimizer.weight_decay": 1}]},
    ],
)
def test_run_ids_with_zipped_fields_of_one_section_match_their_values(keys):
    spec = sweep(inert_axes="collapse", seeds=[0], **keys)
    runs = configs_of(spec)
    assert [run.run_id for run in runs] == run_ids(spec)
    by_hand = set()
    grid = [[{field: value} for value in values] for field, values in keys["grid"].items()]
    zipped = [
        [dict(zip(block, point, strict=True)) for point in zip(*block.values(), strict=True)]
        for block in keys.get("zip", [])
    ]
    for points in itertools.product(*grid, *zipped, keys.get("list", [{}])):
        values = {section: dict(fields) for section, fields in keys.get("base", {}).items()}
        for field, value in {k: v for point in points for k, v in point.items()}.items():
            section, _, name = field.partition(".")
            values.setdefault(section, {})[name] = value
        by_hand.add(RunConfig.parse(values).run_id)
    assert {run.run_id for run in runs} == by_hand


def test_run_ids_do_not_depend_on_axis_order_or_added_values():
    values = {
        "init.scale": [1, 2, 4],
        "model.width": [8, 16],
        "optimizer.lr": [0.1, 0.2],
        "prune.fraction": [0, 0.5],
    }
    ids = set(run_ids(sweep(grid=values, seeds=2)))
    for seed in range(5):
        draw = random.Random(seed)
        shuffled = {field: draw.sample(values[field], len(values[field])) for field in draw.sample([*values], 4)}
        assert set(run_ids(sweep(grid=shuffled, seeds={"count": 2}))) == ids
        longer = {field: [*points, 0.25 if "." in str(points[-1]) else 64] for field, points in shuffled.items()}
        assert ids < set(run_ids(sweep(grid=longer | {"prune.fraction": [0.5, 0, 0.75]}, seeds=3)))


def test_sweep_with_too_many_runs_is_refused():
    values = [1 + i / 1000 for i in range(1000)]
    with pytest.raises(BadInput, match="1,000,000,000 configurations x 1,000 replicates; allowed: 10,000,000 runs"):
        expand(sweep(grid={"init.scale": values, "optimizer.lr": values, "optimizer.weight_decay": values}, seeds=1000))


INERT = {"grid": {"prune.fraction": [0, 0.5], "prune.method": ["magnitude", "layer_magnitude"]}}


def test_axis_without_effect_is_refused_with_name_and_line():
    line = r"grid.prune.method = 'layer_magnitude': no effect where prune.fraction = 0, the same run as with"
    with pytest.raises(BadInput, match=line):
        expand(sweep(**INERT))


def test_axis_without_effect_is_collapsed_on_request():
    assert len(set(run_ids(sweep(**INERT, inert_axes="collapse")))) == 3


def test_value_without_effect_beside_another_value_is_refused():
    grid = {"pretrain.corruption": ["redraw", "swap"], "pretrain.epochs": [0, 1]}
    with pytest.raises(BadInput, match=r"pretrain.corruption = 'swap': no effect where pretrain.epochs = 0"):
        expand(sweep(base={"pretrain": {"label_corruption": 0.5}}, grid=grid))


CORRUPTED, ROUNDS = {"pretrain": {"label_corruption": 0.5}}, {"prune": {"rounds": 5}}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"base": CORRUPTED}, "base.pretrain.label_corruption = 0.5: no effect where pretrain.epochs = 0"),
        ({"base": ROUNDS}, "base.prune.rounds = 5: no effect where prune.fraction = 0"),
        (
            {"base": {"data": {"corrupt_test": True}}},
            "base.data.corrupt_test = True: no effect where data.label_corrup",
        ),
        ({"base": {"pretrain": {"epochs": 0, "corruption": "swap"}}}, "base.pretrain.corruption = 'swap': no effect"),
        ({"base": {"loss": {"margin": 2.0}}}, "base.loss.margin = 2.0: no effect where loss.name = 'cross_entropy'"),
        ({"grid": {"pretrain.label_corruption": [0.5]}}, "grid.pretrain.label_corruption = 0.5: no effect where"),
        ({"list": [{"prune.rounds": 5}]}, "list[0].prune.rounds = 5: no effect where prune.fraction = 0"),
        (
            {"zip": [{"optimizer.lr": [0.1, 0.2], "pretrain.label_corruption": [0, 0.5]}]},
            "zip[0].pretrain.label_corruption = 0.5: no effect where pretrain.epochs = 0",
        ),
        ({"base": ROUNDS, "grid": {"prune.method": ["magnitude"]}}, "base.prune.rounds = 5: no effect"),
        (
            {"base": {"init": {"amount": 2.0}}, "list": [{"init.scale": 1}, {"init.scale": 2}]},
            "base.init.amount = 2.0: no effect where init.edit = None",
        ),
    ],
)
def test_value_without_effect_in_any_run_is_refused_on_reading(keys, line):
    with pytest.raises(BadInput) as refused:
        sweep(**keys)
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)
    assert "leave it out, or set inert_axes: collapse" in str(refused.value)
    assert run_ids(sweep(**keys, inert_axes="collapse"))


@pytest.mark.parametrize(
    "keys",
    [
        {"base": ROUNDS, "grid": {"prune.fraction": [0, 0.5]}},
        {"base": ROUNDS, "list": [{}, {"prune.fraction": 0.5, "prune.draw": 0}]},
        {"base": {"optimizer": {"momentum": 0.9}}, "grid": {"optimizer.name": ["adam", "sgd"]}},
        {"base": {"data": {"corrupt_test": True}}, "grid": {"data.label_corruption": [0, 0.5], "init.scale": [1, 2]}},
        {"base": {"pretrain": {"label_corruption": 0.0}, "prune": {"rounds": 1}, "data": {"corruption": "redraw"}}},
        {"base": CORRUPTED | {"labels": {"source": {"pretrain.epochs": 2}}}},  # it is the teacher that is pretrained
    ],
)
def test_value_with_an_effect_in_some_run_or_equal_to_the_default_is_accepted(keys):
    assert run_ids(sweep(**keys))


def test_two_fields_can_switch_each_other_off():
    grid = {"data.pixels": ["gaussian"], "data.pixels_fraction": [0.5], "data.corruption": ["redraw", "swap"]}
    with pytest.raises(BadInput, match=r"corruption = 'swap': no effect where data.label_corruption = 0"):
        expand(sweep(grid=grid))


def test_incompatible_values_are_refused():
    grid = {"data.name": ["mnist", "digits"], "data.pool": [1, 7]}
    with pytest.raises(BadInput, match="data.pool = 7: does not divide the sides of digits, 8 x 8"):
        expand(sweep(grid=grid))


BAD = [
    ({"gird": {}}, "gird: unknown key; did you mean 'grid'?"),
    ({"model": {"width": 9}}, "model: a field of a run, not of a sweep; it goes below 'base'"),
    ({"base": {"modl": {}}}, "base.modl: unknown key; did you mean 'model'?"),
    ({"base": {"data": {"nme": "x"}}}, "base.data.nme: unknown key; did you mean 'name'?"),
    ({"base": {"data": 3}}, "base.data = 3: "),
    ({"base": {"data": {"train_size": "5"}}}, "base.data.train_size = '5': expected a whole number; remove the quotes"),
    ({"base": {"seed": 3}}, "base.seed: seeds are given by 'seeds'"),
    (
        {"base": {"model": {"family": "foo"}}},
        "base.model.family = 'foo': unknown; `bth list models` shows all",
    ),
    ({"base": {"pretrain": {"label_corruption": 1.5}}}, "base.pretrain.label_corruption = 1.5: "),
    (
        {"base": {"init": {"scheme": "normal"}}},
        "base.init = {'scheme': 'normal'}: schemes 'normal' and 'reuse' need std",
    ),
    ({"grid": {"model.widht": [1]}}, "grid.model.widht: unknown field; did you mean 'model.width'?"),
    ({"grid": {"model.width": []}}, "grid.model.width: an axis without values"),
    ({"grid": {"model.width": 3}}, "grid.model.width = 3: expected a list, such as [3]"),
    ({"grid": {"model.width": [8, 0]}}, "grid.model.width = 0: expected a number >= 1"),
    ({"grid": {"model.width": [8, "16"]}}, "grid.model.width = '16': expected a whole number; remove"),
    ({"grid": {"init.scale": [1, 1.0]}}, "grid.init.scale = 1.0: twice on this axis"),
    ({"grid": {"init.scale": [float("nan")]}}, "grid.init.scale = nan: expected a finite number"),
    ({"grid": {"data.label_corruption": [0, -0.1]}}, "grid.data.label_corruption = -0.1: "),
    ({"grid": {"prune.fraction": [0.5, 1]}}, "grid.prune.fraction = 1: expected a number < 1"),
    ({"grid": {"seed": [0, 1]}}, "grid.seed: the seed is not an axis; use `seeds: 2`"),
    (
        {"grid": {"model.arguments.n": [1]}},
        "grid.model.arguments: unknown key of family 'mlp'; allowed: batch_norm, bias, depth, dropout, family,",
    ),
    (
        {"grid": {"init.scale": [1]}, "zip": [{"init.scale": [2]}]},
        "zip[0].init.scale: also varied by grid.init.scale",
    ),
    (
        {"zip": [{"init.scale": [1, 2], "optimizer.lr": [1]}]},
        "zip[0]: fields of one block need equally many values",
    ),
    ({"list": [{}]}, "list: an axis without fields"),
    (
        {"list": [{"model": {"family": "mlp"}}]},
        "list.model: a section, not a field; name a field of it, such as model.width",
    ),
    (
        {"list": [{"model.width": 8}, {"model.family": "lenet5", "model.width": 8}]},
        "list[1].model.width: unknown key of family 'lenet5'",
    ),
    ({"list": [{"optimizer.lr": 0.05}, {}]}, "list: {} and {'optimizer.lr': 0.05} are the same run"),
    ({"seeds": 0}, "seeds = 0: expected a number of replicates >= 1, {count: 5, first: 200}"),
    ({"seeds": [1, 1]}, "seeds = [1, 1]: expected a number of replicates >= 1"),
    ({"seeds": {"first": 3}}, "seeds = {'first': 3}: count: missing"),
    ({"seeds": {"count": 0}}, "seeds = {'count': 0}: count = 0: expected a number >= 1"),
    (
        {"seeds": {"count": 2, "frist": 1}},
        "seeds = {'count': 2, 'frist': 1}: frist: unknown key; did you mean 'fir",
    ),
    (
        {"record": {"epochs": "lin"}},
        "record.epochs = 'lin': expected 'log' or a list of different epochs >= 0",
    ),
    (
        {"judging": {"match": {"train_loss": [2, 1]}}},
        "judging.match.train_loss = [2, 1]: the low end is above the high end",
    ),
    ({"judging": {"match": {"train_loss": 3}}}, "judging.match.train_loss = 3: expected [low, high]"),
    ({"name": "../up"}, "name = '../up': it also names the results folder, so it may have letters, "),
    ({"list": [32]}, "list[0] = 32: expected keys and values"),
    ({"zip": [{"optimizer.lr": 0.1}]}, "zip[0].optimizer.lr = 0.1: expected a list, such as [0.1]"),
    ({"base": {"model": 3}}, "base.model = 3: expected keys and values, such as {family: mlp}"),
    ({"record": {"early_stop": "yes"}}, "record.early_stop = 'yes': expected true or false (yes is text in YAML 1.2)"),
]


@pytest.mark.parametrize(("keys", "line"), BAD, ids=[line[:40] for _, line in BAD])
def test_invalid_sweep_is_refused_in_one_line(keys, line):
    with pytest.raises(BadInput) as error:
        expand(sweep(**keys))
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("base", "field", "values", "line"),
    [
        ({"init": {"scale": "he"}}, "init.scale", [1.0, 2.0], "base.init.scale = 'he': expected a number"),
        ({"init": {"scale": -1}}, "init.scale", [1.0, 2.0], "base.init.scale = -1: expected a number > 0"),
        ({"model": {"family": "mpl"}}, "model.family", ["mlp"], "base.model.family = 'mpl': unknown; did you mean"),
        ({"model": {"width": "x"}}, "model.width", [8, 16], "base.model.width = 'x': expected a whole number"),
        ({"precision": "x"}, "precision", ["float32", "float64"], "base.precision = 'x': expected float32 or float64"),
    ],
)
def test_a_value_of_the_base_that_an_axis_replaces_is_checked_too(base, field, values, line):
    with pytest.raises(BadInput, match=re.escape(line)):
        SweepSpec.parse({"name": "small", "base": base, "grid": {field: values}})
    vgg = {"model": {"family": "vgg", "depth": 3}}  # no depth of a VGG, but of others
    assert SweepSpec.parse({"name": "small", "base": vgg, "grid": {"model.depth": [11, 13]}}).axes.size == 2
    with pytest.raises(BadInput, match="model.depth = 3: expected 5, 7, 9, 11, 13, 16 or 19"):
        RunConfig.parse(vgg)
    assert SweepSpec.parse({"name": "small", "base": {"init": None}, "grid": {"init.scale": [1, 2]}}).axes.size == 2
    allowed = {"model": {"width": 8}, "init": {"scale": 0.5}, "optimizer": {"batch_size": "full"}}
    grid = {"model.width": [16, 32], "init.scale": [1, 2], "optimizer.batch_size": [8, 16]}
    assert SweepSpec.parse({"name": "small", "base": allowed, "grid": grid}).axes.size == 8


def test_overrides_apply_to_base_axes_and_other_keys():
    spec = load_spec(
        "quickstart", ["base.stop.max_epochs=5", "seeds=[2]", "grid.model.width=[16]", "grid.init.std=[null]"]
    )
    run = configs_of(spec)[0]
    assert (run.stop.max_epochs, run.seed, run.model.width, run.init.std) == (5, 2, 16, None)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seeds", "quickstart: --set seeds: expected key=value"),
        ("seeds.a=1", "quickstart: --set seeds.a=1: seeds is 10, which has no keys"),
        ("seeds=[1", "quickstart: --set seeds=[1: line 1: not YAML"),
        ("sedes=2", "quickstart: sedes: unknown key; did you mean 'seeds'?"),
        ("base.init.scale=2", "base.init.scale: init.scale is an axis of quickstart"),
        ("init.std=2", "quickstart: --set init.std=2: init.std is a field of the base; say --set base.init.std=2"),
        ("data={a: x}", "quickstart: --set data={a: x}: data is a field of the base; say --set base.data={a: x}"),
        ("model.width=9", "quickstart: --set model.width=9: model.width is an axis; say --set grid.model.width=[9]"),
    ],
)
def test_invalid_override_is_refused_in_one_line(override, line):
    with pytest.raises(BadInput) as error:
        load_spec("quickstart", [override])
    assert str(error.value).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\ngrid:\n  init.scale: [1]\n  init.scale: [2]\n", "line 4: key 'init.scale' is given twice"),
        ("name: [", "line 1: not YAML"),
        ("", "holds no sweep; `bth init NAME` writes one"),
        ("- name", "a sweep is a mapping"),
        ("name: \x00", "not YAML"),
    ],
)
def test_invalid_file_is_refused_with_name_and_line(tmp_path, text, line):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadInput) as error:
        load_spec(str(tmp_path / "bad.yaml"))
    assert str(error.value).startswith(f"{tmp_path}/bad.yaml: {line}")


def test_missing_sweep_is_refused_with_the_most_similar_name():
    with pytest.raises(BadInput, match="quickstrt: no such file or bundled sweep; did you mean 'quickstart'?"):
        load_spec("quickstrt")


def test_yaml_scalars_follow_version_1_2():
    values = yaml_text.loads("[1e-3, 1E5, .5, 3, on, yes, true, null, ~, .inf, 2024-01-01, '1e-3']")
    assert values == [0.001, 1e5, 0.5, 3, "on", "yes", True, None, None, float("inf"), "2024-01-01", "1e-3"]
    assert yaml_text.loads(yaml_text.dumps(values)) == values


def test_sweep_is_unchanged_by_writing_and_reading(tmp_path):
    spec = load_spec("quickstart", ["list=[{optimizer.lr: 1e-5}]"])
    (tmp_path / "sweep.yaml").write_text(yaml_text.dumps(spec.model_dump()))
    assert run_ids(load_spec(str(tmp_path / "sweep.yaml"))) == run_ids(spec)


def test_recorded_epochs_include_the_last_epoch():
    assert RecordConfig().epochs_until(9) == [0, 1, 2, 4, 8, 9]
    assert RecordConfig.parse({"epochs": [3, 50]}).epochs_until(9) == [3, 9]
