"""Types of the tables in a results folder: declared once, so that files written apart can be read together."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.measures.registry import MEASURES
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.table_schemas import MEASURE_COLUMNS, PARTS, planned_runs

SMALL = {"data": {"train_size": 60, "validation_size": 20, "test_size": 50}, "model": {"width": 8, "depth": 2}}


def planned(**keys) -> pa.Table:
    spec = SweepSpec.parse({"name": "mine", "base": SMALL, "seeds": 2} | keys)
    return planned_runs(expand(spec).runs)


def test_any_parts_of_a_table_can_be_read_together_with_plain_pandas(cohort):
    stop = {"train_loss": None, "max_epochs": 3}
    trained = cohort("c", [SMALL | {"stop": stop, "seed": seed} for seed in range(2)])
    while not trained.start(save_every_seconds=0).advance(1e-6).done:
        pass
    for table in paths.TABLES:
        folder = Path(trained.files.folder.root) / table
        schemas = [pq.read_schema(part).remove_metadata() for part in sorted(folder.iterdir())]
        assert schemas and all(schema == PARTS[table] for schema in schemas)
        assert len(pd.read_parquet(folder)) == len(trained.table(table))
    assert len(list((Path(trained.files.folder.root) / "dynamics").iterdir())) > 1


def test_every_file_of_measures_has_the_declared_columns_with_and_without_errors(cohort, monkeypatch):
    trained = cohort("c", [SMALL | {"stop": {"train_loss": None, "max_epochs": 1}}]).train()
    final = trained.files.parameter_files()[-1]

    def sharpness(network):
        raise RuntimeError("no value")

    monkeypatch.setitem(MEASURES, "sharpness", replace(MEASURES["sharpness"], function=sharpness))
    for measure in ("path_norm", "sharpness"):
        job = ExistingMeasures(trained.results).missing("c", final, [measure])
        measure_file(trained.results, job)
    tables = [trained.results.read_table(f"{paths.MEASURES}/{name}") for name in trained.results.names(paths.MEASURES)]
    assert len(tables) == 2 and all(table.schema == MEASURE_COLUMNS for table in tables)
    assert {table["traceback"].null_count for table in tables} == {0, 1}


def test_every_column_of_a_plan_has_one_type_whatever_the_values_are():
    plain = planned().schema
    for keys in (
        {"grid": {"prune.fraction": [0, 0.5]}},
        {"base": SMALL | {"data": {"name": "cifar10", "classes": "3|6"}, "stop": {"max_steps": 5}}},
        {"base": SMALL | {"labels": {"source": {"data.train_size": 60}}}},
    ):
        other = planned(**keys).schema
        assert other == plain
    assert not any(pa.types.is_null(kind) or pa.types.is_dictionary(kind) for kind in plain.types)


def test_fields_of_every_family_have_the_types_of_their_values():
    for family in ("mlp", "puzzles_cnn", "lenet5"):
        base = {"data": {"name": "mnist"}, "model": {"family": family}}
        flat = RunConfig.parse(base).flat()
        first = planned(base=base).drop_columns(["run_id", "seed"]).to_pylist()[0]
        for name in flat.keys() & first.keys():
            assert first[name] == flat[name] and type(first[name]) is type(flat[name]), name


def test_a_plan_that_is_asked_for_again_is_not_written_again(tmp_path):
    spec = SweepSpec.parse({"name": "mine", "base": SMALL, "seeds": 2})
    for _ in range(2):
        prepare_anew(Folder(tmp_path), spec)
    assert Folder(tmp_path).names(paths.PLAN) == ["cohorts-00001.parquet", "runs-00001.parquet"]
