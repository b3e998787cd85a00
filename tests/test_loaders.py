"""Whatever a stranger's file holds, it is read as data, or refused in one line."""

import collections

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from loader_cases import LOADERS, READ, Genuine

QUICK = 50


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> Genuine:
    return Genuine(tmp_path_factory.mktemp("stranger") / "results")


def check(loader: str, genuine: Genuine, cases: int) -> collections.Counter[str]:
    """Try so many cases; return how many had each outcome."""
    counts: collections.Counter[str] = collections.Counter()

    @settings(
        max_examples=cases,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a failure is not made smaller, which takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def one(data) -> None:
        counts[LOADERS[loader](data.draw, genuine)] += 1

    one()
    return counts


@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_of_a_stranger_is_read_or_refused_in_one_line(loader, genuine):
    counts = check(loader, genuine, QUICK)
    assert counts[READ] and counts.total() > counts[READ]
