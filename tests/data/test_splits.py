import numpy as np
import pytest

from bpnet.data.division import allocate
from bpnet.data.splits import SPLITS, ColumnSplit, FoldSplit, RandomSplit, TimeSplit
from bpnet.errors import DataError, OptionError
from bpnet.streams import stream


def divide(split, data, validation=0.2, test=0.2, strata=None, seed=0):
    strata = None if strata is None else np.asarray(strata)
    return split.divide(data, validation, test, stream(seed, "split"), strata)


def sizes(parts):
    return [len(rows) for _, rows in parts]


def shares(parts, strata):
    """How many rows of each class each part has."""
    classes = max(strata) + 1
    return [np.bincount(np.asarray(strata)[rows], minlength=classes).tolist() for _, rows in parts]


EXAMPLES = {
    "random": RandomSplit(),
    "time": TimeSplit(),
    "column": ColumnSplit("part"),
}
"""Those whose parts have the sizes that are asked for."""

EVERY = EXAMPLES | {"folds": FoldSplit()}


def test_every_split_has_its_example():
    assert {name: type(split) for name, split in EVERY.items()} == SPLITS
    assert {name: split.type for name, split in EVERY.items()} == {n: n for n in SPLITS}


@pytest.mark.parametrize("split", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("fractions", [(0.2, 0.2), (0.15, 0), (0, 0.3), (0, 0), (0.5, 0.45)])
@pytest.mark.parametrize("classes", [0, 3])
def test_every_row_is_in_one_part_and_parts_keep_the_files_order(table, split, fractions, classes):
    data = table(a=range(97), part=["train"] * 97)
    strata = np.arange(97) % classes if classes else None
    parts = divide(split, data, *fractions, strata)
    everything = np.concatenate([rows for _, rows in parts])
    assert sorted(everything.tolist()) == list(range(97))
    assert all((np.diff(rows) > 0).all() for _, rows in parts)
    for rows, fraction in ((parts.validation, fractions[0]), (parts.test, fractions[1])):
        assert abs(len(rows) - 97 * fraction) < 1
        assert (len(rows) > 0) == (fraction > 0)


def test_a_random_split_is_a_function_of_the_seed(table):
    data = table(a=range(50))
    first, again, other = (divide(RandomSplit(), data, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_sizes_are_rounded_by_the_largest_remainder(table):
    assert sizes(divide(RandomSplit(), table(a=range(150)), 0.15, 0.15)) == [105, 23, 22]
    assert sizes(divide(RandomSplit(), table(a=range(10)), 0.1, 0.1)) == [8, 1, 1]
    assert sizes(divide(RandomSplit(), table(a=range(3)), 0.3, 0.3)) == [1, 1, 1]


@pytest.mark.parametrize("split", [RandomSplit(), TimeSplit()])
def test_a_part_without_a_row_is_refused_with_the_counts(table, split):
    with pytest.raises(DataError, match=r"too few rows .3. .*train 3, validation 0, test 0"):
        divide(split, table(a=[1, 2, 3]), 0.1, 0.1)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.9, 0.9)])
def test_fractions_that_leave_nothing_for_training_are_refused(table, fractions):
    with pytest.raises(OptionError, match="leave nothing for training") as caught:
        divide(RandomSplit(), table(a=range(50)), *fractions)
    assert caught.value.path == ("validation",)


# Classes


def test_classes_keep_their_shares(table):
    strata = [0] * 100 + [1] * 40 + [2] * 20
    parts = divide(RandomSplit(), table(a=range(160)), 0.25, 0.1, strata)
    assert shares(parts, strata) == [[65, 26, 13], [25, 10, 5], [10, 4, 2]]


