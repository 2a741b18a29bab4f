"""From a source in a config or on the command line to a table or a tensor.

A source is ``builtin:NAME``, the path of a file, or two IDX files with images and labels. The
name's ending says what a file is:

====================================  =============================================
``.csv``, ``.tsv``, ``.txt``          rows with separators (`bpnet.data.delimited`)
``.jsonl``, ``.ndjson``               JSON Lines (`bpnet.data.jsonlines`)
``.npz``, ``.npy``                    NumPy arrays (`bpnet.data.arrays`)
``.idx``, or ``idx`` and a digit      IDX images and labels (`bpnet.data.idx`)
====================================  =============================================

All but NumPy's may be compressed with gzip (``.csv.gz``). Only regular files are read; what was
read comes with its size and SHA-256.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bpnet.data.arrays import array_names, read_npy, read_npz
from bpnet.data.builtin import PREFIX, builtin_files, find_builtin, read_builtin
from bpnet.data.files import FileOpener, Opener, harmless, reading
from bpnet.data.gunzip import decompressed
from bpnet.data.idx import LABEL, label_names, read_idx
from bpnet.data.table import Fingerprint, Kind, Stream, Table, Tensor
from bpnet.data.text_table import FORMS, read_text_table, stream_text_table
from bpnet.errors import DataError


class ImagePair(Protocol):
    """Images and their labels in two IDX files."""

    images: str
    labels: str


Source = str | os.PathLike[str] | ImagePair

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npz": "npz",
    ".npy": "npy",
    ".idx": "idx",
}
_INSTEAD = {
    ".json": "JSON Lines: one object a line, in a file that ends in .jsonl",
    ".xlsx": "CSV: save the sheet in a file that ends in .csv",
    ".xls": "CSV: save the sheet in a file that ends in .csv",
    ".parquet": "CSV or NPZ: convert it",
    ".zip": "the files inside it: unpack it",
}


def read_source(
    source: Source,
    folder: Path,
    *,
    kinds: Mapping[str, Kind] | None = None,
    features: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    target_required: bool = True,
    header: bool = True,
) -> Table | Tensor:
    """Read a source as a whole.

    Parameters
    ----------
    source
        ``builtin:NAME``, a path, or the paths of images and labels.
    folder
        The folder that relative paths start from.
    kinds
        The kinds of columns that are not to be inferred; names that the source lacks are ignored.
    features
        Of an NPZ file, the array with the inputs (default ``x``); a list counts if it is one
        name of an array in the file, else it names columns and is the caller's.
    target
        Of an NPZ file, the array or arrays with the target (default ``y``, if there is one); of
        IDX files, what the labels are called (default ``label``). Columns of tables are the
        caller's.
    target_required
        Whether arrays with the target, or labels, must be there.
    header
        Whether the first line of a CSV or TSV file names the columns.

    Returns
    -------
    Table or Tensor
        A table, or for images and arrays of more than two dimensions a tensor. Its `target_names`
        are the columns of the target where the source itself tells: arrays, labels, builtin sets.

    Raises
    ------
    DataError
        If the source is missing, or anything in it is wrong.
    RefusedError
        If the operating system refuses to read it.
    """
    kinds = kinds or {}
    targets = [target] if isinstance(target, str) else list(target or ())
    label = targets[0] if len(targets) == 1 else None
    if not isinstance(source, str | os.PathLike):
        images, labels = FileOpener(source.images, folder), FileOpener(source.labels, folder)
        return read_idx(images, labels, kinds, label or LABEL)
    name = os.fspath(source)
    if name.startswith(PREFIX):
        return read_builtin(name, kinds, label)
    opener, form = FileOpener(name, folder), form_of(name)
    if form == "idx":
        found = _labels(name, opener, folder, required=target_required)
        return read_idx(opener, found, kinds, label or LABEL)
    if form == "npy":
        return read_npy(opener, kinds)
    if form == "npz":
        inputs = features if isinstance(features, str) else None
        if inputs is None and features is not None and len(features) == 1:
            inputs = features[0] if features[0] in array_names(opener) else None
        return read_npz(
            opener,
            kinds,
            features=None if inputs == "all" else inputs,
            target=targets or None,
            target_required=target_required,
        )
    return read_text_table(opener, form, kinds, header=header)


def stream_table(
    stream: Stream,
    source: str,
    kinds: Mapping[str, Kind],
    *,
    rows: int = 4096,
    form: str = "csv",
    optional: Collection[str] = (),
    header: bool = True,
) -> Iterator[Table]:
    """Read a table of known columns in chunks, in constant memory.

    Parameters
    ----------
    stream
        Bytes: a file, or standard input's buffer. Rows of a pipe are handed on as they arrive.
    source
        What errors call it.
    kinds
        The columns to read and their kinds; others are ignored.
    rows
        The most rows a chunk has.
    form
        ``csv``, ``tsv``, ``txt`` or ``jsonl``.
    optional
        Columns of `kinds` that need not be there; where they aren't, the tables lack them.
    header
        Whether the first line of a CSV or TSV stream names the columns.

    Yields
    ------
    Table
        The next rows, with their lines and the columns in the order of `kinds`. The levels of a
        category are those of the chunk.

    Raises
    ------
    DataError
        If a needed column is missing, or anything in the stream is wrong.
    """
    assert form in FORMS, form
    return stream_text_table(
        stream, source, form, kinds, rows=rows, optional=optional, header=header
    )


@contextmanager
def open_stream(source: str | os.PathLike[str], folder: Path) -> Iterator[tuple[Stream, str]]:
    """Open a text file for `stream_table`, decompressed, and tell its form.

    Raises
    ------
    DataError
        If it is missing, or no text file.
    """
    name = os.fspath(source)
    form = form_of(name)
    if form not in FORMS:
        raise DataError(
            "expected a .csv, .tsv, .txt or .jsonl file (or the same with .gz)", harmless(name)
        )
    with reading(FileOpener(name, folder)) as file:
        yield decompressed(file), form


def form_of(name: str) -> str:
    """Return what a file is by its name: csv, tsv, txt, jsonl, npz, npy or idx.

    Raises
    ------
    DataError
        If its name tells nothing that is known.
    """
    base = os.path.basename(name).lower()
    inner = base.removesuffix(".gz")
    ending = os.path.splitext(inner)[1]
    form = _ENDINGS.get(ending)
    if form is None and re.search(r"[.-]idx\d", inner):
        form = "idx"
    if form in ("npz", "npy") and inner != base:
        raise DataError(
            f"{ending} files are not read compressed by gzip; decompress it", harmless(name)
        )
    if form is None:
        instead = _INSTEAD.get(ending)
        raise DataError(
            f"expected {instead}"
            if instead
            else "expected a name that ends in .csv, .tsv, .txt, .jsonl, .ndjson, .idx (each also "
            ".gz), .npz or .npy, or builtin:NAME",
            harmless(name),
        )
    return form


def fingerprints(source: Source, folder: Path) -> tuple[Fingerprint, ...]:
    """Return what identifies the files of a source, without parsing them.

    Equal to the `files` of the table or tensor that `read_source` returns for it.

    Raises
    ------
    DataError
        If a file is missing.
    RefusedError
        If the operating system refuses to read it.
    """
    openers: Sequence[Opener]
    if not isinstance(source, str | os.PathLike):
        openers = [FileOpener(source.images, folder), FileOpener(source.labels, folder)]
    elif os.fspath(source).startswith(PREFIX):
        openers = builtin_files(os.fspath(source))
    else:
        opener = FileOpener(os.fspath(source), folder)
        is_idx = form_of(opener.name) == "idx"
        labels = _labels(os.fspath(source), opener, folder, required=False) if is_idx else None
        openers = [opener, *([labels] if labels else [])]
    return tuple(map(_fingerprint, openers))


def published_test_part(source: Source) -> str | None:
    """Return the builtin set with the published test part of a builtin set, if there is one."""
    if isinstance(source, str) and source.startswith(PREFIX):
        test = find_builtin(source).test_part
        return PREFIX + test if test else None
    return None


def _fingerprint(opener: Opener) -> Fingerprint:
    with reading(opener) as file:
        return file.fingerprint()


def _labels(name: str, images: FileOpener, folder: Path, *, required: bool) -> FileOpener | None:
    """Return the labels that lie beside the images, whose path is `name`."""
    parent, base = os.path.split(name)
    names = [os.path.join(parent, name) for name in label_names(base)]
    for beside in names:
        opener = FileOpener(beside, folder)
        if opener.path.exists():
            return opener
    if required and images.path.exists():
        missing = f" {names[0]!r} beside them" if names else ""
        raise DataError(
            f"found no labels{missing}; give them: {{images: {images.name}, labels: PATH}}",
            images.name,
        )
    return None
