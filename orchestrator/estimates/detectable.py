"""Smallest effects that the verdicts of a sweep would find, stated before anything is trained."""

import itertools
import math
from typing import NamedTuple

from rich import box
from rich.table import Table

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.detectable_effect import (
    detectable_effect,
    detectable_gain,
    lineages_for_negligible,
    replicates_for,
    replicates_for_negligible,
)
from benevolent.analysis.formatting import number, quantity
from benevolent.analysis.judging.decision_rule import (
    MINIMUM_LINEAGES,
    SMALL_CORRELATION,
    SMALL_GAIN,
    design_lacks_beyond,
)
from benevolent.analysis.judging.predictors import BASELINES
from benevolent.analysis.measures.measure import name_from_path
from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.plan.plan import Plan
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.dynamics_names import DYNAMICS

#: R2 of the hyperparameters alone for which a detectable gain is stated.
BASELINE_R2 = (0.5, 0.8, 0.95)
#: First part of the names of dynamics that only runs with `record.early_stop` have.
EARLY_STOP = "early_stop"


class Design(NamedTuple):
    """Numbers of a sweep that determine what its verdicts can show.

    Attributes:
        replicates: number of replicates of each configuration.
        configurations: number of configurations that the sweep names.
        lineages: number of their lineages.
        shares_seeds: all configurations have the same seeds.
        predictors: number of predictors that are judged together.
    """

    replicates: int
    configurations: int
    lineages: int
    shares_seeds: bool
    predictors: int

    @classmethod
    def of(cls, plan: Plan, record: RecordConfig) -> "Design":
        """Return the design of a planned sweep.

        Args:
            plan: of the sweep.
            record: its records, which determine the predictors.
        """
        named = plan.configurations.lineages[: plan.configurations.named]
        return cls(
            replicates=len(plan.replicates.numbers),
            configurations=len(named),
            lineages=len(set(named.tolist())),
            shares_seeds=plan.replicates.shared,
            predictors=len(predictors_of(record)),
        )

    @property
    def lacks_beyond(self) -> str:
        """Name what the design lacks for a test of any association within configurations; empty if nothing."""
        freedom = self.configurations * (self.replicates - 1)
        if self.shares_seeds:
            return design_lacks_beyond(freedom, self.replicates, math.inf)
        arrangements = self.lineages * math.lgamma(self.replicates + 1) / math.log(10)
        return design_lacks_beyond(freedom, math.nan, arrangements)

    def effects(self) -> tuple[float, float]:
        """Return the smallest rank correlations within configurations that are found.

        Returns:
            if equal seeds have unrelated effects in two configurations, and if they have the same effect.
        """
        blocks, size = self._blocks
        unrelated = detectable_effect(self.replicates, blocks, size, self.predictors, shared_luck=0)
        related = detectable_effect(self.replicates, blocks, size, self.predictors, shared_luck=1)
        return unrelated, related

    def replicates_for(self, effect: float) -> tuple[int, int]:
        """Return how many replicates it takes to find a rank correlation; the pair is as in `effects`.

        They are no fewer than the rule of verdicts asks for.

        Raises:
            BadInput: the effect is not between 0 and 1, or takes more than a million replicates.
        """
        blocks, size = self._blocks
        try:
            unrelated = replicates_for(effect, blocks, size, self.predictors, shared_luck=0)
            related = replicates_for(effect, blocks, size, self.predictors, shared_luck=1)
        except ValueError as error:
            raise BadInput(f"--for {effect:g}: {str(error).partition(': ')[2]}") from None
        fewest = next(count for count in itertools.count(2) if not self._replace(replicates=count).lacks_beyond)
        return max(unrelated, fewest), max(related, fewest)

    def replicates_for_negligible(self) -> tuple[int, int]:
        """Return how many replicates show the correlation of a predictor without effect to be small, as `effects`."""
        blocks, size = self._blocks
        return (
            replicates_for_negligible(blocks, size, shared_luck=0),
            replicates_for_negligible(blocks, size, shared_luck=1),
        )

    @property
    def _blocks(self) -> tuple[int, float]:
        """The sets of configurations with the same seeds: how many, and how many configurations each has."""
        if self.shares_seeds:
            return 1, self.configurations
        return self.lineages, self.configurations / self.lineages


