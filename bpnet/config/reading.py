"""Bytes to config text: from a regular file of reasonable size, or from standard input."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys

from bpnet.config.places import Place, Problem, Source, printable, shown
from bpnet.errors import ConfigError, RefusedError, nearest

MAX_BYTES = 1 << 20
"""A config is a page of text; one as large as this is some other file."""

PATH = 500
"""Characters of a path that a message shows."""

_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
_NEIGHBOURS = 10_000
"""Configs in a folder among which one with a similar name is looked for."""
_SUFFIXES = (".yaml", ".yml", ".json")
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ODD_SPACE = re.compile(r"(?:^ *|[:,\-\[{] *)([\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000])")


def read_bytes(path: str) -> tuple[str, bytes]:
    """Return a config's name for messages and its bytes.

    Parameters
    ----------
    path
        A file, or ``-`` for standard input.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no regular file, or larger than `MAX_BYTES`.
    RefusedError
        If the operating system does not let us read it.
    """
    name = "<stdin>" if path == "-" else path
    try:
        data = _standard_input() if path == "-" else _regular_file(path)
    except (FileNotFoundError, NotADirectoryError):
        raise _unusable(name, f"no such file{_nearby(path)}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            raise _unusable(name, "this is a socket, not a file") from None
        if isinstance(error, ValueError) or error.errno in _NO_PATH:
            raise _unusable(name, "this is no path of a file") from None
        reason = error.strerror or str(error)
        raise RefusedError(f"{printable(name)}: cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _unusable(name, f"larger than {MAX_BYTES >> 20} MiB; this is no config")
    return name, data


def decode(name: str, data: bytes) -> Source:
    """Turn a config's bytes into text.

    Raises
    ------
    ConfigError
        At the first character that is no UTF-8, or can't be part of a config.
    """
    for mark, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if data.startswith(mark):
            raise _unusable(name, f"the file is {encoding}; save it as UTF-8", ":1:1")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data[:4]:
        raise _unusable(name, "the file is UTF-16 or binary; a config is text in UTF-8", ":1:1")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        source = _source(name, data[: error.start].decode("utf-8") + "\N{REPLACEMENT CHARACTER}")
        byte = data[error.start]
        raise _at_end(
            source, f"the byte 0x{byte:02x} is no UTF-8 text; save the file as UTF-8"
        ) from None
    source = _source(name, text)
    text = "\n".join(source.lines)
    if bad := _UNREADABLE.search(text):
        code = ord(bad[0])
        what = "a control character" if code < 0xA0 else "an invisible character"
        raise _at_end(
            _source(name, text[: bad.end()]), f"{what} (U+{code:04X}) in the config; remove it"
        )
    for i, line in enumerate(source.lines):
        if not line.isascii() and (odd := _ODD_SPACE.search(line)):
            place = Place(source, i + 1, odd.start(1) + 1, odd.end(1) + 1)
            raise ConfigError(
                [
                    str(
                        Problem(
                            place,
                            f"an odd space (U+{ord(odd[1]):04X}), as pasted from a web page or "
                            "document; replace it by an ordinary one",
                        )
                    )
                ]
            )
    return source


def _source(name: str, text: str) -> Source:
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def _at_end(source: Source, message: str) -> ConfigError:
    """Return an error about the last character of a text."""
    column = len(source.lines[-1])
    place = Place(source, len(source.lines), column, column + 1)
    return ConfigError([str(Problem(place, message))])


def _unusable(name: str, message: str, place: str = "") -> ConfigError:
    return ConfigError([f"{printable(name)}{place}: error: {message}"])


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise FileNotFoundError
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _regular_file(path: str) -> bytes:
    """Read a file, without waiting at a pipe and without end from a device."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise _unusable(path, f"this is a folder; name the file{_inside(path)}")
        if not stat.S_ISREG(mode):
            raise _unusable(path, "this is no regular file; pipe a config in with 'bpnet train -'")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _nearby(path: str) -> str:
    """Suggest a config beside a path that does not exist."""
    folder, wanted = os.path.split(path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return f": there is no folder {shown(folder, PATH)}" if folder else ""
    known = [name for name in names if name.endswith(_SUFFIXES)][:_NEIGHBOURS]
    for suffix in _SUFFIXES:
        if wanted + suffix in known:
            return f"; did you mean {shown(os.path.join(folder, wanted + suffix), PATH)}?"
    stems = {name.rsplit(".", 1)[0]: name for name in known}
    name = nearest(wanted, known) or stems.get(nearest(wanted.rsplit(".", 1)[0], stems) or "")
    return f"; did you mean {shown(os.path.join(folder, name), PATH)}?" if name else ""


def _inside(folder: str) -> str:
    """Suggest the config in a folder."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIXES))
    except OSError:
        return ""
    best = next((name for name in names if name.startswith("config.")), names[0] if names else "")
    return f", such as {shown(os.path.join(folder, best), PATH)}" if best else ""
