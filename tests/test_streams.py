import numpy as np

from bpnet.streams import stream


def test_a_stream_starts_afresh_each_time():
    assert np.array_equal(stream(3, "shuffle", 7).random(5), stream(3, "shuffle", 7).random(5))


def test_streams_differ_by_seed_name_and_index():
    draws = {
        stream(seed, name, *index).integers(2**62)
        for seed in (0, 1)
        for name in ("shuffle", "dropout")
        for index in ((), (0,), (1,), (0, 1), (1, 0))
    }
    assert len(draws) == 2 * 2 * 5


def test_drawing_from_one_stream_leaves_the_next_epoch_as_it_was():
    expected = stream(0, "shuffle", 1).permutation(10)
    stream(0, "shuffle", 0).permutation(1000)
    assert np.array_equal(stream(0, "shuffle", 1).permutation(10), expected)
