"""`seeds` of a sweep: how many replicates each configuration has, and whether configurations share their seeds."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.error_lines import explain
from benevolent.trainables.config.record import is_list_of_different_counts


class SeedsConfig(Section):
    """Replicates of every configuration; a number alone is their `count`.

    They are independent: a seed depends on the replicate's number and on the lineage, which is the network before
    pruning and before what its `init.source` or `labels.source` changes (see `replicate_seeds` in
    `trainables.config.identity_arrays`).

    `count`: how often every configuration is trained. `first`: number of the first replicate; after a first look, a
    larger one gives fresh replicates. `shared`: the numbers are the seeds of every configuration (common random
    numbers). What differs between two runs of one seed is then due to their configurations, but the runs of all
    configurations share their random numbers, and count as `count` independent runs only.
    """

    count: Annotated[int, Field(ge=1)]
    first: Annotated[int, Field(ge=0, lt=2**52)] = 0
    shared: bool = False


class Replicates(NamedTuple):
    """The replicates of every configuration of a sweep.

    Attributes:
        numbers: of the replicates.
        shared: the numbers are the seeds of every configuration; otherwise every lineage has seeds of its own.
    """

    numbers: Sequence[int]
    shared: bool


def check_seeds(value: Any) -> Any:
    """Return `seeds` of a sweep as it is, a mapping as `SeedsConfig`.

    Raises:
        ValueError: the value is not allowed.
    """
    if isinstance(value, dict):
        try:
            return SeedsConfig.model_validate(value)
        except ValidationError as error:
            raise ValueError(explain(SeedsConfig, error, "")) from None
    is_count = type(value) is int and value >= 1
    if not is_count and not isinstance(value, SeedsConfig) and not is_list_of_different_counts(value):
        raise ValueError(
            "expected a number of replicates >= 1, {count: 5, first: 200}, {count: 5, shared: true}, "
            "or a list of different seeds >= 0"
        )
    return value


def replicates_of(seeds: int | list[int] | SeedsConfig) -> Replicates:
    """Return the replicates that `seeds` of a sweep means.

    >>> replicates_of(3), replicates_of([4, 7])
    (Replicates(numbers=range(0, 3), shared=False), Replicates(numbers=[4, 7], shared=True))
    """
    if isinstance(seeds, list):
        return Replicates(seeds, shared=True)
    if isinstance(seeds, int):
        return Replicates(range(seeds), shared=False)
    return Replicates(range(seeds.first, seeds.first + seeds.count), seeds.shared)
