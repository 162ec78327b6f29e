"""The model of kernel time: each term computed by hand, its limits, and what must hold of any tile and shape."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immabench.errors import UsageError
from immabench.kernels import KernelConfig
from immabench.predict import Machine, Prediction, predict
from immabench.problems import Problem, conv_problem

SIZES = st.integers(1, 3000)
DEEP = st.integers(1, 400).map(lambda chunks: 16 * chunks)


def clocks(prediction: Prediction) -> dict[str, float]:
    return {term.name: term.clocks for term in prediction.terms}


def counted(prediction: Prediction) -> list[str]:
    return [term.name for term in prediction.terms if term.counted and term.clocks]


def test_one_block_a_multiprocessor_by_hand(imma: KernelConfig, machine: Machine) -> None:
    found = predict(imma, Problem(640, 640, 640), machine)
    assert clocks(found) == pytest.approx(
        {
            "launch": 2 * 1000,
            "pipeline fill": 500 + 20,
            "tensor cores": 64 * 64 * 640 / 2000,
            # Ten steps; four warps read 32 rows of A and 32 of B each, 128 rows are written; a row is 64 bytes.
            "shared memory": 10 * (4 * 64 * 64 + 128 * 64) / 100,
            "L2 port": 10 * 128 * 64 / 50,
            # Three of ten steps are on their way when the first products start; then three a latency.
            "bytes in flight": 7 / 3 * 500,
            "barriers": 10 * 20,
            "between tiles": 0,
            # Ten tiles along N read A, ten along M read B; four bytes of results.
            "L2": (2 * 640 * 640 * 10 + 640 * 640 * 4) / 5000,
            "DRAM": (2 * 640 * 640 + 640 * 640 * 4) / 2000,
            "last wave": 0,
            "split-K reduction": 0,
            "epilogue": 64 * 64 / 10,
        },
        abs=1e-9,
    )
    assert counted(found) == ["launch", "pipeline fill", "shared memory", "barriers", "epilogue"]
    assert found.time_us == pytest.approx((2000 + 520 + 2457.6 + 200 + 409.6) / 1000)
    assert (found.blocks, found.blocks_each, found.resident, found.bound) == (100, 1, 1, "shared memory")
    assert found.useful == 1


def test_a_batch_multiplies_tiles_and_bytes_by_hand(imma: KernelConfig, machine: Machine) -> None:
    one, twelve = (predict(imma, Problem(320, 192, 640, batch=batch), machine) for batch in (1, 12))
    assert (one.blocks, twelve.blocks) == (15, 180)
    for name, bytes_ in (("L2", 640 * (320 * 3 + 192 * 5) + 320 * 192 * 4), ("DRAM", 640 * 512 + 320 * 192 * 4)):
        rate = 5000 if name == "L2" else 2000
        assert clocks(twelve)[name] == pytest.approx(12 * clocks(one)[name]) == pytest.approx(12 * bytes_ / rate)
    # As many products side by side as N is long in tiles: the same blocks, each with an operand of its own.
    assert clocks(twelve)["tensor cores"] == pytest.approx(1.8 * 64 * 64 * 640 / 2000)


def test_a_batch_streams_the_k_of_all_its_tiles(imma: KernelConfig, machine: Machine) -> None:
    streamed = replace(imma, streamed=True)
    assert predict(streamed, Problem(64, 64, 256, batch=3), machine).blocks == 3 * 4


def test_littles_law_by_hand(imma: KernelConfig, machine: Machine) -> None:
    one, four = (predict(imma, Problem(640 * blocks, 640, 640), machine) for blocks in (1, 4))
    assert one.in_flight_bytes == 3 * 128 * 64
    assert four.in_flight_bytes == 4 * one.in_flight_bytes
    # 2000 bytes a clock for 500 clocks, a hundredth of it each.
    assert one.needed_bytes == 10_000
    assert "/ 24576 bytes in flight a multiprocessor (DRAM's rate needs 10000)" in one.term("bytes in flight").formula


def test_a_persistent_cluster_by_hand(wgmma: KernelConfig, machine: Machine) -> None:
    found = predict(wgmma, Problem(2560, 2560, 1280, output_type="f16"), machine)
    assert (found.blocks, found.blocks_each, found.resident) == (200, 2, 1)
    assert clocks(found) == pytest.approx(
        {
            "launch": 2000,
            "pipeline fill": 500 + 200,
            "tensor cores": 2 * 128 * 256 * 1280 / 4000,
            # Two instructions of 64 rows a step, each reading its rows and all 256 columns; 384 rows are written.
            "shared memory": 2 * 10 * (2 * (64 + 256) * 128 + 384 * 128) / 100,
            "L2 port": 2 * 10 * 384 * 128 / 50,
            "bytes in flight": 2 * 7 / 3 * 500,
            "barriers": 0,
            "between tiles": 128 * 256 / 10,
            # Twenty tiles along M read B by twos.
            "L2": (2560 * 1280 * 10 + 2560 * 1280 * 20 / 2 + 2560 * 2560 * 2) / 5000,
            "DRAM": (2 * 2560 * 1280 + 2560 * 2560 * 2) / 2000,
            "last wave": 0,
            "split-K reduction": 0,
            "epilogue": 128 * 256 / 10,
        },
        abs=1e-9,
    )
    assert found.time_us == pytest.approx((2000 + 700 + 26214.4 + 3276.8 + 3276.8) / 1000)


def test_split_k_and_idle_multiprocessors_by_hand(split: KernelConfig, machine: Machine) -> None:
    found = predict(split, Problem(1, 1280, 5120), machine)
    terms = clocks(found)
    busiest = 10 * (128 // 64 * (64 + 8) * 128 + (8 + 128) * 128) / 100
    moved = (1 * 5120 + 1280 * 5120 + 1280 * 4) / 2000
    assert terms["shared memory"] == pytest.approx(0.4 * busiest)
    assert terms["L2 port"] == pytest.approx(0.4 * 10 * 129 * 128 / 50)
    assert terms["DRAM"] == pytest.approx(moved)
    assert terms["last wave"] == pytest.approx(busiest - moved)
    assert terms["split-K reduction"] == pytest.approx(8 * 128 * 4 * 3 / 4 / 10 + 2 * 200)
    # Five times 256 sums of four bytes pass shared memory: four parts written, one read.
    assert terms["epilogue"] == pytest.approx(5 * 256 * 4 / 100)
    assert found.time_us == pytest.approx((2000 + 700 + busiest + 707.2 + 51.2) / 1000)
    assert found.explain() == (
        "split: predicted 7.04 us, 47% of it DRAM; 40 blocks, up to 1 a multiprocessor, 5% of the tile work useful"
    )


def test_tiles_shared_through_global_memory_by_hand(imma: KernelConfig, machine: Machine) -> None:
    shared = replace(imma, split_k=4)
    found = predict(shared, Problem(64, 640, 5120), machine)
    whole = predict(imma, Problem(64, 640, 5120), machine)
    assert (found.blocks, whole.blocks) == (40, 10)
    terms, of_whole = clocks(found), clocks(whole)
    assert terms["pipeline fill"] == 500 + 20
    # A quarter of the steps each, a part of 64 x 64 sums written and four read.
    assert terms["last wave"] < of_whole["last wave"]
    assert terms["split-K reduction"] == pytest.approx((1 + 4) * 64 * 64 * 4 / 50 + 2 * 500)
    assert terms["epilogue"] == pytest.approx(64 * 64 / 4 / 10)
    assert found.time_us < whole.time_us


def test_streamed_tiles_keep_every_multiprocessor_busy(imma: KernelConfig, machine: Machine) -> None:
    streamed = replace(imma, streamed=True)
    # 101 tiles: one more than multiprocessors, so that whole tiles would take two waves on one of them.
    problem = Problem(64, 64 * 101, 6400)
    found, whole = predict(streamed, problem, machine), predict(imma, problem, machine)
    assert (found.blocks, whole.blocks) == (300, 101)  # three of 32 KiB fit the smallest multiprocessor's 99 KiB
    assert (found.blocks_each, whole.blocks_each) == (3, 2)
    assert clocks(found)["split-K reduction"] == pytest.approx((1 + 4) * 64 * 64 * 4 / 50 + 2 * 500)
    assert found.time_us < whole.time_us


def test_resident_blocks_hide_what_one_alone_shows(imma: KernelConfig, split: KernelConfig, machine: Machine) -> None:
    crowded = predict(imma, Problem(1280, 1280, 640), machine)
    assert (crowded.blocks_each, crowded.resident) == (4, 4)
    assert clocks(crowded)["between tiles"] == 0
    assert clocks(crowded)["barriers"] == pytest.approx(4 * 10 * 20 / 4)
    assert clocks(crowded)["epilogue"] == pytest.approx(4 * 409.6)
    alone = predict(split, Problem(1, 6400, 5120), machine)
    assert alone.blocks_each == 2
    assert clocks(alone)["between tiles"] == pytest.approx(700 + 707.2 + 51.2)


def test_results_that_no_box_can_take_leave_before_the_next_tile(wgmma: KernelConfig, machine: Machine) -> None:
    slow_port = replace(machine, port_bytes=5)
    boxed = predict(wgmma, Problem(2560, 2560, 1280, output_type="f16"), slow_port)
    single = predict(wgmma, Problem(2560, 2559, 1280, output_type="f16"), slow_port)
    assert clocks(boxed)["between tiles"] == pytest.approx(128 * 256 / 10)
    assert clocks(single)["between tiles"] == pytest.approx(128 * 256 * 2 / 5)


def test_odd_rows_are_loaded_byte_by_byte(imma: KernelConfig, wgmma: KernelConfig, machine: Machine) -> None:
    aligned, ragged = (predict(imma, Problem(640, 640, k), machine) for k in (640, 639))
    assert clocks(ragged)["L2 port"] == pytest.approx(2 * clocks(aligned)["L2 port"])
    assert (aligned.in_flight_bytes, ragged.in_flight_bytes) == (3 * 8192, 128 * 16)
    assert predict(wgmma, Problem(640, 640, 639), machine).in_flight_bytes == 128 * 16


def test_the_last_wave_is_what_the_busiest_does_beyond_the_average(imma: KernelConfig, machine: Machine) -> None:
    found = predict(imma, Problem(640, 704, 640), machine)
    each = clocks(predict(imma, Problem(640, 640, 640), machine))["shared memory"]
    assert (found.blocks, found.blocks_each) == (110, 2)
    # Waits for barriers are halved, as two blocks are resident.
    assert clocks(found)["last wave"] == pytest.approx((2 - 1.1) * (each + 100))
    assert found.useful == pytest.approx(110 / 200)


def test_with_bandwidth_and_no_latency_only_the_tensor_cores_count(wgmma: KernelConfig, machine: Machine) -> None:
    rates = dict.fromkeys(("shared_bytes", "port_bytes", "l2_bytes", "dram_gbps", "cluster_bytes", "outputs"), inf)
    free = replace(machine, **rates, dram_latency=1e-9, barrier=0, cluster_latency=0, launch_us=0)
    found = predict(wgmma, Problem(2550, 2551, 1270 // 16 * 16), free)
    padded = 2560 * 2560 * 1280
    assert found.bound == "tensor cores"
    assert found.time_us * 1000 == pytest.approx(padded / (100 * 4000))


def test_one_row_takes_what_reading_the_weights_takes(split: KernelConfig, machine: Machine) -> None:
    problem = Problem(1, 100_000, 4096, output_type="f16")
    found = predict(split, problem, replace(machine, shared_bytes=200, port_bytes=100))
    assert found.bound == "DRAM"
    # Launch, fill, reduction and epilogue, 3.5 us, stand beside 205 us.
    assert problem.bytes_moved / 2e6 == pytest.approx(found.time_us, rel=0.02)


def test_what_cannot_run_there_is_refused(imma: KernelConfig, wgmma: KernelConfig, machine: Machine) -> None:
    older = replace(machine, name="old", architecture="sm_80")
    with pytest.raises(UsageError, match="wgmma is compiled for sm_90a, and old is sm_80; choose another"):
        predict(wgmma, Problem(1, 1, 1), older)
    with pytest.raises(UsageError, match=r"imma does not fit a multiprocessor of round \(shared memory\)"):
        predict(replace(imma, shared_bytes=1 << 20), Problem(1, 1, 1), machine)


def test_registers_are_an_assumption_until_they_are_read(imma: KernelConfig, machine: Machine) -> None:
    # Sums 32*32/32; fragments of two steps, 2 tiles of A of 4 registers and 4 of B of 2; and 50.
    assumed = predict(imma, Problem(64, 64, 64), machine).assumptions[-1]
    assert (assumed.value, assumed.kind) == (32 + 2 * (8 + 8) + 50, "assumed")
    read = predict(imma, Problem(2560, 2560, 64), machine, registers=255)
    assert (read.assumptions[-1].kind, read.resident) == ("compiled", 2)


def test_it_says_that_it_is_predicted_and_by_which_figures(imma: KernelConfig, machine: Machine) -> None:
    data = json.loads(json.dumps(predict(imma, Problem(64, 64, 64), machine).as_dict()))
    assert data["kind"] == "predicted"
    assert {"name": "dram_latency", "value": 500, "unit": "clocks"}.items() <= data["assumptions"][8].items()
    assert all(figure["source"] and figure["unit"] for figure in data["assumptions"])


def test_tiles_of_a_convolution_by_wgmma_end_with_the_channels_of_a_tap(
    imma: KernelConfig, wgmma: KernelConfig, machine: Machine
) -> None:
    problem = conv_problem("40x20x16x192_f3_p1", 256)
    images = predict(wgmma, problem, machine)
    # Nine taps of 192 channels are nine times two steps of 128; by mma.sync 27 steps of 64.
    assert images.term("tensor cores").clocks == 128 * 256 * 9 * 256 / 4000
    assert images.useful < predict(wgmma, Problem(problem.m, problem.n, 9 * 256), machine).useful
    assert predict(imma, problem, machine).term("barriers") == predict(
        imma, Problem(problem.m, problem.n, problem.k), machine
    ).term("barriers")
    # Of 64 channels half a step is multiplied and not fetched.
    few = predict(wgmma, conv_problem("40x20x16x64_f3_p1", 256), machine)
    assert few.term("tensor cores").clocks == 128 * 256 * 9 * 128 / 4000
    assert few.term("L2 port").clocks == 9 * 384 * 64 / 50


@pytest.fixture(scope="session", params=["imma", "wgmma", "split"])
def any_tile(request: pytest.FixtureRequest) -> KernelConfig:
    config: KernelConfig = request.getfixturevalue(request.param)
    return config


class TestOfAnyShape:
    @given(m=SIZES, n=SIZES, k=st.integers(1, 5000))
    def test_the_terms_that_count_are_the_time(
        self, any_tile: KernelConfig, machine: Machine, m: int, n: int, k: int
    ) -> None:
        found = predict(any_tile, Problem(m, n, k), machine)
        assert found.time_us == pytest.approx(sum(term.time_us for term in found.terms if term.counted))
        assert all(term.clocks >= 0 and term.time_us == term.clocks / 1000 for term in found.terms)
        assert found.term(found.bound).counted
        assert 0 < found.useful <= 1

    @given(m=SIZES, n=SIZES, k=DEEP, axis=st.sampled_from("mnk"))
    def test_a_larger_problem_never_takes_less(
        self, any_tile: KernelConfig, machine: Machine, m: int, n: int, k: int, axis: str
    ) -> None:
        problem = Problem(m, n, k)
        larger = replace(problem, **{axis: getattr(problem, axis) + 16})
        # 1e-12 is a thousand roundings of a double.
        assert predict(any_tile, larger, machine).time_us >= predict(any_tile, problem, machine).time_us * (1 - 1e-12)

    @settings(max_examples=50)
    @given(m=SIZES, n=SIZES, k=DEEP, rate=st.sampled_from(["shared_bytes", "port_bytes", "l2_bytes", "dram_gbps"]))
    def test_a_faster_machine_never_takes_longer(
        self, any_tile: KernelConfig, machine: Machine, m: int, n: int, k: int, rate: str
    ) -> None:
        faster = replace(machine, **{rate: 2 * getattr(machine, rate)})
        problem = Problem(m, n, k)
        assert predict(any_tile, problem, faster).time_us <= predict(any_tile, problem, machine).time_us * (1 + 1e-12)
