import json
import math

import pytest

from bpnet.errors import RunError
from bpnet.runs import rundir


def test_runs_are_numbered_and_never_share_a_directory(tmp_path):
    names = [rundir.create(tmp_path / "runs", "digits").name for _ in range(3)]
    assert names == ["digits-001", "digits-002", "digits-003"]


def test_a_number_freed_in_the_middle_is_not_used_again(tmp_path):
    for name in ("a-001", "a-007", "a-xyz", "ab-009"):
        (tmp_path / name).mkdir()
    assert rundir.create(tmp_path, "a").name == "a-008"


def test_an_exact_directory_must_be_new_or_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    assert rundir.create_exactly(tmp_path / "empty").is_dir()
    assert rundir.create_exactly(tmp_path / "deep" / "new").is_dir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="never overwritten"):
        rundir.create_exactly(tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_a_link_is_not_followed_to_a_run_directory(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="never overwritten"):
        rundir.create_exactly(tmp_path / "link")


def test_numbers_that_json_lacks_become_null():
    value = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}}
    assert json.loads(rundir.to_json(value)) == {"a": None, "b": [None, 1.5], "c": {"d": None}}


@pytest.mark.parametrize("make", ["missing", "file", "folder"])
def test_what_is_no_run_is_refused_clearly(tmp_path, make):
    path = tmp_path / "x"
    if make == "file":
        path.write_text("")
    elif make == "folder":
        path.mkdir()
    with pytest.raises(RunError, match=r"no such run|not a run"):
        rundir.open_run(path)
