"""The compiled module: kernels on the emulated machine and on a GPU. Written in bindings/, one file a topic.

Operands are anything that speaks DLPack, C-contiguous and on one device. A bad one raises ValueError with one line that
names it and the remedy; an unknown kernel raises KeyError.
"""

from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

def build_info() -> dict[str, Any]:
    """`version`, `cuda`, `cuda_version` and `cutlass_version` (or None), `architectures` (["sm_80", ...]), `compiler`,
    `simd`."""

def cuda_devices() -> dict[str, Any]:
    """`status` (a cudaError_t, 0 when usable), `error`, `devices`: name, uuid, capability, SMs, L2, memory, clock."""

def kernels() -> list[dict[str, Any]]:
    """Every compiled tile configuration, as `immabench.kernels.KernelConfig` holds it."""

def cutlass_kernels() -> list[dict[str, Any]]:
    """Every tile configuration of CUTLASS' kernels, as `kernels()`. They are launched in a build that has a
    `cutlass_version`, and never emulated."""

def illegal_reason(
    kernel_id: str, m: int, n: int, k: int, output_type: str, *, group: int = 0, a_zero: bool = False, batch: int = 1
) -> str | None:
    """Why a kernel cannot compute a batch of M x N x K problems, or None; `group` elements of K share a scale of the
    weights."""

def workspace_bytes(kernel_id: str, m: int, n: int, k: int, *, multiprocessors: int, batch: int = 1) -> int:
    """Bytes of the `workspace` in which blocks of a kernel add up what they share; 0 where they share nothing."""

OutputType = Literal["s32", "s8", "f32", "f16", "bf16"]
Activation = Literal["none", "relu", "gelu"]
Order = Literal["forward", "reverse", "random"]

class Emulation(TypedDict, total=False):
    """How the machine runs: the order of warps and the seed of a random one, whether it judges and counts, on how many
    threads (0: all cores), and how many hazards it describes. By default forward, 0, True, True, 0, 16."""

    order: Order | str
    seed: int
    check: bool
    count: bool
    threads: int
    max_hazards: int

class _GemmOptions(TypedDict, total=False):
    activation: Activation | str
    group: int
    row_scale: Any
    col_scale: Any
    bias: Any
    a_zero: Any
    b_sum: Any
    residual: Any
    residual_scale: Any
    residual_zero: Any
    out_scale: Any
    out_zero: Any
    group_scale: Any
    group_affine: Any
    workspace: Any

class _EmulateGemm(Emulation, _GemmOptions, total=False): ...

def emulate_gemm(
    kernel_id: str,
    a: Any,
    b: Any,
    out: Any,
    *,
    output_type: OutputType | str,
    multiprocessors: int = 132,
    **options: Unpack[_EmulateGemm],
) -> dict[str, Any]:
    """Run a kernel on the CPU: a [M, K], b [N, K], out [M, N], of the kernel's types; 4-bit codes two a byte, uint8.

    Fragment-major weights are uint8 [ceil(N/16), ceil(K/block), 512]. float32: row_scale [1] or [M], col_scale [1] or
    [N], bias [N], residual_scale [1], out_scale [1] or [N]. int32: a_zero [1] or [M] with b_sum [N], residual_zero [1],
    out_zero [1] or [N]. residual [M, N] of any output type but s32. group_* [K / group, N], N padded
    to 16: scales float32 beside s8; affine uint16 beside s8, uint32 beside 16-bit activations. docs/numerics.md says
    what each does. Where a is a batch [batch, M, K], everything but what is [1] has that dimension in front.

    Fills `out` and returns `hazards` (each a dict of kind, detail, file, line, block, thread; the block is its linear
    index in the grid), `hazard_total`, `blocks`, `macs`, `seconds`, `counts`, `lines`. bf16 may be uint16 arrays.
    `threads` = 0 takes all cores; the interpreter lock is released meanwhile. Persistent kernels start as many blocks
    as `multiprocessors` hold.
    """

def launch_gemm(
    kernel_id: str,
    a: Any,
    b: Any,
    out: Any,
    *,
    output_type: OutputType | str,
    stream: int = 0,
    **options: Unpack[_GemmOptions],
) -> None:
    """Launch a kernel on the operands' GPU and `stream` (a cudaStream_t as an integer); returns at once.

    Operands as `emulate_gemm` takes them; their values are not looked at. Raises RuntimeError with the CUDA status when
    the launch fails.
    """

