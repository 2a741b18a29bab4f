"""Most of these run the command line within the test's process, which is much quicker."""

import numpy as np
import pytest

ROWS = [f"{i % 13 + i / 7:.3f},{(i * 37) % 101},{'ab'[i * 7 % 13 > 5]}" for i in range(120)]
CONFIG = """\
data: {train: d.csv, target: z}
model: {layers: [{type: dense, units: auto}]}
loss: cross_entropy
"""


@pytest.fixture
def table(tmp_path, config):
    """Return a function that writes a table and a config for it, and returns the config's name."""

    def write(rows=ROWS, header="x,y,z", text=CONFIG):
        (tmp_path / "d.csv").write_text("\n".join([header, *rows]) + "\n")
        return config(text)

    return write


def test_a_healthy_table_gets_one_line(inside, table):
    done = inside("data", "check", table(), "--skip", "drift", "--skip", "labels")
    assert done.out == "nothing found: 11 checks on 120 rows (train 84, val 18, test 18)\n"
    assert done.err == ""


def test_what_could_not_be_checked_is_said(inside, table):
    done = inside("data", "check", table())
    assert done.lines[0] == "not checked: drift, as test or train has fewer than 20 rows"
    assert done.lines[1].startswith("not checked: labels, as the inputs tell too little of 'z'")
    assert done.lines[2].startswith("nothing found: 11 checks on 120 rows")


def test_a_process_ends_with_6_under_strict_and_keeps_its_stdout_clean(bpnet, table):
    name = table([f"{row},7" for row in ROWS], "x,y,z,k")
    done = bpnet("data", "check", name, "--strict", "--json", code=6)
    assert done.json()["warnings"] == 1
    assert done.err == "bpnet: error: the data check found 1 warning\n"


def test_a_finding_says_what_where_and_what_to_do(inside, table):
    rows = [f"{row},7" for row in ROWS]
    rows[20] = rows[3]
    done = inside(
        "data", "check", table(rows, "x,y,z,k"), "--only", "constant", "--only=duplicates"
    )
    assert done.lines[0] == (
        "warning: duplicates: 1 row is an exact copy of an earlier one, 0.8 % of all"
    )
    assert done.lines[1:3] == ["    line 22", "    line 5 = line 22"]
    assert "    -> data.exclude: [k]; a constant says nothing" in done.lines
    assert done.lines[-1] == "2 warnings: 2 checks on 120 rows (train 84, val 18, test 18)"


def test_strict_fails_with_6_for_errors_and_warnings_but_not_for_notes(inside, table):
    name = table([f"{row},7" for row in ROWS], "x,y,z,k")
    inside("data", "check", name, "--only", "constant")
    done = inside("data", "check", name, "--only", "constant", "--strict", code=6)
    assert done.err == "bpnet: error: the data check found 1 warning\n"
    done = inside("data", "check", name, "--only", "constant", "--strict", "-q", code=6)
    assert done.out == ""
    name = table([*ROWS[1:], ",5,a"])
    note = inside("data", "check", name, "--only", "missing", "--strict")
    assert note.lines[0].startswith("note: missing: 1 cell is missing in 1 column: x 1")


def test_json_is_one_document_with_every_row(inside, table):
    rows = list(ROWS)
    for i in range(20):
        rows[50 + i] = rows[i]
    name = table(rows)
    found = inside("data", "check", name, "--only", "duplicates", "--json").json()
    assert found["passed"] is False
    assert (found["errors"], found["warnings"], found["notes"]) == (0, 1, 0)
    (finding,) = found["findings"]
    assert finding["check"] == "duplicates"
    assert finding["rows"] == [{"source": "d.csv", "lines": list(range(52, 72)), "count": 20}]
    assert found["rows"] == {"train": 84, "val": 18, "test": 18}
    before = inside("--json", "data", "check", name, "--only", "duplicates")
    assert before.json() == found


