"""Malformed configs of the kinds that public test suites collect: refused, or read by a rule.

YAML as in yaml-test-suite and in reports about PyYAML, JSON as in JSONTestSuite (a config may be
JSON), names as in the Big List of Naughty Strings. (Built here; nothing is copied.)
"""

from __future__ import annotations

import json
import re
import time

import pytest

from bpnet.config.document import Document
from bpnet.config.nodes import plain
from bpnet.config.schema import Config, bind_config
from bpnet.data import sources
from bpnet.errors import ConfigError, DataError, UsageError

CONFIG = """\
name: digits
data: {train: t.csv, target: y}
model: {layers: [{type: dense, units: auto}]}
loss: mse
"""


def bound(data: str | bytes, *assignments: str) -> Config:
    return bind_config(Document.parse(data, "c.yaml").override(assignments))


def refusal(data: str | bytes, *assignments: str) -> str:
    """Return the message that refuses a config: with a place, in lines that any terminal shows."""
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        bound(data, *assignments)
    assert time.process_time() - started < 3
    lines = str(caught.value).split("\n")
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    assert len(lines) < 400
    if not assignments:
        assert re.match(r"c\.yaml(:\d+:\d+)?: error: ", lines[0])
    return str(caught.value)


NOT_YAML = {
    "value behind a mapping": "a:\n  b: 1\nstray\n",
    "mapping in a plain text": "a: b: c: d\n",
    "mapping in a multi-line text": "a: b\n c: d\n",
    "text behind the end": "a: 1\n... stray\n",
    "tab as indentation": "a:\n\tb: 1\n",
    "tab below spaces": "a:\n  b: 1\n\tc: 2\n",
    "tab behind a dash": "a:\n-\tb: 1\n\t- c\n",
    "item too far left": "a:\n  - b\n - c\n",
    "item too far right": "a:\n - b\n  - c\n",
    "key too far left": "a:\n  b:\n   c: 1\n d: 2\n",
    "key too far right": "a: 1\n b: 2\n",
    "mapping behind a list": "- a\nb: 1\n",
    "list behind a mapping": "a: 1\n- b\n",
    "list in the key's line": "a: - b\n   - c\n",
    "two items in a line": "- a - b: c: d\n",
    "two keys in a line": "a: 'b': c\n",
    "list never closed": "a: [b, c\n",
    "list never closed, more below": "a: [b, c\nd: 1\n",
    "mapping never closed": "a: {b: 1\nc: 2\n",
    "closed by the wrong sign": "a: [b, c}\n",
    "closed twice": "a: [b]]\n",
    "comma first": "a: [, b]\n",
    "comma twice": "a: [b, , c]\n",
    "comma missing": 'a: ["b" "c"]\n',
    "comma missing in a mapping": "a: {b: 1 c: 2}\n",
    "text behind a list": "a: [b] c\n",
    "comment without a space": "a: [b, c,#d\n]e\n",
    "dashes in a list": "a: [- b, - c]\n",
    "wrongly indented list": "a: [b,\nc\n]: d\n- e\n",
    "quote never closed": 'a: "b\nc: d\n',
    "single quote never closed": "a: 'b\n",
    "text behind a quote": 'a: "b" c\n',
    "quote behind a quote": "a: 'b' 'c'\n",
    "quoted key on two lines": '"a\n b": c\n d: "e\n',
    "unknown escape": 'a: "\\."\n',
    "escaped single quote": 'a: "\\\'"\n',
    "short hexadecimal": 'a: "\\x4"\n',
    "beyond Unicode": 'a: "\\UFFFFFFFF"\n',
    "half a character": 'a: "\\ud800"\n',
    "escaped nul": 'a: "\\0"\n',
    "escaped terminal code": 'a: "\\e[31m"\n',
    "document mark in a quote": "a: '\n---\nb'\n",
    "document mark in a list": "a: [\n---\nb]\n",
    "block text with a bad sign": "a: |x\n  b\n",
    "block text with two widths": "a: |12\n  b\n",
    "block text on its line": "a: > b\n  c\n",
    "block text, spaces first": "a: |\n    \n  b\n   \n c: [\n",
    "reserved at": "a: @b\n",
    "reserved backquote": "a: `b`\n",
    "percent": "a: %b\n",
    "alias without a name": "a: *\n",
    "anchor without a name": "a: &\n",
    "alias of nothing": "a: *b\n",
    "anchor and alias": "a: &b *b\n",
    "two anchors": "a: &b &c d\n",
    "anchor on a list": "a: &b\n- c\n",
    "anchor on its item": "&a - b\n",
    "anchor": "a: &b c\nd: *b\n",
    "self reference": "a: &b [*b]\n",
    "merge key": "a: {<<: {b: 1}}\n",
    "alias as a key": "*a : b\n",
    "tag": "a: !b c\n",
    "tag with a comma": "a: !b,c d\n",
    "tag, wrong": "a: !<b c\n",
    "tag of an unknown handle": "a: !h!b c\n",
    "directive": "%YAML 1.2\n---\na: 1\n",
    "directive of a later version": "%YAML 9.9\n---\na: 1\n",
    "directive twice": "%YAML 1.2\n%YAML 1.2\n---\na: 1\n",
    "directive of no sense": "%FOO bar\n---\na: 1\n",
    "directive with more": "%YAML 1.2 foo\n---\na: 1\n",
    "directive alone": "%YAML 1.2\n",
    "directive below": "a: 1\n%YAML 1.2\n---\nb: 1\n",
    "tag directive": "%TAG ! tag:b,2000:\n---\na: !c d\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "two documents, the second bad": "a: 1\n---\n[\n",
    "key twice": "a: 1\nb: 2\na: 3\n",
    "key twice in a list": "a: [{b: 1, b: 2}]\n",
    "key twice in quotes": "a: 1\n'a': 2\n",
    "list as a key": "[a, b]: c\n",
    "mapping as a key": "{a: b}: c\n",
    "question mark with a list": "? - a\n: b\n",
    "empty key": ": a\n",
    "implicit key on two lines": "{a\n b: c: d}\n",
    "long key": "a" * 1500 + ": 1\n",
    "colon at once": "a:1\n",
    "colon in a list": "a: [b:c, d::e:]\n- f\n",
    "text over two lines": "a: b\n  c\n",
    "text below its key": "a:\n  b\n  c\n",
    "only a comment": "# nothing\n",
    "empty": "",
    "only marks": "---\n...\n",
    "a single value": "yes\n",
    "a quoted value": "'a'\n",
    "a list": "- a\n- b\n",
    "null": "null\n",
}


@pytest.mark.parametrize("case", NOT_YAML)
def test_what_is_no_plain_yaml_is_refused_with_its_place(case):
    """In the text itself: none of these comes as far as being a wrong option."""
    try:
        document = Document.parse(NOT_YAML[case], "c.yaml")
    except ConfigError:
        pass
    else:
        assert document.problems
    assert re.match(r"c\.yaml:\d+:\d+: error: ", refusal(NOT_YAML[case]))


def test_a_mistake_is_found_below_a_sound_config_too():
    for text in NOT_YAML.values():
        if re.match(r"\w+: ", text) and "---" not in text and "..." not in text:
            lines = {int(n) for n in re.findall(r"c\.yaml:(\d+):", refusal(CONFIG + text))}
            assert max(lines) > 4


SCALARS = {
    **dict.fromkeys(["1", "+1", "1.", "1e0", "1E+0", "1.0e-0"], 1),
    **dict.fromkeys([".5", "5e-1", "+0.5"], 0.5),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["~", "null", "Null", "NULL", ""], None),
    **{
        text: text
        for text in [
            *("yes", "no", "on", "off", "y", "n", "Yes", "NO", "oN", "tRUE", "nUll", "none", "nil"),
            *("012", "0o14", "0x1F", "0b11", "1_000", "1,000", "1:30", "190:20:30", "12e03x", "1e"),
            *("2001-99-99", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<", "1.2.3", "--1"),
            *("inf", "nan", "Infinity", "NaN", "1__0", "0.1.", "٣", "e3", ".e3", "._1", "+", "."),
            *("os.system", "__import__('os')", "${HOME}", "$(id)", "%(x)s", "\\x41", "../../etc"),
        ]
        if text not in ("%(x)s",)
    },
}


@pytest.mark.parametrize("text", SCALARS)
def test_a_plain_value_means_what_a_reader_expects(text):
    value = plain(Document.parse(f"a: {text}\n").root)["a"]
    assert value == SCALARS[text]
    assert type(value) in (type(SCALARS[text]), float)


PYTHON = [
    *("!!python/object/apply:os.system ['id']", "!!python/object/new:os.system ['id']"),
    *("!!python/name:os.system ''", "!!python/module:os ''", "!!python/object:os.system {}"),
    *("!!python/tuple [1]", "!!binary aGk=", "!!set {a}", "!!omap [a: 1]", "!!timestamp x"),
    *('!!int ""', "!!float x", "!!bool maybe", "!!null x", "!!str 1", "!!map {}", "!!seq []"),
    *("!!merge x", "!!value =", "!!pairs [a]", "!<tag:yaml.org,2002:python/name:os.system> x"),
    *("!", "! x", "!!", "!!x", "!ruby/object:Gem::Requirement {}", "!!javax.script.X [a]"),
]


@pytest.mark.parametrize("value", PYTHON)
def test_a_tag_makes_nothing_and_is_refused(value):
    assert "tags (!name) are not supported" in refusal(f"{CONFIG}seed: {value}\n")


NUMBERS = [
    *("1e400", "-1e400", ".inf", "-.inf", ".nan", "9" * 400, "9" * 5000, "-1", "1.5", "true"),
    *("null", "'1'", "1_000", "0x10", "012", "1:30", "١", "1e", "--1", "[1]", "{a: 1}", "1 2", "~"),
    *("1" + "0" * 1_000_000, "0." + "0" * 100_000 + "1", "1e99999999999", "9223372036854775808"),
]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: value[:20])
def test_what_is_no_seed_is_refused_by_name(value):
    assert "seed: expected an integer from 0 to" in refusal(f"{CONFIG}seed: {value}\n")


