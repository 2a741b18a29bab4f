import numpy as np
import pytest

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset


def dataset(rows, weight=True, dtype=np.float32):
    numbers = np.arange(rows, dtype=dtype)
    return Dataset(
        numbers[:, None] + np.zeros(3, dtype), np.arange(rows), numbers / 2 if weight else None
    )


def epoch(batches, number):
    """Copies of the targets of every batch of an epoch, by step."""
    order = batches.order(number)
    return [
        [batches.gather(rows).target.tolist() for rows in batches.group(order, step)]
        for step in range(batches.steps)
    ]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 4, 7, 23, 100, "full"])
@pytest.mark.parametrize("accumulate", [1, 2, 5, 50])
def test_every_row_is_there_once_in_an_epoch(size, accumulate, shuffle):
    batches = Batches(dataset(23), size, accumulate=accumulate, shuffle=shuffle)
    steps = epoch(batches, 0)
    assert len(steps) == batches.steps
    assert [len(step) for step in steps[:-1]] == [accumulate] * (batches.steps - 1)
    assert sorted(row for step in steps for batch in step for row in batch) == list(range(23))


def test_the_last_batch_and_the_last_step_may_be_smaller():
    batches = Batches(dataset(23), 4, accumulate=4)
    assert (batches.count, batches.steps) == (6, 2)
    assert [[len(batch) for batch in step] for step in epoch(batches, 0)] == [[4, 4, 4, 4], [4, 3]]


def test_the_order_is_a_function_of_seed_and_epoch():
    first, again, other = (Batches(dataset(40), 8, seed=seed) for seed in (1, 1, 2))
    assert epoch(first, 7) == epoch(again, 7)
    assert epoch(first, 7) != epoch(first, 8)
    assert epoch(first, 7) != epoch(other, 7)


def test_a_step_in_the_middle_of_an_epoch_is_an_index():
    expected = epoch(Batches(dataset(40), 8, seed=3), 5)
    batches = Batches(dataset(40), 8, seed=3)
    group = batches.group(batches.order(5), 3)
    assert [batches.gather(rows).target.tolist() for rows in group] == expected[3]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weight", [True, False])
def test_inputs_targets_and_weights_belong_together(shuffle, weight):
    batches = Batches(dataset(10, weight), 4, shuffle=shuffle)
    order = batches.order(0)
    for step in range(batches.steps):
        (rows,) = batches.group(order, step)
        batch = batches.gather(rows)
        assert batch.target.tolist() == rows.tolist()
        assert batch.x.tolist() == [[row] * 3 for row in rows]
        assert (batch.weight.tolist() == (rows / 2).tolist()) if weight else batch.weight is None


def test_without_shuffling_rows_keep_their_order_and_are_not_copied():
    data = dataset(10)
    batches = Batches(data, 4, shuffle=False)
    assert epoch(batches, 3) == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]]]
    (rows,) = batches.group(batches.order(0), 1)
    assert np.shares_memory(batches.gather(rows).x, data.x)


@pytest.mark.parametrize("size", ["full", 10, 11])
def test_the_full_batch_is_the_data_itself(size):
    data = dataset(10)
    batches = Batches(data, size)
    (rows,) = batches.group(batches.order(2), 0)
    batch = batches.gather(rows)
    assert batch.x is data.x
    assert batch.target is data.target
    assert batches.batch_size == 10


def test_batches_are_gathered_into_aligned_buffers_that_are_used_again():
    data = dataset(10, dtype=np.float64)
    batches = Batches(data, 4)
    order = batches.order(0)
    places = set()
    for step in range(3):
        (rows,) = batches.group(order, step)
        batch = batches.gather(rows)
        assert (batch.x.dtype, batch.target.dtype) == (np.float64, np.int64)
        places.add((batch.x.ctypes.data, batch.target.ctypes.data, batch.weight.ctypes.data))
        assert not np.shares_memory(batch.x, data.x)
    ((x, target, weight),) = places
    assert x % 64 == target % 64 == weight % 64 == 0


def test_an_epoch_leaves_the_data_as_they_are():
    data = dataset(23)
    epoch(Batches(data, 5), 0)
    assert np.array_equal(data.x, dataset(23).x)
    assert np.array_equal(data.target, dataset(23).target)
