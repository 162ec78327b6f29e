"""A model of what one launch of a hand-written kernel takes, term by term: arithmetic on tiles, no measurement.

Every figure it computes with is of a `Machine` and names its source. It is a throughput model in the manner of the
roofline (Williams, Waterman, Patterson, CACM 52(4), 2009) with the latencies that a ring of stages cannot hide (Little,
Operations Research 9(3), 1961; Volkov, Understanding Latency Hiding on GPUs, Berkeley 2016):

    time = launch + pipeline fill + max(multiprocessor, L2, DRAM) + last wave + split-K reduction + epilogue
    multiprocessor = max(tensor cores, shared memory, L2 port, bytes in flight) + barriers + between tiles

The multiprocessor is the average one; what the busiest does beyond that is the last wave. So the terms that count add
up to the time, and those hidden behind a larger one are shown beside it. `costs` has the arithmetic of each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from immabench.errors import UsageError
from immabench.kernels import KernelConfig, runs_on
from immabench.predict.costs import Cost, barriers, between, device, epilogue, fill, reduction, streams
from immabench.predict.machine import Figure, Machine
from immabench.predict.work import TileWork, estimated_registers
from immabench.problems import Problem


@dataclass(frozen=True)
class Term:
    """One part of a predicted time: what it takes by itself, and how that follows.

    `counted`: it adds to the time. Other terms go on at the same time as a larger one.
    """

    name: str
    clocks: float
    time_us: float
    counted: bool
    formula: str


@dataclass(frozen=True)
class Prediction:
    """What a launch would take by the model; `bound` names the largest term that counts.

    `blocks` of work, at most `blocks_each` on one multiprocessor, `resident` of them at once. `useful` is the share of
    the multiply-accumulates, in padded tiles and whole waves, that the problem asked for. `in_flight_bytes` a
    multiprocessor keeps on their way; `needed_bytes` it must, to draw its share of DRAM's bandwidth (Little's law).
    """

    kernel_id: str
    shape: str
    machine: str
    time_us: float
    bound: str
    blocks: int
    blocks_each: int
    resident: int
    useful: float
    in_flight_bytes: int
    needed_bytes: float
    terms: tuple[Term, ...]
    assumptions: tuple[Figure, ...]

    def term(self, name: str) -> Term:
        """The term of that name. KeyError where there is none."""
        return {term.name: term for term in self.terms}[name]

    def explain(self) -> str:
        """Why it takes what it takes, in one line."""
        share = self.term(self.bound).time_us / self.time_us
        return (
            f"{self.kernel_id}: predicted {self.time_us:.2f} us, {share:.0%} of it {self.bound}; {self.blocks} blocks, "
            f"up to {self.blocks_each} a multiprocessor, {self.useful:.0%} of the tile work useful"
        )

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON takes it; `kind` says that it is predicted."""
        return {"kind": "predicted", **asdict(self)}


def predict(config: KernelConfig, problem: Problem, machine: Machine, registers: int | None = None) -> Prediction:
    """What one launch of `config` on `problem` would take on `machine`, its operands in DRAM.

    `registers` a thread are those of the compiled kernel; without them they are estimated from the tile. Raises
    UsageError for a configuration that is not compiled for the machine, or does not fit its multiprocessors.
    """
    if not runs_on(config, machine.architecture):
        raise UsageError(
            f"{config.id} is compiled for {', '.join(config.architectures)}, and {machine.name} is "
            f"{machine.architecture}",
            "choose another kernel or GPU",
        )
    known = _registers_figure(config, registers)
    work = TileWork(config, problem, machine, int(known.value))
    terms = _terms(work)
    counted = [term for term in terms if term.counted]
    return Prediction(
        kernel_id=config.id,
        shape=problem.shape,
        machine=machine.name,
        time_us=sum(term.time_us for term in counted),
        bound=max(counted, key=lambda term: term.clocks).name,
        blocks=work.blocks,
        blocks_each=work.blocks_each,
        resident=work.resident,
        useful=work.useful,
        in_flight_bytes=work.in_flight_bytes,
        needed_bytes=work.needed_bytes,
        terms=tuple(terms),
        assumptions=(*machine.figures, known),
    )


def _registers_figure(config: KernelConfig, registers: int | None) -> Figure:
    if registers is not None:
        return Figure("registers", registers, "a thread", "compiled", "SASS facts of this build")
    return Figure("registers", estimated_registers(config), "a thread", "assumed", "sums, fragments and addresses")


def _terms(work: TileWork) -> list[Term]:
    """Every term, in the order of the time line."""
    launch = Cost(work.machine.launch_us * work.machine.clock_mhz, f"{work.machine.launch_us:g} us a kernel")
    return [
        _term(work, "launch", launch),
        _term(work, "pipeline fill", fill(work)),
        *_middle(work),
        _term(work, "split-K reduction", reduction(work)),
        _term(work, "epilogue", epilogue(work, work.resident)),
    ]


def _middle(work: TileWork) -> list[Term]:
    """What goes on at the same time, on the average multiprocessor and in what all share; then what only the busiest
    has left to do."""
    own, shared = streams(work), device(work)
    slowest, widest = _largest(own), _largest(shared)
    waits, gap = barriers(work), between(work)
    average, busiest = (
        blocks * (own[slowest].clocks + waits.clocks) + _after_first(blocks) * gap.clocks
        for blocks in (work.load, work.blocks_each)
    )
    common = shared[widest].clocks
    local = average >= common
    tail = Cost(
        max(busiest, common) - max(average, common),
        f"{work.blocks} blocks over {work.multiprocessors} multiprocessors: {work.load:.2f} on average, "
        f"{work.blocks_each} on the busiest",
    )
    return [
        *(_term(work, name, _times(cost, work.load), local and name == slowest) for name, cost in own.items()),
        _term(work, "barriers", _times(waits, work.load), local),
        _term(work, "between tiles", _times(gap, _after_first(work.load)), local),
        *(_term(work, name, cost, not local and name == widest) for name, cost in shared.items()),
        _term(work, "last wave", tail),
    ]


def _largest(costs: dict[str, Cost]) -> str:
    return max(costs, key=lambda name: costs[name].clocks)


def _after_first(blocks: float) -> float:
    return max(0.0, blocks - 1)


def _times(cost: Cost, blocks: float) -> Cost:
    return Cost(blocks * cost.clocks, f"{blocks:.2f} blocks x {cost.formula}")


def _term(work: TileWork, name: str, cost: Cost, counted: bool = True) -> Term:
    return Term(name, cost.clocks, work.machine.time_us(cost.clocks), counted, cost.formula)
