"""The report in a real browser: it draws, keeps its theme, asks no network for anything, and every number verifies.

Of a synthetic run, of one recorded on a machine, and of one swept here. IMMABENCH_PICTURES=FOLDER keeps pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic
from page_tools import TOOLS, WIDTHS, in_a_browser

from immabench.measure.run_folder import RunFolder
from immabench.report import build_report, verify_run
from immabench.report.keys import row_key

HERE = Path(__file__).parent

pytestmark = in_a_browser


@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_drawn_and_nothing_overflows(opened: Callable[..., Any], width: int) -> None:
    found = opened(width=width).run(
        TOOLS
        + """
        const places = [...document.querySelectorAll('[data-chart]')];
        const drawn = (place) => place.querySelector('.main-svg')?.getBoundingClientRect();
        return {charts: places.length, known: Object.keys(figures).length,
          empty: namesOf(places.filter((place) => !(drawn(place)?.width > 200 && drawn(place).height > 80))),
          wide: namesOf(places.filter((place) => drawn(place)?.right > document.documentElement.clientWidth + 1)),
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth};
    """
    )
    assert found["charts"] == found["known"] > 0
    assert found["empty"] == []
    assert found["wide"] == []
    assert found["overflow"] <= 0, "the page itself must not scroll sideways"


def test_the_theme_keeps_filters_and_zoom(opened: Callable[..., Any]) -> None:
    tab = opened(prefers_color_scheme="dark")
    plot = tab.run(
        TOOLS
        + """
        enter(figure('speed').querySelector('input'), 'int8');
        const area = document.querySelector('[data-chart] .nsewdrag');
        area.scrollIntoView({block: 'center', behavior: 'instant'});
        return area.getBoundingClientRect().toJSON();
    """
    )
    seen = (
        TOOLS
        + """
        const place = document.querySelector('[data-chart]');
        await frame();
        return {theme: document.documentElement.dataset.theme, rows: visible(figure('speed')).length,
          zoom: place._fullLayout.xaxis.range, paper: getComputedStyle(document.body).backgroundColor};
    """
    )
    whole = tab.run(seen)
    low, high = (
        tuple(plot[start] + share * plot[size] for start, size in (("x", "width"), ("y", "height")))
        for share in (0.3, 0.7)
    )
    tab.drag(low, high)
    before = tab.run(seen)
    tab.click("#theme")
    after = tab.run(seen)
    assert (before["theme"], after["theme"]) == ("dark", "light")
    assert before["zoom"] != whole["zoom"]
    assert after["zoom"] == before["zoom"]
    assert (
        after["rows"] == before["rows"] < len(tab.run(TOOLS + "return tables.get(figure('speed')).rows.map(String);"))
    )
    assert before["paper"] != after["paper"]


def test_every_number_of_the_run_verifies(run: RunFolder) -> None:
    checked, drifts = verify_run(run.path)
    assert [str(drift) for drift in drifts] == []
    assert checked > 1000


def test_page_of_an_emulated_run_has_no_empty_chart(browser: Any, tmp_path: Path) -> None:
    synthetic.write_run(tmp_path / "run", timed=False, failures=False)
    tab = browser.open(build_report(tmp_path / "run"))
    charts = tab.run("return [...document.querySelectorAll('[data-chart]')].map((place) => place.dataset.chart);")
    assert charts == ["grid-useful_mma", "grid-l2_traffic"]
    assert tab.console == []


def test_a_recorded_run_names_no_place_of_a_machine() -> None:
    folder = HERE / "recorded" / "cpu-quick"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 150_000
    places = ("/home", "/root", "/tmp", "/work", "/usr", "/opt", "\\\\")
    assert [path.name for path in files if any(place in path.read_text(encoding="utf-8") for place in places)] == []
    argv = json.loads((folder / "run.json").read_text(encoding="utf-8"))["argv"]
    assert argv[0] == "immabench"


@pytest.mark.skipif("IMMABENCH_PICTURES" not in os.environ, reason="set IMMABENCH_PICTURES=FOLDER to keep pictures")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pictures(
    opened: Callable[..., Any], run: RunFolder, request: pytest.FixtureRequest, theme: str, width: int
) -> None:
    """Pictures to look at: the page, and the panel of a timed and of an emulated row."""
    folder = Path(os.environ["IMMABENCH_PICTURES"])
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{request.node.callspec.id}"
    timed = next(row for row in run.rows() if row.time_us_median)
    counted = next(row for row in run.rows() if row.counts)
    addresses = {"page": "", "timed": f"#row-{row_key(timed)}", "emulated": f"#row-{row_key(counted)}"}
    for what, address in addresses.items():
        tab = opened(width=width, height=2400, address=address, prefers_color_scheme=theme)
        tab.run("await new Promise((done) => setTimeout(done, 300));")
        tab.picture(folder / f"{name}-{what}.png")
        assert (folder / f"{name}-{what}.png").stat().st_size > 10_000
