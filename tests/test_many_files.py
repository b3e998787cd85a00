"""10,000 files of strangers for each loader: this takes minutes, so that `make paper` runs it, and not `make test`."""

import pytest
from loader_cases import LOADERS, READ, Genuine
from test_loaders import check

ALL = 10_000


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_many_files_of_strangers_are_read_or_refused_in_one_line(loader, tmp_path):
    counts = check(loader, Genuine(tmp_path / "results"), ALL)
    assert counts.total() >= ALL
    read = counts.pop(READ)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common())
    print(f"\n{loader}: {read:,} read, {counts.total():,} refused in one line, no other error. Refused: {kinds}")
