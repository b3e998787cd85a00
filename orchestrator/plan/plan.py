"""`Plan`: the table of a sweep's runs and that of its cohorts, made once for each invocation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from benevolent.orchestrator.plan.cohorts import RunArrays
from benevolent.orchestrator.plan.configurations import Configurations
from benevolent.orchestrator.plan.section_table import Codes
from benevolent.orchestrator.spec.replicates import Replicates
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store.manifest import Manifest, ManifestRun


@dataclass(frozen=True)
class Plan:
    """The runs and cohorts of a sweep.

    Attributes:
        name: of the sweep.
        record: what is recorded and measured of its runs.
        runs: one row per run, those that the sweep names first: `run_id`, `configuration` (the id without the seed),
            `lineage` (the configuration at the root: follow the parent where there is one, else the teacher; of a run
            that another one needs, the lineage of that one, whose seed it has), `replicate` (its number, or the seed
            where all configurations share their seeds), `seed`, `role` (`run`; or `parent`: no axis names it, or not
            with this seed, and others start or learn from it),
            `cohort_id`, `parent` and `teacher` (run ids, or missing), `generation` (how many runs must be trained one
            after the other before it), `flops` (arithmetic if it ends at its limits), and every dotted field as
            `RunConfig.flat` gives it. Most columns are categorical, so that a million runs fit into memory.
        cohorts: one row per cohort in the order to start them: `cohort_id`, `generation`, `runs`, `flops`, `waits_for`
            (ids of cohorts), `record` (JSON) and `new` (no manifest has it yet).
        kind: for every run, the position in `examples` of a run that costs the same and can share its cohort.
        examples: the configurations of these runs.
        arrays: arrays that the cohorts were formed by.
        configurations: the runs without their seeds, as codes.
    """

    name: str
    record: RecordConfig
    runs: pd.DataFrame = field(repr=False)
    cohorts: pd.DataFrame = field(repr=False)
    kind: Codes = field(repr=False)
    examples: Sequence[RunConfig] = field(repr=False)
    arrays: RunArrays = field(repr=False)
    configurations: Configurations = field(repr=False)

    @property
    def replicates(self) -> Replicates:
        """The replicates of every configuration."""
        return self.configurations.replicates

    @property
    def is_new(self) -> "pd.Series[bool]":
        """For every run, if its cohort is new: the run is still to be trained."""
        new = self.cohorts.loc[self.cohorts["new"], "cohort_id"]
        return self.runs["cohort_id"].isin(new)

    @property
    def new_data_sets(self) -> list[str]:
        """The names of the data sets that new cohorts read."""
        return sorted(self.runs.loc[self.is_new, "data.name"].unique())

    def new_manifests(self) -> list[Manifest]:
        """Return the manifests of the new cohorts, in the order to start them."""
        rows_of = self.runs.groupby("cohort_id", observed=True).indices
        new = self.cohorts[self.cohorts["new"]]
        return [
            self._manifest(cohort.cohort_id, rows_of[cohort.cohort_id], cohort.waits_for, cohort.record)
            for cohort in new.itertuples()
        ]

    def _manifest(self, cohort_id: str, rows: Codes, waits_for: list[str], record: str) -> Manifest:
        run_ids, roles = self.runs["run_id"], self.runs["role"]
        runs = []
        for row in rows.tolist():
            runs.append(ManifestRun(run_ids.iat[row], roles.iat[row], self.configurations.values(row)))
        return Manifest(cohort_id, tuple(runs), tuple(waits_for), RecordConfig.model_validate_json(record))
