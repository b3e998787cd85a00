"""Names in a specification that only the registries of measures and outcomes know."""

from benevolent.analysis.measures.selection import select
from benevolent.analysis.outcome_names import RECORDED_OUTCOMES, outcomes
from benevolent.orchestrator.spec.sweep_spec import JudgingConfig
from benevolent.trainables.config.common_names import meant_value
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput, did_you_mean

#: First part of the names of outcomes that need `record.early_stop`.
EARLY_STOP = "test_early_stop"


def check_names(record: RecordConfig, judging: JudgingConfig) -> None:
    """Refuse measures that do not exist, and outcomes that the sweep does not give.

    Raises:
        BadInput: a name in `record.measures` or `judging.outcomes`.
    """
    measured = {measure.name for measure in select(record.names, "record.measures")}
    known = outcomes()
    for name in judging.outcomes:
        where = f"judging.outcomes: {name!r}"
        if name not in known:
            meant = meant_value(name, known)
            raise BadInput(f"{where} is not an outcome" + did_you_mean(name, known, "bth list columns", meant))
        if name not in RECORDED_OUTCOMES and name not in measured:
            raise BadInput(f"{where} is not measured; allowed with record.measures: [default, {name}]")
        if name.startswith(EARLY_STOP) and not record.early_stop:
            raise BadInput(f"{where} is not recorded; allowed with record.early_stop: true")
