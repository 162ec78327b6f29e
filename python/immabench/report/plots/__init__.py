"""Static plots for a slide or a CI page, a module a plot: PNG and SVG, and beside each the numbers it shows as CSV.

`plots_of` computes what there is to draw, `write_plots` draws it. `drawn.json` beside them has the SHA-256 of every
file, so that a picture is known to be the one that was drawn of its numbers, without drawing it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from immabench.report.plots.files import DRAWN, Records
from immabench.report.plots.style import STYLE, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from immabench.report.document import Document


@dataclass(frozen=True)
class Plot:
    """One plot: the numbers it shows, and how they are drawn."""

    name: str
    records: Records
    draw: Callable[[], Figure]


def plots_of(document: Document) -> Iterator[Plot]:
    """Every plot that has something to show; nothing is drawn yet, and nothing that draws is loaded."""
    from immabench.report.plots import cliffs, gain, grid, models, roofline, shares

    for roof in document.drawn_rooflines:
        draw = partial(roofline.roofline_plot, roof)
        yield Plot(f"roofline_{roof.device_kind}", roofline.roofline_records(roof), draw)
    for kind, of in document.shares.items():
        yield Plot(f"share_of_roof_{kind}", shares.share_records(of), partial(shares.share_plot, of))
    for kind, gains in document.gains.items():
        yield Plot(f"gain_{kind}", gain.gain_records(gains), partial(gain.gain_plot, gains))
    totals = [total for total in document.totals if total.complete]
    if totals:
        yield Plot("model_totals", models.model_records(totals), partial(models.model_plot, totals))
    for sweep in document.sweeps_over_m:
        yield Plot(f"cliffs_{sweep.name}", cliffs.cliff_records(sweep), partial(cliffs.cliff_plot, sweep))
    for one in document.heatmaps:
        yield Plot(one.name, grid.grid_records(one), partial(grid.grid_plot, one))
    for one in document.grids:
        yield Plot(f"emulation_{one.name}", grid.grid_records(one), partial(grid.grid_plot, one))


def write_plots(document: Document, folder: Path) -> list[str]:
    """Draw every plot that has data into ``folder``; returns their names, each with .png, .svg and .csv."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        drawn = {plot.name: save(folder / plot.name, plot.draw(), plot.records) for plot in plots_of(document)}
    (folder / DRAWN).write_text(json.dumps(drawn, indent=1) + "\n", encoding="utf-8")
    return list(drawn)
