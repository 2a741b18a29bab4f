"""What YAML has and a config has not, and what syntax errors are called."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from bpnet.config.document import Document
from bpnet.errors import ConfigError


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        Document.parse(text, "c.yaml").override([])
    return str(caught.value)


def complaints(text: str) -> list[str]:
    """Return the first lines of what is wrong with a text whose tree can be read."""
    return [str(problem).split("\n")[0] for problem in Document.parse(text, "c.yaml").problems]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("seed: 1\na: 2\nseed: 3\n", "3:1", "'seed' is there twice, on line 1 and on line 3"),
        ("x: {a: 1, b: 2, a: 3}\n", "1:17", "the key 'a' is there twice; remove one"),
        ("x:\n  a: 1\n  'a': 2\n", "3:3", "the key 'a' is there twice, on line 2 and on line 3"),
        ("a: &x 3\n", "1:4", "anchors (&name) are not supported"),
        ("a: &x {b: 1}\n", "1:4", "anchors (&name) are not supported"),
        ("a: &x [*x]\n", "1:8", "aliases (*name) are not supported"),
        ("a: *x\n", "1:4", "aliases (*name) are not supported"),
        ("a:\n  <<: {b: 1}\n", "2:3", "merge keys (<<) are not supported"),
        ("a: !!python/object:os.system x\n", "1:4", "tags (!name) are not supported"),
        ('a: !!int ""\n', "1:4", "tags (!name) are not supported"),
        ("a: !!timestamp x\n", "1:4", "tags (!name) are not supported"),
        ("a: !!set {x, y}\n", "1:4", "tags (!name) are not supported"),
        ("a: !mine [1]\n", "1:4", "tags (!name) are not supported"),
        ("a: !\n", "1:4", "tags (!name) are not supported"),
        ("%YAML 1.1\n---\na: 1\n", "1:1", "directives (%...) are not supported"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "1:1", "directives (%...) are not supported"),
        ("? [a]\n: b\n", "1:3", "a key must be a name, not a list or mapping"),
        ("a: {{ x }}\n", "1:5", "a key must be a name, not a list or mapping; put a text with"),
        ("name: foo\n  bar\nloss: x\n", "2:3", "this line goes on with the text of line 1"),
        ("model:\n  layers\nloss: x\n", "2:3", None),
        ("layers:\n  -dense\n  -relu\n", "2:3", "a space is missing after '-'; write '- dense'"),
        ("a: >5\n", "1:4", "'>' starts a block of text, which is empty"),
        ('a: "x\\by"\n', "1:4", "the character U+0008 can't be part of a text"),
        ("? \n: a\n", "1:2", "a key is missing before ':'"),
    ],
)
def test_what_a_config_has_no_use_for_is_refused_with_its_place(
    parser: str, text: str, place: str, message: str | None
) -> None:
    found = complaints(text)
    if message is None:
        assert found == []
        return
    assert any(line.startswith(f"c.yaml:{place}: error: ") and message in line for line in found)


def test_reading_goes_on_behind_what_is_refused(parser: str) -> None:
    text = "a: &x 1\nb: 1\nb: 2\nc: !t 3\nd: *x\n"
    assert [line.split(": ")[0] for line in complaints(text)] == [
        f"c.yaml:{place}" for place in ("1:4", "3:1", "4:4", "5:4")
    ]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        # a colon, or its space, is missing
        ("seed: 0\nname digits\nloss: x\n", "2:1", "is a ':' missing after 'name'?"),
        ("name digits\nloss: x\n", "1:1", "is a ':' missing after 'name'?"),
        ("loss: x\nname digits\n", "2:1", "is a ':' missing after 'name'?"),
        ("model\n  layers:\n    - a\nloss: x\n", "1:1", "is a ':' missing after 'model'?"),
        ("loss: x\nmodel\n  layers:\n    - a\n", "2:1", "is a ':' missing after 'model'?"),
        ("seed:0\nloss: x\n", "1:1", "a space is missing after ':'; write 'seed: 0'"),
        ("loss: x\nseed:0\nb: c\n", "2:1", "a space is missing after ':'; write 'seed: 0'"),
        ("x:\n  type:adam\n  lr: 3\n", "2:3", "missing after ':'; write 'type: adam'"),
        ("x:\n  type: adam\n  lr:3\nb: c\n", "3:3", "missing after ':'; write 'lr: 3'"),
        ("data:train\n", "1:1", "a space is missing after ':'; write 'data: train'"),
        ("optimizer {type: adam, x: 1}\n", "1:1", "a ':' is missing after 'optimizer'"),
        ("optimizer:{type: adam, x: 1}\n", "1:1", "a space is missing after 'optimizer:'"),
        ("seed = 0\nloss: x\n", "1:1", "write 'seed: 0' instead of 'seed = 0'"),
        ("loss: x\nseed = 0\nb: c\n", "2:1", "write 'seed: 0' instead of 'seed = 0'"),
        ("x:\n  -{type: a, b: c}\n", "2:3", "missing after '-'; write '- {type: a, b: c}'"),
        # indentation
        (
            "model:\n  layers:\n    - {type: dense}\n   - {type: relu}\n",
            "4:4",
            "this list item is indented by 3 spaces, the items above it by 4; indent all alike",
        ),
        (
            "model:\n  layers:\n    - {type: dense}\n      - {type: relu}\n",
            "4:7",
            "this list item is indented by 6 spaces, the items above it by 4; indent all alike",
        ),
        (
            "seed: 1\n  dtype: x\n",
            "2:3",
            "'dtype' is indented by 2 spaces, but 'seed' above it has a value already; indent "
            "both by 0, or remove the value after 'seed:'",
        ),
        (
            "training:\n    epochs: 1\n  batch: 2\n",
            "3:3",
            "'batch' is indented by 2 spaces, but the lines above by 0 or 4; lines of one block "
            "start in the same column",
        ),
        (
            "layers:\n  - type: dense\n     units: 64\n",
            "3:6",
            "'units' is indented by 5 spaces, but 'type' above it has a value already; indent "
            "both by 4, or remove the value after 'type:'",
        ),
        (
            "layers:\n  - type: dense\n   units: 64\n",
            "3:4",
            "'units' is indented by 3 spaces, but the lines above by 0, 2 or 4",
        ),
        (
            "layers:\n  - type: dense\n  units: 64\n",
            "3:3",
            "'units' stands between list items; indent it by 4 spaces to belong to the item above",
        ),
        (
            "layers:\n  - dense\n    units: 3\n",
            "3:5",
            "'units' can't follow '- dense'; write '- type: dense', and 'units' below 'type'",
        ),
        ("a: 1\n- b\n", "2:1", "a list item between 'key: value' lines"),
        (" a: 1\nb: 2\n", "1:2", "indented by 1 space, but not the lines below; align them"),
        ("x: 1\ny:\n  a: b\n  - c\n", "4:3", "a list item between 'key: value' lines"),
        ("init: he\n  - {type: dense}\n", "2:3", "a list item can't follow 'init: he'"),
        ("model:\n\tlayers: 3\n", "2:1", "tabs do not indent in YAML; use spaces"),
        ("model:\n  \tlayers: 3\n", "2:3", "tabs do not indent in YAML; use spaces"),
        ("model: x\n\tlayers: 3\n", "2:1", "tabs do not indent in YAML; use spaces"),
        # lists and colons where none can be
        ("layers: - a\n  - b\n", "1:9", "a list cannot start on the line of 'layers:'"),
        ("x:\n  - a\n  -{b: c}\n", "3:3", "a space is missing after '-'; write '- {b: c}'"),
        (
            "name: a: b\n",
            "1:8",
            "a second ':' in one line; options of 'name' go in braces ({a: b})",
        ),
        ("t:\n  epochs: 5 batch: 3\n", "2:18", "start a new line before 'batch'"),
        ("optimizer: type: a, lr: 1}\n", "1:12", "a '{' is missing before 'type: a, lr: 1}'"),
        (": a\n", "1:1", "a key is missing before ':'"),
        # quotes
        (
            'a: 1\nname: "abc\nloss: x\n',
            "2:7",
            'this double quote is never closed; add the second "',
        ),
        ("name: 'abc\nloss: x\n", "1:7", "this quote is never closed; add the second '"),
        ("a: 'x\n---\nb: 2\n", "1:4", "this quote is never closed"),
        ("name: 'it's'\nloss: x\n", "1:11", "a quote inside single quotes is doubled: 'it''s'"),
        ('name: "a"b"\nloss: x\n', "1:10", 'a quote inside double quotes is written \\"'),
        (
            'a: "C:\\data\\x.csv"\n',
            "1:7",
            "'\\d' has no meaning in double quotes; use single quotes",
        ),
        # brackets
        ("a: [1, 2\nb: 3\n", "1:4", "this '[' is never closed; add ']'"),
        ("l:\n  - {type: dense, units: 3\n  - {type: relu}\n", "2:5", "this '{' is never closed"),
        ("a: {b: 1}}\nc: 2\n", "1:10", "this '}' closes nothing; remove it"),
        ("a: [b, 1]]\nc: 2\n", "1:10", "this ']' closes nothing; remove it"),
        ("x: [\n", "1:4", "this '[' is never closed"),
        ("x: {a: [1],\n", "1:4", "this '{' is never closed"),
        ("x: [\n- b\n]\n", "2:1", "a list item can't stand here; in brackets, write [a, b]"),
        ("a: [1, 2}\nc: 3\n", "1:9", "expected ']' to close the '[', received '}'"),
        ("a: {type: dense units: 64}\n", "1:17", "a ',' is missing before 'units'"),
        ("a: {type: 'dense' units: 64}\n", "1:19", "a ',' is missing before 'units'"),
        ("a: [1 2 [3]]\n", "1:9", "a ',' is missing before '['"),
        ("a: {\n  b: 1\n  c: 2\n}\n", "3:3", "a ',' is missing before 'c'"),
        ("a: {b: 1; c: 2}\n", "1:9", "write ',' instead of ';'"),
        ("a: [1,,2]\n", "1:7", "a value is missing before ','"),
        ("a: {b: 1} c\nd: 3\n", "1:11", "text after the closing '}'; remove it, or put it inside"),
        # signs that need quotes
        ("a: @x\n", "1:4", "a text that starts with '@' needs quotes: '@x'"),
        ("a: `x`  # c\n", "1:4", "a text that starts with '`' needs quotes: '`x`'"),
        ("a: %x\n", "1:4", "a text that starts with '%' needs quotes: '%x'"),
        ("a: *.csv\n", "1:4", "a text that starts with '*' needs quotes: '*.csv'"),
        ("a: & b\n", "1:4", "a text that starts with '&' needs quotes: '& b'"),
        ("a: >0.5\n", "1:4", "a text that starts with '>' needs quotes: '>0.5'"),
        ("a: | x\n", "1:4", "a text that starts with '|' needs quotes: '| x'"),
        ("a: ? b\n", "1:4", "a text that starts with '?' needs quotes"),
        ("a: , b\n", "1:4", "a value cannot start with ','; put it in quotes"),
        ("a: !foo!bar x\n", "1:4", "tags (!name) are not supported"),
        # documents and directives
        ("a: 1\n---\nb: 2\n", "2:1", "one config is one document; remove the '---'"),
        ("a: 1\n...\nb: 2\n", "3:1", "text after '...', which ends the config; remove the '...'"),
        ("%YAML 9.9\n---\na: 1\n", "1:1", "directives (%...) are not supported; remove this line"),
        ("%x\na: 1\n", "1:1", "directives (%...) are not supported; remove this line"),
        # not a mapping at all
        ("- a\n- b\n", "1:1", "a config consists of 'key: value' lines, but this is a list"),
        ("'abc'\n", "1:1", "a config consists of 'key: value' lines, but this is a single value"),
        ("", "1:1", "the config is empty; 'bpnet init' writes one to start from"),
        ("# only\n\n# comments\n", "1:1", "the config is empty"),
        ("null\n", "1:1", "the config is empty"),
        ("---\n", "1:1", "the config is empty"),
        ("*a\n", "1:1", "aliases (*name) are not supported"),
    ],
)
def test_a_syntax_error_is_told_in_the_words_of_the_reader(
    parser: str, text: str, place: str, message: str
) -> None:
    first = refusal(text).split("\n")[0]
    assert first.startswith(f"c.yaml:{place}: error: ")
    assert message in first


@pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"\n', 'a: "\\uD800"\n', 'a: "\\xzz"\n'])
def test_an_escape_that_is_no_character_is_one_clear_error(
    parser: str, text: str, fail: Callable[..., str]
) -> None:
    message = fail(text).split("\n")[0]
    assert message.startswith("c.yaml:1:")
    assert re.search(r"is not the code of a character|U\+D800|is no character", fail(text))


def test_a_syntax_error_looks_like_a_compilers() -> None:
    assert refusal("seed: 1\nmodel:\n  layers: [relu, {type: dense units: 3}]\n") == (
        "c.yaml:3:31: error: a ',' is missing before 'units'\n"
        "    3 |   layers: [relu, {type: dense units: 3}]\n"
        "      |                               ^^^^^"
    )


def test_a_list_may_stand_in_the_column_of_its_key(parser: str) -> None:
    assert Document.parse("x:\n- b\nc: 3\n").peek() == {"x": ["b"], "c": 3}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "a: " + "[" * 100_000,
        "{{" * 50_000,
        "".join(" " * i + "a:\n" for i in range(1200)),
        "\n".join(" " * i + "- a" for i in range(1200)),
    ],
    ids=["brackets", "braces", "dashes", "in a key", "keys", "blocks", "items"],
)
def test_nesting_that_crashes_other_parsers_is_refused_at_once(text: str) -> None:
    """A process of its own: what is tested for is a segmentation fault."""
    program = textwrap.dedent("""
        import sys, time
        from bpnet.config.document import Document
        from bpnet.errors import ConfigError
        text = sys.stdin.read()
        started = time.process_time()
        try:
            Document.parse(text, "deep.yaml")
        except ConfigError as error:
            print(str(error).split(chr(10))[0])
        print(time.process_time() - started)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], input=text, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    message, seconds = done.stdout.splitlines()
    assert message.startswith("deep.yaml:")
    assert float(seconds) < 5


def test_64_levels_are_enough_and_65_too_many(parser: str) -> None:
    assert Document.parse("a: " + "[" * 63 + "]" * 63 + "\n").peek("a") is not None
    assert "nested more than 64 levels deep" in refusal("a: " + "[" * 64 + "]" * 64 + "\n")


def test_a_bomb_of_aliases_does_not_go_off(parser: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    found = complaints("\n".join(lines))
    assert len(found) == 10 + 9 * 9


def test_too_many_values_are_refused() -> None:
    assert "more than 50000 values" in refusal("a: [" + "1," * 50_001 + "]\n")


def test_no_search_in_a_message_is_slow_for_long_lines() -> None:
    """The searches in error messages look at the first characters of a line only."""
    for line in ("x" + " " * 300_000 + "y", "'" + "\\" * 300_000, '"' + '\\"' * 150_000 + "x"):
        for text in (f"{line}\na: b\n", f"a: {line}\nb: c\n", f"a: [{line}\nb: c\n"):
            assert len(refusal(text + "\n: x\n").split("\n")[0]) < 1000
