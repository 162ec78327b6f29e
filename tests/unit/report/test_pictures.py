from __future__ import annotations

from immabench.report.pictures import left_out, log_ticks, tick_text


def test_log_ticks_are_1_2_5_on_short_axes_and_decades_on_long_ones() -> None:
    assert log_ticks(3.0, 60.0) == [5.0, 10.0, 20.0, 50.0]
    assert log_ticks(0.5, 2000.0) == [1.0, 10.0, 100.0, 1000.0]
    assert [tick_text(tick) for tick in (0.1, 1.0, 2000.0)] == ["0.1", "1", "2,000"]


def test_a_picture_says_what_it_leaves_out() -> None:
    assert left_out(12, 12, "shapes with most work") == ""
    assert left_out(1012, 12, "shapes") == "The 12 shapes are drawn, 1,000 more are in rows.csv."
