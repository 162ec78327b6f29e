"""Suite files: what they expand to, and the one line a bad one gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import NothingSelectedError, UsageError
from immabench.problems import Problem
from immabench.suites import (
    CaseSpec,
    list_suites,
    load_suite,
    parse_axis,
    parse_options,
    parse_shape,
    parse_shapes,
    suite_names,
)

HEAD = '[suite]\nname = "mine"\ndescription = "d"\nsource = "hand"\n'
CASE = '[[cases]]\nname = "a"\nm = 1\nn = 2\nk = 3\n'


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a suite file and returns its path."""

    def to_file(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_axes_are_multiplied_and_sizes_name_the_cases(write) -> None:
    suite = load_suite(write(HEAD + '[[cases]]\nname = "a"\nm = [8, 4]\nn = "pow2:16:32"\nk = 7\ncalls = 3\n'))
    cases = suite.expand()
    assert [(c.problem.m, c.problem.n, c.problem.k) for c in cases] == [(8, 16, 7), (8, 32, 7), (4, 16, 7), (4, 32, 7)]
    assert [c.name for c in cases][:2] == ["a m=8 n=16", "a m=8 n=32"]
    assert {c.calls for c in cases} == {3}


def test_linked_axes_advance_together(write) -> None:
    text = '[[cases]]\nname = "a"\nm = [1, 2]\nn = [5, 6]\nk = "pow2:16:32"\nlink = ["k", "m"]\n'
    cases = load_suite(write(HEAD + text)).expand()
    assert [(c.problem.m, c.problem.n, c.problem.k) for c in cases] == [(1, 5, 16), (1, 6, 16), (2, 5, 32), (2, 6, 32)]


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True), min_size=3, max_size=3))
def test_the_count_is_known_before_expanding(axes: list[list[int]]) -> None:
    sizes = dict(zip("mnk", axes, strict=True))
    spec = CaseSpec(name="a", **sizes)
    assert len(list(spec.shapes())) == spec.shape_count == len(axes[0]) * len(axes[1]) * len(axes[2])
    if len(axes[0]) == len(axes[2]):
        linked = CaseSpec(name="a", **sizes, link=("m", "k"))
        assert len(list(linked.shapes())) == linked.shape_count == len(axes[0]) * len(axes[1])


def test_case_options_override_defaults(write) -> None:
    defaults = '[defaults]\noutput_type = "f16"\nrow_scale = "vector"\nbias = true\n'
    overriding = '[[cases]]\nname = "b"\nm = 4\nn = 2\nk = 3\nrow_scale = "tensor"\nbias = false\n'
    first, second = load_suite(write(HEAD + defaults + CASE + overriding)).expand()
    assert first.problem == Problem(1, 2, 3, output_type="f16", row_scale="vector", bias=True)
    assert second.problem == Problem(4, 2, 3, output_type="f16", row_scale="tensor")


def test_a_case_may_be_a_batch(write) -> None:
    path = write(HEAD + "[defaults]\nbatch = 12\n" + CASE + CASE.replace('"a"', '"b"') + "batch = 2\n")
    assert [case.problem.batch for case in load_suite(path).expand()] == [12, 2]


def test_without_options_a_case_has_the_defaults_of_a_problem(write) -> None:
    assert load_suite(write(HEAD + CASE)).expand()[0].problem == Problem(1, 2, 3)


def test_the_same_problem_twice_is_one_case_that_knows_both(write) -> None:
    again = '[[cases]]\nname = "b"\nm = [1, 9]\nn = 2\nk = 3\ncalls = 4\n'
    merged, other = load_suite(write(HEAD + CASE + again)).expand()
    assert (merged.name, merged.calls, merged.uses) == ("a + b m=1", 5, (("a", 1), ("b m=1", 4)))
    assert (other.name, other.calls) == ("b m=9", 4)


