"""The panel of a row in a real browser: opened by click, key, point and address; its command copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from page_tools import TOOLS, in_a_browser

from immabench.measure.run_folder import RunFolder
from immabench.report.keys import row_key

pytestmark = in_a_browser


def test_a_click_on_a_row_opens_its_panel_and_escape_closes_it(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened()
    rows = {row_key(row): row for row in run.rows()}
    for table in ("speed", "emulation"):
        tab.click(f'figure[data-table="{table}"] tbody tr:last-child td')
        shown = tab.run(
            TOOLS
            + """
            return {open: panel.open, title: panel.querySelector('h2').textContent, text: panel.innerText,
              hash: location.hash, drawn: panel.querySelectorAll('svg.samples .sample').length,
              command: panel.querySelector('.command code').textContent,
              inside: panel.contains(document.activeElement)};
        """
        )
        row = rows[shown["hash"].removeprefix("#row-")]
        assert shown["open"]
        assert shown["inside"]
        assert shown["title"] == row.kernel_id
        assert row.row_id in shown["text"]
        assert shown["drawn"] == row.samples
        assert shown["command"].startswith("immabench sweep ")
        assert ("Emulated counts" in shown["text"]) == (row.counts is not None)
        tab.press("Escape")
        # A dialog says that it is closed in an event of its own, after it is.
        assert tab.run(TOOLS + "await frame(); return [panel.open, location.hash];") == [False, ""]


def test_rows_are_walked_and_opened_by_keyboard(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.run(TOOLS + "figure('speed').querySelector('tbody tr[tabindex=\"0\"]').focus();")
    keys = tab.run(TOOLS + "return visible(figure('speed')).map((row) => row.dataset.row);")
    tab.press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
    assert tab.run("return location.hash;") == f"#row-{keys[1]}"
    tab.press("ArrowRight")
    assert tab.run("return location.hash;") == f"#row-{keys[2]}"
    tab.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert tab.run("return location.hash;") == f"#row-{keys[0]}"
    tab.press("Escape")
    focused = tab.run("return [document.activeElement.dataset.row, document.querySelectorAll('tr[tabindex]').length];")
    assert focused[0] == keys[1]
    assert focused[1] == tab.run("return document.querySelectorAll('figure.table').length;")


def test_a_point_of_a_chart_opens_its_row(opened: Callable[..., Any]) -> None:
    tab = opened()
    found = tab.run(
        TOOLS
        + """
        const place = [...document.querySelectorAll('[data-chart]')].find((one) => one.data.some(clickable));
        place.scrollIntoView({block: 'center', behavior: 'instant'});
        const points = [...place.querySelectorAll('.scatterlayer .trace')].flatMap((group) => {
            const data = place.data[group.__data__[0].trace.index];
            return clickable(data) ? [...group.querySelectorAll('.points path')].map((path, index) => {
                const box = path.getBoundingClientRect();
                return {x: box.x + box.width / 2, y: box.y + box.height / 2, key: data.customdata[index][0]};
            }) : [];
        });
        const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
        // Of points that lie on each other the one on top is meant: take the point that is farthest from all others.
        const others = (one) => points.filter((other) => other !== one);
        const alone = (one) => Math.min(...others(one).map((other) => distance(one, other)));
        return points.reduce((best, one) => (alone(one) > alone(best) ? one : best));
    """
    )
    tab.click_at(found["x"], found["y"])
    assert tab.run("return [location.hash, document.getElementById('panel').open];") == [f"#row-{found['key']}", True]


def test_an_address_opens_its_row_and_survives_reload_and_back(opened: Callable[..., Any], run: RunFolder) -> None:
    first, second = (row_key(row) for row in run.rows()[:2])
    state = "return [document.getElementById('panel').open, location.hash];"
    tab = opened(address=f"#row-{first}")
    assert tab.run(state) == [True, f"#row-{first}"]
    tab.reload()
    assert tab.run(state) == [True, f"#row-{first}"]
    tab.run(TOOLS + f"location.hash = '#row-{second}'; await frame();")
    assert tab.run("return document.querySelector('#panel h2').textContent;") == run.rows()[1].kernel_id
    tab.run(TOOLS + "history.back(); await frame(); await frame();")
    assert tab.run(state) == [True, f"#row-{first}"]
    tab.press("Escape")
    assert tab.run(TOOLS + "await frame();" + state) == [False, ""]
    unknown = opened(address="#row-0123456789ab")
    assert "belongs to another report" in unknown.run("return document.getElementById('panel').innerText;")


def test_a_command_is_copied(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened(address=f"#row-{row_key(run.rows()[0])}")
    tab.run("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
    tab.click("#panel .copy")
    copied = tab.run("return [window.copied, document.querySelector('#panel .copy').textContent];")
    assert copied[0].startswith("immabench sweep ")
    assert copied[1] == "Copied"
    tab.run(
        "navigator.clipboard.writeText = async () => { throw new Error('refused'); };"
        "document.execCommand = () => false;"
    )
    tab.click("#panel .copy")
    chosen = tab.run("return [String(getSelection()), document.querySelector('#panel .copy').textContent];")
    assert chosen == [copied[0], "Press Ctrl+C"]


def test_the_panel_fits_a_narrow_window(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened(width=480)
    for row in run.rows():
        tab.run(TOOLS + f"location.hash = '#row-{row_key(row)}'; await frame();")
        assert tab.run("const p = document.getElementById('panel'); return p.scrollWidth - p.clientWidth;") <= 0, (
            row.row_id
        )
