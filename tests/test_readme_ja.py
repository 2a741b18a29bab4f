"""README.ja.md says in Japanese what README.md says, up to the config reference."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_bytes().decode()
JAPANESE = (ROOT / "README.ja.md").read_bytes().decode()

FENCED = re.compile(r"(?ms)^(```+).*?^\1[ \t]*\r?$")
HEADING = re.compile(r"(#{1,6}) (.+)")
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
ENDS = ("\n## Config reference\n", "\n## 設定リファレンス\n")
KANA = re.compile("[ぁ-ゖァ-ヺ]")


@dataclass
class Section:
    """What stands below one heading, cut into blocks at the empty lines."""

    level: int
    title: str
    blocks: list[str]

    @property
    def prose(self) -> str:
        return "\n".join(block for block in self.blocks if not FENCED.match(block))

    @property
    def shape(self) -> list[str]:
        """What the blocks are, without what they say."""
        return [kind(block) for block in self.blocks]

    @property
    def inline(self) -> set[str]:
        return {" ".join(code.split()) for code in INLINE.findall(self.prose)}

    @property
    def figures(self) -> set[str]:
        return set(FIGURE.findall(INLINE.sub(" ", LINK.sub(r"\1", self.prose))))

    @property
    def first_columns(self) -> list[list[list[str]]]:
        """Inline code in the first column: of each table, of each row."""
        return [
            [INLINE.findall(cells(row)[0]) for row in block.splitlines()[2:]]
            for block in self.blocks
            if kind(block).startswith("table")
        ]


def cells(row: str) -> list[str]:
    return re.split(r"(?<!\\)\|", row)[1:-1]


def kind(block: str) -> str:
    lines = block.splitlines()
    if FENCED.match(block):
        return "code"
    if block.startswith("|"):
        return f"table of {len(lines)} lines by {len(cells(lines[0]))} columns"
    if block.startswith("- "):
        return f"list of {sum(line.startswith('- ') for line in lines)}"
    return "paragraph"


def pieces(text: str) -> Iterator[str]:
    """Yield code blocks whole, and the lines between them."""
    end = 0
    for found in FENCED.finditer(text):
        yield from text[end : found.start()].splitlines()
        yield found.group()
        end = found.end()
    yield from text[end:].splitlines()


def sections(text: str) -> list[Section]:
    """Return the sections before the config reference, which is generated, and English alone."""
    text = next(text.partition(end)[0] for end in ENDS if end in text)
    known: list[Section] = []
    lines: list[str] = []

    def end_block() -> None:
        if lines:
            known[-1].blocks.append("\n".join(lines))
            lines.clear()

    for piece in pieces(text):
        if FENCED.match(piece):
            end_block()
            known[-1].blocks.append(piece)
        elif heading := HEADING.fullmatch(piece):
            end_block()
            known.append(Section(len(heading[1]), heading[2], []))
        elif piece.strip():
            lines.append(piece)
        else:
            end_block()
    end_block()
    return known


def differences(english: str, japanese: str) -> Iterator[str]:
    """Yield what only one of the two texts has."""
    ours, theirs = sections(english), sections(japanese)
    for a, b in zip_longest(ours, theirs):
        if a is None or b is None or a.level != b.level:
            yield f"heading: {a and a.title!r} against {b and b.title!r}"
            return  # from here on the sections are no pairs
    for a, b in zip(ours, theirs, strict=True):
        where = f"{a.title!r}, {b.title!r}"
        if a.shape != b.shape:
            yield f"{where}: blocks: {a.shape} against {b.shape}"
        if a.first_columns != b.first_columns:
            yield f"{where}: first columns: {a.first_columns} against {b.first_columns}"
        if lost := a.inline - b.inline:
            yield f"{where}: named in English only: {sorted(lost)}"
        # A Japanese sentence may repeat its subject, a command that English has in the example.
        whole = " ".join(" ".join(a.blocks).split())
        if more := {code for code in b.inline - a.inline if code not in whole}:
            yield f"{where}: named in Japanese only: {sorted(more)}"
        if lost := a.figures - b.figures:
            yield f"{where}: figures in English only: {sorted(lost)}"
    codes = ([b for s in side for b in s.blocks if FENCED.match(b)] for side in (ours, theirs))
    for a, b in zip_longest(*codes):
        if a != b:
            yield f"code blocks:\n{a}\nagainst\n{b}"


def untranslated(japanese: str) -> Iterator[str]:
    """Yield the blocks of text without a single kana."""
    for section in sections(japanese):
        for block in section.blocks:
            bare = INLINE.sub("", LINK.sub("", block)).strip()
            if bare and not FENCED.match(block) and not KANA.search(bare):
                yield f"{section.title!r}: {block}"


def anchors(text: str) -> set[str]:
    """Return the names by which GitHub links to the headings."""
    headings = (HEADING.fullmatch(piece) for piece in pieces(text))
    titles = (found[2].lower() for found in headings if found)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def leads_somewhere(target: str, text: str) -> bool:
    """Return whether a relative link of a text finds its file, and there its heading."""
    path, _, anchor = target.partition("#")
    if path and not (ROOT / path).exists():
        return False
    return not anchor or anchor in anchors((ROOT / path).read_text() if path else text)


def broken_links(text: str) -> list[str]:
    targets = [target for _, target in LINK.findall(INLINE.sub("", FENCED.sub("", text)))]
    relative = (target for target in targets if not re.match(r"[a-z]+:", target))
    return [target for target in relative if not leads_somewhere(target, text)]


def test_both_say_the_same_in_the_same_order():
    assert list(differences(ENGLISH, JAPANESE)) == []


def test_everything_is_translated():
    assert list(untranslated(JAPANESE)) == []


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE], ids=["README.md", "README.ja.md"])
def test_links_lead_somewhere(text):
    assert broken_links(text) == []


def test_each_links_to_the_other():
    assert "[日本語](README.ja.md)" in ENGLISH.split("##")[0]
    assert "[English](README.md)" in JAPANESE.split("##")[0]
    assert "(README.md#config-reference)" in JAPANESE.partition(ENDS[1])[2]


# Each puts something into one of the texts: what is looked for, and what comes in its place.
ADDED = {
    "a heading": ("\n\n## ", "\n\n### News\n\n## "),
    "a heading of another level": ("\n\n### ", "\n\n#### "),
    "a code block": ("\n\n## ", "\n\n```sh\nbpnet env\n```\n\n## "),
    "a blank in a code block": ("\n```\n", " \n```\n"),
    "a comment in a config": ("\n```yaml\n", "\n```yaml\n# a hash is no heading here\n"),
    "a paragraph": ("\n\n## ", "\n\nOne more.\n\n## "),
    "an item of a list": ("\n\n- ", "\n\n- One more.\n- "),
    "a row of a table": ("\n|---|---|\n", "\n|---|---|\n| `new` | is new |\n"),
    "a name in a first column": ("\n| `bpnet env`", "\n| `bpnet environment`"),
    "an option in a sentence": ("\n\n## ", " With `--new` it is new.\n\n## "),
}


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE], ids=["English", "Japanese"])
@pytest.mark.parametrize(("old", "new"), ADDED.values(), ids=ADDED)
def test_what_is_added_to_one_alone_is_found(text, old, new):
    added = text.replace(old, new, 1)
    assert added != text
    assert list(differences(text, text)) == []
    assert list(differences(added, text))
    assert list(differences(text, added))


def test_a_figure_that_changes_in_english_is_found():
    changed = ENGLISH.replace("\n\n## ", " It takes 12345.6 s.\n\n## ", 1)
    assert any("12345.6" in said for said in differences(changed, ENGLISH))


def test_what_is_left_in_english_is_found():
    first = sections(JAPANESE)[1].blocks[0]
    assert list(untranslated(JAPANESE.replace(first, "Python is all you need.")))


def test_a_link_to_nothing_is_found():
    text = "[a](no-such-file.md) [b](README.md#no-such-heading) [c](README.md#limits)"
    assert broken_links(text) == ["no-such-file.md", "README.md#no-such-heading"]
