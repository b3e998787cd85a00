"""Processes that train or measure keep freed memory, up to a bound."""

import platform

import pytest
from fresh_process import python

from benevolent.trainables.training.malloc import MEASURING_BYTES, TRAINING_BYTES

MIB = 2**20
TRAINS = """
from types import SimpleNamespace
from benevolent.trainables.training.ray_trainable import CohortTrainable
CohortTrainable.setup(SimpleNamespace(), {"cpus": 1, "data": {}, "results": "."})
"""
MEASURES = """
from benevolent.orchestrator.measuring import measure_pool
measure_pool.assigned_device = lambda gpus: "cpu"  # which asks Ray
measure_pool.MeasureActor(0, False, {})
"""
#: Prints how many bytes stay at the heap's end after so many MiB, taken in blocks of one, have been freed.
KEPT = """
import ctypes, sys

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_size_t) for name in names]

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo2.restype = Info
for mebibytes in map(int, sys.argv[1:]):
    for block in [libc.malloc(2**20) for _ in range(mebibytes)]:
        libc.free(block)
    print(libc.mallinfo2().keepcost)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no setting of another C library is changed")
@pytest.mark.parametrize(("program", "bound"), [(TRAINS, TRAINING_BYTES), (MEASURES, MEASURING_BYTES)])
def test_freed_memory_is_kept_up_to_a_bound(program, bound, tmp_path):
    less, more = bound // MIB * 3 // 4, bound // MIB * 3 // 2
    finished = python(program + KEPT, str(less), str(more), cwd=tmp_path)
    assert not finished.returncode, finished.stderr
    kept_of_less, kept_of_more = map(int, finished.stdout.split())
    assert kept_of_less >= less * MIB
    assert kept_of_more <= bound
