# `make grade` grades the example class, `make test` runs everything that CI runs; both set up .venv first.
# PYTHON chooses the interpreter; a machine without a GPU may want the CPU-only torch (see README.md) in .venv beforehand.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.torch-kata-ready
# Evidence must agree to the last bit, which two threads don't.
export OMP_NUM_THREADS := 1

.PHONY: help setup sandbox browser grade test lint types unit validate exercises pictures docs wheel clean

help:
	@echo "make grade      set up, and grade the example class in examples/submissions/"
	@echo "make test       set up, and run everything that CI runs"
	@echo "make exercises  write exercises/ from reference/"
	@echo "make wheel      what learners install, in dist/: the student edition"

setup: $(READY) sandbox

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(call install,python3-venv); $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[instructor,docs,dev]'
	@touch $@

# The sandbox is a Debian package; other systems than Linux grade with --sandbox none only.
sandbox:
	@test "$$(uname)" != Linux || command -v bwrap > /dev/null || { $(call install,bubblewrap); }

# The tests open the pages in it.
browser:
	@command -v chromium > /dev/null || { $(call install,chromium); }

define install
if [ "$$(id -u)" = 0 ]; then apt-get install --yes --quiet $(1) || { apt-get update --quiet && apt-get install --yes --quiet $(1); }; \
else echo "$(1) is missing. Type: sudo apt-get install $(1)"; exit 1; fi
endef

grade: setup
	$(BIN)/grader grade examples/submissions --out build/example-results --sections s01,s02,s03,s04

test: lint types unit validate docs

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup browser
	$(BIN)/python -m pytest tests -n 2 --dist loadscope --timeout 900

validate: setup
	$(BIN)/grader validate

exercises: setup
	$(BIN)/grader release exercises

pictures: setup browser
	$(BIN)/python docs/pictures.py

wheel: setup
	TORCH_KATA_PYTHON=$(abspath $(BIN)/python) $(BIN)/python -m build

clean:
	rm -rf build dist site .torch-kata

docs: setup
	$(BIN)/mkdocs build --strict --site-dir site
