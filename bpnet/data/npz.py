"""Unpacking NPZ files: zip archives of NPY files."""

from __future__ import annotations

import errno
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bpnet.data.files import BLOCK, SourceFile, reason
from bpnet.data.gunzip import check_expansion
from bpnet.data.lines import quoted
from bpnet.data.npy import array_from, read_header, wrong_size
from bpnet.errors import DataError, RefusedError, did_you_mean
from bpnet.nn.arena import Array

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # a feature of archives that the zipfile module lacks
    RuntimeError,  # an encrypted member
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
)

_LOCAL_HEADER = 30
"""Bytes in front of a member, beside its name, at least."""


@contextmanager
def open_archive(file: SourceFile) -> Iterator[zipfile.ZipFile]:
    """Open a file as an archive; whatever is wrong with it in there becomes a DataError."""
    try:
        # The zipfile module looks for an archive at the end of any file.
        if not file.raw.read(4).startswith((b"PK\x03\x04", b"PK\x05\x06")):
            raise DataError("the archive is damaged: it begins like none", file.name)
        with zipfile.ZipFile(file.raw) as archive:
            yield archive
    except _DAMAGED as error:
        raise DataError(f"the archive is damaged: {error}", file.name) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # from seeking to a place that a damaged header claims
            raise RefusedError(f"{file.name}: cannot be read: {reason(error)}") from error
        raise DataError("the archive is damaged: it has no such place", file.name) from error


def members_of(archive: zipfile.ZipFile, source: str) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays by name, still packed.

    Raises
    ------
    DataError
        If there is anything else in the archive, an array twice, or arrays in one another's place.
    """
    _check_places(archive, source)
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        plain = name.isprintable() and ".." not in name and not name.startswith(("/", "\\"))
        if not name.endswith(".npy") or not plain:
            raise DataError(f"holds {quoted(name)}, which is no array as NumPy saves them", source)
        name = name.removesuffix(".npy")
        if name in members:
            raise DataError(f"holds the array {quoted(name)} twice", source)
        if info.flag_bits & 1:
            raise DataError(f"the array {quoted(name)} is encrypted", source)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"the array {quoted(name)} is compressed in a way that NumPy never uses", source
            )
        members[name] = info
    return members


def _check_places(archive: zipfile.ZipFile, source: str) -> None:
    """Refuse members that share their bytes, as those of decompression bombs do."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise DataError(
                f"the archive is damaged: {quoted(info.filename)} overlaps what is before it",
                source,
            )
        end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
    if end > archive.start_dir:
        raise DataError("the archive is damaged: an array overlaps its directory", source)


def unpack(
    archive: zipfile.ZipFile,
    members: Mapping[str, zipfile.ZipInfo],
    name: str,
    file_size: int,
    source: str,
) -> Array:
    """Return one array, held against its header and its checksum.

    Raises
    ------
    DataError
        If it is missing, damaged, or a decompression bomb.
    """
    if name not in members:
        there = ", ".join(list(members)[:20]) or "none"
        there += f" and {len(members) - 20} more" if len(members) > 20 else ""
        raise DataError(
            f"there is no array {quoted(name)}{did_you_mean(name, members)} (arrays: {there}); "
            "name the inputs with data.features and the target with data.target",
            source,
        )
    info = members[name]
    where = f"{source}[{name}]"
    check_expansion(info.file_size, min(info.compress_size, file_size), where)
    with archive.open(info) as stream:
        header = read_header(stream, where)
        if header.offset + header.size != info.file_size:
            raise wrong_size(header, info.file_size - header.offset, where)
        data = bytearray()
        # One byte more than it has, so that the end is reached and the checksum compared.
        while block := stream.read(min(BLOCK, header.size - len(data) + 1)):
            data += block
            if len(data) > header.size:
                break
    if len(data) != header.size:
        raise wrong_size(header, len(data), where)
    return array_from(data, header)
