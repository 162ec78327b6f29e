"""Files a bundle of `make evidence` under bench/results/<machine>/, its actions under profiles/evidence/<machine>/, and
makes the README's table anew from all of them.

python bench/adopt_evidence.py evidence/bundle
python bench/adopt_evidence.py                     # only the table
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import pandas

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PROFILES = ROOT / "profiles" / "evidence"
README = ROOT / "README.md"
BEGIN, END = "<!-- evidence: begin, made by make adopt-evidence -->", "<!-- evidence: end -->"
NONE = "No evidence from a GPU is committed yet: `make evidence` on a GPU machine gathers it."
HEADER = (
    "| GPU | suite | shapes | INT8 by hand: median share of the roof | against cuBLASLt INT8 | against bf16 |\n"
    "|---|---|---|---|---|---|"
)


def adopt(bundle: Path, results: Path = RESULTS, profiles: Path = PROFILES) -> Path:
    """Copy a bundle to its machine's folders. Exits with one line for what is no evidence of a GPU."""
    try:
        evidence = json.loads((bundle / "evidence.json").read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{bundle} is no bundle ({error}); name the folder that `make evidence` printed") from error
    if evidence.get("device_kind") != "cuda":
        raise SystemExit(f"{bundle} was gathered on {evidence.get('device_kind')}: a rehearsal, not evidence")
    rows = sorted(bundle.glob("*.csv"))
    if not rows or not evidence.get("machine", {}).get("gpus"):
        raise SystemExit(f"{bundle} holds no rows of a GPU; run `make evidence` again, it goes on where it ended")
    folder = results / machine_name(evidence)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (bundle / "evidence.json", *rows):
        shutil.copy(path, folder)
    for path in sorted(bundle.glob("*.actions.jsonl")):
        (profiles / folder.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, profiles / folder.name)
    return folder


def machine_name(evidence: dict[str, Any]) -> str:
    """The folder of a machine: its first GPU's name, in lower case with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", evidence["machine"]["gpus"][0]["name"].lower()).strip("-")


def table(results: Path = RESULTS) -> str:
    """The README's table over every machine, or the line that says that there is none."""
    lines = [line for path in sorted(results.glob("*/evidence.json")) for line in _machine_lines(path)]
    return "\n".join([HEADER, *lines]) if lines else NONE


def _machine_lines(path: Path) -> Iterable[str]:
    evidence = json.loads(path.read_text())
    gpu, date = evidence["machine"]["gpus"][0]["name"], evidence["stages"][-1]["finished_utc"][:10]
    for rows in sorted(path.parent.glob("*.csv")):
        yield f"| {gpu}, {date} | {rows.stem} | {suite_cells(pandas.read_csv(rows))} |"


def suite_cells(rows: pandas.DataFrame) -> str:
    """Shapes, median share of the roof, and geometric mean of speed over two competitors, each by its best per case."""
    good = rows[(rows.status == "ok") & (rows.get("step", "compute") != "pack")]
    best = {name: _best(good, name) for name in ("handwritten", "cublaslt_int8", "torch_bf16")}
    own = best["handwritten"]
    share = f"{median(own.pct_roof.dropna()):.0f} %" if len(own) and own.pct_roof.notna().any() else "-"
    against = [_speed_over(own, best[name]) for name in ("cublaslt_int8", "torch_bf16")]
    return " | ".join([str(len(own)), share, *against])


def _best(rows: pandas.DataFrame, name: str) -> pandas.DataFrame:
    """The fastest row of each case by a provider, or by the configuration of that name."""
    chosen = rows[(rows.provider == name) | (rows.kernel_id == name)]
    return chosen.sort_values("time_us_median").groupby(["suite", "case"]).first()


def _speed_over(own: pandas.DataFrame, other: pandas.DataFrame) -> str:
    ratios = (other.time_us_median / own.time_us_median).dropna()
    return f"{geometric_mean(ratios):.2f}x" if len(ratios) else "-"


def write_table(readme: Path = README, results: Path = RESULTS) -> None:
    """Replace what stands between the markers."""
    text = readme.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    readme.write_text(f"{text[:begin]}\n{table(results)}\n{text[end:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", help="the folder that `make evidence` printed")
    options = parser.parse_args(arguments)
    if options.bundle:
        print(f"adopted into {adopt(options.bundle)}", file=sys.stderr)
    write_table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
