"""Error lines as a person would say them: what was probably meant, in the spelling that goes into the sweep."""

import fresh_process
import pytest

from benevolent.orchestrator.spec.axes import FIELDS
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.common_names import OTHER_NAMES
from benevolent.trainables.errors import NAMES_LISTED, BadInput, did_you_mean
from benevolent.trainables.store.folder import Folder

MEANT = [
    ({"learning_rate": 0.1}, "learning_rate: unknown key; did you mean 'base: {optimizer: {lr: 0.1}}'?"),
    ({"lr": [0.1, 1]}, "lr: unknown key; did you mean 'grid: {optimizer.lr: [0.1, 1]}'?"),
    ({"epochs": 10}, "epochs: unknown key; did you mean 'base: {stop: {max_epochs: 10}}'?"),
    ({"replicates": 3}, "replicates: unknown key; did you mean 'seeds'?"),
    ({"measures": ["all"]}, "measures: unknown key; did you mean 'record: {measures: [\"all\"]}'?"),
    ({"base": {"learning_rate": 0.1}}, "base.learning_rate: unknown key; did you mean 'optimizer: {lr: 0.1}'?"),
    ({"base": {"network": {"width": 8}}}, "base.network: unknown key; did you mean 'model'?"),
    ({"base": {"optimizer": {"learning-rate": 1}}}, "base.optimizer.learning-rate: unknown key; did you mean 'lr'?"),
    ({"base": {"data": {"label_noise": 1}}}, "base.data.label_noise: unknown key; did you mean 'label_corruption'?"),
    ({"base": {"model": {"layers": 3}}}, "base.model.layers: unknown key of family 'mlp'; did you mean 'depth'?"),
    ({"grid": {"learning_rate": [1]}}, "grid.learning_rate: unknown field; did you mean 'optimizer.lr'? `bth list"),
    ({"grid": {"model.hidden": [1]}}, "grid.model.hidden: unknown field; did you mean 'model.width'? `bth list fie"),
    ({"base": {"loss": {"name": "mse"}}}, "base.loss.name = 'mse': expected cross_entropy, logistic, squared or hin"),
    ({"base": {"optimizer": "adam"}}, "base.optimizer = 'adam': expected keys and values, such as {name: adam}"),
    ({"base": {"data": "mnist"}}, "base.data = 'mnist': expected keys and values, such as {name: mnist}"),
    ({"base": {"pretrain": True}}, "base.pretrain = True: expected keys and values, such as {epochs: 10}"),
    ({"base": {"data": {"label_corruption": 50}}}, "base.data.label_corruption = 50: expected a number <= 1; 50% is"),
    ({"base": {"model": {"width": [8, 9]}}}, "base.model.width = [8, 9]: expected a whole number; an axis of several"),
    ({"base": {"optimizer": {"schedule": 1}}}, "base.optimizer.schedule = 1: expected a list, such as [[100, 0.1], "),
    ({"base": {"model": {"family": "module"}}}, "base.model.path: missing; such as path: my_package.my_module:MyNet"),
    (
        {"name": "my sweep"},
        "name = 'my sweep': it also names the results folder, so it may have letters, ",
    ),
]


@pytest.mark.parametrize(("keys", "line"), MEANT, ids=[line[:30] for _, line in MEANT])
def test_a_wrong_key_or_value_is_answered_with_what_was_meant(keys, line):
    with pytest.raises(BadInput) as refused:
        SweepSpec.parse({"name": "demo", "grid": {"init.scale": [1, 2]}, **keys})
    assert str(refused.value).startswith(line)


def test_a_value_with_another_number_is_not_suggested():
    with pytest.raises(BadInput) as refused:
        SweepSpec.parse({"name": "demo", "base": {"precision": "float16"}})
    assert str(refused.value) == "base.precision = 'float16': expected float32 or float64"


def test_other_names_are_of_fields_that_exist():
    of_sweeps = {*SweepSpec.model_fields, "record.measures", "judging.outcomes", "resources.gpus", "resources.cpus"}
    assert {*FIELDS, *of_sweeps} >= OTHER_NAMES.keys()


def test_many_names_are_not_listed():
    names = [f"n{number}" for number in range(40)]
    assert did_you_mean("n7", names, see="bth list models") == "; did you mean 'n7'? `bth list models` shows all"
    assert did_you_mean("zzz", names).count(",") == NAMES_LISTED - 2
    assert did_you_mean("zzz", names).endswith("and 29 more")


@pytest.mark.parametrize("override", ["lr=0.1", "learning_rate=0.1"])
def test_an_override_by_another_name_is_answered_with_the_option_to_type(override):
    with pytest.raises(BadInput, match=r"unknown key; optimizer.lr is a field .* say --set base.optimizer.lr=0.1"):
        load_spec("quickstart", [override])


def test_a_folder_in_place_of_a_sweep_is_answered_with_the_command_that_goes_on(tmp_path):
    (tmp_path / "sweep.yaml").write_text("name: x\n")
    with pytest.raises(BadInput, match=f"to go on with the sweep in it: bth run {tmp_path}/sweep.yaml --out"):
        load_spec(str(tmp_path))


def test_an_empty_file_in_place_of_a_sweep_is_answered_with_the_command_that_writes_one(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    with pytest.raises(BadInput, match="holds no sweep; `bth init NAME` writes one to start from"):
        load_spec(str(tmp_path / "empty.yaml"))


def test_a_missing_results_folder_is_answered_with_one_of_a_similar_name(tmp_path):
    (tmp_path / "results" / "quickstart").mkdir(parents=True)
    with pytest.raises(BadInput, match="no such folder; did you mean .*results/quickstart"):
        Folder(tmp_path / "quikstart").check_exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("juge", "error: no such command 'juge'. Did you mean 'judge'? `bth --help` says more"),
        ("plan", "error: missing argument 'SPEC'; `bth plan --help` says more"),
        ("run quickstart --seeds 3", "error: no such option: --seeds; did you mean --set seeds=...?"),
        ("plan quickstart --lr 3", "error: no such option: --lr; did you mean --set base.optimizer.lr=...?"),
        ("export .", "error: missing option '--to'. Choose from: csv, tensorboard, mlflow, wandb; `bth export --help`"),
        ("compare one.json", "error: missing argument 'SECOND'; `bth compare --help` says more"),
        ("list measures zzz", "error: bth list measures zzz: no row has this word; `bth list measures` shows all"),
    ],
)
def test_a_wrong_command_line_is_one_line(tmp_path, words, line):
    done = fresh_process.bth(*words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(line)


def test_the_version_is_printed(tmp_path):
    assert fresh_process.bth("--version", cwd=tmp_path).stdout.startswith("bth ")
