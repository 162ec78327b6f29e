"""The report in a real browser: it draws, filters, sorts, changes theme, and asks no network for anything."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from immabench.report import build_report


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
chromium = _load("immabench_tests_chromium", HERE / "chromium.py")
synthetic = _load("immabench_tests_synthetic", HERE.parent / "unit" / "report" / "synthetic.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        chromium.find_chromium() is None, reason="no Chromium here: apt-get install chromium to test the page"
    ),
]

PROBE = """
const figure = document.querySelector('[data-table="speed"]');
const visible = () => [...figure.querySelectorAll('tbody tr')].filter((row) => !row.hidden);
const places = [...document.querySelectorAll('[data-chart]')];
const result = {charts: places.length, all: visible().length};
result.empty = places.filter((place) => !place.querySelector('.main-svg')).length;
const search = figure.querySelector('input');
search.value = 'int8 layer1'; search.dispatchEvent(new Event('input'));
result.searched = visible().length;
search.value = ''; search.dispatchEvent(new Event('input'));
const select = figure.querySelector('select');
select.value = 'torch int8'; select.dispatchEvent(new Event('change'));
result.chosen = visible().length;
select.value = ''; select.dispatchEvent(new Event('change'));
const column = [...figure.querySelectorAll('th')].findIndex((heading) => heading.textContent.startsWith('time'));
figure.querySelectorAll('th button')[column].click();
result.times = visible().map((row) => Number(row.cells[column].dataset.sort));
const before = document.documentElement.dataset.theme;
document.getElementById('theme').click();
result.themes = [before, document.documentElement.dataset.theme];
result.overflow = document.documentElement.scrollWidth - innerWidth;
return result;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("report") / "run"
    synthetic.write_run(run)
    return build_report(run)


@pytest.mark.parametrize("width", [1280, 480])
def test_page_works_offline(page: Path, tmp_path: Path, width: int) -> None:
    visit = chromium.visit(page, PROBE, tmp_path, width)
    found = visit.value
    assert visit.console == []
    assert found["charts"] > 0
    assert found["empty"] == 0
    assert found["all"] == 18
    assert found["searched"] == 2  # two variants have a layer1
    assert found["chosen"] == 6
    assert found["times"] == sorted(found["times"], reverse=True)
    assert set(found["themes"]) == {"light", "dark"}
    assert found["overflow"] <= 0, "the page itself must not scroll sideways"


def test_page_of_an_emulated_run_has_no_empty_chart(tmp_path: Path) -> None:
    synthetic.write_run(tmp_path / "run", timed=False, failures=False)
    probe = "return [...document.querySelectorAll('[data-chart]')].map((place) => place.dataset.chart);"
    visit = chromium.visit(build_report(tmp_path / "run"), probe, tmp_path)
    assert visit.console == []
    assert visit.value == ["grid-useful_mma", "grid-l2_traffic"]
