"""The roofline in a real browser: names of slopes turn with the slopes, and charts have the colours of their theme."""

from __future__ import annotations

from pathlib import Path

import chromium
import pytest
import synthetic_gpu
from page_tools import in_a_browser

from immabench.report.document import gather
from immabench.report.page import render_page
from immabench.report.palette import BLUE

HERE = Path(__file__).parent

pytestmark = in_a_browser

PROBE = """
const place = document.querySelector('[data-chart="roofline-cuda"]');
const texts = [...place.querySelectorAll('.annotation')].filter((one) => /GB\\/s/.test(one.textContent));
const turn = (one) => {
  const group = [...one.querySelectorAll('g, text')].concat(one).map((inner) => inner.getAttribute('transform') || '');
  return group.map((text) => /rotate\\((-?[0-9.]+)/.exec(text)).filter(Boolean).map((found) => Number(found[1]))[0];
};
const slope = () => {
  const { xaxis, yaxis } = place._fullLayout;
  const { x, y } = place._fullData[0];
  const [x0, x1] = [...x].map((one) => xaxis.d2p(one));
  const [y0, y1] = [...y].map((one) => yaxis.d2p(one));
  return Math.atan2(y1 - y0, x1 - x0) * 180 / Math.PI;
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const found = {turned: texts.map(turn), slope: slope(), blues: [colour('--blue')]};
document.getElementById('theme').click();
found.blues.push(colour('--blue'));
found.again = [...place.querySelectorAll('.annotation')].filter((one) => /GB\\/s/.test(one.textContent)).map(turn);
found.unresolved = document.querySelectorAll('[style*="@"]').length;
return found;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_page(gather(synthetic_gpu.rows(), synthetic_gpu.meta())), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 480])
def test_names_of_slopes_turn_with_them_at_any_width_and_theme(page: Path, tmp_path: Path, width: int) -> None:
    with chromium.started(tmp_path) as browser:
        tab = browser.open(page, width=width)
        found = tab.run(PROBE)
        assert tab.console == []
    assert len(found["turned"]) == 2
    assert found["turned"] == pytest.approx([found["slope"]] * 2, abs=1)
    assert found["again"] == pytest.approx(found["turned"], abs=1)
    assert set(found["blues"]) == {BLUE.light, BLUE.dark}
    assert found["unresolved"] == 0
