"""Names of metrics: what a chip is asked for, what a report gives, and what a query says is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench.errors import NothingSelectedError
from immabench.profile.agreement import COUNTS
from immabench.profile.metrics import (
    CHIPS,
    Metric,
    Name,
    lacking,
    load_metrics,
    load_preset,
    parse_query,
    preset_names,
)

ROOT = Path(__file__).parents[3]

# Synthetic: the format of what `ncu --query-metrics` prints, written by hand.
QUERY = """\
Device synthetic GPU
---------------------- ------------ ------------------------------
Metric Name            Metric Type  Metric Description
---------------------- ------------ ------------------------------
gpu__time_duration     Counter      synthetic description of gpu__x
lts__t_sectors         Counter      of LTS sectors

==WARNING== synthetic__warning
sm__throughput         Throughput   of the SM
"""


def metric(*names: str | Name) -> Metric:
    own = [{"name": one} if isinstance(one, str) else one.model_dump() for one in names]
    return Metric.model_validate({"name": "m", "unit": "u", "counts": "c", "presets": [], "ncu": own})


def test_a_metric_has_the_first_name_that_the_chip_has() -> None:
    found = metric(Name(name="sm__new", chips=("gh100",)), "sm__old")
    assert (found.on("gh100"), found.on("ga100"), found.on(None)) == ("sm__new", "sm__old", "sm__old")
    assert metric(Name(name="sm__new", chips=("gh100",))).on("ga100") is None
    assert found.found_in({"sm__old": 1}) == "sm__old"
    assert found.found_in({"else": 1}) is None


def test_presets_ask_for_what_names_them_and_no_more() -> None:
    assert preset_names() == ["full", "memory", "roofline"]
    for name in preset_names():
        preset = load_preset(name)
        assert bool(preset.sections) != bool(preset.set)
        asked = preset.metrics("gh100")
        assert len(asked) == len(set(asked)) > 20
        assert not any(name.startswith("launch__") for name in asked)  # in every report
        assert "sm__maximum_warps_per_active_cycle_pct" not in asked  # of a section
        assert set(preset.metrics(None)) < set(asked)
    assert load_preset("full").import_source
    with pytest.raises(NothingSelectedError, match="known: full, memory, roofline"):
        load_preset("nothing alike")


def test_every_metric_says_what_it_is() -> None:
    metrics = load_metrics()
    assert len({one.name for one in metrics}) == len(metrics) > 60
    for one in metrics:
        assert one.unit, one.name
        assert one.counts, one.name
        assert one.presets, one.name
        assert set(one.presets) <= set(preset_names())
        assert {chip for name in one.ncu for chip in name.chips} <= set(CHIPS.values())
        if one.section:
            assert all(load_preset(name).set or one.section in load_preset(name).sections for name in one.presets)


def test_counts_are_compared_with_metrics_that_the_memory_preset_collects() -> None:
    collected = {one.name for one in load_metrics() if "memory" in one.presets}
    assert {name for count in COUNTS for name in count.metrics} <= collected


def test_a_query_is_read_line_by_line() -> None:
    assert parse_query(QUERY) == ["gpu__time_duration", "lts__t_sectors", "sm__throughput"]
    assert parse_query("") == []


def test_what_a_chip_lacks_is_found_by_base_names() -> None:
    known, unknown = metric("lts__t_sectors.sum"), metric("lts__invented.sum")
    section = Metric(name="s", unit="u", counts="c", presets=(), ncu=(Name(name="sm__x"),), section="Occupancy")
    elsewhere = metric(Name(name="sm__other.sum", chips=("ga100",)))
    launch = metric("launch__grid_size")
    names = parse_query(QUERY)
    assert lacking(names, "gh100", [known, unknown, section, elsewhere, launch]) == [unknown]


def test_what_is_installed_is_what_the_source_tree_has() -> None:
    text = (ROOT / "cmake" / "PackageData.cmake").read_text()
    assert "profiles/metrics.toml DESTINATION immabench/data/profiles" in text
    assert "DIRECTORY profiles/presets DESTINATION immabench/data/profiles" in text
