"""Rows of `bth list columns`: every column of the tables that users read, with unit, meaning and source."""

from collections.abc import Iterator

Row = tuple[str, str, str, str]

#: Columns of a table of runs that are no field, outcome, statistic of the path or measure: unit and meaning.
OF_RUNS: dict[str, tuple[str, str]] = {
    "run_id": ("hash", "Of everything that decides the run's result."),
    "configuration": ("hash", "Of the run's configuration without its seed; equal for replicates."),
    "lineage": ("hash", "Configuration that parents and teachers lead back to; runs of one lineage share their seeds."),
    "replicate": ("number", "Of the run among those of its configuration."),
    "seed": ("number", "Of everything that is drawn for the run."),
    "status": ("word", "converged, limit, diverged, failed, or to do."),
    "role": ("word", "run, or parent: trained since another run starts from it, or learns its labels."),
    "parent": ("hash", "Run whose weights the run starts from, if it starts from another one's."),
    "teacher": ("hash", "Run whose labels the run learns, if it learns another one's."),
    "cohort_id": ("hash", "The cohort that the run is read from; its folder has the files."),
    "phase": ("word", "Of training, in which the run stopped: pretrain, train, prune1, ..."),
    "step": ("steps", "Of its last phase, at which the run stopped."),
    "epoch": ("epochs", "Of its last phase, at which the run stopped; 1.25 is a quarter into the second epoch."),
    "seconds": ("s", "For which the run was trained: its share of its stack's."),
    "train_loss": ("loss", "As test_loss, on the training split."),
    "train_error": ("fraction", "As test_error, on the training split."),
    "validation_loss": ("loss", "As test_loss, on the validation split."),
    "validation_error": ("fraction", "As test_error, on the validation split."),
    "test_loss_variance": ("loss^2", "Of the loss over the examples of the split; also of the other splits."),
    "test_brier_variance": ("number", "Of the Brier score over the examples of the split."),
}
#: Columns of `results.dynamics`, `.outcomes` and `.measures`, one row per number.
OF_LONG_TABLES: dict[str, tuple[str, str]] = {
    "name": ("word", "In dynamics, outcomes and measures: which number the row has."),
    "value": ("its own", "In dynamics, outcomes and measures: the number."),
    "split": ("word", "In outcomes: train, validation or test."),
    "index": ("number", "In measures: component of a vector, from 0; `name[0]`, ... in a table of runs."),
    "traceback": ("text", "In measures: where an error came up, if the status is `error`."),
    "version": ("number", "In measures: version of the formula."),
}
#: Units by the endings of names; the first that fits counts. Others are in the meaning, or a number has none.
UNITS = {
    "early_stop_epoch": "epochs",
    "epochs_to_target": "epochs",
    "epochs_to_low_loss": "epochs",
    "test_brier": "0 to 2",
    "test_nll": "nats",
    "loss_gap": "loss",
    "gap": "fraction",
    "ece": "fraction",
    "error": "fraction",
    "accuracy": "fraction",
    "loss": "loss",
    "path_length": "of weights",
    "path_length_from_init": "of weights",
    "distance_from_init": "of weights",
    "parameter_count": "number",
}
#: Beginnings that change a unit.
LOGARITHM = "log_"


def unit_of(name: str) -> str:
    """Return the unit of a predictor or an outcome; empty if its meaning says it, or there is none.

    >>> unit_of("test_error_noise_3"), unit_of("validation_loss"), unit_of("log_spectral_product"), unit_of("sharpness")
    ('fraction', 'loss', 'natural logarithm', '')
    """
    if name.startswith(LOGARITHM):
        return "natural logarithm"
    if name.startswith("test_error_"):
        return "fraction"
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return unit
    return ""


def column_rows() -> Iterator[Row]:
    """Yield (column, unit, meaning, source): of runs, of their configuration, outcomes, the path, and measures."""
    from benevolent.analysis.measures.registry import MEASURES
    from benevolent.analysis.outcome_names import outcomes
    from benevolent.orchestrator.cli.field_list import field_rows
    from benevolent.orchestrator.spec.axes import FIELDS
    from benevolent.trainables.training.dynamics_names import DYNAMICS

    for name, about in (OF_RUNS | OF_LONG_TABLES).items():
        yield name, *about, ""
    meanings: dict[str, str] = {}
    for field, meaning, _ in field_rows():
        meanings.setdefault(field.strip(), meaning)
    for field in FIELDS:
        yield field, "", f"Field of the configuration. {meanings.get(field, '')}".rstrip(), ""
    of_outcomes = outcomes()
    for name, (meaning, source) in of_outcomes.items():
        yield name, unit_of(name), meaning, source
    for name, (meaning, source) in DYNAMICS.items():
        yield name, unit_of(name), f"Statistic of the training path: {meaning}.", source
    for name, measure in MEASURES.items():
        if name not in of_outcomes:
            yield name, unit_of(name), f"Measure of the trained network: {measure.description}.", measure.source
    yield "sharpness#2, ...", "", "Further draws of measures that draw random numbers, with record.draws.", ""
