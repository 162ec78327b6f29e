"""The page: template, style, script and plotly in one file that needs no network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.report.charts import cliff_chart, gain_chart, grid_chart, model_chart, roofline_chart, share_chart
from immabench.report.palette import css_variables

if TYPE_CHECKING:
    from markupsafe import Markup

    from immabench.report.document import Document

ASSETS = Path(__file__).parent / "assets"
STYLES = ("report.css", "panel.css")
SCRIPTS = ("tables.js", "panel.js", "search.js", "report.js")
"""One script of the page, in this order: the last one runs what the others define."""


def render_page(document: Document) -> str:
    """HTML of the report; every text from a run is escaped."""
    return render("report.html.j2", charts_of(document), document.details.data(), doc=document)


def render(
    template: str, charts: dict[str, dict[str, Any]], details: dict[str, Any] | None = None, **context: Any
) -> str:
    """One offline page of a template in `assets/`, with style, script, and plotly where it has charts.

    `details` is what the panels of rows show, as `Details.data` gives it; a page without has no panels.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters["marked"] = marked
    return environment.get_template(template).render(
        charts=charts,
        chart_data=script_json(charts),
        details=details,
        details_data=script_json(details),
        style=_style(),
        script=_assets(SCRIPTS),
        plotly=_plotly() if charts else "",
        **context,
    )


def charts_of(document: Document) -> dict[str, dict[str, Any]]:
    """Every chart that has something to show, by the name of its place in the template."""
    charts = {f"roofline-{roof.device_kind}": roofline_chart(roof) for roof in document.drawn_rooflines}
    charts |= {f"share-{kind}": share_chart(shares) for kind, shares in document.shares.items()}
    charts |= {f"gain-{kind}": gain_chart(gains) for kind, gains in document.gains.items()}
    if any(total.complete for total in document.totals):
        charts["models"] = model_chart(document.totals)
    charts |= {f"cliffs-{sweep.name}": cliff_chart(sweep) for sweep in document.sweeps_over_m}
    return charts | {f"grid-{grid.name}": grid_chart(grid) for grid in (*document.heatmaps, *document.grids)}


def marked(text: str) -> Markup:
    """``**bold**`` and `` `code` `` as HTML, everything else escaped."""
    from markupsafe import Markup, escape

    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", html))


def script_json(data: object) -> Markup:
    """JSON that may stand inside a script element whatever the strings hold."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _assets(names: tuple[str, ...]) -> Markup:
    from markupsafe import Markup

    return Markup("\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names))


def _style() -> Markup:
    """The style sheet, and the colours that charts name."""
    from markupsafe import Markup

    return Markup(css_variables()) + _assets(STYLES)


def _plotly() -> Markup:
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
