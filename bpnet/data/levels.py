"""The codes of a column of texts, while its cells come in.

Most columns of texts have few different ones. Of each block only one cell of a kind is looked at
as text; the others are found equal to it byte by byte, and get its code. Columns with very many
different texts have their cells put off: at the end they are sorted and coded all at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np

from bpnet.data.grid import MAX_CELL, Cells
from bpnet.data.sorting import sorting_order
from bpnet.data.words import U64, keep_front, words_at
from bpnet.nn.arena import Array

MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "?"}
)
"""Cells that are missing in every column."""

_MISSING_WORDS = np.array(
    [int.from_bytes(text.encode(), "little") for text in sorted(MISSING)], np.uint64
)

MANY = 1 << 12
"""Different texts from which on cells are put off, if most of a block's are new."""

_WORDS = 8
"""Words of the longest cell that is compared with others byte by byte."""

_SLOT_BITS = 16
_MIXERS = [U64(0x9E3779B97F4A7C15 * (2 * i + 1) % 2**64) for i in range(_WORDS)]
"""Odd multipliers (2**64 over the golden ratio) that spread words over the slots."""

_DECODED = 1 << 12
"""Texts that are made of bytes at once: few enough for both to stay in the processor's cache."""

_LATER = -2
"""The code of a cell that is put off."""


def are_missing(cells: Cells) -> Array:
    """Return which cells are missing in every column, bool ``(N,)``."""
    lengths = cells.stops - cells.starts
    words = keep_front(words_at(cells.data, cells.starts, 1)[:, 0], lengths.clip(0, 8))
    found: Array = (words[:, None] == _MISSING_WORDS).any(axis=1)
    found &= lengths <= 8
    return found


class Levels:
    """The codes of texts: 0, 1, 2, ... as they come in, -1 for a missing cell."""

    def __init__(self) -> None:
        self._codes = _Codes()
        self._later: list[Array] = []

    def code_texts(self, cells: Iterable[str], count: int) -> Array:
        """Return the code of each of `count` texts, int32.

        Raises
        ------
        ValueError
            If a text is too long.
        """
        return np.fromiter(map(self._codes.__getitem__, cells), np.int32, count)

    def code_cells(self, cells: Cells) -> Array:
        """Return the code of each cell, int32; :meth:`finish` knows those that are put off."""
        lengths = cells.stops - cells.starts
        width = -(-int(lengths.max(initial=0)) // 8)
        if width > _WORDS:
            return self.code_texts(cells.texts(), len(cells))
        words = words_at(cells.data, cells.starts, max(1, width))
        for i in range(width):
            words[:, i] = keep_front(words[:, i], (lengths - 8 * i).clip(0, 8))
        like = _representatives(words)
        own = like == np.arange(len(like))
        codes = np.empty(len(cells), np.int32)
        which = np.flatnonzero(own)
        if len(self._codes.levels) + len(which) > MANY and 2 * len(which) > len(own):
            codes.fill(_LATER)
            plain = _is_plain(cells, lengths)
            self._later.append(words[plain])
            which = np.flatnonzero(~plain)
            codes[which] = self.code_texts(cells.take(which).texts(), len(which))
            return codes
        codes[which] = self.code_texts(cells.take(which).texts(), len(which))
        coded: Array = codes[like]
        return coded

    def finish(self, codes: Array) -> tuple[Array, tuple[str, ...]]:
        """Return the code of every cell as an index into the sorted texts, and these.

        Parameters
        ----------
        codes
            Of all cells, in the order in which they came in.
        """
        texts = sorted(self._codes.levels)
        known = len(texts)
        put_off = bool(self._later)
        if put_off:
            late, sorted_late = _coded_by_sorting(self._later)
            texts, places = _merged(sorted_late, texts)
            late = places[late]
        recode = np.full(known + 2, -1, np.int32)  # the last ones are for -2 and -1
        for text, code in self._codes.levels.items():
            recode[code] = bisect_left(texts, text)
        found: Array = recode[codes]
        if put_off:
            found[codes == _LATER] = late
        return found, tuple(texts)


class _Codes(dict[str, int]):
    """The code of each text, a new one for a new text, -1 for a missing cell.

    A lookup interns, so that texts are coded by ``map(codes.__getitem__, cells)``.
    """

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        if len(cell) > MAX_CELL:
            raise ValueError("the cell is too long")
        text = cell.strip()
        code = -1 if text in MISSING else self.levels.setdefault(text, len(self.levels))
        self[cell] = code
        return code


def _representatives(words: Array) -> Array:
    """Return, for each row of words, the index of a row that is equal to it.

    Rows that fall into a slot of their own have one for all that are equal. Of different rows in
    one slot, some have only themselves.
    """
    mixed = words[:, 0] * _MIXERS[0]
    for i in range(1, words.shape[1]):
        mixed += words[:, i] * _MIXERS[i]
    slot = (mixed >> U64(64 - _SLOT_BITS)).astype(np.intp)
    row = np.arange(len(words))
    latest = np.empty(1 << _SLOT_BITS, np.intp)
    latest[slot] = row
    like = latest[slot]
    for i in range(words.shape[1]):
        word = words[:, i]
        other = word[like] != word
        if other.any():
            like = np.where(other, row, like)
    return like


def _is_plain(cells: Cells, lengths: Array) -> Array:
    """Mark cells that are a text as they stand: not missing, and without space or quotes to drop.

    (No text for a missing cell is longer than four bytes, and no white space is in ASCII above
    the space.)
    """
    plain = lengths > 4
    for edge in (cells.data[cells.starts], cells.data[cells.stops - 1]):
        plain &= (edge > ord(" ")) & (edge < 0x80)
    return plain & (not cells.doubled)


def _coded_by_sorting(later: list[Array]) -> tuple[Array, list[str]]:
    """Return the code of each row of words, and the texts, sorted."""
    codes, distinct = _ranked(later)
    texts: list[str] = []
    for start in range(0, len(distinct), _DECODED):
        some = distinct[start : start + _DECODED].tolist()
        texts += b"\0".join(some).decode().split("\0")  # no text holds a NUL
    return codes, texts


def _ranked(later: list[Array]) -> tuple[Array, Array]:
    """Return the place of each row of words among the different ones, and these as bytes."""
    width = max(part.shape[1] for part in later)
    words = np.zeros((sum(map(len, later)), width), "<u8")
    start = 0
    for part in later:
        words[start : start + len(part), : part.shape[1]] = part
        start += len(part)
    later.clear()
    order = sorting_order(words)
    new = np.zeros(len(words), bool)
    new[:1] = True
    for i in range(width):
        word = words[:, i].take(order)
        new[1:] |= word[1:] != word[:-1]
    ranks = np.empty(len(words), np.int32)
    ranks[order] = np.cumsum(new, dtype=np.int32) - 1
    return ranks, words.view(f"S{8 * width}").ravel()[order[new]]


def _merged(many: list[str], few: list[str]) -> tuple[list[str], Array]:
    """Merge two sorted lists; return also, for each of the many, where it is now, int32."""
    texts: list[str] = []
    new: list[int] = []  # how many of the many are before each of the few that isn't one of them
    done = 0
    for text in few:
        place = bisect_left(many, text, done)
        texts += many[done:place]
        done = place
        if many[place : place + 1] != [text]:
            new.append(place)
            texts.append(text)
    texts += many[done:]
    moved = np.cumsum(np.bincount(new, minlength=len(many) + 1)[: len(many)])
    return texts, (np.arange(len(many)) + moved).astype(np.int32)
