# make sweep   one command from a clone to a report on this machine       make test    build and run every test
# make lint    what CI checks          make format    mend what can be     make clean   forget everything built
# make evidence [OUT=folder] [WHEELS=folder]   on a GPU machine, offline too: verify, measure, sweep; make adopt-evidence FROM=bundle
# make bench   the committed figures   make develop   editable install: the native module is rebuilt on import
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
# Twice quiet: errors only.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
SWEEP ?= resnet18 distilbert --case 'b1*'
PYTEST_FLAGS ?=

SOURCES := $(shell find bindings cmake kernels python bench/suites profiles -type f -not -name '*.pyc') CMakeLists.txt pyproject.toml
CPP_SOURCES := $(shell find bindings kernels tests -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh')

.PHONY: sweep test lint format bench develop clean evidence adopt-evidence
.DEFAULT_GOAL := sweep

sweep: $(VENV)/.installed-all
	@$(BIN)/immabench sweep $(SWEEP)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest bench --benchmark-enable $(PYTEST_FLAGS)

# Uses the torch of the machine, whatever CUDA build that is; WHEELS names a folder to install packages from, without a network.
OUT ?= evidence
WHEELS ?=
CUTLASS_OR_NOT = $$(PYTHONPATH=build_backend $(BIN)/python -c "import cuda_tools; \
  print('' if cuda_tools.find_cutlass() else '--config-settings=cmake.define.IMMABENCH_CUTLASS=OFF')")
EVIDENCE_PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet $(if $(WHEELS),install --no-index --find-links $(WHEELS),install)
evidence:
	@test -x $(BIN)/python || $(PYTHON) -m venv --system-site-packages $(VENV)
	@$(EVIDENCE_PIP) "scikit-build-core>=1.1,<2" "pybind11>=2.13" cmake ninja pytest pytest-benchmark nvidia-ml-py
	@$(EVIDENCE_PIP) "cuda-bench[cu13]>=0.3" || echo "no cuda-bench here: CUDA events time the GPU; rows say so"
	@$(EVIDENCE_PIP) "ncu-report>=2026.3" || echo "no ncu-report here: nothing is profiled; evidence.json says so"
	@$(EVIDENCE_PIP) --no-deps nvidia-cutlass==4.2.0.0 || echo "no CUTLASS here: its kernels are left out"
	@$(EVIDENCE_PIP) --no-build-isolation --config-settings=build-dir=build/wheel $(CUTLASS_OR_NOT) .
	@$(BIN)/python bench/evidence.py --out $(OUT)

adopt-evidence: $(VENV)/.installed-all
	@$(BIN)/python bench/adopt_evidence.py $(FROM)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP_SOURCES)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_SOURCES)

# What the build needs comes first and stays: without isolation a rebuild reuses build/ and compiles only what changed.
$(VENV)/.build-tools: build_backend/immabench_build.py build_backend/cuda_tools.py
	@echo "Preparing $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install "scikit-build-core>=1.1,<2" "pybind11>=2.13"
	@$(PIP) install cmake ninja $$($(BIN)/python build_backend/immabench_build.py)
	@touch $@

# One pip command, so that the pinned torch and torchvision are resolved together (an unpinned one would pull in CUDA packages).
$(VENV)/.installed-%: $(VENV)/.build-tools $(SOURCES)
	@echo "Building immabench and installing it with its [$*] packages (first time: several minutes)"
	@$(PIP) install --no-build-isolation --config-settings=build-dir=build/wheel ".[$*]"
	@touch $@

develop: $(VENV)/.build-tools
	@$(PIP) install --no-build-isolation -e ".[dev]"

clean:
	rm -rf build dist $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
