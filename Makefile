# make train: a new environment, the default CNN on MNIST.   make test: the whole suite, no GPU needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Two test processes with one thread each: BLAS threads of both on two cores would wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q
# Where development machines keep MNIST; elsewhere the package looks in ./data, its cache, and then downloads.
SHARED_MNIST := $(abspath $(wildcard ../shared/data/mnist))
export TRITONNET_DATA ?= $(SHARED_MNIST)
ifeq ($(TRITONNET_DATA),)
unexport TRITONNET_DATA
endif

.PHONY: help train test test-fast lint types check gpu-check kernel-matrix kernel-budgets compile-all bench notebooks packaging clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(BIN)/activate:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(BIN)/activate pyproject.toml setup.py
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[plot]'
	touch $@

$(VENV)/.test: $(BIN)/activate pyproject.toml setup.py
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

train: $(VENV)/.train  ## install into .venv and train the default CNN on MNIST; ARGS="--epochs 2" adds options
	$(BIN)/tritonnet train $(ARGS)

test: $(VENV)/.test  ## the whole suite, on two processes
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/.test  ## what takes seconds: no simulated device, no compiling
	$(PYTEST) -m "not slow and not gpu" -k "not kernel_agrees" $(ARGS)

gpu-check:  ## on a machine with a GPU: all samples on the device, then the benchmarks; needs no installation
	$(PYTHON) -m benchmarks.gpu_check $(ARGS)

kernel-matrix: $(VENV)/.test  ## write tests/kernel_matrix.md anew; ARGS=--coverage-only takes seconds
	$(BIN)/python -m tests.kernel_matrix $(ARGS)

compile-all: $(VENV)/.test  ## compile all that a GPU could ask for, on three architectures, against the budgets
	$(PYTEST) tests/test_compile.py --every-specialisation $(ARGS)

kernel-budgets: $(VENV)/.test  ## write tests/kernel_budgets.json and .md anew: registers, occupancy, … of every kernel
	$(BIN)/python -m tests.kernel_budgets $(ARGS)

bench:  ## CPU training steps, beside PyTorch where it is installed
	$(PYTHON) benchmarks/cpu.py $(ARGS)

notebooks: $(VENV)/.test  ## run the notebooks from a clean kernel and store their outputs; ARGS=03 only those
	$(BIN)/python -m tests.notebooks $(ARGS)

lint:  ## ruff
	ruff check .

types:  ## pyright, on a copy in which the folders lie where they are imported
	rm -rf build/typed && mkdir -p build/typed
	cp -r tritonnet build/typed/ && cp -r kernels autograd build/typed/tritonnet/
	pyright

check: lint test  ## everything before a commit (make types is not clean yet)

clean:  ## remove what was built
	rm -rf build dist *.egg-info .venv
