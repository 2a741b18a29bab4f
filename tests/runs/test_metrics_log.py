import pytest

from bpnet.errors import RunError
from bpnet.runs import metrics_log
from bpnet.runs.metrics_log import MetricsLog

ROWS = [{"epoch": i, "val/loss": 1 / i, "best": i == 1, "x": float("nan")} for i in range(1, 6)]


def write(directory, rows, mark=None):
    log = MetricsLog(directory, mark)
    marks = []
    for row in rows:
        log.append(row)
        marks.append(log.mark())
    log.close()
    return marks


def test_going_on_from_a_mark_gives_each_row_once(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    write(whole, ROWS)
    marks = write(cut, ROWS[:4])
    assert write(cut, ROWS[2:], marks[1])
    for name in ("metrics.jsonl", "metrics.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert [row["epoch"] for row in metrics_log.read(cut)] == [1, 2, 3, 4, 5]


def test_half_a_line_that_a_kill_left_is_cut_off(tmp_path):
    marks = write(tmp_path, ROWS[:2])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "val')
    assert [row["epoch"] for row in metrics_log.read(tmp_path)] == [1, 2]
    assert metrics_log.is_intact(tmp_path, marks[1])
    write(tmp_path, ROWS[2:], marks[1])
    assert [row["epoch"] for row in metrics_log.read(tmp_path)] == [1, 2, 3, 4, 5]


def test_rows_that_were_edited_or_lost_are_noticed(tmp_path):
    mark = write(tmp_path, ROWS)[3]
    path = tmp_path / "metrics.jsonl"
    text = path.read_text()
    assert metrics_log.is_intact(tmp_path, mark)
    path.write_text(text.replace("0.5", "0.4"))
    assert not metrics_log.is_intact(tmp_path, mark)
    path.write_text(text[: mark["bytes"] - 3])
    assert not metrics_log.is_intact(tmp_path, mark)
    path.unlink()
    assert not metrics_log.is_intact(tmp_path, mark)


def test_a_damaged_line_is_named(tmp_path):
    write(tmp_path, ROWS)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch": 3', '"epoch": '))
    with pytest.raises(RunError, match=r"metrics\.jsonl: damaged"):
        metrics_log.read(tmp_path)