NESTED = {
    "lists": "[" * 100_000,
    "mappings": "{" * 100_000,
    "mappings with keys": "{a: " * 100_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 100_000,
    "blocks": "".join(f"{' ' * i}a:\n" for i in range(1000)),
    "closed lists": "[" * 5000 + "]" * 5000,
    "list in mapping": "a: [{" * 50_000,
    "colons": ": " * 100_000,
    "anchors": "&a " * 100_000,
    "tags": "!a " * 100_000,
    "quotes": "'" * 100_001,
    "double quotes": '"' * 100_001,
    "backslashes": 'a: "' + "\\" * 100_001,
    "comments": "#\n" * 100_000,
    "marks": "---\n" * 100_000,
    "directives": "%A\n" * 100_000,
    "keys": "".join(f"k{i}: 1\n" for i in range(100_000)),
    "nearly right keys": CONFIG + "".join(f"see{i}: 1\n" for i in range(20_000)),
    "the same key": "a: 1\n" * 100_000,
    "items": "a: [" + "1," * 100_000,
    "wrong layers": CONFIG.replace("[{", "[" + "dence, " * 40_000 + "{"),
    "long value": f"a: {'b' * 900_000}\n",
    "long line of spaces": f"a:{' ' * 900_000}b\n",
    "long name": f"{CONFIG}loss2: {'€' * 300_000}\n",
    "anchor bomb": "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(9)),
    "merge bomb": "".join(f"a{i}: &a{i} {{<<: [{f'*a{i - 1},' * 9}]}}\n" for i in range(9)),
}