def test_every_class_is_within_a_row_of_its_share_and_sizes_are_kept(table):
    rng = np.random.default_rng(3)
    for _ in range(200):
        strata = rng.integers(0, rng.integers(2, 9), rng.integers(40, 200))
        validation, test = rng.uniform(0.1, 0.4, 2)
        data = table(a=range(len(strata)))
        plain = divide(RandomSplit(), data, validation, test)
        parts = divide(RandomSplit(), data, validation, test, strata)
        members = np.bincount(strata)
        found = np.array(shares(parts, strata))
        ideal = np.outer([1 - validation - test, validation, test], members)
        enough = members >= 4
        assert (np.abs(found - ideal)[:, enough] < 2).all()
        assert (np.abs(found - ideal)[:, enough] < 1).mean() > 0.8
        assert sizes(parts) == sizes(plain)


def test_a_rare_class_goes_to_training_first_and_then_to_every_part(table):
    strata = [0] * 60 + [1] * 3 + [2] * 2 + [3]
    train, validation, test = shares(
        divide(RandomSplit(), table(a=range(66)), 0.2, 0.2, strata), strata
    )
    assert (train[1], validation[1], test[1]) == (1, 1, 1)
    assert train[2] >= 1
    assert (train[3], validation[3], test[3]) == (1, 0, 0)


def test_many_rare_classes_do_not_change_the_sizes(table):
    strata = np.repeat(np.arange(100), 3)
    parts = divide(RandomSplit(), table(a=range(300)), 0.15, 0.15, strata)
    assert sizes(parts) == [210, 45, 45]
    assert min(shares(parts, strata)[0]) >= 1


def test_classes_of_one_row_each_leave_nothing_to_validate_with(table):
    with pytest.raises(DataError, match="train 20, validation 0, test 0"):
        divide(RandomSplit(), table(a=range(20)), 0.2, 0.2, range(20))


def test_allocation_never_takes_more_than_there_is():
    rng = np.random.default_rng(4)
    for _ in range(500):
        members = rng.integers(1, 12, rng.integers(1, 15))
        validation, test = rng.uniform(0, 0.5, 2) * (rng.random(2) < 0.8)
        fractions = np.array([1 - validation - test, validation, test])
        total = int(members.sum())
        first, second = int(total * validation), int(total * test)
        counts = allocate(members, fractions, [total - first - second, first, second])
        assert np.array_equal(counts.sum(1), members)
        assert (counts >= 0).all()
        assert (counts[:, 0] >= 1).all()
        assert (counts[:, fractions == 0] == 0).all()


# Time


def test_the_latest_rows_are_the_test(table):
    data = table(day=[5, 3, 1, 2, 4, 10, 9, 8, 7, 6])
    parts = divide(TimeSplit("day"), data)
    days = np.array(data.columns["day"].values)
    assert sorted(days[parts.train]) == [1, 2, 3, 4, 5, 6]
    assert sorted(days[parts.validation]) == [7, 8]
    assert sorted(days[parts.test]) == [9, 10]
    assert parts.train.tolist() == [0, 1, 2, 3, 4, 9]


def test_dates_as_texts_are_sorted_and_equal_ones_keep_the_files_order(table):
    data = table(day=["2024-02-01", "2024-01-31", "2023-12-01", "2024-01-31", "2024-03-01"])
    parts = divide(TimeSplit("day"), data)
    assert [rows.tolist() for _, rows in parts] == [[1, 2, 3], [0], [4]]


def test_time_in_the_files_order(table):
    parts = divide(TimeSplit(), table(a=range(10)))
    assert [rows.tolist() for _, rows in parts] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]


def test_a_row_without_a_time_is_refused_with_its_line(table):
    with pytest.raises(DataError, match="column 'day' has no value") as caught:
        divide(TimeSplit("day"), table(day=[1, None, 3, 4, 5]))
    assert caught.value.line == 3


# A column


def test_a_column_names_the_parts(table):
    data = table(part=["test", "train", "validation", "train", "test"])
    parts = divide(ColumnSplit("part"), data, 0.4, 0.4)
    assert [rows.tolist() for _, rows in parts] == [[1, 3], [2], [0, 4]]


