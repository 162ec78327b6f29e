"""Mutation tests of the real kernels: each classic mistake, put into its source, must be noticed by the machine.

Some mistakes leave every output right (a race that happens to go well, an access just past an operand, a bank
conflict); those are the ones a comparison of results cannot find.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"


@dataclass(frozen=True)
class Mutant:
    """One edit of one file, and what has to come of it in every warp order: a hazard, wrong results, or conflicts.

    `kernel` is the line of the program's output that must show it, `program` the file in `mutants/`. The edit applies
    to so many `places`.
    """

    name: str
    file: str
    old: str
    new: str
    hazard: str = ""
    wrong: bool = False
    conflicts: str = ""
    program: str = "imma"
    kernel: str = "imma"
    places: int = 1

    def __post_init__(self) -> None:
        assert self.hazard or self.wrong or self.conflicts, f"{self.name}: nothing is expected of it"


def wgmma(
    name: str, old: str, new: str, *, kernel: str = "cluster", file: str = "gemm/wgmma_s8.cuh", **found: str | int
) -> Mutant:
    """A mistake in the wgmma kernel."""
    return Mutant(name, file, old, new, program="wgmma", kernel=kernel, **found)  # type: ignore[arg-type]


def w4a8(
    name: str, old: str, new: str, *, kernel: str = "scales", file: str = "parts/w4a8_operands.cuh", **found: str | int
) -> Mutant:
    """A mistake in the kernel of packed 4-bit weights."""
    return Mutant(name, file, old, new, program="w4a8", kernel=kernel, **found)  # type: ignore[arg-type]


def w4a16(
    name: str, old: str, new: str, *, kernel: str = "groups", file: str = "parts/dequantized_operands.cuh"
) -> Mutant:
    """A mistake in the kernels whose weights become floats, which makes wrong results."""
    return Mutant(name, file, old, new, program="w4a16", kernel=kernel, wrong=True)


def packed(
    name: str, old: str, new: str, *, kernel: str = "channel", file: str = "gemm/wgmma_packed.cuh", **found: str | int
) -> Mutant:
    """A mistake in the wgmma kernel with packed weights."""
    return Mutant(name, file, old, new, program="wgmma_packed", kernel=kernel, **found)  # type: ignore[arg-type]


def rows(name: str, file: str, old: str, new: str, *, kernel: str = "block", **found: str | bool) -> Mutant:
    """A mistake in the kernels that quantize rows."""
    return Mutant(name, f"quantize/{file}", old, new, program="quantize", kernel=kernel, **found)  # type: ignore[arg-type]


MUTANTS = [
    Mutant(
        "no barrier once a stage has landed",
        "gemm/mma_gemm.cuh",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();",
        "simt::copy_async_wait<kStages - 2>();",
        hazard="race",
    ),
    Mutant(
        "waits for one group too few",
        "gemm/mma_gemm.cuh",
        "simt::copy_async_wait<kStages - 2>();",
        "simt::copy_async_wait<kStages - 1>();",
        hazard="read-in-flight",
    ),
    Mutant(
        "refills the stage in use",
        "gemm/mma_gemm.cuh",
        "produce(refilled, k_tile + kStages - 1)",
        "produce(stage, k_tile + kStages - 1)",
        hazard="race",
    ),
    Mutant(
        "a stage is never loaded",
        "gemm/mma_gemm.cuh",
        "if (k_tile < k_tiles) loader",
        "if (k_tile < k_tiles && k_tile != 1) loader",
        hazard="uninitialised-read",
    ),
    Mutant(
        "epilogue overwrites stages still read",
        "gemm/mma_gemm.cuh",
        "await_stage();\n        refilled",
        "if (k_tile + 1 < k_tiles) await_stage();\n        refilled",
        hazard="race",
    ),
    Mutant(
        "copies left in flight",
        "gemm/mma_gemm.cuh",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();",
        "simt::copy_async_wait<kStages - 2>();\n    simt::syncthreads();\n"
        "    simt::copy_async<16>(shared, p.a.data, 16);",
        hazard="write-in-flight",
    ),
    Mutant(
        "every product of a batch reads the first one's rows",
        "parts/row_major_operands.cuh",
        "return {p.a.entry(index), p.b.entry(index)};",
        "return {p.a, p.b.entry(index)};",
        wrong=True,
        kernel="batch",
    ),
    Mutant(
        "every product of a batch is multiplied by the first one's columns",
        "parts/row_major_operands.cuh",
        "return {p.a.entry(index), p.b.entry(index)};",
        "return {p.a.entry(index), p.b};",
        wrong=True,
        kernel="batch",
    ),
    Mutant(
        "a ragged tile reads on into the next product",
        "parts/tile_loader.cuh",
        "return {data + simt::i64(index) * rows * k, rows, k};",
        "return {data + simt::i64(index) * rows * k, rows + 1, k};",
        hazard="global-out-of-bounds",
        kernel="batch",
    ),
    Mutant(
        "a ragged tile writes on into the next product",
        "parts/epilogue.cuh",
        "p.m *= index + 1;",
        "p.m *= index + 2;",
        hazard="global-out-of-bounds",
        kernel="batch",
    ),
    Mutant(
        "every product of a batch is written over the first",
        "gemm/mma_gemm.cuh",
        "work.entry * p.m + first_row",
        "first_row",
        wrong=True,
        kernel="batch",
    ),
    Mutant(
        "rows are swapped in the fragments of A",
        "parts/mma_fragments.cuh",
        "first_row + i * kMmaM + lane % 16",
        "first_row + i * kMmaM + (lane ^ 1) % 16",
        wrong=True,
    ),
    Mutant(
        "half a warp skips ldmatrix",
        "parts/mma_fragments.cuh",
        "simt::ldmatrix(a[i],",
        "if (lane < 16) simt::ldmatrix(a[i],",
        hazard="divergent-collective",
    ),
    Mutant(
        "no swizzle",
        "parts/swizzle.cuh",
        "(chunk ^ (row / kRowsPerLine) % kPattern)",
        "(chunk)",
        conflicts="ldmatrix",
    ),
    Mutant(
        "no swizzle in the epilogue",
        "parts/epilogue.cuh",
        "(chunk ^ swap)",
        "(chunk + 0 * swap)",
        conflicts="shared_store",
    ),
    Mutant(
        "loads rows past the operand",
        "parts/tile_loader.cuh",
        "round * kRowStep < rows_left_ ? in_row : 0",
        "in_row",
        hazard="global-out-of-bounds",
    ),
    Mutant(
        "loads past K",
        "parts/tile_loader.cuh",
        "left < 0 ? 0 : left < kChunkBytes ? left : kChunkBytes",
        "kChunkBytes",
        wrong=True,
    ),
    Mutant(
        "stores columns past the output",
        "parts/epilogue.cuh",
        "if (row < p.m && column < p.n) finish_four(",
        "if (row < p.m) finish_four(",
        hazard="race",
    ),
    Mutant(
        "reads a slab before the warp has written it",
        "parts/epilogue.cuh",
        "slab.write(accumulators[i]);\n    simt::syncwarp();",
        "slab.write(accumulators[i]);",
        hazard="race",
    ),
    Mutant(
        "writes a slab before the warp has read it",
        "parts/epilogue.cuh",
        "simt::syncwarp();  // everyone has read the previous slab\n",
        "",
        hazard="race",
    ),
    wgmma(
        "lets go of a stage that is still multiplied",
        "simt::wgmma_wait<1>(sums);\n      if (k > work.first_k) {",
        "if (k > work.first_k) simt::wgmma_wait<1>(sums);\n      if (k >= work.first_k) {",
        hazard="write-under-read",
    ),
    wgmma("does not wait for the stage", "ring_.await_full(at);", "", hazard="read-in-flight"),
    wgmma(
        "waits for the phase before",
        "simt::mbarrier_wait(full(at.stage), at.phase)",
        "simt::mbarrier_wait(full(at.stage), at.phase ^ 1)",
        file="parts/stage_ring.cuh",
        hazard="read-in-flight",
    ),
    wgmma(
        "fetches into a stage that is not empty",
        "simt::mbarrier_wait(empty(at.stage), at.phase ^ 1)",
        "simt::mbarrier_wait(empty(at.stage), 1)",
        file="parts/stage_ring.cuh",
        hazard="write-in-flight",
    ),
    wgmma(
        "announces too few bytes",
        "simt::u32(kTile.stage_bytes()));\n      // Every block",
        "simt::u32(kTile.stage_bytes() - 128));\n      // Every block",
        hazard="deadlock",
    ),
    wgmma(
        "announces too many bytes",
        "simt::u32(kTile.stage_bytes()));\n      // Every block",
        "simt::u32(kTile.stage_bytes() + 128));\n      // Every block",
        hazard="deadlock",
    ),
    wgmma("takes the sums before they are there", "simt::wgmma_wait<0>(sums);", "", hazard="wgmma"),
    wgmma("no wgmma fence", "simt::wgmma_fence(", "[](auto&&...) {}(", places=2, hazard="wgmma"),
    wgmma(
        "steps too far along K", "simt::u32(step * kWgmmaK)), true", "simt::u32(step % 2 * kWgmmaK)), true", wrong=True
    ),
    wgmma(
        "multicasts to the wrong blocks",
        "((1u << kTile.cluster_rows()) - 1) << column_rank",
        "((1u << kTile.cluster_rows()) - 2) << column_rank",
        hazard="deadlock",
    ),
    wgmma(
        "tells only its own block that a stage is empty",
        "simt::mbarrier_arrive_cluster(simt::map_shared_rank(ring_.empty(stage), rank));",
        "simt::mbarrier_arrive(ring_.empty(stage + 0 * rank));",
        hazard="race",
    ),
    wgmma(
        "leaves while the cluster still sends",
        "SIMT_DEVICE static void leave() {\n    if constexpr (kTile.cluster() > 1) synchronise_cluster();",
        "SIMT_DEVICE static void leave() {",
        file="gemm/wgmma_work.cuh",
        hazard="peer-exited",
    ),
    wgmma(
        "sends a box without a proxy fence",
        "simt::fence_proxy_async();",
        "",
        file="parts/tensor_epilogue.cuh",
        hazard="missing-proxy-fence",
    ),
    wgmma(
        "sends a box before all have written",
        "simt::fence_proxy_async();\n    simt::barrier_sync(barrier, 128);",
        "simt::fence_proxy_async();",
        file="parts/tensor_epilogue.cuh",
        hazard="race",
    ),
    wgmma(
        "writes a box that is still leaving",
        "simt::bulk_wait_read<1>()",
        "simt::bulk_wait_read<2>()",
        file="parts/tensor_epilogue.cuh",
        hazard="write-under-read",
    ),
    wgmma(
        "returns while boxes are leaving",
        "if constexpr (!kTile.gathers()) staging.drain();",
        "",
        hazard="copy-at-exit",
    ),
    wgmma(
        "gathers over stages still multiplied",
        "simt::barrier_sync(1, kThreads);  // every consumer",
        "// every consumer",
        file="gemm/wgmma_work.cuh",
        kernel="split",
        hazard="race",
    ),
    wgmma(
        "adds up parts that are not there yet",
        "if constexpr (kTile.split_k > 1) synchronise_cluster();\n  }",
        "if constexpr (kTile.split_k > 1) simt::cluster_arrive();\n  }",
        file="gemm/wgmma_work.cuh",
        kernel="split",
        hazard="barrier-mismatch",
    ),
    wgmma(
        "adds up its own part twice",
        "(part + step) % kParts",
        "(part + 0 * step) % kParts",
        file="parts/gathered_epilogue.cuh",
        kernel="split",
        wrong=True,
    ),
    wgmma(
        "multiplies bytes the asynchronous proxy cannot see",
        "simt::fence_proxy_async();\n      if (simt::lane_index() == 0)",
        "simt::syncwarp();\n      if (simt::lane_index() == 0)",
        kernel="ragged",
        hazard="missing-proxy-fence",
    ),
    packed(
        "lets go of a stage whose second half is still multiplied",
        "if (half == 0 && k > work_.first_k) {",
        "if (half == 1) {",
        hazard="write-under-read",
    ),
    packed(
        "unpacks into registers that are still multiplied",
        "simt::wgmma_wait<1>(sums);  // the half before",
        "simt::wgmma_wait<2>(sums);  // the half before",
        hazard="wgmma",
    ),
    packed("no fence behind the unpacking", "simt::wgmma_fence(fragments[half]);", "", hazard="wgmma"),
    packed(
        "lets go before all lanes have read",
        "simt::syncwarp();\n    if (simt::lane_index() == 0) simt::mbarrier_arrive(ring_.empty(stage));",
        "if (simt::lane_index() == 0) simt::mbarrier_arrive(ring_.empty(stage));",
        hazard="race",
    ),
    packed("lets go once a warpgroup", "4 * kTile.consumers", "kTile.consumers", hazard="race"),
    packed(
        "gives out more registers than there are",
        "producer_registers() const { return 40; }",
        "producer_registers() const { return 48; }",
        file="gemm/wgmma_packed_tile.hpp",
        hazard="deadlock",
    ),
    packed(
        "takes the nibbles of the other row",
        "a[2 * half] = word << 4 & 0xF0F0F0F0;",
        "a[2 * half] = word & 0xF0F0F0F0;",
        file="parts/packed_weights.cuh",
        wrong=True,
    ),
    packed(
        "fetches the weights of other rows",
        "work_.first_n() / 16}",
        "work_.first_n() / 32}",
        wrong=True,
    ),
    packed(
        "does not announce the parameters",
        "(kGrouped ? groups() * kGroupBytes : 0)",
        "0",
        kernel="groups",
        hazard="deadlock",
    ),
    packed(
        "fetches the parameters of other columns",
        "const int box[2] = {work_.first_n(), k * kTile.block_k / p_.group};",
        "const int box[2] = {work_.first_n() + 16, k * kTile.block_k / p_.group};",
        kernel="groups",
        wrong=True,
    ),
    packed(
        "takes the parameters of the other row",
        "offset[1] = simt::permute_bytes(word, 0, 0x3333);",
        "offset[1] = simt::permute_bytes(word, 0, 0x1111);",
        file="parts/packed_weights.cuh",
        kernel="groups",
        wrong=True,
    ),
    packed(
        "takes the parameters of the group before",
        "load_rows(stage, consumer, step / kGroupSteps, rows)",
        "load_rows(stage, consumer, (step - 1) / kGroupSteps, rows)",
        kernel="groups",
        wrong=True,
    ),
    rows(
        "no barrier between the warps of a maximum",
        "row_reduction.cuh",
        "simt::store_shared(next_ + 4 * simt::warp_index(), value);\n      simt::syncthreads();",
        "simt::store_shared(next_ + 4 * simt::warp_index(), value);",
        hazard="race",
    ),
    rows("two sums in one place", "row_reduction.cuh", "next_ += 4 * kThreads;", "", hazard="race"),
    rows("two reductions in one place", "row_reduction.cuh", "next_ += 4 * kWarps;", "", hazard="race"),
    rows(
        "warps' sums across the banks",
        "row_reduction.cuh",
        "next_ + 4 * (warp * 32 + lane)",
        "next_ + 4 * (lane * kWarps + warp)",
        conflicts="shared_load",
    ),
    rows(
        "neighbouring vectors for a thread",
        "row_values.cuh",
        "return place_.thread + i * Place::kThreads;",
        "return place_.thread * kCount + i;",
        conflicts="global_load",
    ),
    rows(
        "a thread leaves before the last reduction",
        "row_codes.cuh",
        "if (!out.row_sum) return;",
        "if (!out.row_sum || !place.leads()) return;",
        hazard="divergent-collective",
    ),
    rows(
        "loads past the row",
        "elements.cuh",
        "if (i < count) vector[i] = simt::load_global(from + i);",
        "vector[i] = simt::load_global(from + i);",
        kernel="ragged",
        hazard="global-out-of-bounds",
    ),
    rows(
        "stores past the row",
        "elements.cuh",
        "if (i < count) simt::store_global(to + i, vector[i]);",
        "simt::store_global(to + i, vector[i]);",
        kernel="ragged",
        hazard="race",
    ),
    rows(
        "squares of columns that are not there",
        "layernorm_quantize.cuh",
        "if (place.has(vector, i)) sum = ",
        "sum = ",
        kernel="ragged",
        wrong=True,
    ),
    rows(
        "products near ties are not divided",
        "codes.cuh",
        "if (__builtin_expect(!certain, false)) divide_each(rounded, x, scale);",
        "",
        kernel="ties",
        wrong=True,
    ),
    rows(
        "only exact ties are divided",
        "codes.cuh",
        "kFarFromTies = 0.5f - 1.0f / 16384",
        "kFarFromTies = 0.5f",
        kernel="ties",
        wrong=True,
    ),
    rows(
        "rows that are not there",
        "row_values.cuh",
        "vectors = row < rows ? (columns - 1) / kVector + 1 : 0;",
        "vectors = (columns - 1) / kVector + 1;",
        kernel="warp",
        hazard="global-out-of-bounds",
    ),
]


MUTANTS += [
    w4a8(
        "keeps the codes of one step alone", "codes_[k_block % 2][block] =", "codes_[0 * k_block][block] =", wrong=True
    ),
    w4a8("keeps the steps of one group alone", "affine_[step % 2]", "affine_[0 * step]", places=2, wrong=True),
    w4a8("keeps the scales of one group alone", "scales_[step % 2]", "scales_[0 * step]", places=2, wrong=True),
    w4a8(
        "swaps rows r and r + 8",
        "unpack(word, b[2 * block][half], b[2 * block + 1][half])",
        "unpack(word, b[2 * block + 1][half], b[2 * block][half])",
        kernel="steps",
        wrong=True,
    ),
    w4a8(
        "takes the scales of the next column",
        "lane_index()) % 4 * 2;\n        scales_",
        "lane_index()) % 4;\n        scales_",
        hazard="misaligned",
    ),
    w4a8(
        "never goes on to the next groups",
        "k_tile * per_tile_ + row_",
        "row_",
        file="parts/group_parameters.cuh",
        kernel="steps",
        wrong=True,
    ),
    w4a8(
        "copies groups that do not exist",
        "exists_ && group < groups_",
        "exists_",
        file="parts/group_parameters.cuh",
        hazard="global-out-of-bounds",
    ),
    w4a8(
        "copies columns that do not exist",
        "exists_ = byte < row_bytes_;",
        "exists_ = true;",
        file="parts/group_parameters.cuh",
        hazard="global-out-of-bounds",
    ),
    w4a8(
        "lets bytes carry into each other",
        "(word & 0x0F0F0F0Fu) * step[0] + offset[0]",
        "(word & 0x0F0F0F0Fu) * step[0] + offset[0] - 0x80808080u",
        file="parts/unpack_s4.cuh",
        kernel="steps",
        wrong=True,
    ),
    w4a8(
        "goes on with the sums of the last group",
        "    restart();\n  }\n\n private",
        "  }\n\n private",
        file="parts/group_sums.cuh",
        wrong=True,
    ),
    w4a8(
        "copies a block of weights that does not exist",
        "round * kRowStep < rows_left_ ? in_row : 0",
        "in_row",
        file="parts/tile_loader.cuh",
        kernel="steps",
        hazard="global-out-of-bounds",
    ),
]

MUTANTS += [
    w4a16("keeps the codes of one block alone", "codes_[k_block % 2][block] =", "codes_[0 * k_block][block] ="),
    w4a16(
        "keeps the codes of one block of channels alone",
        "codes_[k_block % 2][block] =",
        "codes_[0 * k_block][block] =",
        kernel="channels",
    ),
    w4a16(
        "takes what a group has a step too early",
        "if (begins_group(step)) take_affine();",
        "if (begins_group(step + 1)) take_affine();",
    ),
    w4a16("reads what the first group of a tile has", "groups_.row(step / 2)", "groups_.row(0 * step)"),
    w4a16("swaps rows r and r + 8 of weights", "b[2 * block + i % 2][i / 2]", "b[2 * block + 1 - i % 2][i / 2]"),
    w4a16("swaps the halves of a step", "b[2 * block + i % 2][i / 2]", "b[2 * block + i % 2][1 - i / 2]"),
    w4a16(
        "gives row r the scale of row r + 8",
        "scale_[i] = simt::permute_bytes(words[i], 0, 0x1010);\n    constexpr",
        "scale_[i] = simt::permute_bytes(words[1], 0, 0x1010);\n    constexpr",
        file="parts/unpack_float.cuh",
    ),
    w4a16(
        "forgets that codes of row r + 8 lie four bits higher",
        "simt::fma_rn_f16x2(high, kSixteenth, less_)",
        "simt::subtract_rn_f16x2(high, zero_)",
        file="parts/unpack_float.cuh",
    ),
    w4a16(
        "forgets the sign of a code",
        "masked_or(codes, 0x00800080, k128)",
        "masked_or(codes, 0, k128)",
        file="parts/unpack_float.cuh",
        kernel="channels",
    ),
]


@pytest.fixture(scope="session")
def machine_library(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The machine's object files: the same for every mutant."""
    folder = tmp_path_factory.mktemp("machine")
    sources = sorted((KERNELS / "simt" / "host").glob("*.cpp"))
    command = ["g++", "-std=c++20", "-O2", "-I", KERNELS, "-c", *sources]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return sorted(folder.glob("*.o"))