@pytest.mark.parametrize("case", NESTED)
def test_what_would_take_long_is_refused_at_once(case):
    refusal(NESTED[case])


BYTES = {
    "utf-16 with a mark": (CONFIG.encode("utf-16"), ":1:1: error: the file is UTF-16"),
    "utf-16 without": (CONFIG.encode("utf-16-le"), ":1:1: error: the file is UTF-16 or binary"),
    "utf-32": (CONFIG.encode("utf-32"), ":1:1: error: the file is UTF-16"),
    "latin-1": (b"name: caf\xe9\n", ":1:10: error: the byte 0xe9 is no UTF-8 text"),
    "overlong": (b"a: 1\nb: \xc0\xaf\n", ":2:4: error: the byte 0xc0 is no UTF-8 text"),
    "surrogate": (b"a: \xed\xa0\x80\n", ":1:4: error: the byte 0xed is no UTF-8 text"),
    "nul": (b"a: 1\nb: x\0y\n", r":2:5: error: a control character \(U\+0000\)"),
    "escape": (b"a: \x1b[31m\n", r":1:4: error: a control character \(U\+001B\)"),
    "delete": (b"a: \x7f\n", r":1:4: error: a control character \(U\+007F\)"),
    "form feed": (b"a: 1\n\x0c\n", r":2:1: error: a control character \(U\+000C\)"),
    "next line": ("a: 1\u0085b: 2\n".encode(), r":1:5: error: a control character \(U\+0085\)"),
    "mark inside": ("a: \ufeff1\n".encode(), r":1:4: error: an invisible character \(U\+FEFF\)"),
    "no character": ("a: \uffff\n".encode(), r":1:4: error: an invisible character \(U\+FFFF\)"),
    "odd space": ("a:\u00a01\n".encode(), r":1:3: error: an odd space \(U\+00A0\)"),
    "pickle": (b"\x80\x04\x95\x10", ":1:1: error: the byte 0x80 is no UTF-8 text"),
    "zip": (b"PK\x03\x04\x14\0", r":1:3: error: a control character"),
    "gzip": (b"\x1f\x8b\x08", ":1:2: error: the byte 0x8b is no UTF-8 text"),
    "random": (bytes(range(256)), ":1:1: error: the file is UTF-16 or binary"),
}


