"""What tests of pages in a browser share: who needs one, how wide it is, and script that pages are asked with."""

from __future__ import annotations

import chromium
import pytest

in_a_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(
        chromium.find_chromium() is None, reason="no Chromium here: apt-get install chromium to test the page"
    ),
]

WIDTHS = (1280, 480)
"""Of a window, in pixels."""

TOOLS = """
const figure = (name) => document.querySelector(`figure[data-table="${name}"]`);
const visible = (of) => [...of.querySelectorAll('tbody tr')].filter((row) => !row.hidden);
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
const enter = (input, text) => { input.value = text; input.dispatchEvent(new Event('input')); };
const namesOf = (places) => places.map((place) => place.dataset.chart);
const clickable = (trace) => trace.customdata && trace.mode === 'markers';
"""
"""Names that scripts begin with."""