def run_program(name: str, kernels: Path, machine: list[Path], folder: Path) -> list[dict[str, str]]:
    """What each order of each kernel of the program found, by name."""
    program = folder / "mutant"
    source = Path(__file__).parent / "mutants" / f"{name}.cpp"
    command = [
        "g++",
        "-std=c++20",
        "-O1",
        "-ffp-contract=off",
        "-I",
        kernels,
        source,
        *machine,
        "-pthread",
        "-o",
        program,
    ]
    subprocess.run(command, check=True, capture_output=True)
    lines = subprocess.run([program], check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()
    return [dict(item.split("=") for item in line.split()) for line in lines]


@pytest.mark.parametrize(
    ("program", "kernels"), [("imma", 2), ("w4a8", 2), ("w4a16", 2), ("wgmma", 3), ("wgmma_packed", 2), ("quantize", 4)]
)
def test_the_kernel_itself_is_clean(program: str, kernels: int, machine_library: list[Path], tmp_path: Path) -> None:
    lines = run_program(program, KERNELS, machine_library, tmp_path)
    assert len(lines) == 3 * kernels
    for found in lines:
        del found["kernel"]
        assert found.pop("wrong") == "0"
        assert found.pop("hazards") == ""
        assert set(found.values()) == {"1.00"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_noticed(mutant: Mutant, machine_library: list[Path], tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    shutil.copytree(KERNELS, kernels)
    file = kernels / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == mutant.places, "the mutation must apply to exactly the places it names"
    file.write_text(text.replace(mutant.old, mutant.new))

    lines = run_program(mutant.program, kernels, machine_library, tmp_path)
    lines = [found for found in lines if found["kernel"] == mutant.kernel]
    assert len(lines) == 3
    for found in lines:
        if mutant.hazard:
            assert mutant.hazard in found["hazards"].split(","), found
        if mutant.wrong:
            assert int(found["wrong"]) > 0, found
        if mutant.conflicts:
            assert float(found[mutant.conflicts]) > 1.5, found
            assert found["wrong"] == "0", "conflicts cost time, not correctness"
