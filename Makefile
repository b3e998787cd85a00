# make run: one sweep from nothing to a verdict.  make test: all tests but those of `make paper`.
# make paper: what takes long: a start of every study at paper scale, measures of 1,000 networks, 10,000 changed files
#   for each loader, every family of networks with every intervention, and the fault matrix.
# make lint: style and types.  make docs: the documentation, build/site/index.html.
# make bench: the benchmarks of speed.  Each of them first installs what it needs into $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
LONG := tests/test_paper_scale.py tests/test_many_networks.py tests/test_fault_matrix.py tests/test_many_files.py \
	tests/test_other_pairs.py

.PHONY: run test paper lint docs bench clean

run: $(INSTALLED)
	$(BIN)/bth run quickstart

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(LONG:%=--ignore %)

paper: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(LONG)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site

bench: $(INSTALLED)
	$(BIN)/python benchmarks/stacking.py
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/gpu.py
	$(BIN)/python benchmarks/dynamics.py
	$(BIN)/python benchmarks/watch.py
	$(BIN)/python benchmarks/batch_one.py
	$(BIN)/python benchmarks/measures.py
	$(BIN)/python benchmarks/deep.py
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/commands.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/prices.py
	$(BIN)/python benchmarks/time_left.py

# torch and torchvision are installed first and together, so that their builds match.
$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch torchvision
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .mypy_cache
