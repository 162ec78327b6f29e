"""Static plots for a slide or a CI page, a module a plot: PNG and SVG, and beside each the numbers it shows as CSV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from immabench.report.plots.style import STYLE, Records, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from immabench.report.document import Document


def write_plots(document: Document, folder: Path) -> list[str]:
    """Draw every plot that has data into ``folder``; returns their names, each with .png, .svg and .csv."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        return [name for name, figure, records in figures(document) if save(folder / name, figure, records)]


def figures(document: Document) -> Iterable[tuple[str, Figure, Records]]:
    """(name, figure, the numbers it shows) of every plot that has something to show."""
    from immabench.report.plots import cliffs, gain, grid, models, roofline, shares

    for roof in document.drawn_rooflines:
        yield f"roofline_{roof.device_kind}", roofline.roofline_plot(roof), roofline.roofline_records(roof)
    for kind, of in document.shares.items():
        yield f"share_of_roof_{kind}", shares.share_plot(of), shares.share_records(of)
    for kind, gains in document.gains.items():
        yield f"gain_{kind}", gain.gain_plot(gains), gain.gain_records(gains)
    totals = [total for total in document.totals if total.complete]
    if totals:
        yield "model_totals", models.model_plot(totals), models.model_records(totals)
    for sweep in document.sweeps_over_m:
        yield f"cliffs_{sweep.name}", cliffs.cliff_plot(sweep), cliffs.cliff_records(sweep)
    for one in document.heatmaps:
        yield one.name, grid.grid_plot(one), grid.grid_records(one)
    for one in document.grids:
        yield f"emulation_{one.name}", grid.grid_plot(one), grid.grid_records(one)
