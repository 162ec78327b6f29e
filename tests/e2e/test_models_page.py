"""The page of whole models in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toy_rows
from page_tools import TOOLS, WIDTHS, in_a_browser

pytestmark = in_a_browser


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_of_whole_models_profits(browser: Any, tmp_path: Path, width: int) -> None:
    """The page of `immabench e2e` shares tables, search, theme and commands; its rows have no panels."""
    from immabench.e2e.report import build_report as build_e2e

    tab = browser.open(build_e2e(toy_rows.write(tmp_path / "run", toy_rows.ROWS)), width=width)
    tab.press("/")
    tab.type("bf16")
    tab.press("ArrowDown", "Enter", "Enter")
    found = tab.run(
        TOOLS
        + """
        return {text: document.activeElement.textContent, panel, hash: location.hash,
          copies: document.querySelectorAll('.copy').length,
          drawn: namesOf([...document.querySelectorAll('[data-chart]:has(.main-svg)')]),
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth};
    """
    )
    assert "bf16" in found["text"]
    assert (found["panel"], found["hash"], found["copies"], found["overflow"]) == (None, "", 1, 0)
    assert found["drawn"] == ["accuracy", "throughput"]
    assert tab.console == []
