"""Rules to fail on, and shares in percent, as the command line takes them."""

from __future__ import annotations

import pytest
from compared_runs import STEADY, Run, scaled

from immabench.errors import UsageError
from immabench.measure.compare import FailRule, compare_runs, parse_fail_rule, parse_percent


def test_rules_judge_by_their_own_threshold(runs: tuple[Run, Run]) -> None:
    a, b = runs
    a.add(1, STEADY)
    b.add(1, scaled(1.06))
    rows = compare_runs(a.path, b.path, threshold=0.2).verdicts
    assert rows[0].verdict == "SAME"
    assert FailRule("slower", 0.03).met_by(rows)
    assert FailRule("any", 0.03).met_by(rows)
    assert not FailRule("slower", 0.08).met_by(rows)
    assert not FailRule("faster", 0.03).met_by(rows)


@pytest.mark.parametrize(("text", "share"), [("3%", 0.03), ("0.03", 0.03), (" 2.5 % ", 0.025), ("0", 0.0)])
def test_percent(text: str, share: float) -> None:
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["3", "100%", "-1%", "nan", "inf%", "", "%", "three"])
def test_bad_percent_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a share below 100 %; write 3% or 0.03"):
        parse_percent(text)


@pytest.mark.parametrize("text", ["slower", "slow:3%", ":3%", "SLOWER:3%"])
def test_bad_rules_are_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="is not a rule to fail on; write slower:3%, faster:3%, any:3%"):
        parse_fail_rule(text)


def test_rules() -> None:
    assert parse_fail_rule("slower:3%") == FailRule("slower", 0.03)
