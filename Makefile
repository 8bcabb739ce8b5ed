# Set-up, demo and checks. Needs git, make and Python 3.10 or newer; `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
OUT := out/demo
PYTEST_FLAGS :=
# A file's tests stay in one process, where they share what the file sets up.
PARALLEL := -n auto --maxprocesses 8 --dist loadfile
LOCK_FLAGS :=
COUNT := 300
RUNS :=

.PHONY: help setup demo test test-slow test-bare docs bench history coverage judge models verdicts lint lock clean

help:
	@echo 'make demo    set everything up and run the demo (OUT=$(OUT))'
	@echo 'make test    set everything up, run pytest and what lint runs (PYTEST_FLAGS=...)'
	@echo 'make test-slow  run the tests of whole validations and the notebooks too (PYTEST_FLAGS=...)'
	@echo 'make test-bare  run the tests without a marker, with ngspice, OpenVAF and the C compiler hidden (PYTEST_FLAGS=...)'
	@echo 'make docs    build the site into out/site, with every script of the gallery'
	@echo 'make bench   measure times and errors against peers on this machine (10 minutes; out/bench)'
	@echo 'make history  times, memory and errors of this commit beside those of earlier ones, as a page (asv; out/asv)'
	@echo 'make coverage  which lines of spicecim the tests run (out/coverage)'
	@echo 'make judge   both engines on COUNT=$(COUNT) random testbenches and 60 random modules (out/judge)'
	@echo 'make models  write models/*.va and docs/models.md anew from the classes in spicecim/devices/models'
	@echo 'make verdicts  write the tables of verdicts in docs/*.md anew (RUNS="NAME=FOLDER ..." stores new runs first)'
	@echo 'make lint    ruff check, ruff format --check and mypy'
	@echo 'make setup   only the set-up: $(VENV) with the locked packages, and ngspice with its shared library'
	@echo 'make lock    bring requirements/lock.txt up to date with pyproject.toml (LOCK_FLAGS=--upgrade for the newest)'
	@echo 'make clean   remove $(VENV), the output of the demo and all caches'

# Both look for themselves at what there is: neither a moved checkout, nor a Python or an ngspice that the
# system has replaced meanwhile, shows in the age of a file. With nothing to be done this takes about 0.1 s.
setup:
	@sh scripts/setup_venv.sh $(VENV)
	@$(BIN)/python -I -m spicecim.ngspice.install

demo: setup
	$(BIN)/spicecim demo -o $(OUT)

define LINT
$(BIN)/ruff check
$(BIN)/ruff format --check
$(BIN)/mypy
endef

test: setup
	$(BIN)/pytest $(PARALLEL) $(PYTEST_FLAGS)
	$(LINT)

test-slow: setup
	@sh scripts/browser.sh
	@sh scripts/pdk.sh $(VENV)
	$(BIN)/pytest $(PARALLEL) -m slow $(PYTEST_FLAGS)

# A test that needs one of the three and lacks its marker fails here.
test-bare: setup
	NGSPICE_LIBRARY_PATH=/none CC=/none SPICECIM_VERILOGA=/none \
		$(BIN)/pytest $(PARALLEL) -m 'not slow and not ngspice and not compiler and not torch' $(PYTEST_FLAGS)

# Warnings are errors; of the gallery every script is run. SPICECIM_GALLERY=0 leaves that out.
docs: setup
	$(BIN)/sphinx-build -W --keep-going -q -b html docs out/site
	@echo "open out/site/index.html"

bench: setup
	$(BIN)/python benchmarks/native.py out/bench
	$(BIN)/python benchmarks/reference.py out/bench
	$(BIN)/python benchmarks/sizes.py out/bench
	$(BIN)/python benchmarks/operating_point.py out/bench

# Of the commit that is checked out; `asv run` in that folder takes any range of commits, each in its own environment.
history: setup
	cd benchmarks/history && ../../$(BIN)/asv machine --yes && \
		../../$(BIN)/asv run --python=same --set-commit-hash "$$(git rev-parse HEAD)" && ../../$(BIN)/asv publish

coverage: setup
	$(BIN)/pytest $(PARALLEL) --cov=spicecim --cov-report=term --cov-report=html:out/coverage $(PYTEST_FLAGS)

judge: setup
	$(BIN)/python benchmarks/random_testbenches.py out/judge --count $(COUNT) --keep out/judge/integrations
	$(BIN)/python benchmarks/random_testbenches.py out/judge --count 60 --modules --keep out/judge/integrations

models: setup
	for file in spicecim/devices/models/[a-z]*.py; do \
		name=$$(basename $$file .py) && $(BIN)/spicecim model export $$name -o models/$$name.va || exit 1; done
	$(BIN)/python scripts/models_page.py

verdicts: setup
	$(BIN)/python scripts/verdicts.py $(RUNS)

lint: setup
	$(LINT)

# Apart from $(VENV), which cannot be set up while the lock does not fit.
lock:
	@python=$$(sh scripts/find_python.sh) && dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	"$$python" -m venv "$$dir" && "$$dir/bin/python" -m pip install --quiet uv && \
	"$$dir/bin/uv" pip compile --quiet --universal --python-version 3.10 --no-python-downloads --extra dev \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_FLAGS) \
		--output-file requirements/lock.txt pyproject.toml

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
