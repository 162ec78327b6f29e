"""Suites: which GEMM shapes to sweep, read from TOML files that people can read, diff and edit.

A suite is `[suite]` (name, description, source), `[defaults]` (types and epilogue shared by every case) and a list of
`[[cases]]`. In a case `m`, `n` and `k` are axes: a number, a list, `"a:b:step"` (b included when the steps reach it) or
`"pow2:a:b"`. A case stands for the cartesian product of its axes; axes named in `link` advance together instead.
Cases that come out as the same problem are merged: it is measured once, and `Case.uses` keeps who asked for it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from immabench.axes import Axis, AxisError, axis_values
from immabench.errors import ImmabenchError, NothingSelectedError, UsageError
from immabench.problems import Problem, Shape
from immabench.shapes import GEMM_FORM, MAX_CASES, parse_size, parse_sizes

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its name on PyPI
    import tomli as tomllib

SOURCE_FOLDER = Path(__file__).parents[2] / "bench" / "suites"
"""Where named suites live in a source tree; an installed library carries a copy as package data."""

_INSTALLED_FOLDER = Path(__file__).parent / "suites_data"

Name = Annotated[str, Field(min_length=1)]
AxisField = Annotated[Axis, BeforeValidator(axis_values)]
ScaleKind = Literal["none", "tensor", "vector"]


@dataclass(frozen=True)
class Case:
    """One problem to measure. `calls`: how often the suite's model runs this shape (1 in a hand-made suite)."""

    name: str
    problem: Problem
    calls: int
    uses: tuple[tuple[str, int], ...]
    """Each (name, calls) of the suite that came out as this problem; their calls add up to `calls`."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Header(_Table):
    """`[suite]`: what the suite is and where its numbers come from."""

    name: Name
    description: Name
    source: Name


class ProblemOptions(_Table):
    """Everything of a problem but its shape. A key left out falls back to `[defaults]`, then to `Problem`'s default."""

    a_type: str | None = None
    b_type: str | None = None
    output_type: str | None = None
    row_scale: ScaleKind | None = None
    col_scale: ScaleKind | None = None
    bias: bool | None = None
    b_group: Annotated[int, Field(ge=0)] | None = None
    b_scale: str | None = None
    a_zero: ScaleKind | None = None
    residual: str | None = None
    activation: str | None = None
    out_scale: ScaleKind | None = None
    out_zero: bool | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    conv: str | None = None

    def chosen(self) -> dict[str, Any]:
        """The options that were given, as keyword arguments of `Problem`."""
        return {key: getattr(self, key) for key in ProblemOptions.model_fields if getattr(self, key) is not None}