def test_show_chooses_how_many_rows_are_listed(inside, table):
    rows = list(ROWS)
    for i in range(20):
        rows[50 + i] = rows[i]
    done = inside("data", "check", table(rows), "--only", "duplicates", "--show", "12")
    assert "    lines 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 and 8 more" in done.lines
    done = inside("data", "check", table(rows), "--only", "duplicates", "--show", "0")
    assert "lines" not in done.out
    inside("data", "check", table(rows), "--show", "-1", code=2)


def test_lines_are_those_of_the_file_even_with_quoted_newlines_and_blank_lines(
    inside, table, tmp_path
):
    rows = [f'"{i}\n{i}",{i % 10},{"ab"[i % 2]}' for i in range(9)]
    rows += ["", '"0\n0",0,a']
    name = table(rows, text=CONFIG + "seed: 1\n")
    done = inside(
        "data", "check", name, "--only", "duplicates", "data.columns={x: {type: category}}"
    )
    lines = (tmp_path / "d.csv").read_text().splitlines()
    assert "    line 21" in done.lines
    assert lines[20] == '"0'


def test_arrays_count_rows_from_0(inside, config, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    x[70] = x[4]
    y = (x[:, 0] > 0).astype(int)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    config(
        "data: {train: d.npz}\nmodel: {layers: [{type: dense, units: auto}]}\nloss: cross_entropy"
    )
    done = inside("data", "check", "c.yaml", "--only", "duplicates")
    assert "    row 70" in done.lines
    assert "    row 4 = row 70" in done.lines


def test_images_are_checked_for_copies_leaks_and_shared_rows(inside, config, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 6, 6, 1)).astype(np.uint8)
    y = rng.integers(0, 2, 200)
    x[:, 2, 3, 0] = y * 200
    x[150] = x[3]
    y[150] = y[3]
    test = x[:40].copy()
    np.savez(tmp_path / "d.npz", x=x, y=y)
    np.savez(tmp_path / "t.npz", x=test, y=y[:40])
    config(
        "data: {train: d.npz, test: t.npz, validation: 0}\n"
        "model: {layers: [{type: flatten}, {type: dense, units: auto}]}\nloss: cross_entropy\n"
    )
    found = inside("data", "check", "c.yaml", "--json").json()["findings"]
    by_check = {finding["check"]: finding for finding in found}
    assert by_check["leaks"]["columns"] == ["[2, 3, 0]"]
    assert by_check["overlap"]["level"] == "error"
    assert by_check["duplicates"]["rows"][0]["rows"] == [150]


def test_json_lines_have_lines_and_missing_keys_are_missing_cells(inside, config, tmp_path):
    rows = [f'{{"x": {i * 37 % 101}, "z": "{"ab"[i % 2]}"}}' for i in range(60)]
    rows[9] = '{"z": "b"}'
    (tmp_path / "d.jsonl").write_text("\n".join(rows) + "\n")
    config(CONFIG.replace("d.csv", "d.jsonl"))
    done = inside("data", "check", "c.yaml", "--only", "missing")
    assert "    line 10" in done.lines


def test_what_a_file_says_is_printed_harmlessly(inside, table):
    spelled = ["A\x1b[31m", "a\x1b[31m"]
    rows = [f"{i},{spelled[i % 2]},{'ab'[i % 2]}" for i in range(60)]
    done = inside("data", "check", table(rows), "--only", "spellings")
    assert "\x1b" not in done.out
    assert "x1b" in done.out


def test_mistakes_have_their_own_exit_codes(inside, config, table):
    inside("data", "check", "nothing.yaml", code=2)
    inside("data", "check", config(CONFIG), code=3)
    name = table()
    assert "did you mean 'labels'" in inside("data", "check", name, "--only", "label", code=2).err
    done = inside("data", "check", name, "data.target=q", code=2)
    assert done.err.startswith("data.target=q: error: data.target: d.csv has no column 'q'")
    inside("data", "chekc", name, code=2)


def test_the_group_shows_its_commands(inside):
    assert "check" in inside("data").out
    assert inside("data", "--help").out == inside("data").out
