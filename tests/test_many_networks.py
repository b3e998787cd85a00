"""Measures of 1,000 random networks: this takes minutes, so that `make paper` runs it, and `make test` does not."""

import pytest
from test_random_networks import QUICK, check

ALL = 1000
PART = 100


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, ALL, PART))
def test_measures_of_many_networks_are_right_or_say_why_not(first):
    check(first, PART)
