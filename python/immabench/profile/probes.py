"""The instructions the house uses or will use, each as a few lines of PTX, and what SASS must hold for it to be native.

Data only. A body may use, without declaring them: `%r0`..`%r15` (32-bit, loaded before and stored after the body, so
that nothing is optimised away), `%q0`..`%q3` (64-bit, likewise), `%h` (16-bit), `%s` and `%bar` (addresses of data and
of an mbarrier in shared memory), `%g` (a global address) and `%p` (a predicate).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """One instruction: its name in tables, its PTX, and a pattern that the SASS opcode of the native one matches."""

    name: str
    group: str
    ptx: str
    native: str


def _registers(first: int, count: int) -> str:
    return "{" + ",".join(f"%r{index}" for index in range(first, first + count)) + "}"


def _mma(shape: str, types: str, registers: tuple[int, int, int], native: str, suffix: str = "") -> Probe:
    """`types` is D.A.B.C; `registers` the 32-bit registers a lane holds of D (and C), A and B. f16 sums are named."""
    d, a, b = registers
    operands = f"{_registers(0, d)}, {_registers(d, a)}, {_registers(d + a, b)}, {_registers(0, d)}"
    sums = ".f16" if types.startswith("f16") else ""
    kind = types.split(".")[1] + sums + suffix
    body = f"mma.sync.aligned.{shape}.row.col.{types}{suffix} {operands};"
    return Probe(f"mma.{shape}.{kind}", "warp matrix multiply", body, native)


def _wgmma(k: int, types: str, native: str) -> Probe:
    """m64n8: four accumulators a thread; A and B from shared memory through descriptors."""
    integer = types.startswith("s32")
    tail = "%p" if integer else "%p, 1, 1" + (", 0, 0" if types.endswith("16") else "")
    body = (
        "wgmma.fence.sync.aligned;\n"
        f"wgmma.mma_async.sync.aligned.m64n8k{k}.{types} {_registers(0, 4)}, %q0, %q1, {tail};\n"
        "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;"
    )
    a, b = types.split(".")[1:]
    return Probe(f"wgmma.m64nNk{k}.{a if a == b else f'{a}.{b}'}", "warpgroup matrix multiply", body, native)


def _ldmatrix(count: int, trans: str = "") -> Probe:
    name = f"ldmatrix.m8n8.x{count}{trans}.b16"
    body = f"ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {_registers(0, count)}, [%s];"
    return Probe(name, "matrix load and store", body, r"LDSM\.16\.MT88" if trans else r"LDSM\.16\.M88")


def _cp_async(cache: str, size: int) -> Probe:
    body = f"cp.async.{cache}.shared.global [%s], [%g], {size};\ncp.async.commit_group;\ncp.async.wait_group 0;"
    return Probe(f"cp.async.{cache}.{size}", "asynchronous copy", body, r"LDGSTS")


_BULK = "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%s], [%g], 1024, [%bar];"
_TENSOR = "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"

PROBES: tuple[Probe, ...] = (
    _mma("m8n8k16", "s32.s8.s8.s32", (2, 1, 1), r"IMMA\.8816\.S8\.S8"),
    _mma("m16n8k16", "s32.s8.s8.s32", (4, 2, 1), r"IMMA\.16816\.S8\.S8"),
    _mma("m16n8k32", "s32.s8.s8.s32", (4, 4, 2), r"IMMA\.16832\.S8\.S8"),
    _mma("m16n8k16", "s32.u8.u8.s32", (4, 2, 1), r"IMMA\.16816\.U8\.U8"),
    _mma("m16n8k32", "s32.u8.u8.s32", (4, 4, 2), r"IMMA\.16832\.U8\.U8"),
    _mma("m8n8k32", "s32.s4.s4.s32", (2, 1, 1), r"IMMA\.8832\.S4\.S4"),
    _mma("m16n8k32", "s32.s4.s4.s32", (4, 2, 1), r"IMMA\.16832\.S4\.S4"),
    _mma("m16n8k64", "s32.s4.s4.s32", (4, 4, 2), r"IMMA\.16864\.S4\.S4"),
    _mma("m16n8k256", "s32.b1.b1.s32", (4, 4, 2), r"BMMA\.168256\.XOR\.POPC", ".xor.popc"),
    _mma("m16n8k256", "s32.b1.b1.s32", (4, 4, 2), r"BMMA\.168256\.AND\.POPC", ".and.popc"),
    _mma("m16n8k8", "f32.f16.f16.f32", (4, 2, 1), r"HMMA\.1688\.F32"),
    _mma("m16n8k16", "f32.f16.f16.f32", (4, 4, 2), r"HMMA\.16816\.F32"),
    _mma("m16n8k16", "f16.f16.f16.f16", (2, 4, 2), r"HMMA\.16816\.F16"),
    _mma("m16n8k16", "f32.bf16.bf16.f32", (4, 4, 2), r"HMMA\.16816\.F32\.BF16"),
    _mma("m16n8k8", "f32.tf32.tf32.f32", (4, 4, 2), r"HMMA\.1688\.F32\.TF32"),
    _mma("m16n8k32", "f32.e4m3.e4m3.f32", (4, 4, 2), r"QMMA\.16832\.F32\.E4M3"),
    _mma("m16n8k32", "f32.e5m2.e5m2.f32", (4, 4, 2), r"QMMA\.16832\.F32\.E5M2"),
    _wgmma(32, "s32.s8.s8", r"IGMMA.*S8\.S8"),
    _wgmma(32, "s32.s8.u8", r"IGMMA.*S8\.U8"),
    _wgmma(32, "s32.u8.s8", r"IGMMA.*U8\.S8"),
    _wgmma(32, "s32.u8.u8", r"IGMMA.*U8\.U8"),
    _wgmma(16, "f32.f16.f16", r"HGMMA.*F32"),
    _wgmma(16, "f32.bf16.bf16", r"HGMMA.*BF16"),
    _wgmma(8, "f32.tf32.tf32", r"HGMMA.*TF32"),
    _wgmma(32, "f32.e4m3.e4m3", r"QGMMA.*E4M3"),
    Probe(
        "tcgen05.mma.kind::i8",
        "tensor-memory matrix multiply",
        "tcgen05.mma.cta_group::1.kind::i8 [%r0], %q0, %q1, %r1, %p;",
        r"UTCIMMA",
    ),
    Probe(
        "tcgen05.mma.kind::f8f6f4",
        "tensor-memory matrix multiply",
        "tcgen05.mma.cta_group::1.kind::f8f6f4 [%r0], %q0, %q1, %r1, %p;",
        r"UTCQMMA",
    ),
    *(_ldmatrix(count, trans) for trans in ("", ".trans") for count in (1, 2, 4)),
    Probe(
        "ldmatrix.m8n16.x4.b8x16.b4x16_p64",
        "matrix load and store",
        f"ldmatrix.sync.aligned.m8n16.x4.shared::cta.b8x16.b4x16_p64 {_registers(0, 4)}, [%s];",
        r"LDSM",
    ),
    Probe(
        "stmatrix.m8n8.x4.b16",
        "matrix load and store",
        f"stmatrix.sync.aligned.m8n8.x4.shared.b16 [%s], {_registers(0, 4)};",
        r"STSM",
    ),
    Probe(
        "movmatrix.m8n8.trans.b16", "matrix load and store", "movmatrix.sync.aligned.m8n8.trans.b16 %r0, %r1;", r"MOVM"
    ),
    _cp_async("ca", 4),
    _cp_async("ca", 8),
    _cp_async("ca", 16),
    _cp_async("cg", 16),
    Probe("cp.async.bulk (TMA, 1-D)", "asynchronous copy", _BULK, r"UBLKCP"),
    Probe(
        "cp.async.bulk.tensor.2d (TMA load)",
        "asynchronous copy",
        f"{_TENSOR} [%s], [%g, {{%r0,%r1}}], [%bar];",
        r"UTMALDG",
    ),
    Probe(
        "cp.async.bulk.tensor.2d.multicast",
        "asynchronous copy",
        f"cvt.u16.u32 %h, %r2;\n{_TENSOR}.multicast::cluster [%s], [%g, {{%r0,%r1}}], [%bar], %h;",
        r"UTMALDG.*MULTICAST",
    ),
    Probe(
        "cp.async.bulk.tensor.4d.im2col (TMA load)",
        "asynchronous copy",
        "cvt.u16.u32 %h, %r4;\ncp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
        "[%s], [%g, {%r0,%r1,%r2,%r3}], [%bar], {%h,%h};",
        r"UTMALDG.*IM2COL",
    ),
    Probe(
        "cp.async.bulk (TMA, 1-D store)",
        "asynchronous copy",
        "cp.async.bulk.global.shared::cta.bulk_group [%g], [%s], 1024;\ncp.async.bulk.commit_group;",
        r"UBLKCP",
    ),
    Probe(
        "cp.async.bulk.wait_group.read",
        "asynchronous copy",
        "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;",
        r"DEPBAR",
    ),
    Probe("prefetch.tensormap", "asynchronous copy", "prefetch.tensormap [%g];", r"UTMACCTL\.PF"),
    Probe(
        "cp.async.bulk.tensor.2d (TMA store)",
        "asynchronous copy",
        "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%g, {%r0,%r1}], [%s];\ncp.async.bulk.commit_group;",
        r"UTMASTG",
    ),
    Probe("mbarrier.init", "barrier", "mbarrier.init.shared::cta.b64 [%bar], %r0;", r"SYNCS\.EXCH|STS"),
    Probe("mbarrier.expect_tx", "barrier", "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%bar], %r0;", r"SYNCS"),
    Probe(
        "mbarrier.arrive.shared::cluster",
        "barrier",
        "mbarrier.arrive.shared::cluster.b64 _, [%r0];",
        r"SYNCS\.ARRIVE",
    ),
    Probe("mbarrier.arrive", "barrier", "mbarrier.arrive.shared.b64 %q0, [%bar];", r"SYNCS|ATOMS\.ARRIVE|ARRIVES"),
    Probe(
        "mbarrier.arrive.expect_tx",
        "barrier",
        "mbarrier.arrive.expect_tx.shared::cta.b64 %q0, [%bar], %r0;",
        r"SYNCS",
    ),
    Probe(
        "mbarrier.try_wait.parity",
        "barrier",
        "mbarrier.try_wait.parity.shared::cta.b64 %p, [%bar], %r0;\nselp.u32 %r0, 1, 0, %p;",
        r"SYNCS\.PHASECHK",
    ),
    Probe("fence.proxy.async", "barrier", "fence.proxy.async.shared::cta;", r"FENCE"),
    Probe(
        "barrier.cluster",
        "barrier",
        "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;",
        r"UCGABAR|CGABAR",
    ),
    Probe("mapa.shared::cluster", "cluster", "mapa.shared::cluster.u32 %r0, %r1, %r2;", r"U?PRMT"),
    Probe("ld.shared::cluster", "cluster", "ld.shared::cluster.u32 %r0, [%r1];", r"LD\.E"),
    Probe("st.shared::cluster", "cluster", "st.shared::cluster.u32 [%r1], %r0;", r"ST\.E"),
    Probe("setmaxnreg", "registers", "setmaxnreg.inc.sync.aligned.u32 168;", r"USETMAXREG"),
    Probe("setmaxnreg.dec", "registers", "setmaxnreg.dec.sync.aligned.u32 40;", r"USETMAXREG"),
    Probe("redux.sync.add.s32", "arithmetic", "redux.sync.add.s32 %r0, %r1, 0xffffffff;", r"REDUX"),
    Probe("dp4a.s32.s32", "arithmetic", "dp4a.s32.s32 %r0, %r1, %r2, %r0;", r"IDP\.4A\.S8\.S8"),
    Probe("prmt.b32", "arithmetic", "prmt.b32 %r0, %r1, %r2, %r3;", r"PRMT"),
    Probe("lop3.b32", "arithmetic", "lop3.b32 %r0, %r1, %r2, %r3, 0xe8;", r"LOP3"),
    Probe("cvt.pack.sat.s8.s32", "arithmetic", "cvt.pack.sat.s8.s32.b32 %r0, %r1, %r2, %r3;", r"I2IP\.S8\.S32"),
    Probe("cvt.rn.bf16x2.f32", "arithmetic", "cvt.rn.bf16x2.f32 %r0, %r1, %r2;", r"F2FP\.BF16"),
    Probe("fma.rn.f16x2", "arithmetic", "fma.rn.f16x2 %r0, %r1, %r2, %r3;", r"HFMA2"),
    Probe("fma.rn.bf16x2", "arithmetic", "fma.rn.bf16x2 %r0, %r1, %r2, %r3;", r"HFMA2.*BF16"),
    Probe(
        "cvt.rn.satfinite.e4m3x2.f32",
        "arithmetic",
        "cvt.rn.satfinite.e4m3x2.f32 %h, %r1, %r2;\ncvt.u32.u16 %r0, %h;",
        r"F2FP.*E4M3",
    ),
)
