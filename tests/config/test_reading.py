from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest

from bpnet.config import reading
from bpnet.config.document import Document
from bpnet.errors import ConfigError, RefusedError


def message_of(path: object) -> str:
    with pytest.raises(ConfigError) as caught:
        Document.read(str(path))
    return str(caught.value)


def test_a_file_is_read_with_its_bytes_kept(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfname: \xc3\xa9\r\n"
    (tmp_path / "c.yaml").write_bytes(data)
    document = Document.read(str(tmp_path / "c.yaml"))
    assert document.data == data
    assert document.peek("name") == "é"
    assert document.source.name == str(tmp_path / "c.yaml")


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"seed: 3\nx: [\n")))
    with pytest.raises(ConfigError, match=r"^<stdin>:2:4: error: this '\[' is never closed"):
        Document.read("-")


@pytest.mark.parametrize(
    ("wanted", "there"),
    [(name, "digits.yaml") for name in ("digits.yml", "digits", "digit.yaml", "Digits.yaml")],
)
def test_a_missing_file_names_the_one_that_was_meant(
    tmp_path: Path, wanted: str, there: str
) -> None:
    (tmp_path / there).write_text("a: 1\n")
    (tmp_path / "other.csv").write_text("")
    assert message_of(tmp_path / wanted) == (
        f"{tmp_path / wanted}: error: no such file; did you mean '{tmp_path / there}'?"
    )


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "no" / "c.yaml"
    assert message_of(path) == f"{path}: error: no such file: there is no folder '{path.parent}'"


def test_a_folder_is_no_config_but_may_hold_one(tmp_path: Path) -> None:
    assert message_of(tmp_path).endswith("error: this is a folder; name the file")
    (tmp_path / "config.yaml").write_text("a: 1\n")
    (tmp_path / "a.yaml").write_text("a: 1\n")
    assert message_of(tmp_path).endswith(f"such as '{tmp_path / 'config.yaml'}'")


def test_a_pipe_a_socket_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "this is no regular file" in message_of(tmp_path / "fifo")
    assert "this is no regular file" in message_of("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)
        server.bind("socket")
        with pytest.raises((ConfigError, RefusedError)):
            Document.read("socket")


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "big.yaml", "wb") as file:
        file.truncate(1 << 30)
    assert "larger than 1 MiB; this is no config" in message_of(tmp_path / "big.yaml")


def test_paths_that_are_no_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("a\0b", "x" * 5000, str(tmp_path / "loop")):
        assert "this is no path of a file" in message_of(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_the_systems_refusal(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: 1\n")
    (tmp_path / "c.yaml").chmod(0)
    with pytest.raises(RefusedError, match="cannot be read: Permission denied"):
        Document.read(str(tmp_path / "c.yaml"))


def test_an_error_of_the_system_is_its_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, flags: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(reading.os, "open", fail)
    with pytest.raises(RefusedError, match=r"c\.yaml: cannot be read: Input/output error"):
        Document.read("c.yaml")


@pytest.mark.parametrize(
    ("data", "start"),
    [
        ("a: 1\n".encode("utf-16"), "c.yaml:1:1: error: the file is UTF-16; save it as UTF-8"),
        ("a: 1\n".encode("utf-16-be"), "c.yaml:1:1: error: the file is UTF-16 or binary"),
        ("a: 1\n".encode("utf-32"), "c.yaml:1:1: error: the file is UTF-16; save it as UTF-8"),
        (b"a: 1\nb: caf\xe9\n", "c.yaml:2:7: error: the byte 0xe9 is no UTF-8 text"),
        (b"a: \xed\xa0\x80\n", "c.yaml:1:4: error: the byte 0xed is no UTF-8 text"),
        (b"a: 1\nb: \x00\n", "c.yaml:2:4: error: a control character (U+0000)"),
        (b"a: \x1b[31m\n", "c.yaml:1:4: error: a control character (U+001B)"),
        ("a: 1\nb: x\u2028y\n", "c.yaml:2:5: error: an invisible character (U+2028)"),
        ("a: 1\nb: x\ufeffy\n", "c.yaml:2:5: error: an invisible character (U+FEFF)"),
        ("a:\n\u00a0\u00a0b: 1\n", "c.yaml:2:1: error: an odd space (U+00A0)"),
        ("a:\u00a01\n", "c.yaml:1:3: error: an odd space (U+00A0)"),
        ("- \u200bx\n", "c.yaml:1:3: error: an odd space (U+200B)"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_place(data: bytes | str, start: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Document.parse(data, "c.yaml")
    assert str(caught.value).startswith(start)
    assert "\x1b" not in str(caught.value)


def test_odd_spaces_inside_a_text_are_the_users_own() -> None:
    assert Document.parse("name: a\u00a0b\n").peek("name") == "a\u00a0b"


def test_names_with_terminal_escapes_are_shown_harmless(tmp_path: Path) -> None:
    message = message_of(tmp_path / "\x1b[31mred\u202e.yaml")
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert "␛[31mred" in message
