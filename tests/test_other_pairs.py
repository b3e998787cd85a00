"""A run is the same alone and in a stack: the pairs of a family and an intervention that the short test leaves out."""

import pytest
from test_alone_and_stacked import check_alone_and_stacked, pairs


@pytest.mark.parametrize(("family", "intervention"), list(pairs(in_short_test=False)))
def test_a_run_is_the_same_alone_and_in_a_stack(cohort, monkeypatch, family, intervention):
    check_alone_and_stacked(cohort, monkeypatch, family, intervention)
