"""The whole fault matrix: this takes half an hour, so that `make paper` runs it, and `make test` does not."""

import pytest
from fault_matrix import Matrix


@pytest.mark.slow
def test_the_sweep_recovers_from_every_fault(tmp_path):
    for row in Matrix(tmp_path).rows():
        print(row)
        assert row.recovered in ("again", "itself"), row
        assert "NOT FOR USERS" not in row.saw, row
