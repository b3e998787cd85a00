"""Random networks: a measure that says `ok` is the number of its definition, and one that has no meaning says so."""

from collections import Counter

import pytest
from fuzz_cases import CASES, findings

QUICK = 100
#: Networks of one test, so that workers share them.
PART = 25


def check(first: int, count: int) -> None:
    found: Counter[str] = Counter()
    problems = []
    for seed in range(first, first + count):
        network, results = findings(seed)
        for result in results:
            found[result.measure, result.verdict] += 1
        problems += [result.described(seed, network) for result in results if result.is_problem]
    assert not problems, "\n".join(problems)
    never = [name for name in CASES if not found[name, "equal"]]
    assert not never, f"no network has these: {never}"


@pytest.mark.parametrize("first", range(0, QUICK, PART))
def test_measures_are_right_or_say_why_not(first):
    check(first, PART)
