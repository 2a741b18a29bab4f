import tracemalloc

import numpy as np

from bpnet.data.growing import Growing


def test_what_is_appended_is_there_in_the_end():
    parts = [np.arange(n, dtype=np.float64) for n in (3, 0, 5000, 1, 70_000, 2)]
    growing = Growing(np.float64)
    for part in parts:
        growing.append(part)
    found = growing.finish()
    assert found.dtype == np.float64
    assert np.array_equal(found, np.concatenate(parts))


def test_nothing_appended_is_an_empty_vector():
    found = Growing(np.int32).finish()
    assert (found.dtype, found.shape) == (np.dtype(np.int32), (0,))


def test_what_was_appended_stays_the_caller_s():
    first = np.arange(4.0)
    growing = Growing(np.float64)
    growing.append(first)
    growing.append(np.ones(3))
    assert first.tolist() == [0, 1, 2, 3]
    assert growing.finish().tolist() == [0, 1, 2, 3, 1, 1, 1]


def test_a_strided_block_of_another_type_is_taken_too():
    growing = Growing(np.int32)
    growing.append(np.full(3, -1.0))
    growing.append(np.arange(6)[::2])
    assert growing.finish().tolist() == [-1, -1, -1, 0, 2, 4]


def test_growing_takes_little_more_memory_than_the_numbers():
    block = np.zeros(10_000)
    tracemalloc.start()
    try:
        growing = Growing(np.float64)
        for _ in range(100):
            growing.append(block)
        found = growing.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.3 * found.nbytes  # where the system can't move it, growing copies it
