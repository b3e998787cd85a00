"""`RecordConfig`: what a sweep writes down while and after its runs train."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from benevolent.trainables.config.base import Section

#: The fields that training reads, which a cohort's manifest keeps; the others may change at any time.
TRAINING_FIELDS = ("epochs", "also", "steps", "measure_at", "early_stop")


class RecordConfig(Section):
    """Records kept of a run; they change no result and no `run_id`.

    `epochs`: epochs of every phase at which outcomes and dynamics are recorded, a list or `log` for 0, 1, 2, 4, 8, ...
    (the same for every run, so that predictors can be compared at one epoch). The end of a phase is always recorded.
    `also`: further epochs. `steps`: steps of every phase at which the same is done, also within an epoch.

    `measures`: `default`, `all`, or a list of names; both of these may be among them, and paths
    `my_package.my_module:my_measure`. `test_error_noise_3` and its like are outcomes, errors on corrupted test images
    (`trainables.data.corrupted_images`); `test_corruptions` stands for all of them. `measure_at`: networks are measured
    as their runs end (`end`), or at every recorded place (`checkpoints`), where parameters are then kept; those of the
    start of a phase and of a run's end always are.

    `draws`: how often measures that draw random numbers are measured, each time with other ones. The first draw is the
    predictor; the others show how much of it is noise of the measurement, the ceiling "measurement noise" of a verdict.

    `early_stop`: the validation loss is evaluated whenever the stop rule is (at the start of the last phase, then as
    `stop.check_every` or `stop.check_every_steps` say), and each run gets its minimum and the first epoch that has it
    (`early_stop_loss`, `early_stop_epoch`; 1.25 is a quarter into the second epoch), and the outcomes `early_stop_loss`
    and `early_stop_error` on the test split of the network at that epoch (Frankle and Carbin 2019). The run goes on.

    `keep_parameters`: with `false`, the checkpoints and final parameters of a cohort are removed as soon as they are
    measured without an error and no unfinished run starts or learns from them. Later no further measure can be taken of
    these networks, and they train again if new runs start from them.

    `save_every_seconds`: how often a cohort writes its state, from which it goes on after a stop.
    """

    epochs: Literal["log"] | list[int] = "log"
    also: list[int] = []
    steps: list[int] = []
    measures: Literal["default", "all"] | list[str] = "default"
    measure_at: Literal["end", "checkpoints"] = "end"
    draws: Annotated[int, Field(ge=1)] = 1
    early_stop: bool = False
    keep_parameters: bool = True
    save_every_seconds: Annotated[float, Field(gt=0)] = 20.0

    @field_validator("epochs", mode="before")
    @classmethod
    def _epochs(cls, value: Any) -> Any:
        if value != "log" and not is_list_of_different_counts(value):
            raise ValueError("expected 'log' or a list of different epochs >= 0")
        return value

    @field_validator("also", "steps", mode="before")
    @classmethod
    def _counts(cls, value: Any, info: ValidationInfo) -> Any:
        if value != [] and not is_list_of_different_counts(value):
            what = "steps" if info.field_name == "steps" else "epochs"
            raise ValueError(f"expected a list of different {what} >= 0")
        return value

    @field_validator("measures", mode="before")
    @classmethod
    def _measures(cls, value: Any) -> Any:
        is_list_of_names = isinstance(value, list) and all(isinstance(name, str) for name in value)
        if value not in ("default", "all") and not is_list_of_names:
            raise ValueError("expected 'default', 'all' or a list of names")
        return value

    # ---- measures

    @property
    def names(self) -> list[str]:
        """The measures to take, as `analysis.measures.selection.select` takes them."""
        names = [self.measures] if isinstance(self.measures, str) else list(self.measures)
        further_draws = [f"#{draw}" for draw in range(2, 1 + self.draws)]
        return names + further_draws

    @property
    def own_measures(self) -> list[str]:
        """The import paths among the measures."""
        return [name for name in self.names if ":" in name]

    # ---- what is recorded while runs train

    @property
    def while_training(self) -> "RecordConfig":
        """The fields that training reads, in one spelling; the others have their defaults."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in TRAINING_FIELDS}
        for name in ("epochs", "also", "steps"):
            if isinstance(fields[name], list):
                fields[name] = sorted(fields[name])
        return RecordConfig(**fields)

    @property
    def keeps_checkpoints(self) -> bool:
        """Return True if parameters are kept at every recorded place."""
        return self.measure_at == "checkpoints"

    def is_due(self, epoch: int | float, step: int | None = None) -> bool:
        """Return True if something is recorded after so many epochs of a phase, or so many steps.

        Args:
            epoch: an integer at the end of an epoch.
            step: of the phase, if known.

        >>> [RecordConfig(steps=[3]).is_due(*place) for place in ((2, 8), (2.25, 9), (0.75, 3))]
        [True, False, True]
        """
        if step in self.steps:
            return True
        if not isinstance(epoch, int):
            return False
        if epoch in self.also:
            return True
        return _is_power_of_two(epoch) if self.epochs == "log" else epoch in self.epochs

    def epochs_before(self, last: int) -> set[int]:
        """Return the epochs that are due before the last one of a phase, which always is.

        >>> sorted(RecordConfig(also=[5]).epochs_before(9))
        [0, 1, 2, 4, 5, 8]
        """
        return {epoch for epoch in range(last) if self.is_due(epoch)}

    def epochs_until(self, last: int) -> list[int]:
        """Return the recorded epochs of a phase of `last` epochs, in order.

        >>> RecordConfig().epochs_until(20)
        [0, 1, 2, 4, 8, 16, 20]
        """
        return sorted({*self.epochs_before(last), last})

    def covers(self, other: "RecordConfig", last: int) -> bool:
        """Return True if this record has all that another one asks for, in phases of at most `last` epochs."""
        if other.keeps_checkpoints and not self.keeps_checkpoints:
            return False
        if other.early_stop and not self.early_stop:
            return False
        return set(self.steps) >= set(other.steps) and self.epochs_before(last) >= other.epochs_before(last)

    def union(self, other: "RecordConfig") -> "RecordConfig":
        """Return the record, of what training reads, that has what either has.

        >>> union = RecordConfig().union(RecordConfig(epochs=[4, 5]))
        >>> union.epochs, union.also
        ('log', [5])
        """
        records = (self, other)
        is_log = any(record.epochs == "log" for record in records)
        named: set[int] = set()
        for record in records:
            named.update(record.also)
            if record.epochs != "log":
                named.update(record.epochs)
        further = sorted(epoch for epoch in named if not (is_log and _is_power_of_two(epoch)))
        fields: dict[str, Any] = {"epochs": "log", "also": further} if is_log else {"epochs": further}
        fields["steps"] = sorted({*self.steps, *other.steps})
        fields["early_stop"] = self.early_stop or other.early_stop
        if self.keeps_checkpoints or other.keeps_checkpoints:
            fields["measure_at"] = "checkpoints"
        return RecordConfig(**fields)


def _is_power_of_two(epoch: int) -> bool:
    """Return True for 0, 1, 2, 4, 8, ..."""
    return epoch & (epoch - 1) == 0


def is_list_of_different_counts(value: Any) -> bool:
    """Return True for a list of one or more different whole numbers, none below 0."""
    if not isinstance(value, list) or not value:
        return False
    are_counts = all(type(item) is int and item >= 0 for item in value)
    return are_counts and len(set(value)) == len(value)
