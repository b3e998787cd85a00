"""The tables of one or more results folders as DataFrames, also while the sweep still runs."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benevolent.analysis.cohort_parts import Cohorts, results_folders
from benevolent.analysis.column_names import FOLDERS
from benevolent.analysis.planned_runs import planned_runs, wanted_runs, watched_roles
from benevolent.analysis.wide_table import as_known_at, ends_of, last_outcomes, places_at_epoch, predictors_at
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.run import RunConfig, RunSections
from benevolent.trainables.errors import BadInput, located_in
from benevolent.trainables.lazy_torch import nn, torch
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.store.statuses import MEASURE_ERROR, Role
from benevolent.trainables.store.table_schemas import MEASURE_COLUMNS, PARTS

#: Columns of the long tables.
COLUMNS = {
    "dynamics": PARTS["dynamics"].names,
    "outcomes": PARTS["outcomes"].names,
    "measures": MEASURE_COLUMNS.names,
}


@checked_arguments
def load_results(
    where: str | Path | Folder | Sequence[str | Path | Folder],
    trust: bool = False,
    measures: Collection[str] | None = None,
    last_plan_only: bool = False,
) -> Results:
    """Return the tables of a results folder, or of several as one.

    Args:
        where: a local path or a URI of any pyarrow file system; or a list of them.
        trust: allow `network` to import modules that the results name. Only for results you made or know.
        measures: names of the measures to read, as the tables have them; all by default.
        last_plan_only: leave out the runs that the last plan of their folder no longer wants, such as those of a spec
            that was changed since.

    Raises:
        BadInput: a folder holds no results, or a file is damaged.
    """
    return Results(results_folders(where), trust, measures, last_plan_only)


class Results:
    """Tidy tables, read once and kept; make a new one to see what has landed since.

    Attributes:
        runs: one row per run: `run_id`, `cohort_id`, `role`, `status`, where it stopped, its `configuration` (equal for
            replicates), `lineage`, `replicate`, `parent` and `teacher` (run ids), every field of its configuration as
            a dotted column (of a run that `watch` has recorded, every name of the `config` that its user gave), and its
            last outcomes. `status` is `converged`, `limit` or `diverged` for runs that have ended, `failed` if its
            cohort failed, else `to do`.
        dynamics: `run_id, phase, step, epoch, name, value`.
        outcomes: `run_id, phase, step, split, name, value`.
        measures: `run_id, phase, step, name, index, value, status, seconds, version`, and the `traceback` of an error.
    """

    @checked_arguments
    def __init__(
        self,
        folders: Sequence[Folder],
        trust: bool = False,
        only_measures: Collection[str] | None = None,
        last_plan_only: bool = False,
    ) -> None:
        self.folders = list(folders)
        self.trust = trust
        self.only_measures = only_measures
        self.last_plan_only = last_plan_only

    @functools.cached_property
    def cohorts(self) -> Cohorts:
        """The cohorts that the tables are made from."""
        return Cohorts(self.folders)

    @functools.cached_property
    def runs(self) -> pd.DataFrame:
        """Return one row per run; see the class."""
        runs = self._wanted(self.cohorts.runs())
        if runs.empty:
            return pd.DataFrame()
        planned = planned_runs(self.folders, runs, self.cohorts.manifest)
        role = runs["run_id"].map(planned.set_index("run_id")["role"])
        runs = runs.assign(role=role).merge(planned.drop(columns="role"), on="run_id", how="left")
        return runs.merge(last_outcomes(self.outcomes, runs), on="run_id", how="left")

    @functools.cached_property
    def planned(self) -> pd.DataFrame:
        """Return the runs that are wanted now, as the last plan of each folder has them; see `orchestrator.plan`.

        Runs that `watch` has recorded have no plan: of them there are `run_id` and `role`.
        """
        of_plans = wanted_runs(self.folders)
        watched = watched_roles(self.cohorts.manifests)
        if watched.empty:
            return of_plans
        return watched if of_plans.empty else pd.concat([of_plans, watched], ignore_index=True)

    def _wanted(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the runs that are read: of all, or of those that the last plan wants."""
        if not self.last_plan_only:
            return table
        return table[table["run_id"].isin(self.planned["run_id"])].reset_index(drop=True)

    @functools.cached_property
    def dynamics(self) -> pd.DataFrame:
        """Statistics of the training path, long."""
        return self._wanted(self.cohorts.table("dynamics", COLUMNS["dynamics"]))

    @functools.cached_property
    def outcomes(self) -> pd.DataFrame:
        """Loss, its variance and error on every split, long."""
        return self._wanted(self.cohorts.table("outcomes", COLUMNS["outcomes"]))

    @functools.cached_property
    def measures(self) -> pd.DataFrame:
        """Measures of checkpoints, long; of several versions the highest, of an error and a value the value."""
        frame = self._wanted(self.cohorts.measures(COLUMNS["measures"]))
        if self.only_measures is not None:
            frame = frame[frame["name"].isin(list(self.only_measures))].copy()
        frame["failed"] = frame["status"].astype(str).str.startswith(MEASURE_ERROR)
        key = ["run_id", "phase", "step", "name", "index"]
        frame = frame.sort_values([*key, "failed", "version"], ascending=[True] * 5 + [False, True])
        return frame.drop_duplicates(key, keep="last").drop(columns="failed").reset_index(drop=True)

    @checked_arguments
    def table(self, at: float | None = None, *, parents: bool = False) -> pd.DataFrame:
        """Return one row per run: configuration, outcomes and every predictor.

        Args:
            at: read every predictor after this many epochs of the last phase, train and validation outcomes among
                them (0.25: after a quarter of the first, where that step was recorded); by default at the run's end.
                Test outcomes and gaps are always those of the end. Runs that had stopped by then have missing
                predictors.
            parents: include the runs of role `parent`, which no axis of the sweep names: others start from them or
                have labels from them. They are not points of the grid, so they are not judged; `analysis.multi_run`
                asks for those that pruned and reset runs come from.

        Returns:
            the columns of `runs`, and a column per dynamics statistic and measure. A measure with several values per
            network has columns `name[index]`. `table.attrs["folders"]` says where its runs are.

        Raises:
            BadInput: nothing was recorded at this epoch, or a measure has the name of another column.
        """
        runs = self.runs
        if runs.empty:
            return runs
        if not parents:
            runs = runs[runs["role"] != Role.PARENT].reset_index(drop=True)
        if at is None:
            places = ends_of(runs)
        else:
            places = places_at_epoch(self.dynamics, runs, at)
            runs = as_known_at(runs, self.outcomes, places)
        dynamics, measures = self.dynamics, self.measures  # whose own errors name a file
        with located_in(self.folders[0].uri):
            predictors = predictors_at(dynamics, measures, places, runs.columns)
        table = runs.merge(predictors, on="run_id", how="left")
        table.attrs[FOLDERS] = [folder.uri for folder in self.folders]
        return table

    @property
    def plot(self) -> Any:
        """Plots for a notebook: `results.plot.scatter("path_length", "test_loss", color="init.scale")`.

        Also `.curves()` and `.early()`. Each is shown where it is the last line of a cell, and has `.save("name.pdf")`.
        """
        plots = importlib.import_module("benevolent.analysis.result_plots")  # above this module, since it judges
        return plots.ResultPlots(self)

    def configurations(self) -> pd.DataFrame:
        """Return one row per configuration: what its replicates share, and mean and deviation of every outcome.

        Returns:
            `configuration`, `lineage`, the fields that differ between configurations, and the columns of
            `configuration_table`: `replicates` (runs that have ended), the number of runs of each status, and
            `<outcome>` and `<outcome>_sd` at the end of the last phase, for `test_loss`, `test_error` and so on. The
            configuration with the smallest mean test loss is first. Runs of role `parent` are left out.
        """
        from benevolent.analysis.configuration_table import configuration_table, outcome_columns

        runs = self.runs
        if runs.empty:
            return pd.DataFrame()
        named = runs[runs["role"] != Role.PARENT]
        fields = ["lineage", *self.differing_fields()]
        return configuration_table(named, ["configuration"], outcome_columns(named), fields=fields)

    def differing_fields(self) -> list[str]:
        """Return the fields that differ between configurations; runs of role `parent` do not count."""
        from benevolent.analysis.configuration_table import has_several_values

        runs = self.runs
        if runs.empty:
            return []
        named = runs[runs["role"] != Role.PARENT]
        own = self.cohorts.watched_fields
        return [name for name in named if ("." in name or name in own) and has_several_values(named[name])]

    @checked_arguments
    def config(self, run_id: str) -> RunConfig:
        """Return the configuration of a run; `BadInput` if there is no such run."""
        return self.cohorts.find(run_id)[2]

    @checked_arguments
    def network(self, run_id: str, step: int | None = None) -> nn.Module:
        """Return the trained network as an ordinary module, in eval mode.

        Args:
            run_id: id of the run.
            step: the step of a checkpoint in the run's last phase, or the one where it stopped, which is the default.

        Raises:
            BadInput: no such run or checkpoint, or a user's module without `trust`.
        """
        from benevolent.trainables.stack import built_network  # torch, which tables do without
        from benevolent.trainables.stack.module_calls import load_tensors

        config = self.config(run_id)
        check_trust(config, self.trust)
        tensors, _ = self._stored_network(run_id, step)
        task = data.describe(config.data)  # the data themselves need not be here
        module = built_network.for_run(config, task).module
        module.to(getattr(torch, config.precision))
        load_tensors(module, tensors)  # some buffers, as counts of batches, are not stored
        return module.eval()

    @checked_arguments
    def masks(self, run_id: str, step: int | None = None) -> dict[str, torch.Tensor]:
        """Return the pruning masks of a trained network.

        Args:
            run_id: id of the run.
            step: as for `network`.

        Returns:
            `name -> (...)` for every weight of a pruned network, by the names of `network(run_id).state_dict()`:
            booleans, False where the weight was pruned. A weight that happens to be zero is not pruned. Empty for a
            network that was not pruned.

        Raises:
            BadInput: no such run or checkpoint.
        """
        return self._stored_network(run_id, step)[1]

    def _stored_network(self, run_id: str, step: int | None) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the tensors and the masks of a run at a step of its last phase, or at its end."""
        folder, cohort_id, config = self.cohorts.find(run_id)
        files = CohortFiles(folder, cohort_id)
        phase = config.phases[-1].name
        names = files.final_files()
        checkpoint = None if step is None else files.checkpoint(phase, step)
        if checkpoint is not None:
            names = [checkpoint, *names]
        for name in names:
            stored = read_parameters(files.folder, name)
            if run_id not in stored.run_ids:
                continue
            row = stored.run_ids.index(run_id)
            kept_phase = stored.metadata["phase"][row]
            kept_step = stored.metadata["step"][row]
            if step is None or (kept_phase, kept_step) == (phase, step):
                return stored.network(row)
        place = "its end" if step is None else f"step {step}"
        raise BadInput(f"run {run_id}: no parameters were kept at {place}")


def check_trust(config: RunSections, trust: bool) -> None:
    """Refuse to import a module that results name, unless the user trusts them."""
    for run in (config, config.teacher):
        path = None if run is None else getattr(run.model, "path", None)
        if path is not None and not trust:
            raise BadInput(f"model.path = {path!r}: results name this module; it is imported only with trust (--trust)")
