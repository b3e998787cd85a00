"""Compatibility of sections, asked once for each distinct combination of the fields that a rule reads."""

import functools

import numpy as np

from benevolent.orchestrator.plan.configurations import Configurations, grouped
from benevolent.orchestrator.plan.lineages import NONE
from benevolent.orchestrator.plan.section_table import Codes
from benevolent.orchestrator.spec.axes import section_of
from benevolent.trainables.compatibility import RULES, Candidate, Rule
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput


def check_configurations(configurations: Configurations, record: RecordConfig) -> None:
    """Ask every rule of `trainables.compatibility` about all configurations.

    A rule is asked about one configuration for each distinct combination of the fields that it reads.

    Raises:
        BadInput: a configuration that cannot be trained; the line names its place in the sweep.
    """
    config = functools.lru_cache(maxsize=1000)(configurations.config)

    def relative(row: int, relation: str) -> RunConfig | None:
        other = int(getattr(configurations, relation)[row])
        return None if other == NONE else config(other)

    for rule in RULES:
        for row in _rows_to_ask(configurations, rule).tolist():
            candidate = Candidate(config(row), record, functools.partial(relative, row))
            if line := rule.refusal(candidate):
                raise BadInput(configurations.located(line, row))


def _rows_to_ask(configurations: Configurations, rule: Rule) -> Codes:
    """Return one row for each distinct combination of the fields that a rule reads, among those it concerns."""
    rows = np.arange(len(configurations))
    if rule.only_if is not None:
        field, condition = rule.only_if
        categories = configurations.tables[section_of(field)].column(field).categories
        met = np.array([condition(value) for value in categories])
        rows = np.flatnonzero(met[configurations.codes_of(field)])
    columns = [configurations.codes_of(field)[rows] for field in rule.reads]
    _, first = grouped(columns, len(rows))
    return rows[first]


def check_arithmetic(configurations: Configurations, gpus: float) -> None:
    """Refuse arithmetic that rounds only on a GPU where a sweep trains without one.

    Args:
        configurations: of the sweep.
        gpus: `resources.gpus` of the sweep, which is no part of a run.

    Raises:
        BadInput: a configuration has `tf32` and there is no GPU.
    """
    if gpus:
        return
    categories = configurations.tables["optimizer"].column("optimizer.arithmetic").categories
    rounding = np.array([value == "tf32" for value in categories])
    rows = np.flatnonzero(rounding[configurations.codes_of("optimizer.arithmetic")])
    if len(rows):
        line = "optimizer.arithmetic = 'tf32': without a GPU it rounds nothing, and resources.gpus is 0"
        allowed = "allowed: full, bf16, or tf32 with resources.gpus above 0"
        raise BadInput(configurations.located(f"{line}; {allowed}", int(rows[0])))