def companions() -> list[dict[str, Any]]:
    """Every compiled configuration of the quantizers and of pooling: `id`, `family`, `provider`, `architectures`,
    `operand_types` (those each matrix may have, separated by |, the output's last), `threads` and `shared_bytes` of a
    block; of those that reduce rows `row_threads`, `resident_columns` (of the longest row that is read once) and
    `streams` (whether longer ones are legal, and read again), else None, None and False; of those that pool images
    `window_threads`, which share a window, else None.

    Matrices are [rows, columns]; floats float32, float16 or bfloat16 (or its bits as uint16), told by their type.
    """

def companion_illegal_reason(kernel_id: str, rows: int, columns: int) -> str | None:
    """Why a quantizer cannot take a matrix of this size, or None."""

def pooling_illegal_reason(kernel_id: str, geometry: dict[str, int]) -> str | None:
    """Why a kernel cannot pool images by these windows, or None; `geometry` as `kernels.geometry_sizes` makes it."""

def emulate_max_pool2d(
    kernel_id: str, x: Any, out: Any, *, geometry: dict[str, int], **options: Unpack[Emulation]
) -> dict[str, Any]:
    """Run a kernel on the CPU: x int8 [images, height, width, channels]; out int8, an element a window and channel.

    Returns as `emulate_gemm`.
    """

def launch_max_pool2d(kernel_id: str, x: Any, out: Any, *, geometry: dict[str, int], stream: int = 0) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_max_pool2d`; returns at once."""

class _AvgPool(TypedDict, total=False):
    x_scale: Any
    scale: Any
    x_zero_point: Any
    zero_point: Any
    count_include_pad: bool

class _EmulateAvgPool(Emulation, _AvgPool, total=False): ...

def emulate_avg_pool2d(
    kernel_id: str, x: Any, out: Any, *, geometry: dict[str, int], **options: Unpack[_EmulateAvgPool]
) -> dict[str, Any]:
    """Run a kernel on the CPU: x and geometry as `emulate_max_pool2d`; out int8, or float32 without `scale` and
    `zero_point`. Scales are float32 [1], both or neither for int8; zero points int32 [1]. Returns as `emulate_gemm`.
    """

def launch_avg_pool2d(
    kernel_id: str, x: Any, out: Any, *, geometry: dict[str, int], stream: int = 0, **options: Unpack[_AvgPool]
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_avg_pool2d`; returns at once."""

def emulate_quantize(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    granularity: Literal["tensor", "row", "column"] | str = "tensor",
    qmin: int | None = None,
    qmax: int | None = None,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: x floats; codes int8 [rows, columns], or uint8 [rows, columns / 2] for int4 two a byte;
    scale float32 and zero_point int32 [1], [rows] or [columns] by `granularity`. Returns as `emulate_gemm`.

    The range is that of the codes unless `qmin` and `qmax` narrow it.
    """

