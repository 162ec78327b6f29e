"""Causes of lost time in what memory has to deliver."""

from __future__ import annotations

from dataclasses import replace

from immabench.errors import UsageError
from immabench.explain.case import Case
from immabench.explain.cause import Cause, Evidence
from immabench.predict.work import BYTES_PER_CHUNK
from immabench.problems import TYPE_BITS, Problem

MOST_ROWS = 1 << 20
"""How far the number of rows is looked for from which on the operations are the limit."""


def memory_bound(case: Case) -> Cause | None:
    """The bytes of the problem take longer than its operations: the peak is out of reach at this M."""
    problem, roof = case.problem, case.roof
    if not case.is_memory_bound:
        return None
    moving, multiplying = roof.memory_us(problem), roof.compute_us(problem)
    weights = problem.weight_bytes / problem.bytes_moved
    shape = (
        f"M = {problem.m} gives {problem.operations_per_byte:.3g} operations a byte; from {roof.ridge:.3g} on "
        f"{roof.peak.source} would be the limit"
    )
    bytes_ = (
        f"its {problem.bytes_moved / 1e6:.3g} MB, {weights:.0%} of them weights, take {moving:.3g} us at "
        f"{roof.memory.rate:,.0f} GB/s ({roof.memory.source}): {case.share(moving):.0%} of the {case.kind} time"
    )
    evidence = (Evidence("arithmetic", shape), Evidence(case.kind, bytes_))
    lost = case.share(moving - multiplying)
    return Cause("memory bound", lost, evidence, _fewer_bytes(case, weights), of_roof=True)


def _fewer_bytes(case: Case, weights: float) -> str:
    rows = ridge_rows(case)
    more = f"more rows in one product (from M = {rows} on its operations are the limit)" if rows else ""
    narrow = ""
    if weights > 0.5 and TYPE_BITS[case.problem.b_type] > 4:
        kept = 1 - weights * (1 - 4 / TYPE_BITS[case.problem.b_type])
        narrow = f"4-bit weights, which leave {kept:.0%} of the bytes"
    return "try " + (" or ".join(filter(None, (narrow, more))) or "fusing what reads and writes the same tensors")


def ridge_rows(case: Case) -> int | None:
    """The fewest rows at which the operations of the problem take as long as its bytes; None where no number does."""
    if case.problem.conv or not _is_computed(case, MOST_ROWS):
        return None
    low, high = 1, MOST_ROWS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_computed(case, middle) else (middle + 1, high)
    return low


def _is_computed(case: Case, rows: int) -> bool:
    problem = replace(case.problem, m=rows)
    return case.roof.compute_us(problem) >= case.roof.memory_us(problem)


def k_misaligned(case: Case) -> Cause | None:
    """Rows of A do not start on 16 bytes, so that they are not copied in chunks."""
    work = case.work
    if work is None or work.is_aligned:
        return None
    padded = _padded(case.problem)
    beside = replace(case, problem=padded).prediction if padded else None
    lost_us = case.prediction.time_us - beside.time_us if case.prediction and beside else 0.0
    row_bytes = case.problem.k * TYPE_BITS[case.problem.a_type] / 8
    evidence = [
        Evidence("arithmetic", f"K = {case.problem.k}: rows of {row_bytes:g} bytes, no multiple of {BYTES_PER_CHUNK}"),
        Evidence("arithmetic", "each byte is a load of its own, and none is copied ahead of its use"),
    ]
    advice = "try K that is a multiple of 16 bytes"
    if padded and beside:
        more = padded.k / case.problem.k - 1
        evidence.append(Evidence("predicted", f"with K = {padded.k} the same kernel takes {beside.time_us:.3g} us"))
        advice = f"try zeros up to K = {padded.k}: the sums stay the same, for {more:.2%} more bytes"
    return Cause("K misaligned", case.share(lost_us), tuple(evidence), advice)


def _padded(problem: Problem) -> Problem | None:
    """The problem with the next K of whole chunks; None where that is no problem: of images, or beyond int32."""
    if problem.conv:
        return None
    chunk = BYTES_PER_CHUNK * 8 // TYPE_BITS[problem.a_type]
    try:
        return replace(problem, k=-(-problem.k // chunk) * chunk)
    except UsageError:
        return None


def too_few_bytes_in_flight(case: Case) -> Cause | None:
    """Fewer bytes on their way than latency times bandwidth (Little's law), and that is what the kernel waits for."""
    prediction = case.prediction
    if prediction is None or prediction.in_flight_bytes >= prediction.needed_bytes:
        return None
    waiting = case.term_us("bytes in flight")
    others = max(case.term_us(name) for name in ("tensor cores", "shared memory", "L2 port", "unpacking", "DRAM", "L2"))
    if waiting <= others:
        return None
    evidence = Evidence(
        "predicted",
        f"{prediction.in_flight_bytes:,} bytes on their way a multiprocessor, {prediction.needed_bytes:,.0f} would "
        f"draw DRAM's bandwidth: waiting takes {waiting:.3g} us, the next longest part {others:.3g} us",
    )
    advice = case.better("try more stages, more blocks a multiprocessor, or split K")
    return Cause("too few bytes in flight", case.share(waiting - others), (evidence,), advice)