class CaseSpec(ProblemOptions):
    """One `[[cases]]` entry: axes, the number of calls, and options that differ from `[defaults]`."""

    name: Name
    m: AxisField
    n: AxisField
    k: AxisField
    calls: Annotated[int, Field(ge=1)] = 1
    link: Annotated[tuple[Literal["m", "n", "k"], ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _check_link(self) -> CaseSpec:
        lengths = {axis: len(getattr(self, axis)) for axis in self.link}
        if len(self.link) == 1 or len(lengths) < len(self.link):
            raise AxisError(f"link = {list(self.link)} must name two or three different axes", 'for example ["m", "n"]')
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{axis} has {length}" for axis, length in lengths.items())
            raise AxisError(f"linked axes differ in length: {counts} values", "give linked axes as many values each")
        return self

    @property
    def shape_count(self) -> int:
        """How many shapes `shapes()` yields."""
        return prod(len(getattr(self, axis)) for axis in "mnk" if axis not in self.link[1:])

    def name_of(self, shape: tuple[int, int, int]) -> str:
        """The name of one shape of this case: its sizes follow where axes vary (`qkv m=16`)."""
        sizes = [f"{axis}={size}" for axis, size in zip("mnk", shape, strict=True) if len(getattr(self, axis)) > 1]
        return " ".join([self.name, *sizes])

    def shapes(self) -> Iterator[tuple[int, int, int]]:
        """Every (m, n, k), the last free axis fastest; linked axes advance together as the slowest."""
        free = [axis for axis in "mnk" if axis not in self.link]
        linked = list(zip(*(getattr(self, axis) for axis in self.link), strict=True)) if self.link else [()]
        for together, *apart in product(linked, *(getattr(self, axis) for axis in free)):
            at = dict(zip((*self.link, *free), (*together, *apart), strict=True))
            yield at["m"], at["n"], at["k"]


class Suite(_Table):
    """A validated suite file. Get one from `load_suite`."""

    header: Header = Field(alias="suite")
    defaults: ProblemOptions = ProblemOptions()
    specs: Annotated[tuple[CaseSpec, ...], Field(alias="cases", min_length=1, strict=False)]
    _path: Path = PrivateAttr(default=Path("suite"))

    @property
    def name(self) -> str:
        """The suite's own name, which rows carry."""
        return self.header.name

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    def expand(self) -> list[Case]:
        """Every distinct problem of the suite, in file order.

        Raises UsageError, naming file and case, for a shape or option that `Problem` refuses and for too many cases.
        """
        return list(self._expanded)

    @cached_property
    def _expanded(self) -> tuple[Case, ...]:
        total = sum(spec.shape_count for spec in self.specs)
        if total > MAX_CASES:
            raise UsageError(f"{self._path}: expands to {total} cases, more than {MAX_CASES}", "shorten or link axes")
        uses: dict[Problem, list[tuple[str, int]]] = {}
        for index, spec in enumerate(self.specs):
            for shape in spec.shapes():
                problem = self._problem(index, spec, shape)
                uses.setdefault(problem, []).append((spec.name_of(shape), spec.calls))
        return tuple(_merged_case(problem, named) for problem, named in uses.items())

    def _problem(self, index: int, spec: CaseSpec, shape: tuple[int, int, int]) -> Problem:
        m, n, k = shape
        try:
            return Problem(m, n, k, **{**self.defaults.chosen(), **spec.chosen()})
        except (ImmabenchError, ValueError) as error:
            text, remedy = str(getattr(error, "message", error)), getattr(error, "remedy", "")
            raise UsageError(f"{self._path}: cases[{index}] ({spec.name}): {text}", remedy) from error


def parse_options(texts: Iterable[str]) -> dict[str, Any]:
    """Fields of a problem from "KEY=VALUE" texts, as a suite's `[defaults]` names them: `b_type=s4`, `activation=gelu`.

    Raises UsageError for what is no such text, an unknown key or a value of another type.
    """
    pairs = parse_pairs(texts)
    unknown = sorted(set(pairs) - set(ProblemOptions.model_fields))
    if unknown:
        raise UsageError(f"a problem has no {unknown[0]!r}", f"choose of {', '.join(ProblemOptions.model_fields)}")
    try:
        return ProblemOptions.model_validate_strings(pairs, strict=False).chosen()
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}={first['input']}: {first['msg']}", "see bench/suites/README.md") from error


def parse_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Values by key from "KEY=VALUE" texts. Raises UsageError for what is no such text."""
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise UsageError(f"{text!r} is not KEY=VALUE", "write for example b_type=s4")
    return key, value


def suite_names() -> list[str]:
    """The names that `load_suite` knows, sorted."""
    return sorted(path.stem for path in _suite_folder().glob("*.toml"))


def list_suites() -> list[Suite]:
    """Every named suite, loaded, sorted by name."""
    return [load_suite(name) for name in suite_names()]


def load_suite(name_or_path: str | Path) -> Suite:
    """Load and validate a suite by name (`resnet18`) or by path: `.toml` or a folder in it makes it a path.

    Raises NothingSelectedError for an unknown name, with the nearest names, and UsageError for a bad file, with
    the file, the key and the remedy.
    """
    path = _find(name_or_path)
    try:
        suite = Suite.model_validate(_read_toml(path))
    except ValidationError as error:
        raise _one_line(path, error) from error
    suite._path = path
    suite.expand()
    return suite


def parse_axis(value: object) -> tuple[int, ...]:
    """The values of one axis: a number, a list of numbers, "a:b:step" or "pow2:a:b". Raises UsageError."""
    try:
        return axis_values(value)
    except AxisError as error:
        raise UsageError(str(error), error.remedy) from error


def parse_shapes(text: str) -> list[Shape]:
    """Every (m, n, k) of "MxNxK", each of the three an axis as `axis_values` reads it, the last one fastest.

    "128x256x64" is one shape, "1,16xpow2:1024:4096x4096" six. Raises UsageError, also above `MAX_CASES` shapes.
    """
    return [(m, n, k) for m, n, k in parse_sizes(text, GEMM_FORM)]


def parse_shape(text: str) -> Shape:
    """The one (m, n, k) of "MxNxK", for example "128x256x64". Raises UsageError."""
    m, n, k = parse_size(text, GEMM_FORM)
    return m, n, k


def _merged_case(problem: Problem, uses: list[tuple[str, int]]) -> Case:
    name = " + ".join(dict.fromkeys(name for name, _ in uses))
    return Case(name, problem, sum(calls for _, calls in uses), tuple(uses))


def _suite_folder() -> Path:
    return _INSTALLED_FOLDER if _INSTALLED_FOLDER.is_dir() else SOURCE_FOLDER


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix == ".toml" or len(path.parts) > 1:
        return path
    named = _suite_folder() / f"{name_or_path}.toml"
    if not named.is_file():
        raise NothingSelectedError.nearest("suite", str(name_or_path), suite_names())
    return named


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such suite file", "see `immabench list suites` for the named ones") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "give a readable TOML file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML: {error}", "see bench/suites/quick.toml for a small example") from error


def _one_line(path: Path, error: ValidationError) -> UsageError:
    """The first complaint of pydantic as one line: file, key, what is wrong, and what to write instead."""
    first = error.errors()[0]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, AxisError):
        return UsageError(f"{path}: {key}: {cause}", cause.remedy)
    if first["type"] == "extra_forbidden":
        return UsageError(f"{path}: {key}: unknown key", _key_remedy(first["loc"]))
    if first["type"] == "missing":
        return UsageError(f"{path}: {key}: missing", f"add `{first['loc'][-1]}`")
    return UsageError(f"{path}: {key}: {first['msg'].lower()}, got {first['input']!r:.60}", f"correct `{key}`")


def _key_remedy(loc: tuple[int | str, ...]) -> str:
    tables: dict[str, type[BaseModel]] = {"suite": Header, "defaults": ProblemOptions, "cases": CaseSpec}
    table = tables[str(loc[0])] if len(loc) > 1 else Suite
    known = [field.alias or name for name, field in table.model_fields.items()]
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"the keys here are {', '.join(known)}"