def launch_quantize(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    granularity: Literal["tensor", "row", "column"] | str = "tensor",
    qmin: int | None = None,
    qmax: int | None = None,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_quantize`; returns at once."""

def emulate_dequantize(
    kernel_id: str,
    codes: Any,
    out: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    granularity: Literal["tensor", "row", "column"] | str = "tensor",
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: codes int8, or uint8 for int4 two a byte; out floats [rows, columns]; scale and
    zero_point as in `emulate_quantize`. Returns as `emulate_gemm`.
    """

def launch_dequantize(
    kernel_id: str,
    codes: Any,
    out: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    granularity: Literal["tensor", "row", "column"] | str = "tensor",
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_dequantize`; returns at once."""

def emulate_requantize(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    x_zero_point: Any = None,
    row_scale: Any = None,
    col_scale: Any = None,
    bias: Any = None,
    qmin: int | None = None,
    qmax: int | None = None,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: x int32 or int8; codes int8; scale float32 [1] and zero_point int32 [1] of the codes;
    x_zero_point int32 [1] of int8 x; row_scale float32 [1] or [rows], col_scale [1] or [columns], bias [columns].
    Returns as `emulate_gemm`.
    """

def launch_requantize(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    x_zero_point: Any = None,
    row_scale: Any = None,
    col_scale: Any = None,
    bias: Any = None,
    qmin: int | None = None,
    qmax: int | None = None,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_requantize`; returns at once."""

def emulate_pack_s4(
    kernel_id: str,
    codes: Any,
    packed: Any,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: int8 codes in [-8, 7] to packed uint8 [rows, columns / 2].

    Returns as `emulate_gemm`.
    """

def launch_pack_s4(
    kernel_id: str,
    codes: Any,
    packed: Any,
    *,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_pack_s4`; returns at once."""

def emulate_unpack_s4(
    kernel_id: str,
    packed: Any,
    codes: Any,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: packed uint8 [rows, columns / 2] to codes int8. Returns as `emulate_gemm`."""

def launch_unpack_s4(
    kernel_id: str,
    packed: Any,
    codes: Any,
    *,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_unpack_s4`; returns at once."""

class _Reorder(TypedDict, total=False):
    layout: Literal["w4m8", "w8m8", "w4m4", "w4m16", "w8m16"] | str
    to_unsigned: bool
    columns: int | None

class _EmulateReorder(Emulation, _Reorder, total=False): ...

def emulate_reorder_weights(
    kernel_id: str,
    codes: Any,
    packed: Any,
    **options: Unpack[_EmulateReorder],
) -> dict[str, Any]:
    """Run a kernel on the CPU: weights [N, K], int8 or two a byte uint8 [N, ceil(K / 2)], to the blocks of a layout of
    `packing.FRAGMENT_LAYOUTS`, uint8 [ceil(N/16), ceil(K/block), 512], which start on 16 bytes.

    `layout` is w4m8 by default. `to_unsigned`: codes are s4 and become u4, 8 above. `columns` is K where the last byte
    of a row holds one code.
    Returns as `emulate_gemm`.
    """

def launch_reorder_weights(
    kernel_id: str,
    codes: Any,
    packed: Any,
    *,
    stream: int = 0,
    **options: Unpack[_Reorder],
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_reorder_weights`; returns at once."""

def emulate_quantize_dynamic(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    row_sum: Any = None,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: x floats; written are codes int8, scale float32 [rows], and where given row_sum int32
    [rows] and zero_point int32 [rows], which makes the codes asymmetric. Returns as `emulate_gemm`.
    """

def launch_quantize_dynamic(
    kernel_id: str,
    x: Any,
    codes: Any,
    scale: Any,
    *,
    zero_point: Any = None,
    row_sum: Any = None,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_quantize_dynamic`; returns at once."""

def emulate_layernorm_quantize(
    kernel_id: str,
    x: Any,
    gamma: Any,
    beta: Any,
    codes: Any,
    scale: Any,
    *,
    eps: float,
    dynamic: bool = False,
    zero_point: Any = None,
    residual: Any = None,
    normalised: Any = None,
    row_sum: Any = None,
    qmin: int | None = None,
    qmax: int | None = None,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: x floats, gamma and beta float32 [columns], residual of the type of x or None; written
    are codes int8, normalised (the type of x) and row_sum int32 [rows] where given. Returns as `emulate_gemm`.

    scale float32 [1] and zero_point int32 [1] are given, or with `dynamic` written, [rows] as in
    `emulate_quantize_dynamic`; then there are no `qmin` and `qmax`.
    """

def launch_layernorm_quantize(
    kernel_id: str,
    x: Any,
    gamma: Any,
    beta: Any,
    codes: Any,
    scale: Any,
    *,
    eps: float,
    dynamic: bool = False,
    zero_point: Any = None,
    residual: Any = None,
    normalised: Any = None,
    row_sum: Any = None,
    qmin: int | None = None,
    qmax: int | None = None,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_layernorm_quantize`; returns at once."""

def emulate_softmax_quantize(
    kernel_id: str,
    x: Any,
    codes: Any,
    row_scale: Any,
    *,
    scale: float,
    lengths: Any = None,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: x int32 [rows, columns]; written are codes int8 and row_scale float32 [rows]. lengths
    int32 [n] where given: n divides rows. Returns as `emulate_gemm`.
    """

def launch_softmax_quantize(
    kernel_id: str, x: Any, codes: Any, row_scale: Any, *, scale: float, lengths: Any = None, stream: int = 0
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_softmax_quantize`; returns at once."""

def emulate_attention_s8(
    kernel_id: str,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    *,
    scale: float,
    v_scale: float,
    lengths: Any = None,
    out_scale: float = 1.0,
    out_zero: int = 0,
    **options: Unpack[Emulation],
) -> dict[str, Any]:
    """Run a kernel on the CPU: q int8 [batch, queries, heads, depth], k and v [batch, keys, heads, depth], of which the
    last dimension alone needs to be contiguous, strides in multiples of 16; written is out, float32, float16, bfloat16
    (or uint16 for its bits) or int8, of the shape of q, contiguous. lengths int32 [batch]. Returns as `emulate_gemm`.
    """

def launch_attention_s8(
    kernel_id: str,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    *,
    scale: float,
    v_scale: float,
    lengths: Any = None,
    out_scale: float = 1.0,
    out_zero: int = 0,
    stream: int = 0,
) -> None:
    """Launch it on the operands' GPU and `stream`, operands as in `emulate_attention_s8`; returns at once."""

def attention_illegal_reason(kernel_id: str, batch: int, heads: int, queries: int, keys: int, depth: int) -> str | None:
    """Why a kernel cannot compute attention of these sizes, or None."""

class _Epilogue(TypedDict, total=False):
    """What follows the sums, as `EpilogueOptions` of immabench.ops has it: vectors of rows and columns, one after the
    other for all products, or one value for all."""

    a_zero: Any
    b_sum: Any
    row_scale: Any
    col_scale: Any
    bias: Any
    residual: Any
    residual_scale: Any
    residual_zero: Any
    out_scale: Any
    out_zero: Any
    activation: Activation
    threads: int

def finish_sums(sums: Any, out: Any, **epilogue: Unpack[_Epilogue]) -> None:
    """The epilogue of int32 or float32 `sums` [.., M, N], natively on the CPU, into `out` of that shape."""

def product_instructions() -> str:
    """The instructions of `multiply_s8` on this CPU: "avx512_vnni", "avx_vnni", "avx2", or "" where it has none."""

def multiply_s8(
    a: Any,
    b: Any,
    out: Any,
    *,
    geometry: dict[str, int] | None = None,
    panels: Any = None,
    **epilogue: Unpack[_Epilogue],
) -> None:
    """A product with its epilogue, natively on the CPU: int8 a [.., M, K], or an image NHWC of `geometry`, and b
    [.., N, K]; `panels` are b as `pack_panels` left it."""

def panel_bytes(n: int, k: int) -> int:
    """Bytes of a matrix [n, k] that `pack_panels` packs."""

def pack_panels(b: Any, panels: Any, *, threads: int = 1) -> None:
    """int8 b [N, K] in the order of `multiply_s8`, uint8 [panel_bytes(N, K)], once for many calls."""

def cpu_instructions() -> str:
    """What native passes and products may take here: "baseline", "avx2", "avx_vnni" (of products alone) or "avx512"."""

def limit_cpu_instructions(name: str) -> None:
    """Let native passes and products take no instructions beyond these, to test the code of other CPUs; "avx512" is
    no limit."""

def gather_patches(image: Any, patches: Any, *, geometry: dict[str, int], zero: Any = None, threads: int = 1) -> None:
    """What the filter of each output pixel meets in an int8 image, natively on the CPU: `patches` int8 [M, K or more];
    `zero` int32 [1] lies outside of the image."""

def compute_quantize(x: Any, codes: Any, scale: Any, *, threads: int = 1, **options: Any) -> None:
    """As `emulate_quantize`, natively on the CPU; so are the others of this name."""

def compute_dequantize(codes: Any, out: Any, scale: Any, *, threads: int = 1, **options: Any) -> None: ...
def compute_requantize(x: Any, codes: Any, scale: Any, *, threads: int = 1, **options: Any) -> None: ...
def compute_quantize_dynamic(x: Any, codes: Any, scale: Any, *, threads: int = 1, **options: Any) -> None: ...
def compute_layernorm_quantize(
    x: Any, gamma: Any, beta: Any, codes: Any, scale: Any, *, threads: int = 1, **options: Any
) -> None: ...
def compute_softmax_quantize(
    x: Any, codes: Any, row_scale: Any, *, scale: float, lengths: Any = None, threads: int = 1
) -> None: ...
def compute_max_pool2d(x: Any, out: Any, *, geometry: dict[str, int], threads: int = 1) -> None: ...
def compute_avg_pool2d(x: Any, out: Any, *, geometry: dict[str, int], threads: int = 1, **options: Any) -> None: ...
def probes() -> list[dict[str, Any]]:
    """Every probe, a small kernel a primitive of the machine: `name`, `threads` (of all its blocks) and `architecture`,
    "sm_80" (and later) or "sm_90a" (alone).
    """

def emulate_probe(
    name: str,
    inputs: Any,
    out: Any,
    *,
    order: Order | str = "forward",
    seed: int = 0,
) -> dict[str, Any]:
    """Run a probe on the CPU: inputs and out int32 [16, threads], words by threads. Returns as `emulate_gemm`.

    Some probes write a part of `out` alone.
    """

def launch_probe(name: str, inputs: Any, out: Any, *, stream: int = 0) -> None:
    """Launch a probe on the operands' GPU and `stream`; returns at once.

    Raises RuntimeError when that fails, among others for a probe of "sm_90a" elsewhere.
    """

def ceilings() -> list[dict[str, Any]]:
    """Every instruction whose peak rate this build can measure: `name`, `device`, `operand_type`, `accumulator`,
    `operations` (of one instruction; a multiply-accumulate is two).

    Of "cpu" also `present`, `feature` (its CPUID flag in Linux), `vector_bytes`, `chains`; of "cuda" `capability` (its
    name in the table of capabilities) and `instructions` (of a block in an iteration).
    """

def run_cpu_rate(name: str, operands: Any, out: Any, *, iterations: int) -> None:
    """Run the loop of an instruction of this CPU on `out.shape[0]` threads, the interpreter lock released.

    operands uint8 [3 + chains, vector_bytes]: x[0], x[1], y and the start c of each chain; out uint8 [threads, chains,
    vector_bytes]: c after adding x[0] op y and x[1] op y `iterations` times. 2 chains iterations instructions a thread.
    """

def add_chain(start: int, step: int, additions: int) -> int:
    """`start + additions * step` modulo 2**64, by additions (a multiple of 16) that each wait for the last."""

def read_memory(source: Any, *, repeats: int = 1, threads: int = 1) -> int:
    """Read an int64 buffer on so many threads, the interpreter lock released; the xor of every word it read."""

def launch_mma_rate(name: str, operands: Any, out: Any, clocks: Any, *, iterations: int, stream: int = 0) -> None:
    """Launch the loop of a matrix instruction on `out.shape[0]` blocks, each on an SM of its own; returns at once.

    operands int32 [48, 256] of random bits in the format of the type; out int32 [blocks, 256], accumulators folded by
    xor; clocks int64 [blocks, 2], clocks and nanoseconds of the loop, -1 where this GPU's code does not hold it.
    """

def emulate_read(
    source: Any,
    target: Any,
    *,
    blocks: int,
    repeats: int = 1,
    order: Order | str = "forward",
    seed: int = 0,
) -> dict[str, Any]:
    """Run the reading kernel on the CPU: source int32 of whole tiles of 16 KiB, target int32 [blocks, 256, 4], the xor
    of what each thread read. Returns as `emulate_gemm`.
    """

def emulate_copy(
    source: Any,
    target: Any,
    *,
    blocks: int,
    repeats: int = 1,
    order: Order | str = "forward",
    seed: int = 0,
) -> dict[str, Any]:
    """Run the copying kernel on the CPU: int32 of one shape, whole tiles of 16 KiB. Returns as `emulate_gemm`."""

def launch_read(source: Any, target: Any, *, blocks: int, repeats: int = 1, stream: int = 0) -> None:
    """Launch the reading kernel, operands as in `emulate_read`; returns at once."""

def launch_copy(source: Any, target: Any, *, blocks: int, repeats: int = 1, stream: int = 0) -> None:
    """Launch the copying kernel, operands as in `emulate_copy`; returns at once."""
