# The two commands of the README set themselves up: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test files side by side: most of them wait for servers and processes more than they compute.
JOBS ?= 4
# In the order of tests/conftest.py: what takes minutes first.
SIDE_BY_SIDE := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test coverage bench check format schemas setup clean requirements

help:
	@echo "make demo    see Poltergust run a pipeline on this machine"
	@echo "make test    run every test (what is missing on this machine is skipped, with how to get it)"
	@echo "make check   ruff, mypy, import-linter, vermin, vulture, deptry, shellcheck, terraform fmt"
	@echo "make coverage  run every test and print which part of the package they execute"
	@echo "make bench   compare what this machine measures with what must hold (about 10 minutes, with nothing else running)"
	@echo "make format  let ruff and terraform format the sources"
	@echo "make schemas write the JSON Schemas of the two files again, from the keys that the parsers know"
	@echo "make requirements  pin what development, image and clusters install; UPGRADE=--upgrade for the newest of all"
	@echo "make clean   remove what the others made"

setup: $(READY)

# pip once, to get uv; uv for the rest. The pins carry no addresses: packages come from wherever pip is set up to look.
$(READY): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' requirements/dev.txt | cut -d' ' -f1)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements/dev.txt -e .
	@touch $@

demo: $(READY)
	@$(BIN)/poltergust demo

test: $(READY)
	@mkdir -p .pytest_cache
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS); \
	status=$$?; echo $$status >.pytest_cache/exit-status; exit $$status

# Agents and commands that tests start count as well: see [tool.coverage.run] in pyproject.toml.
coverage: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run --data-file=$(CURDIR)/.coverage -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS); \
	status=$$?; $(BIN)/coverage combine --quiet && $(BIN)/coverage report; exit $$status

bench: $(READY)
	$(BIN)/python -m benchmarks --results benchmarks/RESULTS.md

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips --violations --target=3.6- poltergust/luigi_run/inside
	$(BIN)/vulture
	$(BIN)/deptry .
	$(BIN)/pre-commit validate-config
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run scripts/vendor-assets)
	@if command -v terraform >/dev/null; then terraform fmt -check -recursive infra && terraform fmt -check -recursive clusters; \
	elif [ "$$CI" = true ]; then echo "terraform is missing"; exit 1; \
	else echo "terraform fmt skipped: https://developer.hashicorp.com/terraform/install"; fi

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	if command -v terraform >/dev/null; then terraform fmt -recursive infra && terraform fmt -recursive clusters; fi

schemas: $(READY)
	$(BIN)/python -m poltergust.documents.schemas

# Pins without addresses: of the development dependencies, and, each with its hashes, of what the image and the Dataproc
# action install and of what builds the wheel in the image. The agent runs on what the tests ran on.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-emit-index-url --no-emit-find-links
requirements:
	$(COMPILE) --group dev pyproject.toml --output-file requirements/dev.txt $(UPGRADE)
	$(COMPILE) --generate-hashes --no-annotate --constraint requirements/dev.txt --extra dashboard pyproject.toml \
		--output-file requirements/agent.txt
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | \
		$(COMPILE) --generate-hashes --no-annotate - --output-file requirements/build.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* dist
