"""The table that `bth plan` prints."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from benevolent.analysis.formatting import duration, quantity
from benevolent.orchestrator.estimates.prices import USUAL_SHARE
from benevolent.orchestrator.estimates.sweep_estimate import GroupEstimate, SweepEstimate
from benevolent.trainables import data

#: Groups with a row of their own; the others share the last row.
GROUPS_SHOWN = 12
NUMERIC_COLUMNS = ("parameters", "runs", "cohorts", "runs per\ncohort", "memory per\ncohort", "disk")


def plan_table(estimate: SweepEstimate) -> RenderableType:
    """Return an estimate for a terminal: a row for each group of runs that may share cohorts, and totals."""
    groups = list(estimate.groups[:GROUPS_SHOWN])
    rest = estimate.groups[GROUPS_SHOWN:]
    if rest:
        groups.append(_united(rest))
    title = f"plan of {escape(estimate.name)}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("network")
    table.add_column("phases")
    for heading in NUMERIC_COLUMNS:
        table.add_column(heading, justify="right")
    for group in groups:
        table.add_row(*_cells(group))
    return Group(table, "\n".join(_totals(estimate)))


def _cells(group: GroupEstimate) -> list[str]:
    network = "\n".join([group.network, *group.distinguishing_fields])
    counts = (group.parameters, group.runs, group.cohorts, group.cohort_size)
    sizes = (group.memory_bytes, group.disk_bytes)
    return [escape(network), group.phases, *(f"{count:,}" for count in counts), *map(decimal, sizes)]


def _totals(estimate: SweepEstimate) -> list[str]:
    """Return the lines below the table."""
    count = len(estimate.replicates.numbers)
    replicates = quantity(count, "replicate")
    if estimate.replicates.shared:
        replicates = quantity(count, "seed") + " that all share"
    configurations = quantity(estimate.configurations, "configuration")
    runs = f"{quantity(estimate.runs, 'run')} ({configurations} x {replicates})"
    if estimate.known:
        runs += f", {estimate.known:,} of them planned or trained already"
    if estimate.parents:
        runs += f" + {quantity(estimate.parents, 'parent or teacher run')}"
    if estimate.repeated:
        runs += f", {estimate.repeated:,} of them of these configurations, with the seeds of what they are needed for"
    memory = decimal(estimate.memory_bytes)
    disk = decimal(estimate.disk_bytes)
    if not estimate.keeps_parameters:
        disk += f" ({decimal(estimate.kept_bytes)} when all is measured)"
    cohorts = quantity(estimate.cohorts, "cohort")
    if estimate.cohorts > 1:
        cohorts += f", {min(estimate.slots, estimate.cohorts)} at a time"
    lines = [runs, f"{cohorts}; memory up to {memory}, disk up to {disk}"]
    lines += _times(estimate)
    if estimate.to_fetch:
        root = escape(str(data.data_root()))
        lines.append(f"missing data sets: {', '.join(estimate.to_fetch)}; bth run fetches them to {root}")
    return lines


def _times(estimate: SweepEstimate) -> list[str]:
    """Return the lines on the time of every stage."""
    training = duration(estimate.seconds)
    measuring = duration(estimate.measuring_seconds)
    report = duration(estimate.report_seconds)
    most = "at most" if estimate.can_end_before else "about"
    whole = f"all of it {most} {duration(estimate.wall_seconds(1))} on one core"
    if estimate.cores > 1:
        whole += f", {duration(estimate.wall_seconds(estimate.cores))} on {quantity(estimate.cores, 'core')}"
    if estimate.can_end_before:
        usual = duration(estimate.wall_seconds(estimate.cores, to_limits=False))
        whole += f"; about {usual} if runs that can end before their limit train {USUAL_SHARE:.0%} of it"
    start_up = duration(estimate.startup_seconds)
    stages = f"start-up {start_up}, training {training}, measuring {measuring}, judging {report}"
    return [f"time on one core: {stages}", whole]


def _united(groups: Sequence[GroupEstimate]) -> GroupEstimate:
    """Return one row for many groups: the largest network, cohort and memory, and the sums of the rest."""
    largest = {
        "cohort_size": max(group.cohort_size for group in groups),
        "parameters": max(group.parameters for group in groups),
        "memory_bytes": max(group.memory_bytes for group in groups),
    }
    summed = {
        "runs": sum(group.runs for group in groups),
        "disk_bytes": sum(group.disk_bytes for group in groups),
        "parameter_bytes": sum(group.parameter_bytes for group in groups),
    }
    network = f"... {len(groups)} more groups, each up to"
    measuring = sum(group.measuring_seconds for group in groups)
    cohort_sizes = ChainMap(*(dict(group.cohort_sizes) for group in groups))
    return replace(
        groups[0],
        network=network,
        phases="",
        cohort_sizes=cohort_sizes,
        measuring_seconds=measuring,
        distinguishing_fields=(),
        **largest,
        **summed,
    )
