# make sweep   one command from a clone to a report on this machine       make test    build and run every test
# make lint    what CI checks          make format    mend what can be     make clean   forget everything built
# make evidence [OUT=folder]   on a GPU machine: verify, measure, sweep; make adopt-evidence FROM=bundle
# make wheels WHEELS=folder    what `make evidence WHEELS=folder` installs where there is no network
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

.PHONY: sweep test lint format bench develop clean evidence wheels adopt-evidence
.DEFAULT_GOAL := sweep

sweep: $(VENV)/.installed-all
	@$(BIN)/immabench sweep $(SWEEP)

# Files side by side, then, one by one, what measures this machine or has its GPU to itself; exit code 5: none was asked for.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not alone" $(PYTEST_FLAGS) || [ $$? = 5 ]
	$(BIN)/python -m pytest -n 1 -m alone $(PYTEST_FLAGS) || [ $$? = 5 ]

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest bench --benchmark-enable $(PYTEST_FLAGS)

# Uses the torch of the machine, whatever CUDA build that is. Without a network WHEELS names a folder that `make wheels` filled on
# another machine; nothing is compiled then.
OUT ?= evidence
WHEELS ?=
EVIDENCE_FLAGS ?=
EVIDENCE_TESTS := pytest pytest-benchmark pytest-xdist hypothesis
SITE := $(abspath build/site)
CUTLASS_OR_NOT = $$(PYTHONPATH=build_backend $(BIN)/python -c "import cuda_tools; \
  print('' if cuda_tools.find_cutlass() else '--config-settings=cmake.define.IMMABENCH_CUTLASS=OFF')")
EVIDENCE_PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install
ifeq ($(WHEELS),)
evidence:
	@test -x $(BIN)/python || $(PYTHON) -m venv --system-site-packages $(VENV)
	@# Of a Python that is itself in a virtual environment, that one's packages too: torch may be there.
	@$(PYTHON) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $$($(BIN)/python -c \
	  "import sysconfig; print(sysconfig.get_path('purelib'))")/machine.pth
	@$(EVIDENCE_PIP) "scikit-build-core>=1.1,<2" "pybind11>=2.13" cmake ninja $(EVIDENCE_TESTS) nvidia-ml-py
	@$(EVIDENCE_PIP) "cuda-bench[cu13]>=0.3" || echo "no cuda-bench here: CUDA events time the GPU; rows say so"
	@$(EVIDENCE_PIP) "ncu-report>=2026.3" || echo "no ncu-report here: nothing is profiled; evidence.json says so"
	@$(EVIDENCE_PIP) --no-deps nvidia-cutlass==4.2.0.0 || echo "no CUTLASS here: its kernels are left out"
	@$(EVIDENCE_PIP) --no-build-isolation --config-settings=build-dir=build/wheel $(CUTLASS_OR_NOT) .
	@$(BIN)/python bench/evidence.py --out $(OUT) $(EVIDENCE_FLAGS)
else
evidence:
	@$(PYTHON) -m pip --disable-pip-version-check --quiet install --no-index --no-deps --no-compile --upgrade --target $(SITE) \
	  $(WHEELS)/*.whl
	@PYTHONPATH=$(SITE) IMMABENCH_CUTE_DSL=$(abspath $(WHEELS))/cute_dsl $(PYTHON) bench/evidence.py --out $(OUT) $(EVIDENCE_FLAGS)
endif

# For such a machine, by the Python that it has: this project for one GPU, and what an image with torch, numpy, pandas and
# pytest with xdist, benchmark and hypothesis still lacks. cuda-bench wants the cuda-bindings that torch brings.
ARCHS ?= 90a
wheels:
	@$(PYTHON) -m pip --disable-pip-version-check --quiet wheel --no-deps -w $(WHEELS) \
	  --config-settings=cmake.define.IMMABENCH_CUDA_ARCHS="$(ARCHS)" .
	@$(PYTHON) -m pip --disable-pip-version-check --quiet download --only-binary=:all: -d $(WHEELS) \
	  "plotly>=6" "pydantic>=2.7" "nvtx>=0.2.10" "typer>=0.20" nvidia-ml-py
	@$(PYTHON) -m pip --disable-pip-version-check --quiet download --only-binary=:all: --no-deps -d $(WHEELS) "cuda-bench>=0.3" || \
	  echo "no cuda-bench: CUDA events will time the GPU"
	@$(PYTHON) -m pip --disable-pip-version-check --quiet download --only-binary=:all: --no-deps -d $(WHEELS) "ncu-report>=2026.3" || \
	  echo "no ncu-report: nothing will be profiled"
	@$(BIN)/immabench cute-dsl compile --out $(WHEELS)/cute_dsl || echo "no CuTe DSL in $(VENV): its kernels are left out"
	@du -sh $(WHEELS)

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
