import numpy as np
import pytest

from bpnet.data import sorting
from bpnet.data.sorting import sorting_order


def words_of(texts: list[bytes]) -> np.ndarray:
    width = -(-max(map(len, texts)) // 8)
    return np.array(texts, f"S{8 * width}").view("<u8").reshape(len(texts), width)


@pytest.mark.parametrize("count", [1, 2, 100, 50_000])
@pytest.mark.parametrize("front", [b"", b"the same for all ", b"ab"])
def test_texts_are_sorted_by_their_bytes_and_equal_ones_keep_their_order(count, front):
    numbers = np.random.default_rng(0).integers(0, 10 * count, count)
    texts = [front + b"%d" % number + b"\xff" * (number % 3) for number in numbers.tolist()]
    expected = sorted(range(count), key=texts.__getitem__)  # it keeps the order too
    assert sorting_order(words_of(texts)).tolist() == expected


def test_texts_that_are_all_the_same_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(sorting, "_WORTH", 1 << 11)
    for count in (1, 3, 1 << 12):
        order = sorting_order(words_of([b"one and the same"] * count))
        assert order.tolist() == list(range(count))


def test_few_different_beginnings_are_sorted_in_few_parts(monkeypatch):
    monkeypatch.setattr(sorting, "_WORTH", 1 << 11)
    texts = [b"beginnin" + b"%d" % (i * 7919 % 5000) for i in range(5000)]
    texts[17] = b"another beginning"
    expected = sorted(range(5000), key=texts.__getitem__)
    assert sorting_order(words_of(texts)).tolist() == expected
