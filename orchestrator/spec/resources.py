"""`ResourcesConfig`: what the cohorts of a sweep take of a machine."""

from typing import Annotated

from pydantic import AfterValidator, Field

from benevolent.trainables.config.base import Section
from benevolent.trainables.stack.kernel_names import Kernel


def _is_whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus % 1:
        raise ValueError("expected a part of one GPU, or a whole number of them")
    return gpus


#: GPUs as Ray gives them.
Gpus = Annotated[float, Field(ge=0), AfterValidator(_is_whole_above_one)]


class ResourcesConfig(Section):
    """CPUs and GPUs of one cohort, and its number of runs (by default planned from the cohorts that can train at once).

    `kernel` and `stack_size` (runs that train in one program) fix what is otherwise chosen when a cohort starts, see
    `trainables.stack.kernel_choice`; the choice is in each cohort's `stacks.json`. `measure_gpus`: the part of a GPU
    that each measuring actor takes; by default checkpoints are measured on CPUs. Resources change results in their
    last digits only, and no `run_id`.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Gpus = 0.0
    measure_gpus: Gpus = 0.0
    cohort_size: Annotated[int, Field(ge=1)] | None = None
    kernel: Kernel | None = None
    stack_size: Annotated[int, Field(ge=1)] | None = None