@pytest.mark.parametrize(
    ("text", "key", "complaint", "remedy"),
    [
        (HEAD + CASE + "kk = 4\n", "cases[0].kk", "unknown key", "did you mean `k`?"),
        (HEAD + CASE + "call = 4\n", "cases[0].call", "unknown key", "did you mean `calls`?"),
        (HEAD + CASE + "xyzzy = 4\n", "cases[0].xyzzy", "unknown key", "the keys here are a_type"),
        (HEAD + '[defaults]\nrow_scales = "none"\n' + CASE, "defaults.row_scales", "unknown key", "`row_scale`"),
        (HEAD + 'sauce = "x"\n' + CASE, "suite.sauce", "unknown key", "`source`"),
        (HEAD + CASE.replace("cases", "case"), "cases", "missing", "add `cases`"),
        (CASE + HEAD.replace("suite", "suit"), "suite", "missing", "add `suite`"),
        ('[[cases]]\nname = "a"\nm = 1\nn = 2\n' + HEAD, "cases[0].k", "missing", "add `k`"),
        ("cases = []\n" + HEAD, "cases", "at least 1 item", "correct `cases`"),
        (HEAD + CASE.replace("m = 1", 'm = "1:9"'), "cases[0].m", "'1:9' is not an axis", "a:b:step"),
        (HEAD + CASE.replace("m = 1", "m = 0"), "cases[0].m", "sizes start at 1", "at least 1"),
        (HEAD + CASE + 'link = ["m"]\n', "cases[0]", "two or three different axes", "for example"),
        (HEAD + CASE.replace("m = 1", "m = [1, 2]") + 'link = ["m", "n"]\n', "cases[0]", "m has 2, n has 1", "as many"),
        (HEAD + CASE + 'link = ["m", "q"]\n', "cases[0].link[1]", "got 'q'", "correct"),
        (HEAD + CASE + "calls = 0\n", "cases[0].calls", "greater than or equal to 1", "correct"),
        (HEAD + CASE + 'calls = "4"\n', "cases[0].calls", "valid integer", "correct"),
        (HEAD + CASE + "bias = 1\n", "cases[0].bias", "valid boolean", "correct"),
        (HEAD + CASE + 'output_type = "f61"\n', "cases[0] (a)", "f61", ""),
        (HEAD + CASE + "bias = true\n", "cases[0] (a)", "s32", ""),
        (HEAD + CASE.replace("k = 3", "k = 131072"), "cases[0] (a)", "131072", ""),
        (HEAD + CASE.replace("m = 1", 'm = "1:200:1"').replace("n = 2", 'n = "1:200:1"'), "", "40000 cases", "shorten"),
        (HEAD + "[[cases]\n", "", "is not TOML", "quick.toml"),
    ],
)
def test_a_bad_file_gets_one_line_with_file_key_and_remedy(
    write, text: str, key: str, complaint: str, remedy: str
) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        load_suite(path)
    assert str(caught.value).startswith(f"{path}: {key}")
    assert complaint in caught.value.message
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such suite file"):
        load_suite(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        load_suite(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8"):
        load_suite(str(tmp_path / "binary.toml"))


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(NothingSelectedError, match="resnet18"):
        load_suite("resnet50")


def test_every_named_suite_loads_under_its_own_name() -> None:
    names = ["distilbert", "goals", "llama-decode", "quick", "ragged", "resnet18", "resnet18-conv", "square"]
    assert suite_names() == names
    assert [suite.name for suite in list_suites()] == suite_names()


def test_quick_is_quick() -> None:
    """Small enough to emulate under a minute: padded to 256x256x128 tiles it stays below 1 GMAC a configuration."""

    def padded(problem: Problem) -> int:
        return -(-problem.m // 256) * 256 * -(-problem.n // 256) * 256 * -(-problem.k // 128) * 128

    assert sum(padded(case.problem) for case in load_suite("quick").expand()) < 10**9


def test_llama_layers_follow_from_the_published_configurations() -> None:
    configurations = {  # hidden, intermediate, layers, heads, key-value heads; heads of 128
        "llama2-7b": (4096, 11008, 32, 32, 32),
        "llama3-8b": (4096, 14336, 32, 32, 8),
        "llama3-70b": (8192, 28672, 80, 64, 8),
    }
    parts = {}
    for name, (hidden, intermediate, layers, heads, kv_heads) in configurations.items():
        parts[f"{name}.qkv"] = ((heads + 2 * kv_heads) * 128, hidden, layers)
        parts[f"{name}.o"] = (hidden, heads * 128, layers)
        parts[f"{name}.gate_up"] = (2 * intermediate, hidden, layers)
        parts[f"{name}.down"] = (hidden, intermediate, layers)
    suite = load_suite("llama-decode")
    assert {spec.name: (spec.n[0], spec.k[0], spec.calls) for spec in suite.specs} == parts
    assert {spec.m for spec in suite.specs} == {(1, 2, 4, 8, 16, 17, 32, 64)}


@given(st.tuples(*[st.integers(1, 10**6)] * 3))
def test_shapes_round_trip(shape: tuple[int, int, int]) -> None:
    assert parse_shape("x".join(map(str, shape))) == parse_shape(" {}X{}X{} ".format(*shape)) == shape


@pytest.mark.parametrize("text", ["", "128", "1x2", "1x2x3x4", "0x1x2", "-1x2x3", "ax2x3", "1x2x³", "1.5x2x3"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^shape '.*' is not MxNxK|^shape '.*': .*; write "):
        parse_shape(text)


def test_each_size_of_a_shape_may_be_an_axis() -> None:
    assert parse_shapes("1,16xpow2:64:128x8") == [(1, 64, 8), (1, 128, 8), (16, 64, 8), (16, 128, 8)]
    assert parse_shapes("2x3x10:20:10") == [(2, 3, 10), (2, 3, 20)]
    with pytest.raises(UsageError, match="is 2 shapes where one is needed"):
        parse_shape("1,2x3x4")
    with pytest.raises(UsageError, match="expands to 1000000 shapes, more than 10000"):
        parse_shapes("1:100:1x1:100:1x1:100:1")


def test_parse_axis_speaks_in_usage_errors() -> None:
    assert parse_axis("pow2:1:4") == (1, 2, 4)
    with pytest.raises(UsageError, match="is not an axis; write a number"):
        parse_axis("1-4")


def test_options_of_a_problem_as_text() -> None:
    options = parse_options(["a_type=s8", "b_type=u4", "b_group=128", "b_scale=step", "out_zero=true"])
    assert options == {"a_type": "s8", "b_type": "u4", "b_group": 128, "b_scale": "step", "out_zero": True}
    assert parse_options([]) == {}
    assert parse_options(["batch=12"]) == {"batch": 12}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b_type", "'b_type' is not KEY=VALUE"),
        ("=s4", "'=s4' is not KEY=VALUE"),
        ("group=128", "a problem has no 'group'; choose of a_type"),
        ("b_group=-1", "b_group=-1: "),
        ("batch=0", "batch=0: "),
        ("bias=perhaps", "bias=perhaps: "),
        ("row_scale=block", "row_scale=block: "),
    ],
)
def test_what_is_no_option_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_options([text])
    assert "\n" not in str(caught.value)