def detectable_table(design: Design, effect: float | None = None) -> Table:
    """Return for a terminal what a design can show, one claim a row.

    Args:
        design: of the sweep.
        effect: say how many replicates this rank correlation takes.

    Raises:
        BadInput: as `Design.replicates_for`.
    """
    title = f"smallest effects found with 80% power, for one true predictor among {design.predictors}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_row("beyond the hyperparameters", _within_text(design))
    table.add_row("transfers to new configurations", _transfer_text(design))
    table.add_row("negligible", _negligible_text(design))
    if effect is not None:
        needed = _replicates_text(design.replicates_for(effect))
        table.add_row(f"|ρ| = {effect:g} beyond", f"takes {needed}; the sweep has {design.replicates}")
    return table


def _within_text(design: Design) -> str:
    if design.replicates < 2:
        return "none: one replicate does not vary within its configuration"
    if design.lacks_beyond:
        return f"undecided: lacks {design.lacks_beyond}"
    unrelated, related = design.effects()
    text = f"rank correlation |ρ| = {number(unrelated)} within configurations"
    if unrelated == related:
        return text
    largest = number(related) if related < 1 else "none"
    return f"{text}; {largest} if a seed has the same effect in {_sharing(design)}"


def _transfer_text(design: Design) -> str:
    if design.shares_seeds:
        return "never claimed where all configurations share their seeds"
    if design.lineages < MINIMUM_LINEAGES:
        meaning = "a lineage is a configuration, with those that start from its networks"
        return f"undecided: {_lineages_text(design)}; {meaning}"
    gains = []
    for r2 in BASELINE_R2:
        gain = detectable_gain(design.lineages, design.predictors, baseline_r2=r2)
        gains.append(f"{number(gain)} (R² {r2:g})")
    return f"gain of R² = {', '.join(gains)}, by the R² of the hyperparameters alone"


def _negligible_text(design: Design) -> str:
    if design.shares_seeds:
        return "never said where all configurations share their seeds"
    if design.lineages < MINIMUM_LINEAGES:
        return f"undecided: {_lineages_text(design)}"
    needed = _replicates_text(design.replicates_for_negligible())
    lineages = [f"{lineages_for_negligible(r2):,} (R² {r2:g})" for r2 in BASELINE_R2]
    gain = f"a gain below {SMALL_GAIN:g} takes at most as many lineages: {', '.join(lineages)}"
    return f"a correlation below {SMALL_CORRELATION:g} takes {needed}; {gain}"


def _lineages_text(design: Design) -> str:
    return f"{quantity(design.lineages, 'lineage')} (at least {MINIMUM_LINEAGES})"


def _sharing(design: Design) -> str:
    return "all configurations" if design.shares_seeds else "configurations of one lineage"


def _replicates_text(counts: tuple[int, int]) -> str:
    unrelated, related = counts
    if unrelated == related:
        return f"{unrelated:,} replicates"
    return f"{unrelated:,} replicates; {related:,} if a seed has the same effect in all"


def predictors_of(record: RecordConfig) -> set[str]:
    """Return the predictors that the report of a sweep judges; a user's own measures are not imported."""
    dynamics = [name for name in DYNAMICS if record.early_stop or not name.startswith(EARLY_STOP)]
    registered = [name for name in record.names if name not in record.own_measures]
    measures = [measure.name for measure in select(registered) if measure.split != "test"]
    own = [name_from_path(path) for path in record.own_measures]
    return {*dynamics, *measures, *(name for name in own if not is_test_derived(name)), *BASELINES}