@pytest.mark.parametrize("case", BYTES)
def test_what_is_no_text_is_refused_where_it_begins(case):
    data, message = BYTES[case]
    assert re.match(rf"c\.yaml{message}", refusal(data))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(end, mark):
    assert bound(mark + CONFIG.replace("\n", end).encode()) == bound(CONFIG)


def test_a_config_may_be_json():
    document = {
        "data": {"train": "t.csv", "target": 'y "\\/\b\u20ac'},
        "model": {"layers": [{"type": "dense", "units": 3}]},
        "loss": "mse",
    }
    for text in (json.dumps(document), json.dumps(document, indent=2, ensure_ascii=False)):
        if "\\b" in text:
            assert "U+0008" in refusal(text)
        assert bound(text.replace("\\b", "")).data.target == 'y "\\/\u20ac'


BAD_JSON = [
    *(
        "{",
        "}",
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":1]',
        '["a":1}',
        '{"a":1}}',
        '{"a":1}x',
        "[1]",
        "[]",
    ),
    *('{"a" 1}', '{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a":"x}', '{"a":"\\x"}', '{"a":"\\u00g0"}'),
    *('{"a":"\\ud800"}', '{"a":1,"a":2}', '{"a":[1,}', '{"a":{"b":}', '{{"a":1}:2}', "{[1]:2}"),
    *(
        '{"a":\t"\x01"}',
        '{"a":1}\n{"a":2}',
        '{"a":1}//c',
        '{"a":*}',
        '{"a":&b}',
        '{"a":!b 1}',
        '"a"',
    ),
]


@pytest.mark.parametrize("text", BAD_JSON)
def test_json_that_is_none_is_refused(text):
    refusal(text)


