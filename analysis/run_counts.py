"""Number of runs of each role and status, for `bth status`: no table of pandas is made, whose import takes longer."""

from collections import Counter

from benevolent.analysis.cohort_parts import Cohorts
from benevolent.trainables.store.plan_files import tables_of_runs

#: Role of runs that an earlier plan asked for, and the last one does not.
NOT_PLANNED = "no longer planned"


def count_runs(cohorts: Cohorts) -> Counter[tuple[str, str]]:
    """Return how many runs there are of each role and status.

    Args:
        cohorts: of the results folders; the role of a run is that of the last plan, which may not want it any more.
    """
    roles = _roles(cohorts)
    counts: Counter[tuple[str, str]] = Counter()
    for run_id, status in cohorts.statuses().items():
        counts[roles.get(run_id, NOT_PLANNED), status] += 1
    return counts


def _roles(cohorts: Cohorts) -> dict[str, str]:
    """Return the roles of the runs that are wanted now; all that `watch` has recorded are, and are in no plan."""
    roles: dict[str, str] = {}
    for manifest in cohorts.manifests:
        if manifest.watched:
            roles[manifest.runs[0].run_id] = manifest.runs[0].role
    for folder in cohorts.results:
        for plan in tables_of_runs(folder, last_only=True):
            roles |= zip(plan["run_id"].to_pylist(), plan["role"].to_pylist(), strict=True)
    return roles