def test_a_part_that_the_column_does_not_name_is_drawn_from_its_training_rows(table):
    part = ["train"] * 8 + ["test"] * 4
    parts = divide(ColumnSplit("part"), table(part=part), 0.25, 0.25, [0] * 4 + [1] * 8)
    assert parts.test.tolist() == [8, 9, 10, 11]
    assert shares(parts, [0] * 4 + [1] * 8) == [[3, 3], [1, 1], [0, 4]]
    parts = divide(ColumnSplit("part"), table(part=part), 0, 0.25)
    assert sizes(parts) == [8, 0, 4]


def test_values_of_the_column_can_be_chosen(table):
    data = table(fold=[1, 2, 3, 4, 5])
    parts = divide(ColumnSplit("fold", train=[1, "2", 3], validation="4", test=5), data)
    assert [rows.tolist() for _, rows in parts] == [[0, 1, 2], [3], [4]]


def test_a_column_that_says_something_else_is_refused_with_its_line(table):
    with pytest.raises(DataError, match="says 'tset'; expected one of train") as caught:
        divide(ColumnSplit("part"), table(part=["train", "tset"]))
    assert caught.value.line == 3
    with pytest.raises(DataError, match="says nothing"):
        divide(ColumnSplit("part"), table(part=["train", None]))
    with pytest.raises(DataError, match="names no training row"):
        divide(ColumnSplit("part"), table(part=["test", "test"]))


def test_a_value_for_two_parts_is_refused(table):
    with pytest.raises(OptionError, match="'b' is there for train too") as caught:
        divide(ColumnSplit("part", train=["a", "b"], test="b"), table(part=["a", "b"]))
    assert caught.value.path == ("split", "test")


@pytest.mark.parametrize("split", [TimeSplit("dya"), ColumnSplit("dya")])
def test_an_unknown_column_is_refused_at_its_place(table, split):
    with pytest.raises(OptionError, match="no column 'dya'; did you mean 'day'") as caught:
        divide(split, table(day=[1, 2, 3]))
    assert caught.value.path == ("split", "column")


def test_columns_that_a_split_reads_are_named():
    assert [split.columns for split in EXAMPLES.values()] == [(), (), ("part",)]
    assert TimeSplit("day").columns == ("day",)


def folds_of(count, data, **options):
    return [divide(FoldSplit(folds=count, fold=i), data, **options) for i in range(count)]


def test_every_row_that_is_not_for_the_end_validates_once(table):
    data = table(x=range(103))
    parts = folds_of(5, data)
    validating = np.concatenate([p.validation for p in parts])
    assert len({p.test.tobytes() for p in parts}) == 1
    assert sorted([*validating, *parts[0].test]) == list(range(103))
    for p in parts:
        assert sorted([*p.train, *p.validation, *p.test]) == list(range(103))
    assert {len(p.validation) for p in parts} == {16, 17}


def test_folds_leave_the_test_rows_of_the_random_split_alone(table):
    data, strata = table(x=range(90)), np.arange(90) % 3
    random = divide(RandomSplit(), data, 0, 0.2, strata)
    assert (divide(FoldSplit(), data, 0.3, 0.2, strata).test == random.test).all()


def test_folds_keep_the_shares_of_the_classes(table):
    strata = np.repeat([0, 1, 2], [60, 33, 7])
    for p in folds_of(5, table(x=range(100)), test=0, strata=strata):
        counts = np.bincount(strata[p.validation], minlength=3)
        assert (abs(counts - np.array([12, 6.6, 1.4])) < 1).all()


def test_folds_refuse_what_can_not_be(table):
    with pytest.raises(OptionError, match="expected a number below folds"):
        FoldSplit(folds=3, fold=3)
    with pytest.raises(OptionError, match="leave it out"):
        divide(FoldSplit(), table(x=range(9)), validation=0)
    with pytest.raises(DataError, match="3 rows can't be divided into 5 folds"):
        divide(FoldSplit(), table(x=range(3)), test=0)
