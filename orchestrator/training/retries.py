"""Retries of a cohort that fails.

A retried cohort goes on from its last saved state. One that fails again is left as failed, with the reason in its
`failure.json`; the others go on, and the next `bth run` tries it again.
"""

from ray import tune

#: How often a cohort is tried again within one `bth run`, whether it raised an error or lost its machine.
RETRIES = 1


def failure_config() -> tune.FailureConfig:
    """Return Ray Tune's setting for `RETRIES`."""
    return tune.FailureConfig(max_failures=RETRIES)
