"""What a reader sees on a page, read back out of its HTML: tables, charts, panels and texts."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

OF_THE_INSTALLATION = ("compiled",)
"""Sections that show facts of the installation that wrote the page, not of its run."""

BLOCKS = ("h1", "h2", "h3", "p", "dt", "dd", "pre", "figcaption")
ROWS_META = "immabench-rows"


class PageValues(HTMLParser):
    """`values` is {"rows.jsonl": its digest, "table NAME": {row: {column: (text, sorted by)}}, "chart NAME": ...,
    "panels": {key: ...}, "texts": [...]}; a row is named by its key, else by its first cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, Any] = {"rows.jsonl": "", "texts": []}
        self._section = self._table = self._row = self._script = ""
        self._columns: list[str] = []
        self._cells: list[tuple[str, str]] = []
        self._sort: str | None = None
        self._text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("name") == ROWS_META:
            self.values["rows.jsonl"] = given["content"]
        elif tag == "section":
            self._section = given.get("id", "")
        elif tag == "figure":
            self._table, self._columns = given.get("data-table", ""), []
        elif tag == "tr":
            self._row, self._cells = given.get("data-row", ""), []
        elif tag == "script":
            self._script = given.get("id", "")
        elif tag == "td":
            self._sort = given.get("data-sort", "")
        if tag in (*BLOCKS, "th", "td", "script"):
            self._text = []
        elif tag == "small":
            self._text.append(" ")

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        text = " ".join("".join(self._text).split()) if tag != "script" else ""
        if tag == "script" and self._script:
            self._end_script("".join(self._text))
        elif tag == "th":
            self._columns.append(text)
        elif tag == "td" and self._sort is not None:
            self._cells.append((text, self._sort))
            self._sort = None
        elif tag == "tr" and self._cells and self._section not in OF_THE_INSTALLATION:
            self._end_row()
        elif tag in BLOCKS and text and self._section not in OF_THE_INSTALLATION:
            self.values["texts"].append(text)

    def _end_script(self, text: str) -> None:
        stored = json.loads(text)
        if self._script == "charts":
            self.values |= {f"chart {name}": chart for name, chart in stored.items()}
        elif stored:
            self.values["panels"] = {name: part for name, part in stored.items() if name != "kernels"}

    def _end_row(self) -> None:
        rows = self.values.setdefault(f"table {self._table}", {})
        first = self._row or " ".join(text for text, _ in self._cells[:3])
        name = f"row {first}"
        same = sum(other == name or other.startswith(f"{name} (line ") for other in rows)
        rows[f"{name} (line {same + 1})" if same else name] = {
            f"column {title}": {"text": text, "sorted by": sort}
            for title, (text, sort) in zip(self._columns, self._cells, strict=False)
        }
