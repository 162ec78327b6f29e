#!/usr/bin/env bash
# Prints the build figures of docs/facts.md: how long clean builds and rebuilds take, and how much memory they need.
# Usage: tests/tools/measure_build.sh [work folder]   (with the [dev] packages active, on a machine that does nothing else)
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
work="${1:-$(mktemp -d)}"
source="$work/source" # a copy: an edit is measured without touching the tree
mkdir -p "$source"
(cd "$root" && cp -rp CMakeLists.txt pyproject.toml bench bindings build_backend cmake kernels python "$source")

configure() { cmake -S "$source" -B "$1" -G Ninja -DPython_EXECUTABLE="$(command -v python3)" "${@:2}" >/dev/null; }
measure() { printf '%-58s %s\n' "$1" "$(python3 "$root/tests/tools/peak_usage.py" cmake --build "$2")"; }

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg)"
configure "$work/cuda"
measure "clean default build, Python module and SASS facts" "$work/cuda"
touch "$source/kernels/gemm/mma_gemm.cuh"
measure "rebuild after an edit of the kernel (mma_gemm.cuh)" "$work/cuda"
touch "$source/kernels/gemm/gemm_table.cpp"
measure "rebuild after an edit of the table's source (gemm_table.cpp)" "$work/cuda"
configure "$work/cpu" -DIMMABENCH_CUDA=OFF
measure "clean build with IMMABENCH_CUDA=OFF" "$work/cpu"
