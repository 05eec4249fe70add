.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## List what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "facetory needs Python 3.11 or newer; set PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps facenet-pytorch==2.5.3
	@touch $@

setup: $(STAMP) ## Create .venv and install facetory into it

demo: $(STAMP) ## Run the whole pipeline at scale demo: no account, no GPU, 2 cores
	$(BIN)/snakemake --cores $(CORES)

test: $(STAMP) ## Run the tests, with the whole DAG at scale ci
	$(BIN)/python -m pytest --numprocesses $(CORES) --no-loadscope-reorder

lint: $(STAMP) ## Check style, types and rules
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules

backbone: $(STAMP) ## Train the demo's backbone again (about an hour on 2 cores, minutes on a GPU)
	$(BIN)/snakemake --cores $(CORES) demo_backbone

rehearsal: export FACETORY_TRACE := results/rehearsal/trace
rehearsal: $(STAMP) ## Run the paper's scale to every leaf on fabricated data and random weights (an hour on 2 cores)
	$(BIN)/facetory rehearse fabricate data/rehearsal --processes $(CORES)
	mkdir -p results/rehearsal
	$(BIN)/facetory rehearse readers data/rehearsal --trace $(FACETORY_TRACE) > results/rehearsal/readers.log 2>&1 & \
	readers=$$!; $(BIN)/snakemake --cores $(CORES) --config scale=rehearsal data_root=data/rehearsal; ran=$$?; \
	wait $$readers; read=$$?; cat results/rehearsal/readers.log; \
	$(BIN)/facetory rehearse coverage results/rehearsal --data-root data/rehearsal --trace $(FACETORY_TRACE); exit $$((ran + read + $$?))

clean: ## Delete the demo's results (never data or weights)
	rm -rf results/demo results/ci results/rehearsal

.PHONY: help setup demo test lint backbone rehearsal clean
