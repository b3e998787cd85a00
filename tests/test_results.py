"""Results as tables: what a run had shown by an epoch, networks read back, and nothing a stranger wrote is run."""

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import judge, load_results
from orchestrator.folder import check_records, prepare, wanted
from orchestrator.measure_pool import unmeasured
from orchestrator.planning import plan
from orchestrator.spec import SweepSpec
from trainables import data
from trainables.errors import BadInput
from trainables.manifest import Manifest
from trainables.storage import Folder

SMALL = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}


@pytest.fixture
def results(cohort, tmp_path):
    """Two runs of five epochs, and one that stops after the first."""
    stops = ({"train_loss": None, "max_epochs": 5}, {"train_loss": None, "max_epochs": 5}, {"train_loss": 9.0})
    cohort("c", [SMALL | {"seed": seed, "stop": stop} for seed, stop in enumerate(stops)]).train()
    return load_results(tmp_path)


def test_an_early_table_knows_nothing_of_what_came_later(results):
    early, late = results.table(at=2).set_index("run_id"), results.table().set_index("run_id")
    going = late.index[late["epoch"] == 5]
    outcomes = results.outcomes.query("step == 4 and split == 'validation' and name == 'loss'").set_index("run_id")
    pd.testing.assert_series_equal(early.loc[going, "validation_loss"], outcomes.loc[going, "value"], check_names=False)
    assert (early.loc[going, "validation_loss"] != late.loc[going, "validation_loss"]).all()
    assert (early["test_loss"] == late["test_loss"]).all() and not {"epoch", "step"} & set(early)
    stopped = late.index[late["epoch"] == 1]
    assert early.loc[stopped, ["path_length", "train_loss"]].isna().all(axis=None)


@pytest.mark.parametrize("epoch", [3, 5, 1000])
def test_an_epoch_at_which_nothing_was_recorded_is_refused(results, epoch):
    with pytest.raises(BadInput, match=f"at = {epoch}: recorded epochs are 0, 1, 2, 4"):
        results.table(at=epoch)


def test_a_network_read_back_gives_the_loss_in_the_tables(results):
    run = results.runs.iloc[0]
    test = data.load(results.config(run.run_id).data).test
    loss = torch.nn.functional.cross_entropy(results.network(run.run_id)(test.inputs), test.labels)
    assert loss.item() == pytest.approx(run.test_loss, rel=1e-6)


def test_only_cohorts_of_the_present_sweep_are_trained_and_measured(tmp_path, cohort):
    spec = SweepSpec.parse({"name": "mine", "base": SMALL, "seeds": 2})
    results = Folder(tmp_path)
    prepare(results, spec, plan(spec))
    cohort("foreign", [SMALL | {"seed": 9, "stop": {"max_epochs": 1}}]).train()
    todo, done = wanted(results, spec)
    assert [len(manifest.configs) for manifest in todo] == [2] and done == []
    assert unmeasured(results, done, None, True) == []


def test_a_module_path_that_is_no_network_is_refused_before_it_is_called(tmp_path):
    from trainables import models

    marker = tmp_path / "called"
    with pytest.raises(BadInput, match="no class of torch.nn.Module"):
        models.module((4,), 2, path="subprocess:getoutput", arguments={"cmd": f"touch {marker}"})
    assert not marker.exists()


def test_records_that_were_not_asked_for_in_time_are_refused(tmp_path):
    results, values = Folder(tmp_path), {"name": "mine", "base": SMALL, "seeds": 2}
    prepare(results, SweepSpec.parse(values), plan(SweepSpec.parse(values)))
    check_records(results, SweepSpec.parse(values))
    with pytest.raises(BadInput, match="trained with other records"):
        check_records(results, SweepSpec.parse(values | {"record": {"epochs": [1, 3]}}))
    assert all(Manifest.read(results, name).record.epochs is None for name in results.names("cohorts"))


def test_runs_that_differ_in_more_than_axes_and_seed_are_not_judged():
    random = np.random.default_rng(0)
    grid = [(width, fraction, seed) for width in (1, 2) for fraction in (0, 0.5) for seed in range(3)]
    table = pd.DataFrame(grid, columns=["model.width", "prune.fraction", "seed"])
    table["p"], table["test_loss"] = random.normal(size=(2, len(table)))
    with pytest.raises(BadInput, match="12 runs share all axes and the seed .* prune.fraction"):
        judge(table, "test_loss", ["model.width"])
