"""The report in a real browser: it draws, filters, sorts, opens panels, and asks no network for anything.

Of a synthetic run, of one recorded on a machine, and of one swept here. IMMABENCH_PICTURES=FOLDER keeps pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
import synthetic
import toy_rows

from immabench.measure.run_folder import RunFolder
from immabench.report import build_report, verify_run
from immabench.report.keys import row_key

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        chromium.find_chromium() is None, reason="no Chromium here: apt-get install chromium to test the page"
    ),
]

WIDTHS = (1280, 480)
TOOLS = """
const figure = (name) => document.querySelector(`figure[data-table="${name}"]`);
const visible = (of) => [...of.querySelectorAll('tbody tr')].filter((row) => !row.hidden);
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
const enter = (input, text) => { input.value = text; input.dispatchEvent(new Event('input')); };
const namesOf = (places) => places.map((place) => place.dataset.chart);
const clickable = (trace) => trace.customdata && trace.mode === 'markers';
"""


def made_up(run: Path) -> None:
    synthetic.write_run(run)


def recorded(run: Path) -> None:
    shutil.copytree(HERE / "recorded" / "cpu-quick", run)


def swept_here(run: Path) -> None:
    pytest.importorskip("torch", reason="the torch provider needs torch")
    shapes = [word for shape in ("64x64x64", "33x65x128") for word in ("--shape", shape)]
    devices = ["--device", "cpu", "--device", "emulated"]
    limits = ["--no-ceilings", "--time-budget", "0.02", "--out", str(run)]
    subprocess.run(
        [sys.executable, "-m", "immabench", "sweep", *shapes, *devices, *limits], check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium.started(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="module", params=[made_up, recorded, swept_here], ids=lambda make: make.__name__)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run folder with its report."""
    path = tmp_path_factory.mktemp("report") / "run"
    request.param(path)
    build_report(path)
    return RunFolder.open(path)


@pytest.fixture
def opened(browser: Any, run: RunFolder) -> Iterator[Callable[..., Any]]:
    """Opens the report; what a page logs, or asks a network for, fails the test."""
    tabs: list[Any] = []

    def open_page(**options: Any) -> Any:
        tabs.append(browser.open(run.path / "report.html", **options))
        return tabs[-1]

    yield open_page
    for tab in tabs:
        assert tab.console == []
        assert [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        tab.close()


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


def test_tables_filter_sort_and_say_how_many_rows_they_show(opened: Callable[..., Any]) -> None:
    tables = opened().run(
        TOOLS
        + """
        return [...document.querySelectorAll('figure.table')].map((one) => {
          const [search, said, clear] = ['input', 'output', '.reset'].map((part) => one.querySelector(part));
          const all = visible(one).length, word = visible(one).at(-1).cells[0].textContent;
          const result = {name: one.dataset.table, all, said: [said.textContent], idle: clear.hidden};
          enter(search, word);
          result.found = visible(one).map((row) => row.textContent.toLowerCase().includes(word.toLowerCase()));
          result.said.push(said.textContent);
          clear.click();
          result.reset = [visible(one).length, search.value, clear.hidden];
          enter(search, 'no such row anywhere');
          result.none = visible(one).length;
          clear.click();
          result.chosen = [...one.querySelectorAll('select')].map((select) => {
            select.value = select.options[1].value; select.dispatchEvent(new Event('change'));
            const keep = [select.value, visible(one).length];
            clear.click();
            return keep;
          });
          result.sorted = [...one.querySelectorAll('th button')].map((button, column) => {
            const keys = () => visible(one).map((row) => row.cells[column].dataset.sort);
            button.click(); const first = [button.parentElement.ariaSort, keys()];
            button.click(); return [first, [button.parentElement.ariaSort, keys()]];
          });
          return result;
        });
    """
    )
    assert {"speed", "emulation"} <= {table["name"] for table in tables}
    for table in tables:
        many = f"{len(table['found'])} of {table['all']} rows"
        assert table["said"] == [f"{table['all']} of {table['all']} rows", many]
        assert table["idle"] is True
        assert all(table["found"])
        assert table["reset"] == [table["all"], "", True]
        assert table["none"] == 0
        assert all(0 < count < table["all"] for _, count in table["chosen"])
        for column in table["sorted"]:
            assert {way for way, _ in column} == {"ascending", "descending"}
            for way, keys in column:
                assert _in_order(keys, way == "descending")


def _in_order(keys: list[str], falling: bool) -> bool:
    """Whether numbers are sorted; of texts that they are the same backwards is all that is asked here."""
    try:
        numbers = [float(key) for key in keys]
    except ValueError:
        return True
    return numbers == sorted(numbers, reverse=falling)


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


def test_a_line_about_a_kernel_shows_the_rows_it_sums_up(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened()
    tab.click('figure[data-table="kernels"] tbody tr:last-child td')
    kernel, shown = tab.run(
        TOOLS
        + """
        const shown = visible(figure('emulation'));
        return [visible(figure('kernels')).at(-1).cells[0].textContent, shown.map((row) => row.dataset.row)];
    """
    )
    assert sorted(shown) == sorted(row_key(row) for row in run.rows() if row.counts and row.kernel_id == kernel)


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


def test_the_search_of_the_header_leads_to_rows_of_any_table(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened()
    row = next(row for row in run.rows() if row.counts)
    tab.run(TOOLS + "enter(figure('emulation').querySelector('input'), 'hides every row');")
    tab.press("/")
    tab.type(f"{row.kernel_id} {row.case}")
    tab.press("ArrowDown", "Enter")
    found = tab.run("""
        const row = document.activeElement, box = row.getBoundingClientRect();
        return {text: row.textContent, hidden: row.hidden, seen: box.top >= 0 && box.bottom <= innerHeight,
          list: document.getElementById('found').hidden, row: row.tagName};
    """)
    assert row.kernel_id in found["text"]
    assert (found["row"], found["hidden"], found["seen"], found["list"]) == ("TR", False, True, True)
    tab.press("Enter")
    opened_row = tab.run(
        "return [document.getElementById('panel')?.open, document.querySelector('#panel h2')?.textContent];"
    )
    assert opened_row == [True, row.kernel_id]


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
