# `make` alone lists the targets. Whatever a target needs is set up first, once.
PYTHON ?= python3
export OMP_NUM_THREADS ?= 1

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := $(VENV)/.bench
WEIGHTS := efficientnet_lite0 minilm
export PATH := $(CURDIR)/$(BIN):$(PATH)

OLD := tlkit needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name a newer one, as in `make install PYTHON=python3.12`.
NONE := tlkit needs Python 3.11 or newer, and there is no $(PYTHON) here: name one, as in `make install PYTHON=python3.12`.
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout 120 --nbval-sanitize-with tests/sanitize.cfg
PYTEST := pytest -n 2 --dist loadfile $(NBVAL) --ignore notebooks/exercises --ignore tests/test_clusters.py tests notebooks
# clusters take ports as they come, and a kernel whose port is taken waits for ever: one after the other
CLUSTERS := pytest tests/test_clusters.py

.DEFAULT_GOAL := help
.PHONY: help install run test test-all test-elsewhere lab notebooks records claims bench wheel student clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'PYTHON=python3.12 chooses the Python, TORCH_BACKEND=cpu the CPU-only PyTorch; both count at the first set-up.'

install: $(STAMP) ## set everything up in .venv (every other target does it by itself)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || command -v $(PYTHON) > /dev/null || { echo '$(NONE)' >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -c 'import sys; sys.exit("$(OLD)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode \
	  $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) -c constraints.txt -e '.[dev]'
	@$(BIN)/tlkit data get $(WEIGHTS) || echo 'All else is set up; these weights are fetched when they are needed.'
	@touch $@

run test test-all notebooks records bench: export HF_HUB_OFFLINE = 1

run: $(STAMP) ## run part 1 of the workbook; the report is build/report.html
	tlkit run core --report build/report.html

# real data sets and weights beside the repository are used where they are; without them those tests are skipped
ifeq ($(origin TLKIT_CACHE),undefined)
ifneq ($(wildcard ../shared/cache/.),)
test test-all bench: export TLKIT_CACHE = $(CURDIR)/../shared/cache
endif
endif

test: $(STAMP) ## style, units and every committed notebook: minutes
	ruff check
	ruff format --check
	$(PYTEST)
	$(CLUSTERS)

test-all: $(STAMP) ## the same with the slow tests
	ruff check
	ruff format --check
	$(PYTEST) -m ""
	$(CLUSTERS) -m ""

test-elsewhere: $(STAMP) ## the wheel in Colab's versions, the lowest and the newest: an hour; IN="colab" NUMBERS="11" for some
	python -m tools.elsewhere $(addprefix --in ,$(IN)) $(OPTIONS) $(NUMBERS)

lab: $(STAMP) ## open the notebooks in JupyterLab
	jupyter lab --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --KernelManager.transport=ipc notebooks

notebooks: $(STAMP) ## build and execute the notebooks from notebooks/source; NUMBERS="11 12" for some; REPOSITORY=https://github.com/OWNER/NAME only points links at a fork
	python tools/build_notebooks.py $(if $(REPOSITORY),--repository '$(REPOSITORY)') $(NUMBERS)
	python tools/fill_readme.py

records: $(STAMP) ## run the full grids that are not finished; then `tlkit claims --write` and `make notebooks`
	python tools/make_records.py

claims: $(STAMP) ## the verdict on every claim that was tested, from the committed records
	tlkit claims

$(BENCH): $(STAMP)
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode \
	  $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) -c constraints.txt -e '.[dev,bench]'
	@touch $@

bench: $(BENCH) ## measure speed and memory, against fastai and others: forty minutes; PARTS="p1_frozen" for some
	python -m benchmarks $(PARTS)

wheel: $(STAMP) ## build dist/tlkit-*.whl, to upload beside a notebook on Colab or Kaggle
	rm -rf dist
	hatchling build -t wheel

student: $(STAMP) ## build notebooks/exercises, the copies without solutions
	python tools/build_notebooks.py --student

clean: ## remove what was built; .venv and downloaded data stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
