"""The layers of a model as a recipe hurts them: PNG and SVG, and the numbers they show as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immabench.accuracy.sensitivity_rows import by_layer, whole
from immabench.report.palette import BLUE, GREEN, GREY, ORANGE
from immabench.report.plots.style import INK, MUTED, STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from immabench.accuracy.sensitivity_rows import LayerSensitivity, SensitivityRow

NAME = "sensitivity"

MOST_LETTERS = 26
"""Of a layer's name on the axis."""

# what is quantized -> (colour, marker, size): shapes too, so that no colour is needed to tell them apart
PARTS = {"weights": (BLUE.light, "o", 26), "activations": (ORANGE.light, "s", 24), "both": (INK, "|", 90)}


def write_sensitivity_plot(rows: Sequence[SensitivityRow], folder: Path) -> Path:
    """Draw the rows of one study into `folder`, as sensitivity.png, .svg and .csv; returns the path of the PNG."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(STYLE):
        save(folder / NAME, sensitivity_plot(rows), sensitivity_records(rows))
    return folder / f"{NAME}.png"


def sensitivity_plot(rows: Sequence[SensitivityRow]) -> Figure:
    """Layers in the order they run: SQNR and KL divergence of each quantized alone, and the gain of its floats."""
    import matplotlib.pyplot as plt

    layers, first = by_layer(rows), rows[0]
    size = (10.4, 1.9 + 0.2 * max(len(layers), 4))
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=size, sharey=True, width_ratios=(1.7, 1, 1), layout="constrained"
    )
    _draw_ratios(left, layers)
    _draw_bars(
        middle, [layer.both.kl_divergence for layer in layers], GREY.light, "KL divergence, quantized alone (nats)"
    )
    _draw_bars(right, [layer.gain for layer in layers], GREEN.light, "gain, left in floats alone (nats)")
    left.set_yticks(range(len(layers)), layer_labels([layer.name for layer in layers]), fontsize=8)
    left.set_ylim(len(layers) - 0.4, -0.6)
    figure.suptitle(
        f"Sensitivity of layers: {first.title}, {first.recipe}, {first.samples} samples, simulated",
        x=0.01,
        ha="left",
        fontsize=10,
        weight="bold",
    )
    figure.supxlabel(_footer(rows), x=0.01, ha="left", fontsize=8, color=MUTED)
    return figure


def layer_labels(names: Sequence[str]) -> list[str]:
    """Names without the modules that long ones are all in: their ends tell more; whole where they would be the same."""
    labels = [_end(name) for name in names]
    return labels if len(set(labels)) == len(set(names)) else list(names)


def _end(name: str) -> str:
    left = name
    while len(left) > MOST_LETTERS and "." in left:
        left = left.partition(".")[2]
    return left if left == name else f"…{left}"


def _draw_ratios(axes: Axes, layers: Sequence[LayerSensitivity]) -> None:
    for part, (colour, marker, size) in PARTS.items():
        points = [(place, row.sqnr_db) for place, row in enumerate(_rows_of(part, layers)) if row is not None]
        known = [(place, ratio) for place, ratio in points if ratio is not None]
        if known:
            places, ratios = zip(*known, strict=True)
            axes.scatter(ratios, places, s=size, color=colour, marker=marker, label=part, zorder=3)
    axes.set_xlabel("SQNR of the logits, quantized alone (dB)", labelpad=14)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, fontsize=8, handletextpad=0.2)


def _draw_bars(axes: Axes, values: Sequence[float], colour: str, label: str) -> None:
    axes.barh(range(len(values)), values, 0.62, color=colour)
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.tick_params(axis="y", left=False)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.set_xlabel(label, labelpad=14)
    axes.xaxis.get_offset_text().set_fontsize(8)


def _rows_of(part: str, layers: Sequence[LayerSensitivity]) -> list[SensitivityRow | None]:
    return [getattr(layer, part) for layer in layers]


def _footer(rows: Sequence[SensitivityRow]) -> str:
    everything = whole(rows, "all")
    ratio = "" if everything.sqnr_db is None else f", SQNR {everything.sqnr_db:.1f} dB"
    lines = [
        f"All layers quantized: KL divergence {everything.kl_divergence:.2e} nats{ratio}. Samples: {everything.data}."
    ]
    lines.append("Gain: how much less the KL divergence of all layers is with this one in floats.")
    return "\n".join(lines + ([f"{everything.title} was {everything.watermark}."] if everything.watermark else []))


def sensitivity_records(rows: Sequence[SensitivityRow]) -> list[dict[str, Any]]:
    """One a layer, in the order they run."""
    return [
        {
            "layer": layer.name,
            "weight_sqnr_db": layer.weights.sqnr_db,
            "activation_sqnr_db": layer.activations.sqnr_db if layer.activations else None,
            "sqnr_db": layer.both.sqnr_db,
            "kl_divergence_nats": layer.both.kl_divergence,
            "kept_gain_nats": layer.gain,
            "drop": layer.both.drop,
        }
        for layer in by_layer(rows)
    ]
