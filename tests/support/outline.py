"""What an HTML page consists of, for tests that ask what it says and what it holds."""

from __future__ import annotations

import html.parser

VOID = {"br", "link", "meta", "wbr"}
"""Tags that nothing closes."""

INLINE = {"a", "b", "code", "i", "span", "sub", "sup", "wbr"}
"""Tags that stand within a word or sentence: text goes on behind them as it is."""


class Outline(html.parser.HTMLParser):
    """Checks that tags are closed in their order; collects attributes and texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.texts.append(data)

    def _break(self, tag: str) -> None:
        if tag not in INLINE:
            self.texts.append(" ")

    @property
    def text(self) -> str:
        """All that can be read, with single spaces."""
        return " ".join("".join(self.texts).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag; those wanted must be as given."""
        return [
            found
            for name, found in self.tags
            if name == tag and all(found.get(k.rstrip("_")) == v for k, v in wanted.items())
        ]
