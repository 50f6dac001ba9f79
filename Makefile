# make run    set up .venv and train the zip code network of 1989
# make test   set up .venv and run the tests that a change needs: some minutes on two cores, no network
# make test-all  the same and the slow ones: kills at every write, a minute of fuzzing
# make fuzz SECONDS=60 SEED=1  mutated texts, run folders and data files; what fails is kept in .fuzz
# make lint   style and types
# make docs   the documentation, build/docs/index.html; a warning is an error, and no network is used
# make bench  all benchmarks, a quarter of an hour on a quiet machine, into docs/results/speed.md; a short run:
#             make bench BENCH_ARGS=--quick
# make results  write the figures of README and of docs/results from the data files of docs/results/data
# make house  draw which room imports which, into docs/house.svg
#
# Set-up is done again only when pyproject.toml or constraints.txt has changed. Data are looked for in the folder
# named by SNSIM_DATA, then in the cache, then on the network; without any of them `run` trains on embedded digits.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

SECONDS ?= 60
SEED ?= 1
KEEP ?= .fuzz
BENCH_ARGS ?=

# Where no compiled modules are kept, each of the many commands that tests start compiles snsim anew: twice the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all fuzz lint docs bench results house clean

run: $(READY)
	@$(BIN)/snsim run nets/lecun89.sn

test: $(READY)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow"

test-all: $(READY)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

fuzz: $(READY)
	@$(BIN)/python tests/fuzz.py --seconds $(SECONDS) --seed $(SEED) --keep $(KEEP)

lint: $(READY)
	@$(BIN)/ruff check snsim tests examples benchmarks docs
	@$(BIN)/ruff format --quiet --check snsim tests examples benchmarks docs || { \
	  echo "some files are not formatted: run  $(BIN)/ruff format snsim tests examples benchmarks docs"; exit 1; }
	@$(BIN)/mypy

docs: $(READY)
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet -b html docs build/docs
	@echo "build/docs/index.html"

bench: $(READY)
	@$(BIN)/python benchmarks/speed.py $(BENCH_ARGS)

results: $(READY)
	@$(BIN)/python docs/render_results.py

house: $(READY)
	@$(BIN)/python docs/draw_house.py

clean:
	rm -rf .venv .fuzz build .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "snsim needs Python 3.11 or later; name one with  make PYTHON=python3.12 ..."; exit 1; }
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "making .venv with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv --clear .venv || { \
	    echo "Python could not make .venv; on Debian and Ubuntu the package python3-venv is needed"; exit 1; }; \
	fi
	@echo "installing snsim and what it needs into .venv (PyTorch is large: some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