NAUGHTY = [
    *(
        "",
        "undefined",
        "undef",
        "null",
        "NULL",
        "(null)",
        "nil",
        "NIL",
        "true",
        "None",
        "hasOwnProperty",
    ),
    *(
        "then",
        "\\",
        "\\\\",
        "0",
        "1",
        "1.00",
        "$1.00",
        "1/2",
        "1E2",
        "-1",
        "0/0",
        "-0",
        "0.0/0",
        "--1",
    ),
    *("0x0", "NaN", "Infinity", "-Infinity", "1#IND", "123456789" * 12, "1'000.00", "01000", "08"),
    *(",./;'[]\\-=", '<>?:"{}|_+', "!@#$%^&*()`~", "Ω≈ç√∫˜µ≤≥÷", "¡™£¢∞§¶•ªº–≠", "⁰⁴⁵₀₁₂", "ด้้้้้็็็็็้้้้้็็็็"),
    *(
        "田中さんにあげて下さい",
        "𠜎𠜱𠝹𠱓",
        "ﷺ",
        "😍",
        "👩🏽",
        "🇺🇸🇷🇺",
        "１２３",
        "١٢٣",
        "הָיְתָה",
        "الكل",
    ),
    *(
        "\u200b\u180e\ufeff",
        "\u202etest",
        "\u2066test\u2067",
        "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗",
        "˙ɐnbᴉlɐ",
        "𝕿𝖍𝖊",
        "⒯⒣⒠",
        "\u2028\u2029",
    ),
    *("<script>alert(1)</script>", "';alert(1)//", "javascript:alert(1)", "<img src=x onerror=a>"),
    *("1;DROP TABLE users", "' OR 1=1 -- 1", "%", "_", "-", "--", "--version", "--help", "$USER"),
    *(
        "/dev/null; touch x ; echo",
        "`touch x`",
        "$(touch x)",
        "@{[system 'touch x']}",
    ),
    *(
        'eval("puts 1")',
        "System('ls')",
        "Kernel.exec('ls')",
        "%x('ls -al')",
        "$HOME",
        "$ENV{'HOME'}",
    ),
    *("%d", "%s%s%s%s%s", "{0}", "%*.*s", "%@", "%n", "File:///", "../../../../etc/passwd%00"),
    *("../../../../etc/hosts", "() { 0; }; touch x;", "() { _; } >_[$($())] { touch x; }"),
    *("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>", "CON", "PRN"),
    *(
        "AUX",
        "NUL",
        "COM1",
        "LPT1",
        "A:",
        "\x1b[31mred\x1b[0m",
        "\x07",
        "\x00",
        "Power لُلُصّبُلُلصّبُررً",
        "జ్ఞ‌ా",
    ),
    *(
        "{{ x }}",
        "{% import os %}",
        "[[x]]",
        "~",
        "~root",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\nb",
        "a" * 300,
        " ",
    ),
]


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_naughty_name_is_a_name_or_refused_in_harmless_words(text):
    written = json.dumps(text)
    for place in ("name", "target"):
        old = {"name": "name: digits", "target": "target: y"}[place]
        data = CONFIG.replace(old, f"{place}: {written}")
        try:
            config = bound(data)
        except ConfigError:
            refusal(data)
            continue
        if place == "target":
            assert config.data.target == text
        else:
            assert config.name == (text or "c")
            assert re.fullmatch(r"\w[\w .+-]{0,99}", config.name)
            assert "/" not in config.name


@pytest.mark.parametrize(
    "key", ["loss", "model.layers.0.type", "optimizer", "metrics", "data.train"]
)
def test_a_naughty_override_is_refused_in_harmless_words(key):
    """Every name is looked up in a closed table, never imported or evaluated."""
    for text in NAUGHTY:
        for assignment in (f"{key}={text}", f"{key}={json.dumps(text)}", f"{text}=1"):
            told = overridden(assignment, key)
            assert all(line.isprintable() for line in told.split("\n")), assignment


def overridden(assignment: str, key: str) -> str:
    """Return what refuses an override, or nothing if it names a file or changes nothing."""
    try:
        config = bound(CONFIG, assignment)
    except (ConfigError, UsageError) as error:
        return str(error)
    assert key == "data.train" or config == bound(CONFIG), assignment
    return ""


@pytest.mark.parametrize(
    "name", ["a\nb.csv", "\x1b[31m.csv", "\u202evsc.csv", "~root/x.csv", "x\0.csv"]
)
def test_a_naughty_path_of_data_is_shown_harmlessly_and_stays_in_its_folder(name, tmp_path):
    with pytest.raises(DataError) as caught:
        sources.read_source(name, tmp_path)
    assert str(caught.value).isprintable()
    assert "/root" not in str(caught.value).replace("~root", "")
